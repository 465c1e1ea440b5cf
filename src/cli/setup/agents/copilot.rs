//! GitHub Copilot CLI.

use super::{Agent, Extra, Line, Managed, Need, Value};

const SEEN: &str = "recorded with 1.0.102";
const DOCS: &str = "tried with 1.0.102; docs.github.com/en/copilot/reference (OpenTelemetry monitoring)";

pub(super) static AGENT: Agent = Agent {
    title: "GitHub Copilot CLI",
    command: "copilot",
    version: "1.0.102",
    file: None,
    lines: &[],
    variables: &[
        Line {
            path: &["OTEL_EXPORTER_OTLP_ENDPOINT"],
            value: Value::Address(""),
            needs: &[],
            why: "turns its OpenTelemetry on, and says where to: this server; /v1/traces is appended by itself",
            source: SEEN,
        },
        Line {
            path: &["OTEL_EXPORTER_OTLP_PROTOCOL"],
            value: Value::Text("http/protobuf"),
            needs: &[],
            why: "how: protobuf instead of JSON; it does not support gRPC",
            source: DOCS,
        },
        Line {
            path: &["OTEL_EXPORTER_OTLP_HEADERS"],
            value: Value::KeyInList,
            needs: &[Need::Key],
            why: "the key that this server wants; put yours in its place",
            source: DOCS,
        },
        Line {
            path: &["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"],
            value: Value::Text("true"),
            needs: &[Need::Content],
            why: "sends what was asked and answered, and arguments and results of tools",
            source: DOCS,
        },
    ],
    alternatives: &[],
    managed: Managed::Unknown(
        "GitHub's documentation names a managed-settings.json of enterprises that can turn this on; its form is not known here. The variables \
         above work for a team where its machines' environment is managed.",
    ),
    overruled_by: &[],
    overruled_in_file: &[],
    leaves: &[
        "of each turn and each model call a span: model, tokens, duration; of each tool its name, duration and whether it succeeded; metrics",
        "conversation id, version, premium requests used (github.copilot.cost, which are not dollars)",
        "no prompt and no answer, unless --content is asked for",
        "the variables hold for every program that is started from the same shell and uses OpenTelemetry",
    ],
    content: Extra::Adds("prompts, answers, and arguments and results of tools"),
    traces: Extra::Same("Spans are what it sends; --traces changes nothing."),
    inexact: &[
        "It states no cost in money: the table of prices says what the tokens would cost.",
        "Its agent has no name on the outermost span.",
        "Killed by kill -9 it has sent nothing of what came last.",
    ],
};
