//! OpenAI's Codex.

use super::{Agent, Extra, Format, Line, Managed, Need, SettingsFile, Value};

const SEEN: &str = "recorded with 0.171.0";
const DOCS: &str = "developers.openai.com/codex (configuration reference)";

pub(super) static AGENT: Agent = Agent {
    title: "Codex",
    command: "codex",
    version: "0.171.0",
    file: Some(SettingsFile {
        format: Format::Toml,
        variable: ("CODEX_HOME", ""),
        below_home: ".codex",
        names: &["config.toml"],
        source: DOCS,
    }),
    lines: &[
        Line {
            path: &["otel", "log_user_prompt"],
            value: Value::IsContent,
            needs: &[],
            why: "whether what was asked is sent; its length always is",
            source: SEEN,
        },
        Line {
            path: &["otel", "exporter", "otlp-http", "endpoint"],
            value: Value::Address("/v1/logs"),
            needs: &[],
            why: "where its events go; the whole path is needed, without it they are posted to / and lost elsewhere",
            source: SEEN,
        },
        Line {
            path: &["otel", "exporter", "otlp-http", "protocol"],
            value: Value::Text("binary"),
            needs: &[],
            why: "how they are sent: protobuf",
            source: SEEN,
        },
        Line {
            path: &["otel", "exporter", "otlp-http", "headers", "x-wax-key"],
            value: Value::Key,
            needs: &[Need::Key],
            why: "the key that this server wants; put yours in its place",
            source: "tried with 0.171.0",
        },
        Line {
            path: &["otel", "trace_exporter", "otlp-http", "endpoint"],
            value: Value::Address("/v1/traces"),
            needs: &[Need::Traces],
            why: "where its spans go; again the whole path",
            source: SEEN,
        },
        Line {
            path: &["otel", "trace_exporter", "otlp-http", "protocol"],
            value: Value::Text("binary"),
            needs: &[Need::Traces],
            why: "how they are sent",
            source: SEEN,
        },
        Line {
            path: &["otel", "trace_exporter", "otlp-http", "headers", "x-wax-key"],
            value: Value::Key,
            needs: &[Need::Key, Need::Traces],
            why: "the key once more",
            source: DOCS,
        },
    ],
    variables: &[],
    alternatives: &[&["otel", "exporter"], &["otel", "trace_exporter"]],
    managed: Managed::File {
        linux: "/etc/codex/managed_config.toml",
        mac: "/etc/codex/managed_config.toml",
        what: "It counts more than everybody's own config.toml. /etc/codex/config.toml is for defaults that people may change; requirements.toml \
               has no place for telemetry as far as is known here.",
        source: "tried with 0.171.0; developers.openai.com/codex (managed configuration)",
    },
    overruled_by: &[],
    overruled_in_file: &[],
    leaves: &[
        "the arguments and the output of every tool: commands, patches, what files hold. It sends them even with log_user_prompt = false, and \
         there is no setting against it",
        "of each prompt its length; of each model call model, tokens, status and duration; about fifteen events a call more, of no use here",
        "session id, version, terminal, name of this machine, and with a login the account's e-mail address and id",
        "no prompt, unless --content is asked for",
    ],
    content: Extra::Adds("what was asked; answers it never sends"),
    traces: Extra::Adds(
        "about 300 spans a model call, most of them of its own machinery, with tokens but without the model; its events are enough for sessions",
    ),
    inexact: &[
        "A `codex exec` that fails (a refused request, no quota) ends before its last events are sent: that prompt and that call are missing.",
        "A stream that broke leaves no tokens.",
        "It states a cost only for a whole turn, minutes later, not in `codex exec`, and only where the provider states one; otherwise the table of prices is used.",
        "The screen program asks the model for a title in a conversation of its own: a session of one call beside each real one.",
        "A subagent is a session of its own, unless its parent reported it.",
    ],
};
