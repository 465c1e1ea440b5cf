//! One span of each vendor's own dialect as its instrumentation makes it, with old and new names.

use super::*;
use Value::{Double, Int, Str as Text};

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

/// A span of a coding agent, by the scope that it makes it in.
fn of_scope(scope_name: &str, name: &str, attributes: &[(&str, Value<'_>)]) -> SpanFact {
    let span = Scalars { name, ..plain_span() };
    let attributes = attributes.iter().copied().map(attribute);
    extract_with(span, attributes, &scope(scope_name), &PLAIN.resource(std::iter::empty()), NOW, &mut Strings::default()).unwrap().fact
}

#[test]
fn coding_agents_by_their_scopes() {
    // Its conversation, and not the turn that 0.147 called one.
    let both = [("gen_ai.conversation.id", Text("turn")), ("conversation.id", Text("thread"))];
    assert_eq!(of_scope("codex_exec", "codex.turn_input", &both).session().unwrap().as_str(), "thread");
    assert_eq!(of_scope("app", "x", &both).session().unwrap().as_str(), "turn");
    let of_thread = |thread| of_scope("codex_cli_rs", "session_task.turn", &[both[0], ("thread.id", thread)]);
    for (thread, expect) in [(Text("019fc7a9-fc86-7f02"), "019fc7a9-fc86-7f02"), (Int(10), "turn"), (Text("10"), "turn")] {
        assert_eq!(of_thread(thread).session().unwrap().as_str(), expect);
    }
    assert_eq!(of_scope("app", "x", &[("thread.id", Text("a-b"))]).session(), None);

    let tokens = [("input_tokens", Int(9)), ("gen_ai.usage.input_tokens", Int(9)), ("gen_ai.usage.output_tokens", Int(7))];
    let thought = [&tokens[..], &[("gen_ai.operation.name", Text("chat")), ("thoughts_token_count", Int(4))]].concat();
    let call = of_scope("qwen-code", "qwen-code.llm_request", &thought);
    assert_eq!((call.call.as_ref().unwrap().usage.reasoning_tokens, call.agent().map(|name| &**name)), (Some(4), Some("qwen-code")));

    let users = [("user.id", Text("device")), ("user.account_uuid", Text("account")), ("user.email", Text("a@b.c"))];
    for (known, expect) in [(&users[..], "a@b.c"), (&users[..2], "account"), (&users[..1], "device")] {
        let turn = of_scope("com.anthropic.claude_code.tracing", "claude_code.interaction", known);
        assert_eq!(turn.labels.unwrap().user.as_deref(), Some(expect));
    }
    for agent in ["claude-code", "codex", "gemini-cli", "qwen-code", "opencode"] {
        let call = of_scope(&format!("sessionfold.logs.{agent}"), "chat m", &[("gen_ai.operation.name", Text("chat"))]);
        assert_eq!(call.agent().map(|name| &**name), Some(agent), "with no event that names it");
    }
}

#[test]
fn what_openlit_and_mlflow_mean_by_their_scopes() {
    let google = [
        ("gen_ai.operation.name", Text("chat")),
        ("gen_ai.request.model", Text("gemini-2.5-flash")),
        ("gen_ai.usage.input_tokens", Int(1210)),
        ("gen_ai.usage.output_tokens", Int(33)),
        ("gen_ai.usage.reasoning_tokens", Int(8)),
    ];
    let tokens = |fact: SpanFact| fact.call.unwrap().usage.tokens();
    assert_eq!(tokens(of_scope("openlit.instrumentation.google_ai_studio", "chat", &google)), 1251);
    assert_eq!(tokens(of_scope("app", "chat", &google)), 1243);
    let bedrock = [
        ("gen_ai.operation.name", Text("chat")),
        ("gen_ai.usage.input_tokens", Int(700)),
        ("gen_ai.usage.output_tokens", Int(40)),
        ("gen_ai.usage.cache_read.input_tokens", Int(512)),
    ];
    assert_eq!(tokens(of_scope("openlit.instrumentation.bedrock", "chat", &bedrock)), 1252);

    let runner = of_scope("openlit.instrumentation.google_adk", "invoke_agent app", &[("gen_ai.operation.name", Text("invoke_agent"))]);
    assert_eq!(runner.kind, SpanKind::Workflow);
    let agent = ("mlflow.spanType", Text("\"AGENT\""));
    let root = of_scope("mlflow.tracing.provider", "AgentRunner.run", &[agent, ("mlflow.openai.agent_run_root", Text("true"))]);
    assert_eq!(root.kind, SpanKind::Workflow);
    let named = of_scope("mlflow.tracing.provider", "Agent.run_sync", &[agent, ("name", Text("\"weather\""))]);
    assert_eq!((named.kind, named.agent().map(|name| &**name)), (SpanKind::Agent, Some("weather")));

    let made = fact(&[("gen_ai.operation.name", Text("create_agent")), ("gen_ai.agent.name", Text("weather")), ("session.id", Text("s"))]);
    assert_eq!((made.kind, made.session()), (SpanKind::Step, None), "made, and not asked yet");

    for framework in ["agno", "strands-agents", "Strands Agents", "pydantic-ai", "crewAI", "openai_agents"] {
        let call = fact(&[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.request.model", Text("m")),
            ("gen_ai.provider.name", Text(framework)),
            ("gen_ai.usage.input_tokens", Int(1)),
        ]);
        assert_eq!(&*call.call.unwrap().provider, "", "{framework}");
    }
    for key in ["gen_ai.request.user", "gen_ai.user.id"] {
        assert_eq!(fact(&[(key, Text("ann"))]).labels.unwrap().user.as_deref(), Some("ann"));
    }
}

#[test]
fn parts_that_others_tell_in_their_own_ways() {
    let call =
        [("gen_ai.operation.name", Text("chat")), ("gen_ai.usage.input_tokens", Int(1000)), ("gen_ai.usage.output_tokens", Int(100))];
    let usage = |more: &[(&str, Value<'_>)]| fact(&[&call[..], more].concat()).call.unwrap().usage;
    for more in [
        ("gen_ai.usage.cached_input_tokens", Int(800)),
        (
            "langsmith.usage_metadata",
            Text(r#"{"input_tokens":1000,"output_tokens":100,"total_tokens":1100,"input_token_details":{"cache_read":800}}"#),
        ),
        ("gen_ai.usage.input_token_details", Text(r#"{"cache_read":800}"#)),
    ] {
        let usage = usage(&[more]);
        assert_eq!((usage.cache_read_tokens, usage.tokens()), (Some(800), 1100), "{more:?}");
    }
    assert_eq!(usage(&[("gen_ai.usage.reasoning_output_tokens", Int(40))]).reasoning_tokens, Some(40));
    // Strands passes on what Bedrock tells: the total shows that the input leaves out what was cached.
    let cached = [("gen_ai.usage.cache_read_input_tokens", Int(500)), ("gen_ai.usage.cache_write_input_tokens", Int(200))];
    let with_total = |total| usage(&[cached[0], cached[1], ("gen_ai.usage.total_tokens", Int(total))]).tokens();
    assert_eq!((with_total(1800), with_total(1100)), (1800, 1100));
    let written = [("gen_ai.usage.cache_creation.input_tokens", Int(300)), ("gen_ai.usage.cache_creation.1h_input_tokens", Int(300))];
    assert_eq!(usage(&written).cache_write_1h_tokens, 300);
}

#[test]
fn agents_models_and_sessions_that_others_name_in_their_own_ways() {
    for (name, key) in [("agent run", "agent_name"), ("invoke_agent orders", "gen_ai.agent.name")] {
        let agent = of_scope("pydantic-ai", name, &[(key, Text("orders")), ("gen_ai.usage.input_tokens", Int(5))]);
        assert_eq!((agent.kind, agent.agent().map(|name| &**name)), (SpanKind::Agent, Some("orders")));
    }
    let outer = [
        ("openinference.span.kind", Text("AGENT")),
        ("ai.operationId", Text("ai.generateText")),
        ("ai.telemetry.functionId", Text("support")),
    ];
    assert_eq!(fact(&outer).agent().map(|name| &**name), Some("support"));
    for none in ["none", "unknown"] {
        let call = fact(&[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.response.model", Text(none)),
            ("gen_ai.request.model", Text("m")),
            ("gen_ai.usage.input_tokens", Int(1)),
        ]);
        assert_eq!(&*call.call.unwrap().model, "m");
    }
    let workflow = of_scope("Microsoft.Agents.AI.Workflows", "workflow_invoke", &[("session.id", Text("minted"))]);
    assert!(workflow.labels.unwrap().is_session_weak);
}

#[test]
fn a_call_that_names_its_model_among_its_parameters_only_is_a_call_of_it() {
    // OpenInference's Groq, of a stream: it tells nothing of the answer, and is no free call.
    let parameters = ("llm.invocation_parameters", Text(r#"{"model_kwargs": {}, "model": "openai/gpt-oss-20b", "stream": true}"#));
    let call = fact(&[("openinference.span.kind", Text("LLM")), parameters]);
    assert_eq!(call.call.as_ref().map(|call| &*call.model), Some("openai/gpt-oss-20b"));
    assert_eq!(fact(&[("openinference.span.kind", Text("CHAIN")), parameters]).call, None);
    let named = fact(&[("openinference.span.kind", Text("LLM")), ("llm.model_name", Text("gpt-oss")), parameters]);
    assert_eq!(&*named.call.unwrap().model, "gpt-oss");
    // Pipecat's first call.
    let first = [
        ("openinference.span.kind", Text("LLM")),
        ("llm.model_name", Text("unknown")),
        ("gen_ai.request.model", Text("unknown")),
        ("metrics.model", Text("gpt-4o-mini")),
    ];
    assert_eq!(&*of_scope("openinference.instrumentation.pipecat", "pipecat.llm", &first).call.unwrap().model, "gpt-4o-mini");
}

#[test]
fn litellms_proxy_tells_what_python_prints() {
    let call = of_scope(
        "litellm",
        "litellm_request",
        &[
            ("gen_ai.operation.name", Text("chat")),
            ("gen_ai.request.model", Text("gpt-4o-mini")),
            ("gen_ai.usage.input_tokens", Int(1000)),
            ("gen_ai.usage.output_tokens", Int(10)),
            (
                "metadata.usage_object",
                Text("{'completion_tokens': 10, 'prompt_tokens': 1000, 'prompt_tokens_details': {'cached_tokens': 512}}"),
            ),
            ("metadata.requester_metadata", Text("{'session_id': 'chat-1', 'headers': {'host': 'x'}}")),
            ("metadata.user_api_key_end_user_id", Text("ann")),
        ],
    );
    let labels = call.labels.unwrap();
    assert_eq!((labels.session.unwrap().as_str(), labels.user.as_deref()), ("chat-1", Some("ann")));
    let usage = call.call.unwrap().usage;
    assert_eq!((usage.tokens(), usage.cache_read_tokens), (1010, Some(512)));
}
