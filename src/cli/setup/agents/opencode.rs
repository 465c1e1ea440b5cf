//! opencode.

use super::{Agent, Extra, Format, Line, Managed, Need, SettingsFile, Value};

const SEEN: &str = "recorded with 1.18.33";

pub(super) static AGENT: Agent = Agent {
    title: "opencode",
    command: "opencode",
    version: "1.18.33",
    file: Some(SettingsFile {
        format: Format::Json,
        variable: ("XDG_CONFIG_HOME", "opencode"),
        below_home: ".config/opencode",
        names: &["opencode.jsonc", "opencode.json"],
        source: "opencode.ai/docs/config, and the program of 1.18.33",
    }),
    lines: &[Line {
        path: &["experimental", "openTelemetry"],
        value: Value::True,
        needs: &[],
        why: "adds the spans of model calls; without it there are a thousand spans a turn and no tokens",
        source: SEEN,
    }],
    variables: &[
        Line {
            path: &["OTEL_EXPORTER_OTLP_ENDPOINT"],
            value: Value::Address(""),
            needs: &[],
            why: "turns its OpenTelemetry on, and says where to: this server; its settings have no place for it",
            source: SEEN,
        },
        Line {
            path: &["OTEL_BSP_SCHEDULE_DELAY"],
            value: Value::Text("200"),
            needs: &[],
            why: "sends spans every 200 ms: `opencode run` ends without sending what it still holds, and loses the main calls without this line",
            source: SEEN,
        },
        Line {
            path: &["OTEL_EXPORTER_OTLP_HEADERS"],
            value: Value::KeyInList,
            needs: &[Need::Key],
            why: "the key that this server wants; put yours in its place",
            source: "tried with 1.18.33",
        },
    ],
    alternatives: &[],
    managed: Managed::File {
        linux: "/etc/opencode/opencode.json",
        mac: "/Library/Application Support/opencode/opencode.json",
        what: "It counts more than everybody's own settings. The variables have to come from the machines' environment.",
        source: "tried with 1.18.33; opencode.ai/docs/config",
    },
    overruled_by: &[],
    overruled_in_file: &[],
    leaves: &[
        "everything: prompts, system prompts, answers, and arguments and results of tools stand on its spans, and there is no setting against it",
        "about 350 spans a model call, most of them of its own machinery; tokens, models, durations, session ids",
        "the variables hold for every program that is started from the same shell and uses OpenTelemetry",
    ],
    content: Extra::Same("It sends content in any case, and there is no setting against it; --content changes nothing."),
    traces: Extra::Same("Spans are what it sends; --traces changes nothing."),
    inexact: &[
        "`opencode run` without OTEL_BSP_SCHEDULE_DELAY=200 loses the main calls: 6,456 of 19,536 tokens arrived.",
        "It states no cost: the table of prices says it.",
        "A subagent is a session of its own in its parent's trace, and each session has a call for its title.",
    ],
};
