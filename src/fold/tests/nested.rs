//! Agents below agents, and agents that nobody names.

use super::build::*;
use crate::fold::Folded;
use crate::model::facts::{SpanFact, SpanKind};

fn tool_under(parent: u64) -> SpanFact {
    span(50 + parent).kind(SpanKind::Tool).under(parent)
}

/// The runs as (span number, agent).
fn agents(folded: &Folded) -> Vec<(u64, &str)> {
    folded.runs.iter().map(|run| (run.key.span.to_u64(), &*run.agent)).collect()
}

#[test]
fn an_agent_below_one_of_another_name_is_a_run_of_its_own() {
    let folded = folded([agent(1, "outer").session("s"), tool_under(1), agent(2, "inner").under(51), chat(3, 2, 0, (1, 1))]);
    assert_eq!((agents(&folded), shown(&folded)), (vec![(1, "outer"), (2, "inner")], vec![(1, "s", 0), (2, "s", 2)]));
}

#[test]
fn an_agent_directly_below_one_of_the_same_name_is_the_same_execution() {
    // AutoGen and a framework around it.
    let layers = |inner: SpanFact| folded([agent(1, "a").session("s"), inner, chat(3, 2, 0, (1, 1))]);
    assert_eq!(shown(&layers(agent(2, "a").under(1))), [(1, "s", 2)]);
    assert_eq!(shown(&layers(agent(2, "a").under(1).session("s"))), [(1, "s", 2)]);
    assert_eq!(shown(&layers(agent(2, "a").under(1).session("t"))), [(1, "s", 0), (2, "t", 2)]);
    assert_eq!(shown(&layers(agent(2, "a").under(1).run_id("7"))), [(1, "s", 0), (2, "s", 2)]);
}

#[test]
fn an_agent_that_calls_itself_through_a_tool_is_a_run_again_if_it_names_its_session() {
    let through = |inner: SpanFact| folded([agent(1, "a").session("s"), tool_under(1), inner, chat(3, 2, 0, (1, 1))]);
    assert_eq!(shown(&through(agent(2, "a").under(51).session("s"))), [(1, "s", 0), (2, "s", 2)]);
    assert_eq!(shown(&through(agent(2, "a").under(51))), [(1, "s", 2)]);
}

#[test]
fn in_the_sdks_runs_an_agent_is_a_run_only_with_a_session_or_a_run_id_of_its_own() {
    let below = |inner: SpanFact| folded([agent(1, "outer").session("s").scope(WAXELL), inner, chat(3, 2, 0, (1, 1))]);
    assert_eq!(shown(&below(agent(2, "inner").under(1))), [(1, "s", 2)]);
    assert_eq!(shown(&below(agent(2, "inner").under(1).scope(WAXELL))), [(1, "s", 2)]);
    assert_eq!(shown(&below(agent(2, "outer").under(1).run_id("7").scope(WAXELL))), [(1, "s", 0), (2, "s", 2)]);
    assert_eq!(shown(&below(agent(2, "outer").under(1).session("s").scope(WAXELL))), [(1, "s", 0), (2, "s", 2)]);
}

#[test]
fn an_agent_that_names_nobody_above_named_ones_is_a_workflow() {
    // OpenInference's `Agent workflow` above the agents of the OpenAI Agents SDK.
    let flow = agent(1, "").session("s").named("Agent workflow");
    let folded_flow =
        folded([flow.clone(), agent(2, "a").under(1), chat(3, 2, 0, (1, 1)), agent(4, "b").under(1).at(20, 40), chat(5, 4, 20, (1, 1))]);
    assert_eq!((agents(&folded_flow), shown(&folded_flow)), (vec![(2, "a"), (4, "b")], vec![(2, "s", 2), (4, "s", 2)]));
    // Above no others it is an agent, and above none that is named.
    assert_eq!(shown(&folded([flow.clone(), chat(3, 1, 0, (1, 1))])), [(1, "s", 2)]);
    assert_eq!(shown(&folded([flow, agent(2, "").under(1).named("Agent workflow"), chat(3, 2, 0, (1, 1))])), [(1, "s", 2)]);
}

#[test]
fn an_agent_that_nobody_names_is_called_by_its_span() {
    let called = |name: &str| folded([agent(1, "").session("s").named(name)]).runs[0].agent.to_string();
    assert_eq!(called("invoke_agent researcher"), "researcher");
    assert_eq!(called("CodeAgent.run"), "CodeAgent");
    assert_eq!(called("LiteLLMAgent._execute_core"), "LiteLLMAgent");
    assert_eq!(called("invoke_agent"), "");
    // What its spans name goes first, and so does the span itself.
    assert_eq!(&*folded([agent(1, "").session("s").named("x"), span(2).under(1).label(|l| l.agent = Some("a".into()))]).runs[0].agent, "a");
    assert_eq!(&*folded([agent(1, "a").session("s").named("x")]).runs[0].agent, "a");
    // The SDK names its agents.
    assert_eq!(&*folded([agent(1, "").session("s").named("x").scope(WAXELL)]).runs[0].agent, "");
}

/// OpenLIT writes the session on every span, and calls what it has no other name for an agent.
#[test]
fn an_agent_span_that_names_nobody_and_repeats_the_session_is_no_run_of_its_own() {
    let step = |number: u64, name: &str| agent(number, "").named(&format!("invoke_agent {name}")).session("s").under(1);
    let folded = folded([agent(1, "weather").session("s"), step(2, "generate_plan"), chat(3, 2, 10, (5, 5)), step(4, "finalize")]);
    assert_eq!(shown(&folded), [(1, "s", 10)]);
    // Another session, or an id of its own, makes it one.
    for other in [step(2, "x").session("t"), step(2, "x").run_id("7")] {
        assert_eq!(fold_facts(&facts_of([agent(1, "weather").session("s"), other])).runs.len(), 2);
    }
}

/// OpenLIT, of the OpenAI Agents SDK: guardrails and handoffs are called agents too.
#[test]
fn what_openlit_calls_an_agent_is_one_only_if_it_asks_a_model() {
    let of_openlit = |number: u64, name: &str| agent(number, name).session("s").scope("openlit.instrumentation.openai_agents");
    let spans = [
        of_openlit(1, "boss"),
        chat(2, 1, 10, (5, 5)),
        of_openlit(3, "guard").under(1),
        of_openlit(4, "joker").under(1),
        chat(5, 4, 30, (1, 1)),
    ];
    assert_eq!(shown(&folded(spans)), [(1, "s", 10), (4, "s", 2)]);
}
