//! One call that two instrumentations tell of side by side.

use super::build::*;
use crate::fold::Folded;
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::usage::NanoUsd;

const INSTRUMENTATION: &str = "opentelemetry.instrumentation.anthropic";

/// The spans that count, of two calls in an agent's run.
fn standing(one: SpanFact, other: SpanFact) -> Vec<u64> {
    counted(&folded([agent(1, "a").session("s"), one, other]))
}

fn counted(folded: &Folded) -> Vec<u64> {
    folded.verdicts.iter().filter(|verdict| verdict.counted.is_some()).map(|verdict| verdict.span.to_u64()).collect()
}

/// Two spans of one call: 3 lies within 2's time.
fn outer() -> SpanFact {
    chat(2, 1, 0, (100, 20)).at(0, 50).scope(INSTRUMENTATION)
}

fn inner() -> SpanFact {
    chat(3, 1, 0, (100, 20)).at(5, 45).scope(ANTHROPIC_SDK)
}

#[test]
fn a_call_that_the_providers_sdk_tells_of_beside_an_instrumentation_counts_once() {
    assert_eq!(standing(outer(), inner()), [3]);
    // Whichever lies within the other.
    assert_eq!(standing(outer().at(5, 45), inner().at(0, 50)), [3]);
    // And when one of them got lost.
    assert_eq!(standing(outer().under(99), inner()), [3]);
}

#[test]
fn two_spans_that_name_the_same_answer_are_one_call_whatever_they_say_it_used() {
    // OpenLLMetry counts a token too many in streams.
    assert_eq!(standing(outer().response(7).used("claude", (100, 21)).response(7), inner().response(7).at(60, 70)), [3]);
    assert_eq!(standing(outer().response(7), inner().response(8)), [2, 3]);
}

#[test]
fn calls_with_equal_tokens_are_two_where_anything_speaks_for_it() {
    assert_eq!(standing(outer(), inner().scope(INSTRUMENTATION)), [2, 3], "one scope");
    assert_eq!(standing(outer(), inner().at(5, 55)), [2, 3], "each has a time of its own");
    assert_eq!(standing(outer(), inner().used("gpt", (100, 21))), [2, 3], "other tokens");
    assert_eq!(standing(outer().session("t"), inner()), [2, 3], "two conversations at once");
    let tool = span(4).kind(SpanKind::Tool).under(2).at(3, 48);
    let through = folded([agent(1, "a").session("s"), outer(), tool, inner().under(4)]);
    assert_eq!(counted(&through), [2, 3], "what a tool asks of a model");
}

#[test]
fn as_many_calls_stand_as_the_scope_that_tells_of_more_tells() {
    let calls = [chat(4, 1, 1, (100, 20)).scope(INSTRUMENTATION), chat(5, 1, 20, (100, 20)).scope(INSTRUMENTATION)];
    let both = folded([agent(1, "a").session("s"), calls[0].clone(), calls[1].clone(), inner().at(0, 50)]);
    assert_eq!(both.runs[0].usage.calls, 2);
}

#[test]
fn the_one_that_stands_takes_the_cost_and_the_parts_that_only_the_other_knows() {
    let both = folded([agent(1, "a").session("s"), outer().costs(700).cached(80), inner()]);
    let usage = both.runs[0].usage;
    assert_eq!((usage.calls, usage.tokens, usage.cache_read_tokens, usage.cost), (1, 120, 80, NanoUsd(700)));
    // Where neither is the provider's own, the one that tells more stands.
    assert_eq!(standing(outer(), inner().scope("other").cached(80)), [3]);
    assert_eq!(standing(outer().cached(80), inner().scope("other")), [2]);
}

/// LangChain's spans are never the current ones: those of the provider's client stand beside the agent.
#[test]
fn a_call_beside_the_agent_that_the_agent_holds_too_makes_no_run() {
    let turn = |beside: SpanFact| {
        [span(1), agent(4, "a").under(1).session("s"), chat(2, 4, 0, (100, 20)).at(0, 50).scope(INSTRUMENTATION), beside]
    };
    let beside = || chat(3, 1, 0, (100, 20)).at(5, 45).scope("openai").session("s");
    assert_eq!(shown(&folded(turn(beside()))), [(4, "s", 120)]);
    // Also where the one beside it stands for the call.
    assert_eq!(shown(&folded(turn(beside().scope(ANTHROPIC_SDK)))), [(4, "s", 120)]);
    // Another call of the session, and the same of another session.
    assert_eq!(shown(&folded(turn(beside().at(60, 70)))), [(4, "s", 120), (3, "s", 120)]);
    assert_eq!(shown(&folded(turn(beside().session("t")))), [(4, "s", 120), (3, "t", 120)]);
}
