//! Deleted is deleted: what started before stays gone, what starts later begins anew.

use super::house::{House, NEVER, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const MINUTE: u64 = 60 * SECOND;

/// Memory holds everything, and everything leaves memory at once.
fn tunings() -> [Tuning; 2] {
    [Tuning::default(), Tuning::restless()]
}

#[test]
fn runs_that_started_before_stay_gone_and_later_ones_begin_a_new_session() {
    for tuning in tunings() {
        let mut house = House::new(tuning);
        let run = || agent(1, 1, 0, "planner").session("s").between(TEN - 10 * MINUTE, TEN - 9 * MINUTE);
        let call = || chat(1, 2, 1, (10, 5), 100).between(TEN - 10 * MINUTE, TEN - 9 * MINUTE);
        house.fold("acme", request([run(), call()]));
        house.fold("acme", request([agent(2, 1, 0, "writer").session("kept")]));
        house.tick();
        assert_eq!(house.delete("acme", "s"), Some(1));
        // The answer comes after the effect.
        assert_eq!(house.sessions("acme"), [("kept".into(), 1)]);
        assert_eq!(house.agents("acme").len(), 1);
        assert_eq!(house.delete("acme", "s"), None);

        let late_child = chat(1, 3, 1, (1, 1), 1).session("s").between(TEN - 9 * MINUTE, TEN - 9 * MINUTE);
        let late_agent = agent(3, 1, 0, "late").session("s").between(TEN - MINUTE, TEN + MINUTE);
        for round in 0..4 {
            house.fold("acme", request([run(), call(), late_child.clone(), late_agent.clone()]));
            assert_eq!(house.sessions("acme"), [("kept".into(), 1)], "round {round}");
            match round {
                0 => house.tick(),
                1 => house.crash(),
                2 => house.reopen(),
                _ => house.settle_if_restless(),
            }
            assert_eq!(house.sessions("acme"), [("kept".into(), 1)], "round {round}");
        }

        house.advance(MINUTE);
        let next = agent(4, 1, 0, "planner").session("s").between(house.now().0 + SECOND, house.now().0 + 2 * SECOND);
        house.fold("acme", request([next]));
        for _ in 0..2 {
            assert_eq!(house.sessions("acme"), [("kept".into(), 1), ("s".into(), 1)]);
            let (_, runs) = house.detail("acme", "s").unwrap();
            assert_eq!(runs.iter().map(|run| &*run.agent).collect::<Vec<_>>(), ["planner"]);
            house.crash();
        }
    }
}

/// The agent works on while its session is deleted: its calls name the session and start later, the agent's own span comes at the end.
#[test]
fn a_run_that_was_going_on_stays_gone_while_its_children_and_its_end_come_late() {
    for tuning in tunings() {
        let mut house = House::new(tuning);
        let call = |number: u64, at: u64| chat(1, number, 1, (10, 5), 100).session("s").between(at, at + SECOND);
        house.fold("acme", request([call(2, TEN - MINUTE)]));
        assert_eq!(house.sessions("acme"), [("s".into(), 1)]);
        house.tick();
        assert_eq!(house.delete("acme", "s"), Some(1));
        house.tick();
        house.advance(5 * MINUTE);
        for number in 3..6 {
            house.fold("acme", request([call(number, TEN + number * SECOND)]));
            assert_eq!(house.sessions("acme"), []);
            house.crash();
            assert_eq!(house.sessions("acme"), []);
        }
        house.fold("acme", request([agent(1, 1, 0, "planner").session("s").between(TEN - 2 * MINUTE, TEN + MINUTE)]));
        assert_eq!(house.sessions("acme"), []);
    }
}

/// The run that goes on is on disk, and one below it that has ended is in memory: they are dealt with one after the other.
#[test]
fn a_trace_of_which_one_run_goes_on_is_not_taken_for_one_that_has_ended() {
    let mut house = House::new(Tuning::default());
    house.fold("acme", request([agent(1, 1, 0, "planner").session("s").between(TEN - 2 * MINUTE, 0)]));
    house.reopen();
    house.fold("acme", request([agent(1, 2, 1, "writer").session("s").between(TEN - MINUTE, TEN - SECOND)]));
    assert_eq!(house.delete("acme", "s"), Some(2));
    house.advance(MINUTE);
    house.fold("acme", request([chat(1, 3, 1, (10, 5), 100).session("s").between(TEN + MINUTE, TEN + MINUTE)]));
    assert_eq!(house.sessions("acme"), []);
}

/// A conversation in one trace: what comes after the deletion is new although its trace is old.
#[test]
fn a_later_run_of_an_old_trace_begins_the_session_anew() {
    for tuning in tunings() {
        let house = House::new(tuning);
        house.fold("acme", request([agent(1, 1, 0, "a").session("s").between(TEN - MINUTE, TEN - SECOND)]));
        house.tick();
        assert_eq!(house.delete("acme", "s"), Some(1));
        house.fold("acme", request([agent(1, 2, 0, "a").session("s").between(TEN + SECOND, TEN + MINUTE)]));
        assert_eq!(house.sessions("acme"), [("s".into(), 1)]);
    }
}

#[test]
fn a_trace_of_two_sessions_loses_only_the_deleted_one() {
    for tuning in tunings() {
        let mut house = House::new(tuning);
        let spans = || {
            [
                agent(1, 1, 0, "outer").session("gone").between(TEN - MINUTE, TEN - SECOND),
                agent(1, 2, 1, "inner").session("kept").between(TEN - MINUTE, TEN - SECOND),
                chat(1, 3, 2, (7, 0), 70).between(TEN - MINUTE, TEN - SECOND),
            ]
        };
        house.fold("acme", request(spans()));
        house.tick();
        assert_eq!(house.delete("acme", "gone"), Some(1));
        for _ in 0..2 {
            assert_eq!(house.sessions("acme"), [("kept".into(), 1)]);
            assert_eq!(house.detail("acme", "kept").unwrap().0.total_tokens, 7);
            house.fold("acme", request(spans()));
            house.crash();
        }
    }
}

#[test]
fn the_facts_of_a_deleted_session_leave_the_disk() {
    let house = House::new(Tuning::restless());
    for trace in 1..=5 {
        let spans = [agent(trace, 1, 0, "a").session("s"), chat(trace, 2, 1, (1, 1), 1)];
        house.fold("acme", request(spans));
    }
    house.fold("acme", request([agent(9, 1, 0, "a").session("kept")]));
    house.settle();
    assert_eq!(house.count_rows("SELECT count(*) FROM traces"), 6);
    house.advance(MINUTE);
    assert_eq!(house.delete("acme", "s"), Some(5));
    house.settle();
    assert_eq!(house.count_rows("SELECT count(*) FROM traces"), 1);
    assert_eq!(house.count_rows("SELECT count(*) FROM runs"), 1);
    assert_eq!(house.count_rows("SELECT count(*) FROM sessions"), 1);
}

/// The deletion is not on disk yet when a span of the trace comes late: what the disk still has must not come back through it.
#[test]
fn what_is_forgotten_but_still_on_disk_is_not_read_back() {
    let mut house = House::new(Tuning::restless());
    house.fold("acme", request([agent(1, 1, 0, "a").session("s").between(TEN - MINUTE, TEN - SECOND)]));
    house.settle();
    house.tuning = Tuning::default();
    house.reopen();
    assert_eq!(house.delete("acme", "s"), Some(1));
    // Below the forgotten agent it would be a part of the deleted run; by itself it is a run of its own session.
    house.fold("acme", request([chat(1, 2, 1, (1, 1), 1).session("other")]));
    assert_eq!(house.sessions("acme"), [("other".into(), 1)]);
    house.crash();
    assert_eq!(house.sessions("acme"), [("other".into(), 1)]);
}

/// A fold that met damage stops; whoever waits for it must hear so.
#[test]
fn a_deletion_is_refused_when_the_fold_has_stopped() {
    let house = House::new(Tuning { sweep_interval: NEVER, ..Tuning::restless() });
    house.fold("acme", request([agent(1, 1, 0, "a").session("s")]));
    house.settle();
    rusqlite::Connection::open(house.database()).unwrap().execute_batch("DROP TABLE runs").unwrap();
    let refused = house.try_delete("acme", "s").unwrap_err().to_string();
    assert!(refused.contains("restart"), "{refused}");
    assert!(house.not_ready().is_some_and(|why| why.contains("the fold stopped")));
    assert!(house.try_delete("acme", "s").is_err());
}
