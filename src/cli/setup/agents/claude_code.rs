//! Claude Code.

use super::{Agent, Extra, Format, Line, Managed, Need, SettingsFile, Value};

const GUIDE: &str = "code.claude.com/docs/en/monitoring-usage";
const SEEN: &str = "recorded with 2.1.332";

pub(super) static AGENT: Agent = Agent {
    title: "Claude Code",
    command: "claude",
    version: "2.1.332",
    file: Some(SettingsFile {
        format: Format::Json,
        variable: ("CLAUDE_CONFIG_DIR", ""),
        below_home: ".claude",
        names: &["settings.json"],
        source: "code.claude.com/docs/en/settings; the variable is in the program of 2.1.332",
    }),
    lines: &[
        Line {
            path: &["env", "CLAUDE_CODE_ENABLE_TELEMETRY"],
            value: Value::Text("1"),
            needs: &[],
            why: "turns its OpenTelemetry on; nothing is sent without it",
            source: GUIDE,
        },
        Line {
            path: &["env", "OTEL_LOGS_EXPORTER"],
            value: Value::Text("otlp"),
            needs: &[],
            why: "sends its events: prompts, model calls with tokens and dollars, tools. Its metrics repeat them and are not needed",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_EXPORTER_OTLP_PROTOCOL"],
            value: Value::Text("http/protobuf"),
            needs: &[],
            why: "how they are sent",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_EXPORTER_OTLP_ENDPOINT"],
            value: Value::Address(""),
            needs: &[],
            why: "where to: this server; /v1/logs is appended by itself",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_EXPORTER_OTLP_HEADERS"],
            value: Value::KeyInList,
            needs: &[Need::Key],
            why: "the key that this server wants; put yours in its place",
            source: GUIDE,
        },
        Line {
            path: &["env", "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"],
            value: Value::Text("1"),
            needs: &[Need::Traces],
            why: "allows spans, which are a beta of its maker's",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_TRACES_EXPORTER"],
            value: Value::Text("otlp"),
            needs: &[Need::Traces],
            why: "sends a span for each prompt, model call and tool",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_LOG_USER_PROMPTS"],
            value: Value::Text("1"),
            needs: &[Need::Content],
            why: "sends what was asked",
            source: GUIDE,
        },
        Line {
            path: &["env", "OTEL_LOG_ASSISTANT_RESPONSES"],
            value: Value::Text("1"),
            needs: &[Need::Content],
            why: "sends what was answered",
            source: SEEN,
        },
        Line {
            path: &["env", "OTEL_LOG_TOOL_DETAILS"],
            value: Value::Text("1"),
            needs: &[Need::Content],
            why: "sends commands, file names and other arguments of tools",
            source: GUIDE,
        },
        Line {
            path: &["env", "OTEL_LOG_TOOL_CONTENT"],
            value: Value::Text("1"),
            needs: &[Need::Content],
            why: "sends what tools read and printed; only with traces",
            source: GUIDE,
        },
    ],
    variables: &[],
    alternatives: &[],
    managed: Managed::File {
        linux: "/etc/claude-code/managed-settings.json",
        mac: "/Library/Application Support/ClaudeCode/managed-settings.json",
        what: "It counts more than everybody's own settings. On Windows it is C:\\Program Files\\ClaudeCode\\managed-settings.json.",
        source: "tried with 2.1.332; code.claude.com/docs/en/monitoring-usage",
    },
    overruled_by: &["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
    overruled_in_file: &[
        &["env", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"],
        &["env", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"],
        &["env", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
        &["env", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"],
    ],
    leaves: &[
        "of each prompt its length; of each model call model, tokens, dollars, duration and request id; of each tool its name, duration and \
         whether it succeeded",
        "session id, version, system, terminal, a number for this installation (user.id), and with a login the account's e-mail address and ids",
        "no prompt, no answer, no command and no file, unless --content is asked for",
    ],
    content: Extra::Adds("prompts, answers, commands and arguments of tools, and with --traces what tools read and printed"),
    traces: Extra::Adds("a span for each prompt, model call and tool, for the timeline and for Tempo; a call that both report counts once"),
    inexact: &[
        "Ended by SIGTERM or Ctrl-C it sends what is left; by kill -9 it loses the last five seconds, and a session shorter than that is lost whole.",
        "Attempts that were repeated are not reported, only the call that succeeded or the last error.",
        "Of a stream that broke, the tokens are those of the last attempt and the dollars those of all: the dollars are right.",
        "A background task that reports back is a turn, as if somebody had asked.",
        "With OTEL_METRICS_INCLUDE_SESSION_ID=false its events name no session.",
    ],
};
