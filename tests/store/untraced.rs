//! A report without a trace that gets one later: what was left out because of it counts again, in any order and over a restart.

use sessionfold::model::ids::RunId;

use super::house::{House, Tuning};
use crate::support::posts::{self, Used, agent_span, call_span, export};

const CALL: Used = ("gpt-4o", 70, 40, 100);

/// The session's tokens after these steps.
fn tokens(house: &House) -> u64 {
    house.wait_folded();
    house.tick();
    house
        .list("acme", &sessionfold::model::query::SessionQuery { limit: 10, ..Default::default() })
        .items
        .iter()
        .map(|row| row.total_tokens)
        .sum()
}

/// Spans of a session without an agent, as LangChain's instrumentation exports them beside its callback handler.
fn agentless(trace: u128) -> bytes::Bytes {
    let mut span = call_span((trace, 9), 0, CALL, false);
    span = crate::support::spans::Tell::with(span, "waxell.session_id", "s");
    export([span])
}

fn reported(house: &House, run: RunId) {
    house.post("acme", posts::start(run, "bot", "s"));
    house.post("acme", posts::complete(run, "success", None));
    // Folded before anything else comes: in one round nobody would see that it names no trace.
    house.wait_folded();
}

/// The agent's own span names the run.
fn claim(house: &House, run: RunId) {
    house.fold("acme", export([agent_span((0xabc, 1), 0, "bot", "s", Some(&run.to_string()))]));
}

#[test]
fn a_report_that_gets_a_trace_leaves_out_nothing_that_comes_later() {
    for (tuning, restart) in [(Tuning::default(), false), (Tuning::restless(), false), (Tuning::restless(), true)] {
        let mut house = House::new(tuning);
        let run = RunId::mint(1);
        reported(&house, run);
        claim(&house, run);
        if restart {
            house.settle();
            house.reopen();
        }
        house.fold("acme", agentless(0xdef));
        assert_eq!(tokens(&house), 110);
    }
}

#[test]
fn what_was_left_out_before_counts_as_soon_as_the_report_has_a_trace() {
    for (tuning, restart) in
        [(Tuning::default(), false), (Tuning::restless(), false), (Tuning::default(), true), (Tuning::restless(), true)]
    {
        let mut house = House::new(tuning);
        let run = RunId::mint(1);
        reported(&house, run);
        house.fold("acme", agentless(0xdef));
        assert_eq!(tokens(&house), 0, "the report tells of it");
        house.settle_if_restless();
        if restart {
            house.reopen();
        }
        claim(&house, run);
        assert_eq!(tokens(&house), 110);
        house.reopen();
        assert_eq!(tokens(&house), 110);
    }
}

#[test]
fn while_another_report_has_no_trace_it_stays_left_out() {
    let house = House::new(Tuning::default());
    let (one, two) = (RunId::mint(1), RunId::mint(2));
    reported(&house, one);
    reported(&house, two);
    house.fold("acme", agentless(0xdef));
    claim(&house, one);
    assert_eq!(tokens(&house), 0);
}
