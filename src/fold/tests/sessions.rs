//! Which session is in effect: what an application set, what a framework made up, what the resource says.

use super::build::*;
use crate::fold::Folded;
use crate::model::facts::{SpanFact, SpanKind};

#[test]
fn a_session_that_a_framework_made_up_yields_to_one_that_is_set_above() {
    // Pydantic AI and the Microsoft Agent Framework mint an id for every run that was given none.
    let turn = [span(1).session("users"), agent(2, "a").under(1).weak_session("minted"), chat(3, 2, 0, (1, 1)).weak_session("minted")];
    assert_eq!(shown(&folded(turn)), [(2, "users", 2)]);
}

#[test]
fn a_made_up_session_holds_where_no_other_is_in_effect() {
    assert_eq!(shown(&folded([span(1), agent(2, "a").under(1).weak_session("minted"), chat(3, 2, 0, (1, 1))])), [(2, "minted", 2)]);
    // The agent that another one was delegated to stays in the conversation of the outer one.
    let delegated = [
        agent(1, "a").weak_session("outer"),
        span(2).kind(SpanKind::Tool).under(1),
        agent(3, "b").under(2).weak_session("inner"),
        chat(4, 3, 0, (1, 1)),
    ];
    assert_eq!(shown(&folded(delegated)), [(1, "outer", 0), (3, "outer", 2)]);
}

#[test]
fn a_session_that_is_set_below_a_made_up_one_holds_from_there() {
    let set = [agent(1, "a").weak_session("minted"), agent(2, "b").under(1).session("set"), chat(3, 2, 0, (1, 1)).weak_session("x")];
    assert_eq!(shown(&folded(set)), [(1, "minted", 0), (2, "set", 2)]);
}

#[test]
fn a_made_up_session_of_a_lost_tree_yields_to_the_run_that_it_lies_in() {
    let run = agent(1, "a").session("users").at(0, 500);
    let lost = agent(2, "b").under(99).at(100, 200).weak_session("minted");
    assert_eq!(shown(&folded([run, lost, chat(3, 2, 110, (1, 1))])), [(1, "users", 0), (2, "users", 2)]);
}

#[test]
fn a_made_up_session_of_a_lost_call_yields_to_the_one_of_its_trace() {
    // No agent anywhere: the trace is one run all the same.
    let root = span(1).session("users").at(0, 500);
    let call = |number, at_ms| chat(number, 98, at_ms, (1, 1)).weak_session("minted");
    assert_eq!(shown(&folded([root.clone(), call(2, 100)])), [(1, "users", 2)]);
    // Beyond its time nobody knows.
    assert_eq!(shown(&folded([root, call(2, 600)])), [(1, "users", 0), (2, "minted", 2)]);
}

#[test]
fn a_session_of_the_resource_holds_where_no_span_above_names_one() {
    // A CI job that sets it, while the parent is a span of the CI system.
    let job = [agent(1, "a").under(99).resource_session("job"), chat(2, 1, 0, (1, 1)).resource_session("job")];
    assert_eq!(shown(&folded(job.clone())), [(1, "job", 2)]);
    // That the parent comes after all, and has no session, takes nothing away.
    assert_eq!(shown(&folded([span(99), job[0].clone(), job[1].clone()])), [(1, "job", 2)]);
    // A span's own word goes first, and so does one from above.
    assert_eq!(shown(&folded([span(99).weak_session("above"), job[0].clone(), job[1].clone()])), [(1, "above", 2)]);
}

#[test]
fn a_run_that_names_nobody_is_of_the_only_user_that_its_trace_names_in_its_session() {
    let user = |span: SpanFact, user: &str| span.label(|labels| labels.user = Some(user.into()));
    let users =
        |folded: &Folded| -> Vec<Option<String>> { folded.runs.iter().map(|run| run.user.as_ref().map(|user| user.to_string())).collect() };
    // The span between never ended: OpenAI Agents for Node, where a turn fails.
    let request = || user(span(1).session("s").at(0, 500), "ann");
    let lost = agent(2, "a").under(99).at(100, 200);
    assert_eq!(users(&folded([request(), lost.clone()])), [Some("ann".into())]);
    assert_eq!(users(&folded([request(), lost.clone().session("s")])), [Some("ann".into())]);
    // Of two nobody knows which, and of another session none is.
    assert_eq!(users(&folded([request(), user(span(3).under(1), "bob"), lost.clone()])), [None]);
    assert_eq!(users(&folded([request(), lost.session("other")])), [None]);
}
