//! Who is refused because the fold is behind, and who never is.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sessionfold::store::AcceptError;

use super::house::{House, NEVER, Tuning};
use crate::support::spans::{Tell, agent, request};

/// Spans of a megabyte.
fn megabyte(trace: u128) -> Bytes {
    request([agent(trace, 1, 0, "a").session("s").with("pad", &*"x".repeat(1 << 20))])
}

/// No wait at all is allowed, so that any backlog of more than some megabytes is too much.
fn impatient() -> Tuning {
    Tuning { max_lag: Duration::ZERO, ..Tuning::default() }
}

#[test]
fn senders_are_refused_while_the_fold_is_behind_and_a_rebuild_never() {
    let house = House::new(impatient());
    let began = Instant::now();
    let mut refused = None;
    for trace in 1.. {
        if refused.is_some() || began.elapsed() > Duration::from_secs(30) {
            break;
        }
        // A rebuild outruns the fold, and goes on.
        house.restore("acme", megabyte(trace)).unwrap();
        refused = house.try_send("acme", megabyte(trace)).err();
    }
    assert!(matches!(refused, Some(AcceptError::Behind { retry_after }) if retry_after >= Duration::from_secs(1)), "{refused:?}");
    house.restore("acme", megabyte(1)).unwrap();
    house.wait_folded();
    house.try_send("acme", megabyte(2)).unwrap();
}

/// What comes then is forwarded all the same, and the next start shows it.
#[test]
fn a_fold_that_has_stopped_refuses_nobody() {
    let house = House::new(Tuning { max_lag: Duration::ZERO, sweep_interval: NEVER, ..Tuning::restless() });
    house.fold("acme", request([agent(1, 1, 0, "a").session("s")]));
    house.settle();
    rusqlite::Connection::open(house.database()).unwrap().execute_batch("DROP TABLE runs").unwrap();
    house.try_delete("acme", "s").unwrap_err();
    assert!(house.not_ready().is_some_and(|why| why.contains("the fold stopped")));
    for trace in 2..12 {
        house.try_send("acme", megabyte(trace)).unwrap();
    }
}

/// Memory holds no more of them than `max_changes`, those included that are being written.
#[test]
fn what_the_disk_does_not_take_waits_in_the_journal() {
    let house = House::new(Tuning { max_changes: 20, ..Tuning::default() });
    let other = rusqlite::Connection::open(house.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // A run and a trace each.
    let mut n_visible = 0;
    for trace in 1..=40 {
        house.send("acme", request([agent(trace, 1, 0, "a").session(&format!("s-{trace}"))]));
        let end = house.journal().end();
        let sent = Instant::now();
        while house.store().folded() < end && sent.elapsed() < Duration::from_millis(500) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if house.store().folded() < end {
            break;
        }
        n_visible = trace;
    }
    assert!((5..=10).contains(&n_visible), "{n_visible} runs were folded while nothing could be written");
    other.execute_batch("COMMIT").unwrap();
    house.wait_folded();
    assert_eq!(house.sessions("acme").len() as u128, n_visible + 1);
}
