//! What is there right after the store has opened, whatever became of its files.

use std::sync::mpsc;
use std::time::Duration;

use super::house::{House, Tuning};
use crate::support::spans::{MILLI, SECOND, TEN, Tell, agent, chat, request, span};

fn some_sessions(house: &House) {
    for trace in 1..=20_u128 {
        let session = format!("s{}", trace % 3);
        house.send("acme", request([agent(trace, 1, 0, "a").session(&session), chat(trace, 2, 1, (3, 4), 5)]));
    }
    house.wait_folded();
}

fn remove_database(house: &House, with_companions: bool) {
    let path = house.database();
    std::fs::remove_file(&path).unwrap();
    for suffix in ["-wal", "-shm"].into_iter().filter(|_| with_companions) {
        // They are there after a kill only.
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

#[test]
fn a_lost_index_is_made_again_from_a_journal_that_holds_everything() {
    for with_companions in [true, false] {
        let mut house = House::new(Tuning::restless());
        some_sessions(&house);
        assert_eq!(house.delete("acme", "s0"), Some(6));
        house.settle();
        let before: Vec<_> = ["s0", "s1", "s2"].map(|id| house.detail("acme", id)).into();
        house.stop();
        remove_database(&house, with_companions);
        house.open().unwrap();
        let after: Vec<_> = ["s0", "s1", "s2"].map(|id| house.detail("acme", id)).into();
        assert_eq!(before, after);
        assert!(before[0].is_none() && before[1].is_some());
    }
}

#[test]
fn a_lost_index_whose_journal_has_moved_on_is_refused_with_what_to_do() {
    let mut house = House::new(Tuning::restless());
    for trace in 1..=40_u128 {
        house.send("acme", request([agent(trace, 1, 0, "a").session("s").with("pad", &*"x".repeat(8000))]));
    }
    house.settle();
    house.journal().release(house.store().checkpointed());
    assert!(house.journal().start().0 > 0);
    house.stop();
    remove_database(&house, true);
    let refused = house.open().unwrap_err().to_string();
    for words in ["index database", "journal", "backup", "journal begins at"] {
        assert!(refused.contains(words), "{words:?} is not in: {refused}");
    }
}

/// The journal was lost or set aside; what comes into the new one lies before what the index has seen of the old one.
#[test]
fn an_index_that_is_ahead_of_a_new_journal_folds_all_of_that_journal() {
    let mut house = House::new(Tuning::restless());
    some_sessions(&house);
    house.stop();
    house.remove_journal();
    house.tuning = Tuning::default();
    house.open().unwrap();
    assert_eq!(house.sessions("acme").iter().map(|(_, n)| n).sum::<u64>(), 20);
    house.fold("acme", request([agent(100, 1, 0, "a").session("new")]));
    assert!(house.store().checkpointed() <= house.journal().end());
    house.crash();
    assert_eq!(house.sessions("acme").len(), 4);
    house.fold("acme", request([agent(101, 1, 0, "a").session("newer")]));
    house.crash();
    assert_eq!(house.sessions("acme").len(), 5);
}

/// Large traces wait their turn to be folded; nobody may see that after a restart.
#[test]
fn a_large_trace_is_whole_right_after_opening() {
    let mut house = House::new(Tuning::default());
    let pad = "x".repeat(1500);
    let part = |from: u64| (from..from + 100).map(|number| span(1, number, 1).with("pad", &*pad));
    for from in (2..4000).step_by(100) {
        house.send("acme", request(part(from)));
    }
    for number in 10_000..10_040 {
        house.send("acme", request([chat(1, number, 1, (1, 0), 1).with("pad", &*pad.repeat(80))]));
    }
    house.send("acme", request([agent(1, 1, 0, "a").session("s")]));
    house.crash();
    let (summary, runs) = house.detail("acme", "s").unwrap();
    assert_eq!((runs.len(), summary.total_tokens), (1, 40));
}

#[test]
fn a_stop_ends_although_the_database_cannot_be_written_and_nothing_is_lost() {
    let mut house = House::new(Tuning { checkpoint_interval: Duration::from_millis(1), ..Tuning::default() });
    house.settle();
    let db = rusqlite::Connection::open(house.database()).unwrap();
    db.execute_batch("CREATE TRIGGER no BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'no room'); END").unwrap();
    some_sessions(&house);
    house.until("it says that it cannot write", || {
        house.tick();
        house.not_ready().is_some_and(|why| why.contains("no room"))
    });
    let (done, is_done) = mpsc::channel();
    let stopping = std::thread::spawn(move || {
        house.stop();
        done.send(()).unwrap();
        house
    });
    is_done.recv_timeout(Duration::from_secs(20)).expect("the stop ends");
    let mut house = stopping.join().unwrap();
    db.execute_batch("DROP TRIGGER no").unwrap();
    house.open().unwrap();
    assert_eq!(house.sessions("acme").iter().map(|(_, n)| n).sum::<u64>(), 20);
    house.settle();
    assert_eq!(house.not_ready(), None);
}

#[test]
fn readers_are_answered_while_checkpoints_are_written() {
    let house = House::new(Tuning { checkpoint_interval: Duration::ZERO, ..Tuning::default() });
    for trace in 1..=400_u128 {
        let at = TEN + trace as u64 * MILLI;
        house.send("acme", request([agent(trace, 1, 0, "a").session("s").between(at, at + SECOND), chat(trace, 2, 1, (1, 1), 1)]));
        if trace % 4 == 0 {
            // List and detail are asked one after the other, so the detail may have more runs; what it says must agree with itself.
            let Some((summary, runs)) = house.detail("acme", "s") else { continue };
            assert_eq!(summary.run_count, runs.len() as u64);
            assert_eq!(summary.total_tokens, runs.iter().map(|run| run.usage.tokens).sum::<u64>());
            assert!(runs.is_sorted_by_key(|run| (run.started_at, run.id)));
        }
    }
}

/// A large trace that waits for its turn when a checkpoint is written: nothing tells the next start that it should be folded.
#[test]
fn a_large_trace_that_waited_when_a_checkpoint_was_written_is_whole_after_a_crash() {
    let mut house = House::new(Tuning { checkpoint_interval: Duration::ZERO, ..Tuning::default() });
    house.fold("acme", request((1..4000).map(|number| agent(1, number, 0, "a").session("s"))));
    for number in 1..=20_u64 {
        house.send("acme", request([chat(1, 10_000 + number, number, (1, 0), 1)]));
        let end = house.journal().end();
        house.until("a checkpoint covers it", || house.store().checkpointed() >= end);
        if number % 5 == 0 {
            house.crash();
            assert_eq!(house.detail("acme", "s").unwrap().0.total_tokens, number);
        }
    }
}
