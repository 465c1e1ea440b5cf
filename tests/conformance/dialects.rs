//! One conversation told in each dialect, where every call is told once.
//!
//! An agent `chat` of session `conv-1` answers in two calls of a model (120 + 30 and 200 + 45 tokens) with a tool in between; it hands over to
//! an agent `expert`, which makes one call (300 + 5). Where a dialect states costs, they are 0.0006, 0.00095 and 0.0008.

use std::collections::BTreeMap;

use super::chain::{Received, Session, receive_in_every_way};
use super::otlp::{Told, encoded, span};

pub(super) fn check(name: &str, spans: &[Told], sessions: &[(&str, Session)]) -> Received {
    let received = receive_in_every_way(name, &[encoded(spans)]);
    let expected: BTreeMap<String, Session> = sessions.iter().map(|(id, session)| ((*id).to_owned(), session.clone())).collect();
    assert_eq!(received.sessions(), expected, "{name}");
    received
}

pub(super) fn session(run_count: usize, agents: &[&str], tokens: u64, cost_nanos: u64) -> Session {
    let agents = agents.iter().map(|agent| (*agent).to_owned()).collect();
    Session { run_count, agents, tokens, cost_nanos, ..Session::default() }
}

const TOKENS: u64 = 120 + 30 + 200 + 45 + 300 + 5;

/// Of `priced-model`: 1000 nano-dollars for a token in, 2000 for one out.
const PRICED: u64 = (120 + 200 + 300) * 1_000 + (30 + 45 + 5) * 2_000;

#[test]
fn the_present_genai_conventions() {
    let scope = "opentelemetry.instrumentation.openai_v2";
    let agent = |number, parent, name: &'static str| {
        span("my.agents", number, parent)
            .with("gen_ai.operation.name", "invoke_agent")
            .with("gen_ai.agent.name", name)
            .with("gen_ai.conversation.id", "conv-1")
            .with("user.id", "u-1")
    };
    let chat = |number, parent, input: i64, output: i64| {
        span(scope, number, parent)
            .with("gen_ai.operation.name", "chat")
            .with("gen_ai.provider.name", "openai")
            .with("gen_ai.request.model", "priced")
            .with("gen_ai.response.model", "priced-model")
            .with("gen_ai.usage.input_tokens", input)
            .with("gen_ai.usage.output_tokens", output)
            .with("gen_ai.usage.cache_read.input_tokens", input / 2)
            .with("gen_ai.usage.reasoning.output_tokens", output / 2)
    };
    let spans = [
        agent(1, 0, "chat"),
        chat(2, 1, 120, 30),
        span("my.agents", 3, 1).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", "search"),
        chat(4, 1, 200, 45),
        agent(5, 1, "expert"),
        chat(6, 5, 300, 5),
    ];
    let mut expected = session(2, &["chat", "expert"], TOKENS, PRICED);
    expected.users.insert("u-1".to_owned());
    let received = check("genai", &spans, &[("conv-1", expected)]);
    let runs = received.runs();
    assert_eq!((runs[0].usage.tokens, runs[1].usage.tokens, runs[1].parent), (395, 305, Some(runs[0].id)));
    assert_eq!((runs[0].usage.cache_read_tokens, runs[0].usage.reasoning_tokens), (160, 37));
    assert_eq!((&*runs[0].models[0].model, &*runs[0].models[0].provider), ("priced-model", "openai"));
}

#[test]
fn the_old_genai_names_and_numbers_as_text() {
    // `gen_ai.system`, prompt and completion tokens; the session on the root only; tokens as text and as doubles.
    let chat = |number, parent| {
        span("opentelemetry.instrumentation.openai", number, parent)
            .with("gen_ai.operation.name", "chat")
            .with("gen_ai.system", "openai")
            .with("gen_ai.request.model", "priced-model")
    };
    let spans = [
        span("app", 10, 0).with("session.id", "conv-1"),
        span("app", 11, 10).with("gen_ai.operation.name", "invoke_agent").with("gen_ai.agent.name", "chat"),
        chat(12, 11).with("gen_ai.usage.prompt_tokens", "120").with("gen_ai.usage.completion_tokens", "30"),
        chat(13, 11).with("gen_ai.usage.prompt_tokens", 200.0).with("gen_ai.usage.completion_tokens", 45.0),
        span("app", 14, 11).with("gen_ai.operation.name", "invoke_agent").with("gen_ai.agent.name", "expert"),
        chat(15, 14).with("gen_ai.usage.prompt_tokens", 300).with("gen_ai.usage.completion_tokens", 5).failed(),
    ];
    // The expert carries no session of its own: it is another agent, so a run, in the session from above.
    check("old genai", &spans, &[("conv-1", session(2, &["chat", "expert"], TOKENS, PRICED))]);
}

#[test]
fn openinference() {
    let scope = "openinference.instrumentation.langchain";
    let of =
        |number, parent, kind: &'static str| span(scope, number, parent).with("openinference.span.kind", kind).with("session.id", "conv-1");
    let llm = |number, parent, input: i64, output: i64, cost: f64| {
        of(number, parent, "LLM")
            .with("llm.model_name", "priced-model")
            .with("llm.provider", "openai")
            .with("llm.token_count.prompt", input)
            .with("llm.token_count.completion", output)
            .with("llm.token_count.total", input + output)
            .with("llm.cost.total", cost)
    };
    let spans = [
        of(1, 0, "AGENT").with("agent.name", "chat"),
        of(2, 1, "CHAIN"),
        llm(3, 2, 120, 30, 0.0006),
        of(4, 1, "TOOL"),
        llm(5, 2, 200, 45, 0.00095),
        of(6, 1, "AGENT").with("agent.name", "expert"),
        llm(7, 6, 300, 5, 0.0008),
    ];
    check("openinference", &spans, &[("conv-1", session(2, &["chat", "expert"], TOKENS, 2_350_000))]);
}

#[test]
fn openllmetry() {
    let of = |number, parent, kind: &'static str, name: &'static str| {
        span("opentelemetry.instrumentation.langchain", number, parent)
            .with("traceloop.span.kind", kind)
            .with("traceloop.entity.name", name)
            .with("traceloop.workflow.name", "support")
            .with("traceloop.association.properties.session_id", "conv-1")
            .with("traceloop.association.properties.user_id", "u-1")
    };
    let llm = |number, parent, input: i64, output: i64| {
        span("opentelemetry.instrumentation.openai.v1", number, parent)
            .with("llm.request.type", "chat")
            .with("gen_ai.system", "OpenAI")
            .with("gen_ai.response.model", "priced-model")
            .with("gen_ai.usage.prompt_tokens", input)
            .with("gen_ai.usage.completion_tokens", output)
            .with("llm.usage.total_tokens", input + output)
            .with("traceloop.association.properties.session_id", "conv-1")
    };
    let spans = [
        of(1, 0, "workflow", "support"),
        of(2, 1, "agent", "chat"),
        llm(3, 2, 120, 30),
        of(4, 2, "tool", "search"),
        of(5, 2, "task", "answer"),
        llm(6, 5, 200, 45),
        of(7, 1, "agent", "expert"),
        llm(8, 7, 300, 5),
    ];
    let mut expected = session(2, &["chat", "expert"], TOKENS, PRICED);
    expected.users.insert("u-1".to_owned());
    let received = check("openllmetry", &spans, &[("conv-1", expected.clone())]);
    assert!(received.runs().iter().all(|run| &*run.workflow == "support"));
    // The same program without agents is one run of the workflow.
    let no_agents: Vec<Told> =
        [of(1, 0, "workflow", "support"), of(2, 1, "task", "a"), llm(3, 2, 120, 30), llm(6, 1, 200, 45), llm(8, 2, 300, 5)].into();
    check("openllmetry workflow", &no_agents, &[("conv-1", Session { run_count: 1, agents: Vec::new(), ..expected })]);
}

#[test]
fn calls_alone_with_a_session_each() {
    // LangChain's callback handler under the SDK, or any plain instrumentation under a session context: no agent, no workflow.
    let llm = span("openinference.instrumentation.openai", 1, 0)
        .with("openinference.span.kind", "LLM")
        .with("session.id", "conv-1")
        .with("llm.model_name", "priced-model")
        .with("llm.token_count.prompt", 10)
        .with("llm.token_count.completion", 1);
    check("alone", &[llm], &[("conv-1", session(1, &[], 11, 12_000))]);
}
