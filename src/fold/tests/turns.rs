//! Turns that log events of coding agents tell of.

use super::build::*;
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::logs::SPAWN_SPAN;
use crate::model::run::RunStatus;

const LOGS: &str = "sessionfold.logs.codex";

fn prompt(number: u64, start_ms: u64) -> SpanFact {
    agent(number, "codex").session("s").at(start_ms, start_ms).scope(LOGS)
}

fn tool(number: u64, start_ms: u64) -> SpanFact {
    span(number).kind(SpanKind::Tool).at(start_ms, start_ms + 10).scope(LOGS)
}

fn call(number: u64, start_ms: u64) -> SpanFact {
    SpanFact { parent: None, ..chat(number, 1, start_ms, (5, 5)).scope(LOGS) }
}

#[test]
fn a_turn_that_had_not_ended_when_another_began_was_interrupted() {
    let folded = folded([prompt(1, 0), call(2, 10), tool(3, 30), prompt(4, 100), call(5, 110)]);
    assert_eq!(shown(&folded), [(1, "s", 10), (4, "s", 10)]);
    let status = |at: usize| folded.runs[at].status;
    assert_eq!((status(0), status(1)), (RunStatus::Interrupted, RunStatus::Success));
}

#[test]
fn what_is_asked_in_a_conversation_that_another_started_interrupts_nothing() {
    let spawned = || agent(1, "codex").session("s").named(SPAWN_SPAN).at(0, 0).scope(LOGS);
    let folded = folded([spawned(), prompt(2, 50), call(3, 60), tool(4, 80)]);
    assert_eq!(shown(&folded), [(1, "s", 10)]);
    assert_eq!(folded.runs[0].status, RunStatus::Running);
}
