//! How spans of some instrumentation scopes are to be read where their attributes alone would mislead.
//!
//! - Data only; the first row whose name begins the scope's stands for it. `docs/conventions.md` lists them for users.
//! - What is known of a scope beyond reading single spans is in `model::scopes`.

use crate::model::facts::SpanKind;

/// What is different in one scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    /// How the scope's name begins.
    pub scope: &'static str,
    /// Its input tokens leave out those that were read from a cache or written to one.
    pub input_excludes_cache: bool,
    /// What a span is, by (key, word), before the words of `kind` are asked.
    pub kinds: &'static [(&'static str, &'static str, SpanKind)],
    /// What a span is, by how its name begins, where no attribute tells.
    pub named: &'static [(&'static str, SpanKind)],
    /// The same, by how its name ends, whatever the attributes tell.
    pub ending: &'static [(&'static str, SpanKind)],
    /// The key that names the agent of an agent or workflow span.
    pub agent_key: Option<&'static str>,
}

const PLAIN: Reading = Reading { scope: "", input_excludes_cache: false, kinds: &[], named: &[], ending: &[], agent_key: None };

const fn without_cache(scope: &'static str) -> Reading {
    Reading { scope, input_excludes_cache: true, ..PLAIN }
}

/// Each was found in recordings of the package (opentelemetry-instrumentation-botocore 0.66b2, -genai-bedrock 1.3b0, OpenLLMetry 0.62,
/// OpenLIT 1.45, Logfire 5.4).
pub(super) const SCOPES: &[Reading] = &[
    without_cache("opentelemetry.instrumentation.botocore.bedrock-runtime"),
    without_cache("opentelemetry.instrumentation.genai.bedrock"),
    without_cache("opentelemetry.instrumentation.bedrock"),
    without_cache("openlit.instrumentation.anthropic"),
    Reading {
        // The nodes of a graph are called agents, and the agent a workflow.
        scope: "openlit.instrumentation.langgraph",
        kinds: &[("gen_ai.operation.name", "invoke_agent", SpanKind::Step)],
        agent_key: Some("gen_ai.workflow.name"),
        ..PLAIN
    },
    Reading {
        scope: "openlit.instrumentation.langchain",
        kinds: &[("gen_ai.operation.name", "invoke_workflow", SpanKind::Agent)],
        agent_key: Some("gen_ai.workflow.name"),
        ..PLAIN
    },
    // The preparation of a request is called a model span, beside the one that sends it.
    Reading { scope: "openinference.instrumentation.llama_index", ending: &[("._prepare_chat_with_tools", SpanKind::Step)], ..PLAIN },
    Reading { scope: "logfire.openai_agents", named: &[("Agent run:", SpanKind::Agent)], agent_key: Some("name"), ..PLAIN },
];

/// How spans of this scope are read; `None` as all others are.
pub(super) fn reading(scope: &str) -> Option<&'static Reading> {
    // Nearly every scope is none of these: the first byte tells most of them apart.
    SCOPES.iter().find(|reading| scope.starts_with(reading.scope))
}
