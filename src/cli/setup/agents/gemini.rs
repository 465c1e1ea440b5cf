//! Google's Gemini CLI.

use super::{Agent, Extra, Format, Line, Managed, Need, SettingsFile, Value};

const SEEN: &str = "recorded with 0.61.0";
const PROGRAM: &str = "read in the program of 0.61.0";

pub(super) static AGENT: Agent = Agent {
    title: "Gemini CLI",
    command: "gemini",
    version: "0.61.0",
    file: Some(SettingsFile {
        format: Format::Json,
        variable: ("GEMINI_CLI_HOME", ".gemini"),
        below_home: ".gemini",
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
        Line {
            path: &["telemetry", "target"],
            value: Value::Text("local"),
            needs: &[],
            why: "to an address of your own, not to Google Cloud",
            source: SEEN,
        },
        Line {
            path: &["telemetry", "otlpEndpoint"],
            value: Value::Address(""),
            needs: &[],
            why: "where to: this server; /v1/logs is appended by itself",
            source: SEEN,
        },
        Line { path: &["telemetry", "otlpProtocol"], value: Value::Text("http"), needs: &[], why: "how: JSON over HTTP", source: SEEN },
        Line {
            path: &["telemetry", "logPrompts"],
            value: Value::IsContent,
            needs: &[],
            why: "whether prompts, answers and arguments of tools are sent; they are, where this line is missing",
            source: PROGRAM,
        },
        Line {
            path: &["telemetry", "traces"],
            value: Value::IsTraces,
            needs: &[],
            why: "whether its spans have attributes; without, they are bare, and its events have the tokens",
            source: SEEN,
        },
    ],
    variables: &[Line {
        path: &["OTEL_EXPORTER_OTLP_HEADERS"],
        value: Value::KeyInList,
        needs: &[Need::Key],
        why: "the key that this server wants, for which its settings have no place; put yours in its place",
        source: "tried with 0.61.0",
    }],
    alternatives: &[],
    managed: Managed::File {
        linux: "/etc/gemini-cli/settings.json",
        mac: "/Library/Application Support/GeminiCli/settings.json",
        what: "It counts more than everybody's own settings; variables (GEMINI_TELEMETRY_...) count more still. GEMINI_CLI_SYSTEM_SETTINGS_PATH \
               names another file.",
        source: "tried with 0.61.0",
    },
    overruled_by: &["GEMINI_TELEMETRY_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "GEMINI_TELEMETRY_OUTFILE"],
    overruled_in_file: &[&["telemetry", "outfile"], &["telemetry", "useCliAuth"]],
    leaves: &[
        "the command line it was started with (process.command_args), and so the prompt of `gemini -p \"...\"`, on every request, even \
         with logPrompts false",
        "of each prompt its length; of each model call model, tokens, duration and role; of each tool its name, duration and whether it succeeded",
        "session id, name of this machine, version of Node, metrics of its own",
        "no other content, unless --content is asked for",
    ],
    content: Extra::Adds("prompts, answers, arguments of tools, and with --traces the whole requests"),
    traces: Extra::Adds("attributes on the spans that it sends in any case; in headless use each call is a trace of its own"),
    inexact: &[
        "Killed by kill -9 it has sent nothing of what came last; a request that was refused (400) in headless use ends it without any telemetry.",
        "It states no cost: the table of prices says it.",
        "In headless use all prompts of a session carry one id, so turns are distinguished by time.",
        "Events come late, several calls at once at the end of a turn.",
    ],
};
