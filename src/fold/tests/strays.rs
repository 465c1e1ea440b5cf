//! Calls that no run above them holds, and runs without a session.

use super::build::*;
use crate::model::facts::SpanKind;

#[test]
fn calls_beside_the_agent_are_of_the_only_session_of_their_trace() {
    // A workflow: the retriever and the embedding stand beside the agent that alone has the session.
    let flow = [
        span(1).kind(SpanKind::Workflow),
        chat(2, 1, 0, (100, 10)),
        span(3).kind(SpanKind::Step).under(1).at(10, 30),
        chat(4, 3, 15, (100, 10)).kind(SpanKind::Embedding),
        agent(5, "a").under(1).session("s").at(40, 90),
        chat(6, 5, 50, (100, 10)),
    ];
    assert_eq!(shown(&folded(flow)), [(5, "s", 330)]);
}

#[test]
fn a_session_does_not_shrink_when_an_agent_comes_beside_a_lost_call() {
    let call = chat(2, 98, 0, (100, 10)).session("s");
    let alone = folded([call.clone()]);
    assert_eq!((session(&alone.runs[0]), alone.runs[0].usage.tokens), ("s", 110));
    let agent = agent(1, "a").session("s").at(500, 600);
    assert_eq!(shown(&folded([call.clone(), agent.clone(), chat(3, 1, 510, (1, 1))])), [(1, "s", 112)]);
    // Nor does it vanish when the agent is of another session.
    let other = agent.session("t");
    assert_eq!(shown(&folded([call, other, chat(3, 1, 510, (1, 1))])), [(2, "s", 110), (1, "t", 2)]);
}

#[test]
fn a_lost_call_beside_a_call_that_is_the_root_is_one_more() {
    let mut root = chat(1, 9, 0, (100, 10)).session("s");
    root.parent = None;
    assert_eq!(shown(&folded([root.clone(), chat(2, 98, 20, (1, 1))])), [(1, "s", 112)]);
    // Unless both tell of the same.
    assert_eq!(shown(&folded([root.scope("one"), chat(2, 98, 1, (100, 10)).at(1, 9).scope("other")])), [(1, "s", 110)]);
}

#[test]
fn a_call_that_names_its_session_below_a_run_of_another_counts_in_its_own() {
    let calls = [chat(2, 1, 0, (1, 0)), chat(3, 1, 20, (10, 0)).session("t")];
    let outside = agent(1, "a").session("s");
    assert_eq!(shown(&folded([outside.clone(), calls[0].clone(), calls[1].clone()])), [(1, "s", 1), (3, "t", 10)]);
    // In the SDK's runs what they hold is theirs.
    assert_eq!(shown(&folded([outside.scope(WAXELL), calls[0].clone(), calls[1].clone()])), [(1, "s", 11)]);
}

#[test]
fn of_several_runs_of_its_session_a_call_has_the_one_that_was_going_on() {
    let runs = [agent(1, "a").session("s").at(100, 200), agent(2, "b").session("s").at(150, 400), agent(3, "c").session("t").at(160, 999)];
    let run_of = |start_ms| owner(&folded(runs.iter().cloned().chain([chat(4, 98, start_ms, (1, 1)).session("s")])), 4);
    // The lost tree hangs from the run that it lies in, whosesoever that is, and the call is of its own session all the same.
    assert_eq!([120, 180, 300].map(run_of), [Some(1), Some(2), Some(2)]);
    // After all of them, and before.
    assert_eq!([500, 1500, 10].map(run_of), [Some(2), Some(2), Some(1)]);
}

#[test]
fn a_call_without_a_session_beside_runs_of_several_is_of_what_was_going_on() {
    let runs = [span(9).at(0, 900), agent(1, "a").under(9).session("s").at(100, 200), agent(2, "b").under(9).session("t").at(300, 400)];
    let run_of = |start_ms| owner(&folded(runs.iter().cloned().chain([chat(4, 9, start_ms, (1, 1))])), 4);
    assert_eq!([50, 150, 250, 350, 450].map(run_of), [Some(1), Some(1), Some(1), Some(2), Some(2)]);
}

#[test]
fn a_run_without_a_session_is_of_the_only_one_that_its_trace_names() {
    let runs = [span(1), agent(2, "a").under(1).session("s"), agent(3, "b").under(1), chat(4, 3, 0, (1, 1))];
    assert_eq!(shown(&folded(runs)), [(2, "s", 0), (3, "s", 2)]);
    // Named by a span that is in no run, too.
    assert_eq!(shown(&folded([span(1), agent(3, "b").under(1), chat(4, 3, 0, (1, 1)), span(5).under(1).session("s")])), [(3, "s", 2)]);
    // That several are named takes it out of none.
    let several = [
        agent(3, "b"),
        chat(4, 3, 0, (1, 1)),
        span(5).under(98).at(2000, 2001).session("s"),
        span(6).under(97).at(3000, 3001).session("t"),
    ];
    assert_eq!(shown(&folded(several)), [(3, "s", 2)]);
}

#[test]
fn what_claims_a_sum_of_others_makes_no_run_for_its_session() {
    let root = span(1).kind(SpanKind::Step).session("t").used("gpt", (5, 5));
    assert_eq!(shown(&folded([root, agent(2, "a").under(1).session("s"), chat(3, 2, 0, (5, 5))])), [(2, "s", 10)]);
}

#[test]
fn a_call_keeps_its_session_when_the_run_that_had_it_takes_another_from_above() {
    // The outer agent names no session until the call of "u" is a run of its own: then "s" is the only one below it, and the inner agent,
    // which had "t" from its call, has "s" from above.
    let trace = [
        agent(1, "outer").at(500, 690),
        chat(2, 1, 300, (1, 0)).session("s"),
        chat(3, 1, 560, (10, 0)).session("u"),
        agent(4, "inner").under(1).at(520, 580),
        chat(5, 4, 530, (100, 0)).session("t"),
        agent(6, "other").session("s").at(700, 800),
    ];
    assert_eq!(shown(&folded(trace)), [(1, "s", 1), (4, "s", 0), (5, "t", 100), (3, "u", 10), (6, "s", 0)]);
}
