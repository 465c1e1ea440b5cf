//! A session of very many runs is right, and costs nobody else anything.

use sessionfold::model::query::SessionQuery;
use sessionfold::model::time::UnixNanos;

use super::house::{House, Tuning};
use crate::support::posts;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, span};

const RUNS: u128 = 5_000;

fn fill(house: &House, session: &str, first: u128, n: u128) {
    for traces in (first..first + n).collect::<Vec<_>>().chunks(500) {
        let spans = traces.iter().flat_map(|trace| {
            let at = TEN + *trace as u64 * SECOND;
            let run = agent(*trace, 1, 0, "a").session(session).between(at, at + SECOND);
            [run, chat(*trace, 2, 1, (1, 1), 1).between(at, at + SECOND)]
        });
        house.send("acme", request(spans));
    }
    house.wait_folded();
}

/// The boundary that a provisional run held shrinks when its true run comes; a long session was then read back whole each time.
#[test]
fn the_bounds_of_a_long_session_are_exact_although_they_are_not_read_each_time() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        fill(&house, "long", 1, 1_500);
        for trace in 2_001..2_021_u128 {
            // A child that ends late, then its run, which never held it: another trace's session.
            let late = TEN + trace as u64 * 100 * SECOND;
            house.fold("acme", request([span(trace, 2, 1).session("long").between(TEN - SECOND, late)]));
            house.fold("acme", request([span(trace, 2, 1).session("other").between(TEN - SECOND, late + 1)]));
        }
        house.until("the bounds are exact", || {
            house.tick();
            let (summary, runs) = house.detail("acme", "long").unwrap();
            let first = runs.iter().map(|run| run.started_at).min().unwrap();
            let last = runs.iter().map(|run| run.last_activity).max().unwrap();
            (summary.first_run, summary.last_activity, summary.run_count) == (first, last, runs.len() as u64)
        });
        let before = house.detail("acme", "long").unwrap().0;
        house.reopen();
        assert_eq!(house.detail("acme", "long").unwrap().0, before);
    }
}

/// All of it once happened before anything else could: 6.5 s for 100,000 runs.
#[test]
fn a_long_session_is_gone_at_once_and_its_traces_go_in_slices() {
    let mut house = House::new(Tuning { open_trace_bytes: 0, ..Tuning::restless() });
    fill(&house, "long", 1, RUNS);
    fill(&house, "other", 10_001, 3);
    house.settle();
    assert_eq!(house.delete("acme", "long"), Some(RUNS as u64));
    assert_eq!(house.sessions("acme"), [("other".into(), 3)]);
    // What comes meanwhile is taken, also under the same id.
    let now = house.now().0 + RUNS as u64 * 2 * SECOND;
    house.advance(RUNS as u64 * 2 * SECOND);
    house.fold("acme", request([agent(20_001, 1, 0, "a").session("long").between(now, now + SECOND)]));
    assert_eq!(house.sessions("acme"), [("long".into(), 1), ("other".into(), 3)]);
    house.settle();
    house.until("its rows are gone", || {
        house.tick();
        house.count_rows("SELECT count(*) FROM runs") == 4 && house.count_rows("SELECT count(*) FROM traces") == 4
    });
    assert_eq!(house.count_rows("SELECT count(*) FROM deletions"), 0);
    house.reopen();
    assert_eq!(house.sessions("acme"), [("long".into(), 1), ("other".into(), 3)]);
    assert_eq!(house.runs("acme").len(), 4);
}

#[test]
fn a_deletion_that_a_crash_interrupts_is_finished_by_the_next_start() {
    let mut house = House::new(Tuning { open_trace_bytes: 0, ..Tuning::restless() });
    fill(&house, "long", 1, RUNS);
    fill(&house, "other", 10_001, 3);
    // Reported runs too: what their agents said must not stay behind.
    for n in 1..=20_u64 {
        let run = sessionfold::model::ids::RunId::mint(n);
        house.post("acme", posts::start(run, "bot", "long"));
        house.post("acme", posts::complete(run, "success", None));
    }
    house.settle();
    assert_eq!(house.delete("acme", "long"), Some(RUNS as u64 + 20));
    house.crash();
    assert_eq!(house.sessions("acme"), [("other".into(), 3)]);
    // A late span of a run that was deleted makes no new one.
    house.fold("acme", request([chat(7, 3, 1, (5, 5), 5)]));
    assert_eq!(house.sessions("acme"), [("other".into(), 3)]);
    house.settle();
    house.until("its rows are gone", || {
        house.tick();
        house.count_rows("SELECT count(*) FROM runs WHERE session_no != 0") == 3 && house.count_rows("SELECT count(*) FROM deletions") == 0
    });
    house.reopen();
    assert_eq!(house.sessions("acme"), [("other".into(), 3)]);
}

/// It was quadratic: each trace looked through all that waited.
#[test]
fn deleting_a_session_of_many_reported_runs_is_not_quadratic() {
    let house = House::new(Tuning::default());
    for n in 1..=3_000_u64 {
        house.post("acme", posts::start(sessionfold::model::ids::RunId::mint(n), "bot", "s"));
    }
    house.wait_folded();
    assert_eq!(house.delete("acme", "s"), Some(3_000));
    assert_eq!(house.sessions("acme"), []);
}

/// One list of a window of time once held the tenant's lock while it read the runs of every session that reaches across.
#[test]
fn a_list_of_a_window_of_time_holds_up_nobody() {
    let mut house = House::new(Tuning::default());
    for sessions in (0..3_000_u128).collect::<Vec<_>>().chunks(100) {
        let spans = sessions.iter().flat_map(|n| {
            let id = format!("s{n}");
            let run = |trace: u128, at: u64| agent(trace, 1, 0, "a").session(&id).between(at, at + SECOND);
            // On both sides of the window; every third session has one inside.
            let inside = n.is_multiple_of(3).then(|| run(n * 10 + 3, TEN + 500 * SECOND));
            [Some(run(n * 10 + 1, TEN)), Some(run(n * 10 + 2, TEN + 1_000 * SECOND)), inside].into_iter().flatten()
        });
        house.send("acme", request(spans));
    }
    house.wait_folded();
    house.reopen();
    let window = |start: u64, end: u64| SessionQuery {
        start: Some(UnixNanos(TEN + start * SECOND)),
        end: Some(UnixNanos(TEN + end * SECOND)),
        limit: 10,
        ..SessionQuery::default()
    };
    assert_eq!(house.list("acme", &window(400, 600)).count, 1_000);
    assert_eq!(house.list("acme", &window(600, 700)).count, 0);
    assert_eq!(house.list("acme", &window(999, 1_001)).count, 3_000);

    // Lists one after another, and beside them what is written and read by others.
    const LISTS: usize = 12;
    let n_others = std::thread::scope(|scope| {
        let asking = scope.spawn(|| (0..LISTS).for_each(|_| assert_eq!(house.list("acme", &window(400, 600)).count, 1_000)));
        let mut n_others = 0;
        for trace in 1_000_000.. {
            if asking.is_finished() {
                break;
            }
            house.fold("acme", request([agent(trace, 1, 0, "a").session("new").between(TEN, TEN + SECOND)]));
            assert_eq!(house.list("acme", &SessionQuery { limit: 10, ..SessionQuery::default() }).count, 3_001);
            n_others += 1;
        }
        asking.join().unwrap();
        n_others
    });
    eprintln!("{n_others} writes and lists beside {LISTS} lists of a window");
    // Not a measurement: under the lock each write would wait for a list to end.
    assert!(n_others > 3 * LISTS, "{n_others} writes and lists beside {LISTS} lists of a window");
}
