//! What makes others count twice, or not at all: sums on parents, sole carriers, calls on top of each other, sessions in odd places.

use super::dialects::{check, session};
use super::otlp::{Told, encoded, span};
use crate::conformance::chain::Received;

fn genai_agent(scope: &'static str, number: u64, parent: u64, name: &'static str) -> Told {
    span(scope, number, parent)
        .with("gen_ai.operation.name", "invoke_agent")
        .with("gen_ai.agent.name", name)
        .with("gen_ai.conversation.id", "s")
}

fn genai_chat(scope: &'static str, number: u64, parent: u64, input: i64, output: i64) -> Told {
    let chat = span(scope, number, parent).with("gen_ai.operation.name", "chat").with("gen_ai.provider.name", "openai");
    with_usage(chat.with("gen_ai.request.model", "priced-model"), input, output)
}

fn with_usage(span: Told, input: i64, output: i64) -> Told {
    span.with("gen_ai.usage.input_tokens", input).with("gen_ai.usage.output_tokens", output)
}

fn suppressed_tokens(received: &Received) -> u64 {
    received.runs().iter().map(|run| run.suppressed.tokens).sum()
}

#[test]
fn strands_agents_whose_sums_grow_from_turn_to_turn() {
    let scope = "strands.telemetry.tracer";
    // Both old and new names on every span, and the second turn's agent carries both turns' sum.
    let both = |span: Told, input: i64, output: i64| {
        let span = span.with("gen_ai.usage.prompt_tokens", input).with("gen_ai.usage.completion_tokens", output);
        with_usage(span, input, output).with("gen_ai.usage.total_tokens", input + output)
    };
    let cycle = |number, parent| span(scope, number, parent).with("gen_ai.operation.name", "execute_event_loop_cycle");
    let spans = [
        both(genai_agent(scope, 1, 50, "helper").at(10, 500), 100, 20),
        cycle(2, 1),
        both(genai_chat(scope, 3, 2, 100, 20), 100, 20),
        both(genai_agent(scope, 11, 50, "helper").at(600, 900), 250, 50),
        cycle(12, 11),
        both(genai_chat(scope, 13, 12, 150, 30), 150, 30),
        span("app", 50, 0).at(0, 1000),
    ];
    let received = check("strands", &spans, &[("s", session(2, &["helper"], 300, 250_000 + 100_000))]);
    assert_eq!(suppressed_tokens(&received), 120 + 300);
}

#[test]
fn the_agent_framework_of_microsoft_sums_its_inner_chats() {
    let scope = "agent_framework";
    let spans = [with_usage(genai_agent(scope, 1, 0, "maf"), 100, 20), genai_chat(scope, 2, 1, 60, 10), genai_chat(scope, 3, 1, 40, 10)];
    check("agent framework", &spans, &[("s", session(1, &["maf"], 120, 140_000))]);
}

#[test]
fn crewai_totals_of_the_process_on_every_agent() {
    let scope = "opentelemetry.instrumentation.crewai";
    let crew = span(scope, 1, 0).with("traceloop.span.kind", "workflow").with("traceloop.association.properties.session_id", "s");
    let crew = crew.with("crewai.crew.token_usage", "total_tokens=420 prompt_tokens=350 completion_tokens=70");
    let spans = [
        crew,
        with_usage(genai_agent(scope, 2, 1, "researcher").at(20, 400), 150, 30),
        genai_chat(scope, 3, 2, 150, 30).at(30, 390),
        with_usage(genai_agent(scope, 4, 1, "writer").at(410, 900), 350, 70),
        genai_chat(scope, 5, 4, 200, 40).at(420, 890),
    ];
    check("crewai", &spans, &[("s", session(2, &["researcher", "writer"], 420, 350_000 + 140_000))]);
}

#[test]
fn smolagents_totals_on_agent_step_and_tool() {
    let scope = "openinference.instrumentation.smolagents";
    let of = |number, parent, kind: &'static str| {
        let span = span(scope, number, parent).with("openinference.span.kind", kind);
        span.with("llm.token_count.prompt", 100).with("llm.token_count.completion", 20).with("llm.token_count.total", 120)
    };
    let agent = of(1, 0, "AGENT").with("session.id", "s").with("agent.name", "smol");
    let spans = [agent, of(2, 1, "CHAIN"), of(3, 2, "TOOL"), of(4, 3, "LLM").with("llm.model_name", "priced-model")];
    let received = check("smolagents", &spans, &[("s", session(1, &["smol"], 120, 140_000))]);
    assert_eq!(suppressed_tokens(&received), 360);
}

#[test]
fn the_claude_agent_sdk_tells_usage_on_agents_only() {
    let scope = "openinference.instrumentation.claude_agent_sdk";
    let agent = |number, parent, input: i64, output: i64, cost: f64| {
        let span = span(scope, number, parent).with("openinference.span.kind", "AGENT").with("llm.model_name", "claude-sonnet-4-5");
        span.with("llm.token_count.prompt", input).with("llm.token_count.completion", output).with("llm.cost.total", cost)
    };
    let spans = [
        agent(1, 0, 1000, 100, 0.0045).with("session.id", "s").with("agent.name", "supervisor"),
        span(scope, 2, 1).with("openinference.span.kind", "TOOL"),
        agent(3, 2, 300, 30, 0.0015),
    ];
    // The subagent's usage is beside the supervisor's and not in it.
    check("claude agent sdk", &spans, &[("s", session(1, &["supervisor"], 1430, 6_000_000))]);
    check("claude agent sdk, alone", &spans[..1], &[("s", session(1, &["supervisor"], 1100, 4_500_000))]);
}

#[test]
fn vercels_outer_spans_carry_the_sum_of_the_inner_ones() {
    let outer = |span: Told| span.with("ai.telemetry.metadata.sessionId", "s").with("ai.operationId", "ai.generateText");
    let used = |span: Told, input: i64, output: i64| span.with("ai.usage.inputTokens", input).with("ai.usage.outputTokens", output);
    let inner = |number: u64, input: i64, output: i64| {
        let span = span("ai", number, 1).with("ai.operationId", "ai.generateText.doGenerate").with("ai.model.id", "priced-model");
        used(with_usage(span.with("gen_ai.request.model", "priced-model").with("gen_ai.system", "openai"), input, output), input, output)
    };
    // No agent anywhere: the outer span is the run.
    let plain = [used(outer(span("ai", 1, 0)), 150, 30), inner(2, 100, 20), inner(3, 50, 10)];
    check("vercel", &plain, &[("s", session(1, &[], 180, 150_000 + 60_000))]);
    // Version 7 has an agent and its steps, each with the sum.
    let seven = [
        with_usage(genai_agent("ai", 1, 0, "shop"), 150, 30),
        with_usage(span("ai", 2, 1).with("gen_ai.operation.name", "agent_step"), 150, 30),
        genai_chat("ai", 3, 2, 150, 30),
    ];
    check("vercel 7", &seven, &[("s", session(1, &["shop"], 180, 150_000 + 60_000))]);
}

#[test]
fn pydantic_ai_keeps_its_sums_under_another_name() {
    let agent = genai_agent("pydantic-ai", 1, 0, "weather");
    let agent = agent.with("gen_ai.aggregated_usage.input_tokens", 100).with("gen_ai.aggregated_usage.output_tokens", 20);
    let spans = [agent, genai_chat("pydantic-ai", 2, 1, 100, 20).with("operation.cost", 0.00025)];
    let received = check("pydantic-ai", &spans, &[("s", session(1, &["weather"], 120, 250_000))]);
    assert_eq!(suppressed_tokens(&received), 0);
}

#[test]
fn one_call_told_by_framework_and_provider_counts_once_and_keeps_its_cost() {
    // LangChain's span above the provider's, the cost stated (as text) only above.
    let above = genai_chat("opentelemetry.instrumentation.langchain", 2, 1, 100, 20).with("gen_ai.usage.cost", "0.0005");
    let spans = [genai_agent("app", 1, 0, "lc"), above, genai_chat("opentelemetry.instrumentation.openai.v1", 3, 2, 100, 20)];
    let received = check("stacked", &spans, &[("s", session(1, &["lc"], 120, 500_000))]);
    assert_eq!(suppressed_tokens(&received), 120);
}

#[test]
fn a_graph_with_agents_and_other_nodes_loses_no_call() {
    // A root that is no agent, one node that is, one that calls a model by itself: the latter belongs to the root's run.
    let of = |number, parent, kind: &'static str| {
        span("openinference.instrumentation.langchain", number, parent).with("openinference.span.kind", kind).with("session.id", "s")
    };
    let llm = |number, parent| {
        of(number, parent, "LLM")
            .with("llm.model_name", "priced-model")
            .with("llm.token_count.prompt", 10)
            .with("llm.token_count.completion", 1)
    };
    let spans = [of(1, 0, "CHAIN"), of(2, 1, "AGENT").with("agent.name", "planner"), llm(3, 2), of(4, 1, "CHAIN"), llm(5, 4)];
    check("graph", &spans, &[("s", session(2, &["planner"], 22, 24_000))]);
}

#[test]
fn a_session_set_in_the_middle_of_a_trace_is_the_agents() {
    // Langfuse: the id is put on a span below the agent.
    let spans = [
        span("app", 1, 0),
        span("langfuse-sdk", 2, 1).with("langfuse.observation.type", "agent").with("gen_ai.agent.name", "deep"),
        span("langfuse-sdk", 3, 2).with("langfuse.session.id", "s").with("langfuse.user.id", "u"),
        span("langfuse-sdk", 4, 3)
            .with("langfuse.observation.type", "generation")
            .with("langfuse.observation.model.name", "priced-model")
            .with("langfuse.observation.usage_details", r#"{"input": 10, "output": 1, "total": 11}"#)
            .with("langfuse.observation.cost_details", r#"{"total": 0.000012}"#),
    ];
    let mut expected = session(1, &["deep"], 11, 12_000);
    expected.users.insert("u".to_owned());
    check("langfuse", &spans, &[("s", expected)]);
}

#[test]
fn a_trace_of_two_sessions_is_not_one_conversation() {
    let call = |number, parent, id: &'static str| {
        let span =
            span("openinference.instrumentation.openai", number, parent).with("openinference.span.kind", "LLM").with("session.id", id);
        span.with("llm.model_name", "priced-model").with("llm.token_count.prompt", 10)
    };
    let spans = [span("batch", 1, 0), call(2, 1, "a"), call(3, 1, "b"), call(4, 1, "b")];
    check("batch", &spans, &[("a", session(1, &[], 10, 10_000)), ("b", session(2, &[], 20, 20_000))]);
}

#[test]
fn while_the_root_is_on_its_way_a_session_shows_what_is_known() {
    let llm = |number: u64| {
        let span = span("openinference.instrumentation.openai", number, 1).with("openinference.span.kind", "LLM").with("session.id", "s");
        span.with("llm.model_name", "priced-model").with("llm.token_count.prompt", 10)
    };
    let (early, root) = ([llm(2), llm(3)], span("app", 1, 0));
    let received = check("no root yet", &early, &[("s", session(1, &[], 20, 20_000))]);
    assert!(received.runs()[0].is_provisional);
    let whole = Received::of([encoded(&early), encoded(&[root])]);
    let runs = whole.runs();
    assert_eq!((runs.len(), runs[0].is_provisional, runs[0].usage.tokens, runs[0].n_spans), (1, false, 20, 3));
}
