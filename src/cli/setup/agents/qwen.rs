//! Qwen Code.

use super::{Agent, Extra, Format, Line, Managed, Need, SettingsFile, Value};

const SEEN: &str = "recorded with 0.24.4";
const PROGRAM: &str = "read in the program of 0.24.4";

pub(super) static AGENT: Agent = Agent {
    title: "Qwen Code",
    command: "qwen",
    version: "0.24.4",
    file: Some(SettingsFile {
        format: Format::Json,
        variable: ("QWEN_HOME", ""),
        below_home: ".qwen",
        names: &["settings.json"],
        source: PROGRAM,
    }),
    lines: &[
        Line {
            path: &["telemetry", "enabled"],
            value: Value::True,
            needs: &[],
            why: "turns its OpenTelemetry on; nothing is sent without it",
            source: SEEN,
        },
        Line { path: &["telemetry", "target"], value: Value::Text("local"), needs: &[], why: "to an address of your own", source: SEEN },
        Line {
            path: &["telemetry", "otlpEndpoint"],
            value: Value::Address(""),
            needs: &[],
            why: "where to: this server; /v1/traces and /v1/logs are appended by itself",
            source: SEEN,
        },
        Line { path: &["telemetry", "otlpProtocol"], value: Value::Text("http"), needs: &[], why: "how: JSON over HTTP", source: SEEN },
        Line {
            path: &["telemetry", "logPrompts"],
            value: Value::IsContent,
            needs: &[],
            why: "whether prompts and answers are sent; they are, where this line is missing",
            source: PROGRAM,
        },
        Line {
            path: &["telemetry", "includeSensitiveSpanAttributes"],
            value: Value::True,
            needs: &[Need::Content],
            why: "puts content on its spans, too",
            source: PROGRAM,
        },
    ],
    variables: &[Line {
        path: &["OTEL_EXPORTER_OTLP_HEADERS"],
        value: Value::KeyInList,
        needs: &[Need::Key],
        why: "the key that this server wants, for which its settings have no place; put yours in its place",
        source: "tried with 0.24.4",
    }],
    alternatives: &[],
    managed: Managed::File {
        linux: "/etc/qwen-code/settings.json",
        mac: "/Library/Application Support/QwenCode/settings.json",
        what: "It counts more than everybody's own settings; variables (QWEN_TELEMETRY_...) count more still. QWEN_CODE_SYSTEM_SETTINGS_PATH \
               names another file.",
        source: "tried with 0.24.4",
    },
    overruled_by: &["QWEN_TELEMETRY_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "QWEN_TELEMETRY_OUTFILE"],
    overruled_in_file: &[&["telemetry", "outfile"], &["telemetry", "otlpTracesEndpoint"], &["telemetry", "otlpLogsEndpoint"]],
    leaves: &[
        "the arguments of tools (function_args) and what subagents answered (result), those that it starts by itself included, even with \
         logPrompts false",
        "of each prompt its length; of each model call model, tokens, duration and response id; of each tool its name, duration and whether it \
         succeeded",
        "session id, version, metrics of its own",
        "no prompt and no answer, unless --content is asked for",
    ],
    content: Extra::Adds("prompts and answers, and the content of its spans"),
    traces: Extra::Same(
        "It sends spans, events and metrics in any case; --traces changes nothing. A call that both spans and events report counts once.",
    ),
    inexact: &[
        "It states no cost: the table of prices says it.",
        "Calls that it makes for itself (memory, titles) are runs of the session like any other.",
        "Killed by kill -9 it has sent nothing of what came last.",
    ],
};
