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
    /// Its output tokens leave out those of its thoughts, and it tells no total that would show it.
    pub output_excludes_reasoning: bool,
    /// What a span is, by (key, word), before the words of `kind` are asked.
    pub kinds: &'static [(&'static str, &'static str, SpanKind)],
    /// What a span is, by how its name begins, where no attribute tells.
    pub named: &'static [(&'static str, SpanKind)],
    /// The same, by how its name ends, whatever the attributes tell.
    pub ending: &'static [(&'static str, SpanKind)],
    /// The key that names the agent of an agent or workflow span.
    pub agent_key: Option<&'static str>,
    /// The agent that makes these spans; it need not name itself, and what it calls its uses of a model says nothing.
    pub agent: Option<&'static str>,
    /// Its subagents have sessions of their own: what a span names holds only where no other is in effect.
    pub is_session_weak: bool,
}

const PLAIN: Reading = Reading {
    scope: "",
    input_excludes_cache: false,
    output_excludes_reasoning: false,
    kinds: &[],
    named: &[],
    ending: &[],
    agent_key: None,
    agent: None,
    is_session_weak: false,
};

const fn without_cache(scope: &'static str) -> Reading {
    Reading { scope, input_excludes_cache: true, ..PLAIN }
}

/// Each was found in recordings of the package (opentelemetry-instrumentation-botocore 0.66b2, -genai-bedrock 1.3b0, OpenLLMetry 0.62 and 0.27 for Node,
/// OpenLIT 1.45, MLflow 3.17, Logfire 5.4, Claude Code 2.1.197 and 2.1.332, Codex 0.171, Gemini CLI 0.61, Copilot CLI 1.0.102, opencode 1.18.33,
/// Google ADK 1.10, VoltAgent 2.10, Pipecat 1.14, MCP's SDK for Python 2.3).
pub(super) const SCOPES: &[Reading] = &[
    without_cache("opentelemetry.instrumentation.botocore.bedrock-runtime"),
    without_cache("opentelemetry.instrumentation.genai.bedrock"),
    without_cache("opentelemetry.instrumentation.bedrock"),
    without_cache("openlit.instrumentation.anthropic"),
    without_cache("openlit.instrumentation.bedrock"),
    without_cache("@arizeai/openinference-instrumentation-bedrock"),
    without_cache("@traceloop/instrumentation-anthropic"),
    Reading { scope: "openlit.instrumentation.google_ai_studio", output_excludes_reasoning: true, ..PLAIN },
    Reading {
        // The runner is called an agent by the name of the application; ADK's own spans lie below and tell of the agents.
        scope: "openlit.instrumentation.google_adk",
        kinds: &[("gen_ai.operation.name", "invoke_agent", SpanKind::Workflow)],
        ..PLAIN
    },
    Reading { scope: "mlflow", agent_key: Some("name"), ..PLAIN },
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
    Reading {
        // Since 2.1.332 attributes tell the kinds.
        scope: "com.anthropic.claude_code",
        named: &[("claude_code.interaction", SpanKind::Agent), ("claude_code.llm_request", SpanKind::Llm)],
        agent: Some("claude-code"),
        ..PLAIN
    },
    Reading {
        scope: "codex",
        named: &[("session_task.turn", SpanKind::Agent), ("handle_responses", SpanKind::Llm)],
        agent: Some("codex"),
        is_session_weak: true,
        ..PLAIN
    },
    Reading {
        scope: "gemini-cli",
        kinds: &[
            ("gen_ai.operation.name", "user_prompt", SpanKind::Agent),
            ("gen_ai.operation.name", "agent_call", SpanKind::Agent),
            ("gen_ai.operation.name", "llm_call", SpanKind::Llm),
            ("gen_ai.operation.name", "tool_call", SpanKind::Tool),
            ("gen_ai.operation.name", "schedule_tool_calls", SpanKind::Step),
        ],
        agent: Some("gemini-cli"),
        ..PLAIN
    },
    Reading { scope: "qwen-code", agent: Some("qwen-code"), ..PLAIN },
    // What is made of log events, where the one that names its agent is not there.
    Reading { scope: "sessionfold.logs.claude-code", agent: Some("claude-code"), ..PLAIN },
    Reading { scope: "sessionfold.logs.codex", agent: Some("codex"), ..PLAIN },
    Reading { scope: "sessionfold.logs.gemini-cli", agent: Some("gemini-cli"), ..PLAIN },
    Reading { scope: "sessionfold.logs.qwen-code", agent: Some("qwen-code"), ..PLAIN },
    Reading { scope: "sessionfold.logs.opencode", agent: Some("opencode"), ..PLAIN },
    Reading { scope: "github.copilot", agent: Some("copilot-cli"), ..PLAIN },
    Reading { scope: "opencode", agent: Some("opencode"), is_session_weak: true, ..PLAIN },
    Reading {
        // Until 1.76 no attribute told the kind.
        scope: "pydantic-ai",
        named: &[("agent run", SpanKind::Agent), ("invoke_agent", SpanKind::Agent)],
        agent_key: Some("agent_name"),
        // It mints a conversation for each run, and OpenInference's processor writes that over `session.id`.
        is_session_weak: true,
        ..PLAIN
    },
    // Until 1.15 no attribute told that.
    Reading { scope: "gcp.vertex.agent", named: &[("agent_run [", SpanKind::Agent)], ..PLAIN },
    // A conversation is one trace; what was asked and answered in it are its turns.
    Reading { scope: "pipecat.turn", named: &[("turn", SpanKind::Workflow)], ..PLAIN },
    // The side that calls; the side that is called says so by an attribute.
    Reading { scope: "mcp-python-sdk", named: &[("MCP send tools/call ", SpanKind::Tool)], ..PLAIN },
    Reading { scope: "@voltagent/core", agent_key: Some("entity.name"), ..PLAIN },
    // Each workflow has a session of its own, unless it is given one.
    Reading { scope: "Microsoft.Agents.AI.Workflows", is_session_weak: true, ..PLAIN },
    Reading { scope: "logfire.openai_agents", named: &[("Agent run:", SpanKind::Agent)], agent_key: Some("name"), ..PLAIN },
];

/// How spans of this scope are read; `None` as all others are.
pub(super) fn reading(scope: &str) -> Option<&'static Reading> {
    // Nearly every scope is none of these: the first byte tells most of them apart.
    SCOPES.iter().find(|reading| scope.starts_with(reading.scope))
}
