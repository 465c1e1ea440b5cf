//! What has no root ends once nothing comes of it any more.

use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::time::{Nanos, UnixNanos};

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, span};

fn tunings() -> [Tuning; 2] {
    let idle = |tuning| Tuning { idle_after: Nanos(60 * SECOND), sweep_interval: std::time::Duration::ZERO, ..tuning };
    [idle(Tuning::restless()), idle(Tuning::default())]
}

fn only_run(house: &House) -> Run {
    house.tick();
    let (_, runs) = house.detail("acme", "s").unwrap();
    assert_eq!(runs.len(), 1);
    runs.into_iter().next().unwrap()
}

fn ended(run: &Run) -> (RunStatus, Option<u64>) {
    (run.status, run.completed_at.map(|UnixNanos(at)| (at - TEN) / SECOND))
}

#[test]
fn a_trace_whose_root_never_comes_has_ended_once_it_is_idle() {
    for tuning in tunings() {
        let house = House::new(tuning);
        house.fold("acme", request([chat(1, 2, 9, (1, 1), 1).session("s").between(TEN, TEN + 5 * SECOND)]));
        house.settle_if_restless();
        house.advance(65 * SECOND);
        assert_eq!(ended(&only_run(&house)), (RunStatus::Running, None));
        house.advance(SECOND);
        assert_eq!(ended(&only_run(&house)), (RunStatus::Success, Some(5)));
        // A failure is the trace's if it stands at the top of what came.
        house.fold("acme", request([chat(1, 3, 9, (1, 1), 1).failed().between(TEN, TEN + 4 * SECOND)]));
        assert_eq!(ended(&only_run(&house)), (RunStatus::Error, Some(5)));
        // More comes: it went on. Then its root.
        house.fold("acme", request([chat(1, 4, 9, (1, 1), 1).between(TEN, TEN + 30 * SECOND)]));
        assert_eq!(ended(&only_run(&house)), (RunStatus::Running, None));
        house.fold("acme", request([span(1, 9, 0).between(TEN, TEN + 40 * SECOND)]));
        assert_eq!(ended(&only_run(&house)), (RunStatus::Success, Some(40)));
    }
}

#[test]
fn it_ends_also_if_nobody_was_there_meanwhile() {
    for tuning in tunings() {
        let mut house = House::new(tuning);
        house.fold("acme", request([chat(1, 2, 9, (1, 1), 1).session("s").between(TEN, TEN + 5 * SECOND)]));
        house.reopen();
        house.advance(66 * SECOND);
        assert_eq!(ended(&only_run(&house)), (RunStatus::Success, Some(5)));
        house.crash();
        assert_eq!(ended(&only_run(&house)), (RunStatus::Success, Some(5)));
    }
}

/// An agent may think for as long as it likes: its span will come.
#[test]
fn a_run_that_has_not_ended_is_not_idle() {
    for tuning in tunings() {
        let house = House::new(tuning);
        house.fold("acme", request([agent(1, 1, 0, "a").session("s").between(TEN, 0)]));
        house.advance(3600 * SECOND);
        assert_eq!(ended(&only_run(&house)), (RunStatus::Running, None));
    }
}

#[test]
fn a_late_root_of_a_deleted_session_does_not_bring_it_back() {
    for tuning in tunings() {
        let house = House::new(tuning);
        house.fold("acme", request([chat(1, 2, 9, (1, 1), 1).session("s").between(TEN, TEN + 5 * SECOND)]));
        house.advance(66 * SECOND);
        assert_eq!(only_run(&house).status, RunStatus::Success);
        assert_eq!(house.delete("acme", "s"), Some(1));
        house.fold("acme", request([span(1, 9, 0).between(TEN, TEN + 40 * SECOND)]));
        house.settle_if_restless();
        assert_eq!(house.sessions("acme"), []);
    }
}
