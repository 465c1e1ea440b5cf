//! Whoever looks sees one state, whatever happens at that moment.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sessionfold::model::ids::{SessionId, Tenant};
use sessionfold::model::query::{AgentQuery, SessionQuery, UserQuery, UserSort};
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::session::SessionSummary;
use sessionfold::model::time::UnixNanos;
use sessionfold::store::local::{LocalStore, SqliteLimits};
use sessionfold::store::{RunPage, Store};

use super::house::{House, Tuning};
use crate::support::dice::Dice;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const SESSIONS: [&str; 4] = ["s0", "s1", "s2", "s3"];

/// Runs come, grow, change their sessions and go, checkpoints are written without a pause, and sessions are deleted.
#[test]
fn every_look_at_a_session_shows_one_state_of_it() {
    let mut house = House::new(Tuning::restless());
    let seed = std::process::id().into();
    let (stop, n_looks) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let store = house.store().clone();
            let (stop, n_looks) = (&stop, &n_looks);
            scope.spawn(move || {
                let mut dice = Dice::new(reader);
                while !stop.load(Ordering::Relaxed) {
                    look(&store, SESSIONS[dice.below(4) as usize]);
                    n_looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // A reader that fails must not leave the other one looking for ever.
        let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| send(&mut house, seed, Duration::from_secs(4))));
        stop.store(true, Ordering::Relaxed);
        sent.unwrap_or_else(|_| panic!("seed {seed}"));
    });
    let n_looks = n_looks.into_inner();
    assert!(n_looks > 200, "{n_looks} looks prove little");
}

/// The first question after a start reads every run, and what changes meanwhile is added afterwards.
#[test]
fn sums_that_are_first_asked_for_while_runs_change_are_right() {
    let mut house = House::new(Tuning::restless());
    for n in 0..40 {
        let spans = (0..100).map(|m| agent(1_000 + n * 100 + m, 1, 0, "outer").session("long").with("waxell.user_id", "u1"));
        house.fold("acme", request(spans));
    }
    for round in 0..8 {
        house.reopen();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (store, stop) = (house.store().clone(), &stop);
            let asking = scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let query = UserQuery { search: None, sort: UserSort::TotalTokens, descending: true, limit: 2, offset: 0 };
                    store.sums(&Tenant::new("acme").unwrap(), UnixNanos::ZERO).unwrap();
                    store.users(&Tenant::new("acme").unwrap(), &query).unwrap();
                }
            });
            let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| send(&mut house, round, Duration::from_millis(400))));
            stop.store(true, Ordering::Relaxed);
            asking.join().unwrap();
            sent.unwrap();
        });
        house.wait_folded();
        house.check_sums("acme");
    }
}

fn send(house: &mut House, seed: u64, how_long: Duration) {
    let mut dice = Dice::new(seed);
    let began = Instant::now();
    while began.elapsed() < how_long {
        let trace = u128::from(1 + dice.below(40));
        let start = TEN + dice.below(600) * SECOND;
        let parent = 1 + dice.below(3);
        let number = 2 + dice.below(30);
        let span = match dice.below(6) {
            // Late roots bring or change the sessions of what is below them.
            0 => agent(trace, parent, 0, "outer").session(SESSIONS[dice.below(4) as usize]),
            1 => agent(trace, number, parent, "inner").session(SESSIONS[dice.below(4) as usize]),
            2 => chat(trace, number, parent, (dice.below(50) as i64, 1), 10).session(SESSIONS[dice.below(4) as usize]),
            _ => chat(trace, number, parent, (dice.below(50) as i64, 1), 10),
        };
        house.send("acme", request([span.between(start, start + dice.below(100) * SECOND)]));
        if dice.one_in(150) {
            house.advance(SECOND);
            house.delete("acme", SESSIONS[dice.below(4) as usize]);
        }
    }
}

fn look(store: &LocalStore, session: &str) {
    let tenant = Tenant::new("acme").unwrap();
    let id = SessionId::new(session).unwrap();
    if let Some(detail) = store.session(&tenant, &id, RunPage::default()).unwrap() {
        let runs: Vec<Run> = detail.runs.map(Result::unwrap).collect();
        agree(&detail.summary, &runs);
    }
    let window =
        SessionQuery { start: Some(UnixNanos(TEN + 200 * SECOND)), end: Some(UnixNanos(TEN + 210 * SECOND)), ..SessionQuery::default() };
    for query in [SessionQuery::default(), window] {
        let page = store.sessions(&tenant, &query).unwrap();
        assert_eq!(page.count, page.items.len() as u64);
        assert!(page.items.iter().all(|item| item.run_count > 0));
    }
    store.agents(&tenant, &AgentQuery::default()).unwrap();
}

fn agree(summary: &SessionSummary, runs: &[Run]) {
    let sum = |value: fn(&Run) -> u64| runs.iter().map(value).sum::<u64>();
    assert_eq!(summary.run_count, runs.len() as u64);
    assert_eq!(summary.total_tokens, sum(|run| run.usage.tokens));
    assert_eq!(summary.total_cost.0, sum(|run| run.usage.cost.0));
    assert_eq!(summary.total_duration.0, sum(|run| run.duration().map_or(0, |length| length.0)));
    assert_eq!(summary.running_count, sum(|run| u64::from(run.status == RunStatus::Running)));
    assert_eq!(Some(summary.first_run), runs.iter().map(|run| run.started_at).min());
    assert_eq!(Some(summary.last_activity), runs.iter().map(|run| run.last_activity).max());
    assert!(runs.is_sorted_by_key(|run| (run.started_at, run.id)));
    assert!(runs.iter().all(|run| run.session.as_ref() == Some(&summary.id)));
}

/// A list of sessions opened 300 connections for 300 readers once, each with a cache of 16 MiB.
#[test]
fn no_more_connections_are_lent_than_may_be_and_who_finds_none_is_told_to_come_again() {
    let house = House::new(Tuning::default());
    house.fold("acme", request([agent(1, 1, 0, "a").session("s0").between(TEN, TEN + SECOND)]));
    let (store, tenant) = (house.store().clone(), Tenant::new("acme").unwrap());
    let id = SessionId::new("s0").unwrap();
    let look = || store.session(&tenant, &id, RunPage::default()).map(Option::unwrap);
    let lent: Vec<_> = (0..SqliteLimits::default().max_readers).map(|_| look().unwrap()).collect();
    let error = look().err().expect("all connections are lent");
    assert!(error.is_busy(), "{error}");
    drop(lent);
    assert_eq!(look().unwrap().runs.count(), 1);
}
