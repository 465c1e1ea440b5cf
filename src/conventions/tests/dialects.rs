//! One span of each dialect as its instrumentation makes it, with old and new names.

use super::*;
use crate::model::facts::SpanKind;
use Value::{Double, Int, Str as Text};

/// What is expected of a span: kind, session, agent, model, provider, (input, output) tokens and nano-dollars.
struct Expect {
    kind: SpanKind,
    session: Option<&'static str>,
    agent: Option<&'static str>,
    model: &'static str,
    provider: &'static str,
    tokens: (Option<u64>, Option<u64>),
    cost: Option<u64>,
}

const NOTHING: Expect =
    Expect { kind: SpanKind::Other, session: None, agent: None, model: "", provider: "", tokens: (None, None), cost: None };

fn check(attributes: &[(&str, Value<'_>)], expect: Expect) {
    let fact = fact(attributes);
    let call = fact.call.as_deref();
    let usage = call.map(|call| call.usage).unwrap_or_default();
    assert_eq!(fact.kind, expect.kind);
    assert_eq!(fact.session().map(|id| id.as_str()), expect.session);
    assert_eq!(fact.labels.as_ref().and_then(|labels| labels.agent.as_deref()), expect.agent);
    assert_eq!(call.map_or("", |call| &call.model), expect.model);
    assert_eq!(call.map_or("", |call| &call.provider), expect.provider);
    assert_eq!((usage.input_tokens, usage.output_tokens), expect.tokens);
    assert_eq!(usage.cost.map(|cost| cost.0), expect.cost);
}

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
fn vercel_ai_outer_span_is_a_container_and_the_inner_one_the_call() {
    let common = [
        ("ai.model.id", Text("gpt-4o")),
        ("ai.model.provider", Text("openai.chat")),
        ("ai.telemetry.metadata.sessionId", Text("v-1")),
        ("ai.usage.promptTokens", Int(10)),
        ("ai.usage.completionTokens", Int(20)),
    ];
    for (operation, kind) in [("ai.streamText", SpanKind::Step), ("ai.streamText.doStream", SpanKind::Llm)] {
        check(
            &[&common[..], &[("ai.operationId", Text(operation))]].concat(),
            Expect { kind, session: Some("v-1"), model: "gpt-4o", provider: "openai.chat", tokens: (Some(10), Some(20)), ..NOTHING },
        );
    }
}

#[test]
fn vercel_ai_new_names_and_embeddings() {
    check(
        &[
            ("ai.operationId", Text("ai.generateText.doGenerate")),
            ("ai.model.id", Text("claude-sonnet-4")),
            ("ai.response.model", Text("claude-sonnet-4-20250514")),
            ("gen_ai.system", Text("anthropic.messages")),
            ("gen_ai.usage.input_tokens", Int(11)),
            ("gen_ai.usage.output_tokens", Int(22)),
            ("ai.usage.inputTokens", Text("11")),
            ("ai.usage.outputTokens", Text("22")),
            ("ai.usage.totalTokens", Int(33)),
        ],
        Expect {
            kind: SpanKind::Llm,
            model: "claude-sonnet-4-20250514",
            provider: "anthropic.messages",
            tokens: (Some(11), Some(22)),
            ..NOTHING
        },
    );
    let embedding = fact(&[("ai.operationId", Text("ai.embed.doEmbed")), ("ai.model.id", Text("e")), ("ai.usage.tokens", Int(6))]);
    assert_eq!((embedding.kind, embedding.call.unwrap().usage.tokens()), (SpanKind::Embedding, 6));
}

#[test]
fn langfuse() {
    check(
        &[
            ("langfuse.observation.type", Text("generation")),
            ("langfuse.observation.model.name", Text("gpt-4o-mini")),
            ("langfuse.session.id", Text("lf")),
            ("langfuse.user.id", Text("u")),
            ("langfuse.observation.usage_details", Text(r#"{"input": 12, "output": 3, "total": 15}"#)),
            ("langfuse.observation.cost_details", Text(r#"{"input": 0.0001, "output": 0.0002}"#)),
        ],
        Expect {
            kind: SpanKind::Llm,
            session: Some("lf"),
            model: "gpt-4o-mini",
            tokens: (Some(12), Some(3)),
            cost: Some(300_000),
            ..NOTHING
        },
    );
}

#[test]
fn laminar() {
    check(
        &[
            ("lmnr.span.type", Text("LLM")),
            ("lmnr.association.properties.session_id", Text("lm")),
            ("gen_ai.response.model", Text("gpt-4.1")),
            ("gen_ai.usage.input_tokens", Int(5)),
            ("gen_ai.usage.output_tokens", Int(6)),
            ("gen_ai.usage.input_cost", Double(0.00001)),
            ("gen_ai.usage.output_cost", Double(0.00002)),
            ("rollout.session_id", Text("decoy")),
        ],
        Expect { kind: SpanKind::Llm, session: Some("lm"), model: "gpt-4.1", tokens: (Some(5), Some(6)), cost: Some(30_000), ..NOTHING },
    );
}

#[test]
fn pydantic_ai() {
    check(
        &[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.system", Text("openai")),
            ("gen_ai.request.model", Text("gpt-4o")),
            ("gen_ai.usage.input_tokens", Int(50)),
            ("gen_ai.usage.output_tokens", Int(10)),
            ("gen_ai.usage.details.cache_read_tokens", Int(40)),
            ("operation.cost", Double(0.000225)),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-4o", provider: "openai", tokens: (Some(50), Some(10)), cost: Some(225_000), ..NOTHING },
    );
    check(
        &[
            ("gen_ai.operation.name", Text("invoke_agent")),
            ("gen_ai.agent.name", Text("support")),
            ("gen_ai.aggregated_usage.input_tokens", Int(50)),
        ],
        Expect { kind: SpanKind::Agent, agent: Some("support"), ..NOTHING },
    );
}

#[test]
fn google_adk() {
    check(
        &[
            ("gen_ai.operation.name", Text("generate_content")),
            ("gen_ai.system", Text("gcp.vertex.agent")),
            ("gen_ai.request.model", Text("gemini-2.5-pro")),
            ("gcp.vertex.agent.session_id", Text("adk")),
            ("gen_ai.usage.input_tokens", Int(5)),
            ("gen_ai.usage.output_tokens", Int(6)),
        ],
        Expect {
            kind: SpanKind::Llm,
            session: Some("adk"),
            model: "gemini-2.5-pro",
            provider: "gcp.vertex.agent",
            tokens: (Some(5), Some(6)),
            ..NOTHING
        },
    );
}

#[test]
fn mlflow() {
    check(
        &[
            ("mlflow.spanType", Text("\"CHAT_MODEL\"")),
            ("mlflow.trace.session", Text("ml")),
            ("mlflow.llm.model", Text("gpt-5")),
            ("mlflow.llm.provider", Text("openai")),
            ("mlflow.chat.tokenUsage", Text(r#"{"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}"#)),
            ("mlflow.llm.cost", Text(r#"{"input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003}"#)),
        ],
        Expect {
            kind: SpanKind::Llm,
            session: Some("ml"),
            model: "gpt-5",
            provider: "openai",
            tokens: (Some(10), Some(4)),
            cost: Some(3_000_000),
            ..NOTHING
        },
    );
}

#[test]
fn litellm() {
    check(
        &[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.request.model", Text("gpt-4o")),
            ("gen_ai.usage.input_tokens", Int(5)),
            ("gen_ai.usage.output_tokens", Int(6)),
            ("gen_ai.cost.input_cost", Double(0.01)),
            ("gen_ai.cost.output_cost", Double(0.02)),
            ("gen_ai.cost.total_cost", Double(0.03)),
        ],
        Expect { kind: SpanKind::Llm, model: "gpt-4o", tokens: (Some(5), Some(6)), cost: Some(30_000_000), ..NOTHING },
    );
}

#[test]
fn a_span_of_no_dialect_says_nothing() {
    check(
        &[("http.request.method", Text("POST")), ("url.full", Text("https://api.openai.com/v1/chat")), ("server.port", Int(443))],
        NOTHING,
    );
}

/// Every key of the table that names something is read where it stands alone, and yields to every key above it.
#[test]
fn every_key_is_read_and_yields_to_those_above_it() {
    use crate::conventions::tables::{Meaning, ROWS};
    for meaning in [Meaning::Session, Meaning::RunId, Meaning::Agent, Meaning::Workflow, Meaning::User, Meaning::UserGroup] {
        let keys: Vec<_> = ROWS.iter().filter(|row| row.meaning == meaning).map(|row| row.key).collect();
        for first in 0..keys.len() {
            let attributes: Vec<_> = keys[first..].iter().rev().map(|key| (*key, Text(key))).collect();
            let labels = *fact(&attributes).labels.unwrap();
            let session = labels.session.map(|id| Str::from(id.as_str()));
            let said = [session, labels.run_id, labels.agent, labels.workflow, labels.user, labels.user_group];
            let said: Vec<_> = said.iter().flatten().map(|text| &**text).collect();
            assert_eq!(said, [keys[first]]);
        }
    }
    let models = |row: &&crate::conventions::tables::Row| matches!(row.meaning, Meaning::Model | Meaning::ResponseModel);
    let keys: Vec<_> = ROWS.iter().filter(models).map(|row| row.key).collect();
    for first in 0..keys.len() {
        let attributes: Vec<_> = keys[first..].iter().rev().map(|key| (*key, Text(key))).collect();
        assert_eq!(&*fact(&attributes).call.unwrap().model, keys[first]);
    }
}

/// Every key of usage alone is a usage.
#[test]
fn every_key_of_usage_is_read() {
    use crate::conventions::tables::{Meaning, Part, ROWS};
    for row in ROWS {
        let Meaning::Usage(_, part) = row.meaning else { continue };
        let value = if matches!(part, Part::TokensJson | Part::CostJson) { Text(r#"{"total":5}"#) } else { Int(5) };
        let usage = usage(&[(row.key, value)]);
        let numbers = [
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            usage.cost.map(|cost| cost.0 / 1_000_000_000),
        ];
        assert_eq!(numbers.into_iter().flatten().collect::<Vec<_>>(), [5], "{}", row.key);
    }
}
