//! A wall clock that jumps takes nothing away, for nothing it does is undone when it is set right.

use sessionfold::model::run::RunStatus;
use sessionfold::model::time::Nanos;

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
const AHEAD: i64 = 400 * DAY as i64;

fn sweeping() -> Tuning {
    let sweep_interval = std::time::Duration::ZERO;
    Tuning { max_age: Some(Nanos(30 * DAY)), run_timeout: Nanos(DAY), sweep_interval, ..Tuning::default() }
}

fn run_at(trace: u128, session: &str, at: u64) -> bytes::Bytes {
    request([agent(trace, 1, 0, "a").session(session).between(at, at + SECOND)])
}

/// It once emptied the index, and let nothing in again, not even after a restart.
#[test]
fn a_clock_that_jumps_ahead_empties_nothing_and_new_runs_are_taken() {
    let mut house = House::new(sweeping());
    house.fold("acme", run_at(1, "before", TEN));
    house.set_clock_ahead(AHEAD);
    house.tick();
    house.fold("acme", run_at(2, "meanwhile", TEN));
    house.tick();
    let both = [("before".to_owned(), 1), ("meanwhile".to_owned(), 1)];
    assert_eq!(house.sessions("acme"), both);
    assert_eq!(house.metric("sessionfold_store_clock_distrusted"), 1.0);
    house.reopen();
    house.tick();
    assert_eq!(house.sessions("acme"), both);
    house.set_clock_ahead(0);
    house.fold("acme", run_at(3, "after", TEN));
    house.tick();
    assert_eq!(house.sessions("acme").len(), 3);
    assert_eq!(house.metric("sessionfold_store_clock_distrusted"), 0.0);
    house.crash();
    house.tick();
    assert_eq!(house.sessions("acme").len(), 3);
}

#[test]
fn a_clock_that_stays_ahead_for_a_day_is_right_and_things_expire_by_it() {
    let house = House::new(sweeping());
    house.fold("acme", run_at(1, "old", TEN));
    house.set_clock_ahead(AHEAD);
    house.tick();
    house.advance(25 * HOUR);
    house.tick();
    assert_eq!(house.sessions("acme"), []);
}

#[test]
fn a_run_that_goes_on_does_not_time_out_by_a_jump() {
    let house = House::new(sweeping());
    house.fold("acme", request([chat(1, 2, 1, (10, 0), 10).session("s")]));
    house.set_clock_ahead(AHEAD);
    house.tick();
    assert_eq!(house.runs("acme")[0].status, RunStatus::Running);
}

/// A tombstone of the far future would hide what comes under a static session id for years.
#[test]
fn a_deletion_while_the_clock_is_ahead_does_not_hide_what_comes_later() {
    let house = House::new(sweeping());
    house.fold("acme", run_at(1, "static", TEN));
    house.set_clock_ahead(AHEAD);
    assert_eq!(house.delete("acme", "static"), Some(1));
    house.set_clock_ahead(0);
    house.advance(2 * HOUR);
    house.fold("acme", run_at(2, "static", TEN + 2 * HOUR));
    assert_eq!(house.sessions("acme"), [("static".into(), 1)]);
}

#[test]
fn a_clock_that_is_set_back_takes_nothing_away_either() {
    let mut house = House::new(sweeping());
    house.fold("acme", run_at(1, "s", TEN));
    house.set_clock_ahead(-AHEAD);
    house.fold("acme", run_at(2, "t", TEN));
    house.tick();
    house.reopen();
    house.set_clock_ahead(0);
    house.tick();
    house.fold("acme", run_at(3, "u", TEN));
    assert_eq!(house.sessions("acme").len(), 3);
}
