//! What those who mark spans are told of a trace that has left memory.

use sessionfold::fold::Decided;
use sessionfold::model::ids::TraceId;
use sessionfold::model::time::Nanos;

use super::house::{House, Tuning, tenant};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const MINUTE: u64 = 60 * SECOND;

/// One trace with a run of each of two sessions.
fn two_runs(house: &House) {
    let early = agent(1, 1, 0, "planner").session("early").between(TEN - 50 * MINUTE, TEN - 49 * MINUTE);
    let late = agent(1, 2, 0, "writer").session("late").between(TEN - 2 * MINUTE, TEN - MINUTE);
    house.fold("acme", request([early, late, chat(1, 3, 2, (10, 5), 100).between(TEN - 2 * MINUTE, TEN - MINUTE)]));
    house.settle();
}

fn decided(house: &House, trace: u128) -> Decided {
    let trace = TraceId::from_bytes(&trace.to_be_bytes()).unwrap();
    let decided = house.store().decided(&tenant("acme"), &[trace]).unwrap().pop().flatten();
    Decided::clone(&decided.unwrap())
}

fn agents(decided: &Decided) -> Vec<&str> {
    decided.runs.iter().map(|run| run.as_ref().map_or("-", |run| &*run.agent)).collect()
}

#[test]
fn all_runs_of_a_trace_on_disk_are_decided_and_many_traces_at_once() {
    let house = House::new(Tuning::restless());
    two_runs(&house);
    house.fold("acme", request([agent(2, 1, 0, "alone")]));
    house.settle();
    assert_eq!(agents(&decided(&house, 1)), ["planner", "writer"]);
    let ids: Vec<_> = [2_u128, 9, 1].iter().map(|id| TraceId::from_bytes(&id.to_be_bytes()).unwrap()).collect();
    let all = house.store().decided(&tenant("acme"), &ids).unwrap();
    let n_runs: Vec<_> = all.iter().map(|decided| decided.as_ref().map(|decided| decided.runs.len())).collect();
    assert_eq!(n_runs, [Some(1), None, Some(2)]);
    assert!(house.store().decided(&tenant("nobody"), &ids).unwrap().iter().all(Option::is_none));
}

/// While the fold is behind, spans are sent before anything is known of their traces: each was looked for in vain, which was half of what
/// stamps cost.
#[test]
fn a_trace_that_never_came_is_not_looked_for_on_disk() {
    let house = House::new(Tuning::default());
    house.fold("acme", request([agent(2, 1, 0, "alone")]));
    std::fs::remove_file(house.database()).unwrap();
    let never_came = TraceId::from_bytes(&9_u128.to_be_bytes()).unwrap();
    assert_eq!(house.store().decided(&tenant("acme"), &[never_came]).unwrap(), [None]);
}

/// Both were once said to be deleted, and then the other runs of the trace got no corrections.
#[test]
fn a_run_that_is_too_old_is_not_shown_and_not_called_deleted() {
    let house = House::new(Tuning { max_age: Some(Nanos(60 * MINUTE)), ..Tuning::restless() });
    two_runs(&house);
    house.advance(30 * MINUTE);
    house.until("its session has expired", || {
        house.tick();
        house.sessions("acme") == [("late".into(), 1)]
    });
    house.settle();
    let decided = decided(&house, 1);
    assert_eq!(agents(&decided), ["-", "writer"]);
    assert!(!decided.has_deleted);
}

#[test]
fn a_run_of_a_deleted_session_is_called_deleted_also_after_a_restart() {
    let mut house = House::new(Tuning::restless());
    two_runs(&house);
    assert_eq!(house.delete("acme", "early"), Some(1));
    house.settle();
    for _ in 0..2 {
        let decided = decided(&house, 1);
        assert_eq!(agents(&decided), ["-", "writer"]);
        assert!(decided.has_deleted);
        house.reopen();
    }
}
