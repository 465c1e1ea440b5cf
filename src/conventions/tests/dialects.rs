//! One span of each common dialect as its instrumentation makes it, with old and new names.

use super::*;
use Value::{Double, Int, Str as Text};

#[test]
fn waxell_agent() {
    check(
        &[
            ("waxell.span_type", Text("agent_execution")),
            ("waxell.agent_name", Text("chat-agent")),
            ("waxell.workflow_name", Text("default")),
            ("waxell.session_id", Text("session-abc123")),
            ("waxell.run_id", Text("4711")),
            ("waxell.user_id", Text("user_456")),
            ("gen_ai.agent.name", Text("chat-agent")),
            ("gen_ai.conversation.id", Text("session-abc123")),
            ("gen_ai.operation.name", Text("invoke_agent")),
            ("openinference.span.kind", Text("AGENT")),
            ("waxell.tag.session_id", Text("decoy")),
            ("waxell.meta.depth", Int(3)),
            ("waxell.governance.overhead_ms", Double(1.5)),
        ],
        Expect { kind: SpanKind::Agent, session: Some("session-abc123"), agent: Some("chat-agent"), ..NOTHING },
    );
}

#[test]
fn waxell_call() {
    check(
        &[
            ("waxell.span_type", Text("llm_call")),
            ("waxell.llm.model", Text("gpt-4o")),
            ("waxell.llm.input_tokens", Int(120)),
            ("waxell.llm.output_tokens", Int(30)),
            ("waxell.llm.total_tokens", Int(150)),
            ("waxell.llm.cost", Double(0.0006000000000000001)),
            ("gen_ai.usage.input_tokens", Int(120)),
            ("gen_ai.usage.output_tokens", Int(30)),
            ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
            ("gen_ai.provider.name", Text("openai")),
            ("gen_ai.operation.name", Text("chat")),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-4o", provider: "openai", tokens: (Some(120), Some(30)), cost: Some(600_000), ..NOTHING },
    );
}

#[test]
fn waxell_embedding() {
    check(
        &[
            ("waxell.span_type", Text("embedding")),
            ("waxell.embedding.model", Text("text-embedding-3-small")),
            ("waxell.embedding.input_tokens", Int(8)),
            ("waxell.embedding.cost", Double(0.0)),
            ("gen_ai.operation.name", Text("embed")),
            ("gen_ai.request.model", Text("text-embedding-3-small")),
        ],
        Expect { kind: SpanKind::Embedding, model: "text-embedding-3-small", tokens: (Some(8), None), cost: Some(0), ..NOTHING },
    );
}

#[test]
fn gen_ai_with_present_names() {
    check(
        &[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.provider.name", Text("anthropic")),
            ("gen_ai.request.model", Text("claude-sonnet-4")),
            ("gen_ai.response.model", Text("claude-sonnet-4-20250514")),
            ("gen_ai.conversation.id", Text("conv_1")),
            ("gen_ai.usage.input_tokens", Int(100)),
            ("gen_ai.usage.output_tokens", Int(20)),
        ],
        Expect {
            kind: SpanKind::Llm,
            session: Some("conv_1"),
            model: "claude-sonnet-4-20250514",
            provider: "anthropic",
            tokens: (Some(100), Some(20)),
            ..NOTHING
        },
    );
}

#[test]
fn gen_ai_with_deprecated_names() {
    check(
        &[
            ("gen_ai.operation.name", Text("text_completion")),
            ("gen_ai.system", Text("openai")),
            ("gen_ai.request.model", Text("gpt-3.5-turbo-instruct")),
            ("gen_ai.usage.prompt_tokens", Text("100")),
            ("gen_ai.usage.completion_tokens", Double(20.0)),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-3.5-turbo-instruct", provider: "openai", tokens: (Some(100), Some(20)), ..NOTHING },
    );
}

#[test]
fn gen_ai_containers_and_tools() {
    for (word, kind) in [
        ("invoke_agent", SpanKind::Agent),
        ("invoke_workflow", SpanKind::Workflow),
        ("execute_tool", SpanKind::Tool),
        ("create_agent", SpanKind::Step),
        ("agent_step", SpanKind::Step),
        ("generate_content", SpanKind::Llm),
        ("embeddings", SpanKind::Embedding),
    ] {
        check(
            &[("gen_ai.operation.name", Text(word)), ("gen_ai.agent.name", Text("planner"))],
            Expect { kind, agent: Some("planner"), ..NOTHING },
        );
    }
}

#[test]
fn openlit_prices_under_gen_ai() {
    check(
        &[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.system", Text("openai")),
            ("gen_ai.request.model", Text("gpt-4o")),
            ("gen_ai.usage.input_tokens", Int(10)),
            ("gen_ai.usage.output_tokens", Int(2)),
            ("gen_ai.usage.total_tokens", Int(12)),
            ("gen_ai.usage.cost", Text("0.000045")),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-4o", provider: "openai", tokens: (Some(10), Some(2)), cost: Some(45_000), ..NOTHING },
    );
}

#[test]
fn openinference() {
    check(
        &[
            ("openinference.span.kind", Text("LLM")),
            ("session.id", Text("s-1")),
            ("llm.model_name", Text("gpt-4-0613")),
            ("llm.system", Text("openai")),
            ("llm.provider", Text("azure")),
            ("llm.token_count.prompt", Int(229)),
            ("llm.token_count.completion", Int(21)),
            ("llm.token_count.total", Int(250)),
            ("llm.cost.total", Double(0.01)),
        ],
        Expect {
            kind: SpanKind::Llm,
            session: Some("s-1"),
            model: "gpt-4-0613",
            provider: "azure",
            tokens: (Some(229), Some(21)),
            cost: Some(10_000_000),
            ..NOTHING
        },
    );
}

#[test]
fn openinference_agent_that_alone_carries_usage() {
    check(
        &[
            ("openinference.span.kind", Text("AGENT")),
            ("agent.name", Text("ClaudeAgent")),
            ("llm.token_count.prompt", Int(500)),
            ("llm.token_count.completion", Int(50)),
            ("llm.cost.total", Double(0.02)),
            ("session.id", Text("s")),
        ],
        Expect {
            kind: SpanKind::Agent,
            session: Some("s"),
            agent: Some("ClaudeAgent"),
            tokens: (Some(500), Some(50)),
            cost: Some(20_000_000),
            ..NOTHING
        },
    );
}

#[test]
fn openllmetry_old() {
    check(
        &[
            ("llm.request.type", Text("chat")),
            ("gen_ai.system", Text("OpenAI")),
            ("llm.request.model", Text("gpt-4")),
            ("llm.response.model", Text("gpt-4-0613")),
            ("llm.usage.prompt_tokens", Int(7)),
            ("llm.usage.completion_tokens", Int(3)),
            ("llm.usage.total_tokens", Int(10)),
            ("traceloop.association.properties.session_id", Text("tl")),
            ("traceloop.workflow.name", Text("joke")),
        ],
        Expect { kind: SpanKind::Llm, session: Some("tl"), model: "gpt-4-0613", provider: "OpenAI", tokens: (Some(7), Some(3)), ..NOTHING },
    );
}

#[test]
fn openllmetry_new() {
    check(
        &[
            ("llm.request.type", Text("chat")),
            ("gen_ai.system", Text("openai")),
            ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
            ("gen_ai.usage.input_tokens", Int(7)),
            ("gen_ai.usage.output_tokens", Int(3)),
            ("llm.usage.total_tokens", Int(10)),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-4o-2024-08-06", provider: "openai", tokens: (Some(7), Some(3)), ..NOTHING },
    );
}

#[test]
fn openllmetry_containers() {
    for (word, kind, agent) in [
        ("workflow", SpanKind::Workflow, None),
        ("agent", SpanKind::Agent, Some("writer")),
        ("task", SpanKind::Step, None),
        ("tool", SpanKind::Tool, None),
    ] {
        check(&[("traceloop.span.kind", Text(word)), ("traceloop.entity.name", Text("writer"))], Expect { kind, agent, ..NOTHING });
    }
}

#[test]
fn crewai_names_its_agents_by_role() {
    check(
        &[
            ("traceloop.span.kind", Text("agent")),
            ("gen_ai.operation.name", Text("invoke_agent")),
            ("crewai.agent.role", Text("Senior Researcher")),
            ("gen_ai.usage.input_tokens", Int(900)),
        ],
        Expect { kind: SpanKind::Agent, agent: Some("Senior Researcher"), tokens: (Some(900), None), ..NOTHING },
    );
}

#[test]
fn a_span_of_no_dialect_says_nothing() {
    check(
        &[("http.request.method", Text("POST")), ("url.full", Text("https://api.openai.com/v1/chat")), ("server.port", Int(443))],
        NOTHING,
    );
}
