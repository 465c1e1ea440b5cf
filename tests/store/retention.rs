//! What grows old leaves, always whole; what is silent times out.

use sessionfold::model::run::RunStatus;
use sessionfold::model::time::Nanos;

use super::house::{House, NEVER, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn aging(tuning: Tuning) -> Tuning {
    Tuning { max_age: Some(Nanos(30 * DAY)), ..tuning }
}

fn swept() -> Tuning {
    Tuning { sweep_interval: std::time::Duration::ZERO, ..Tuning::default() }
}

fn run_at(trace: u128, session: &str, at: u64) -> opentelemetry_proto::tonic::trace::v1::Span {
    agent(trace, 1, 0, "a").session(session).between(at, at + SECOND)
}

#[test]
fn old_sessions_are_removed_whole_and_late_old_spans_are_accepted_and_not_folded() {
    for tuning in [Tuning::restless(), swept()] {
        let mut house = House::new(aging(tuning));
        house.fold("acme", request([run_at(1, "old", TEN - 20 * DAY)]));
        // One run is as old, but its session is alive: it stays, and so does every sum.
        house.fold("acme", request([run_at(2, "alive", TEN - 20 * DAY), run_at(3, "alive", TEN)]));
        house.settle_if_restless();
        house.advance(15 * DAY);
        house.tick();
        assert_eq!(house.sessions("acme"), [("alive".into(), 2)]);
        house.fold("acme", request([run_at(1, "old", TEN - 20 * DAY), run_at(4, "alive", TEN - 20 * DAY)]));
        assert_eq!(house.sessions("acme"), [("alive".into(), 2)]);
        assert_eq!(house.metric("sessionfold_store_spans_total{outcome=\"too_old\"}"), 2.0);
        house.settle_if_restless();
        house.reopen();
        assert_eq!(house.sessions("acme"), [("alive".into(), 2)]);
        assert_eq!(house.count_rows("SELECT count(*) FROM sessions"), 1);
        assert_eq!(house.count_rows("SELECT count(*) FROM runs"), 2);
    }
}

/// A trace of an expired session and of one that is alive: when it changes, its expired run must not come back by itself.
#[test]
fn an_expired_run_does_not_come_back_with_a_trace_that_is_still_used() {
    for tuning in [Tuning::restless(), swept()] {
        let mut house = House::new(aging(tuning));
        house.fold("acme", request([agent(1, 1, 0, "a").session("old").between(TEN - 20 * DAY, TEN - 20 * DAY)]));
        house.fold("acme", request([agent(1, 2, 0, "a").session("alive").between(TEN, TEN + MINUTE)]));
        house.settle_if_restless();
        house.advance(15 * DAY);
        house.tick();
        assert_eq!(house.sessions("acme"), [("alive".into(), 1)]);
        // Seen before a sweep could hide it.
        house.tuning.sweep_interval = NEVER;
        for number in 3..6 {
            if number == 4 {
                house.reopen();
            }
            let call = chat(1, number, 2, (1, 1), 1).between(TEN + SECOND, TEN + 2 * SECOND);
            house.fold("acme", request([call]));
            assert_eq!(house.sessions("acme"), [("alive".into(), 1)]);
        }
    }
}

#[test]
fn an_expired_session_whose_run_then_times_out_does_not_come_back() {
    let tuning = Tuning { max_age: Some(Nanos(HOUR)), run_timeout: Nanos(DAY), ..swept() };
    let house = House::new(tuning);
    house.fold("acme", request([chat(1, 2, 1, (1, 1), 1).session("s")]));
    house.advance(2 * HOUR);
    house.tick();
    assert_eq!(house.sessions("acme"), []);
    house.advance(DAY);
    house.tick();
    assert_eq!(house.metric("sessionfold_store_expired_sessions_total"), 1.0);
}

/// Its times are not believed, so they say nothing about how old it is.
#[test]
fn a_run_of_the_far_future_is_counted_once_however_often_it_comes() {
    let mut house = House::new(aging(Tuning::restless()));
    let run = || agent(1, 1, 0, "a").session("s").between(TEN + 400 * DAY, TEN + 400 * DAY + SECOND);
    house.fold("acme", request([run()]));
    for _ in 0..3 {
        house.settle();
        house.fold("acme", request([run(), chat(1, 2, 1, (1, 1), 1)]));
        assert_eq!(house.sessions("acme"), [("s".into(), 1)]);
        assert_eq!(house.detail("acme", "s").unwrap().1.len(), 1);
        house.reopen();
    }
}

/// A session may live for ever under one id; what its old traces say late must find them.
#[test]
fn a_late_span_of_an_old_trace_finds_its_run_while_the_session_lives() {
    let mut house = House::new(Tuning { run_timeout: Nanos(DAY), ..aging(Tuning::restless()) });
    house.fold("acme", request([chat(1, 2, 1, (10, 0), 10).session("s").between(TEN - 20 * DAY, TEN - 20 * DAY)]));
    for day in 0..4 {
        house.fold("acme", request([run_at(10 + day, "s", house.now().0)]));
        house.advance(5 * DAY);
        house.settle();
    }
    house.reopen();
    // The run's own span ends now: it is not old, and its children are not lost.
    house.fold("acme", request([agent(1, 1, 0, "a").session("s").between(TEN - 21 * DAY, house.now().0)]));
    let (summary, runs) = house.detail("acme", "s").unwrap();
    assert_eq!((summary.run_count, summary.total_tokens, runs.len()), (5, 10, 5));
}

#[test]
fn the_facts_of_expired_sessions_leave_the_disk() {
    let house = House::new(aging(Tuning::restless()));
    for trace in 1..=20 {
        house.fold("acme", request([run_at(trace, &format!("s{trace}"), TEN)]));
    }
    house.settle();
    assert_eq!(house.count_rows("SELECT count(*) FROM traces WHERE tenant_no = 1"), 20);
    house.advance(31 * DAY);
    house.settle();
    house.settle();
    assert_eq!(house.sessions("acme"), []);
    assert_eq!(house.count_rows("SELECT count(*) FROM traces"), 0);
    assert_eq!(house.count_rows("SELECT count(*) FROM runs"), 0);
}

#[test]
fn a_silent_run_times_out_and_its_late_end_makes_it_a_success() {
    for tuning in [Tuning::restless(), swept()] {
        let mut house = House::new(Tuning { run_timeout: Nanos(DAY), ..tuning });
        let status = |house: &House| house.detail("acme", "s").unwrap().1[0].status;
        let begun = || agent(1, 1, 0, "a").session("s");
        house.fold("acme", request([begun().between(TEN, 0), chat(1, 2, 1, (1, 1), 1)]));
        house.settle_if_restless();
        assert_eq!(status(&house), RunStatus::Running);
        house.advance(DAY + MINUTE);
        house.until("it times out", || {
            house.tick();
            status(&house) == RunStatus::Timeout
        });
        assert_eq!(house.detail("acme", "s").unwrap().0.running_count, 0);
        house.crash();
        house.tick();
        assert_eq!(status(&house), RunStatus::Timeout);
        // A sign of life makes it run again, its end a success.
        house.fold("acme", request([chat(1, 3, 1, (1, 1), 1).between(TEN + DAY, TEN + DAY + MINUTE)]));
        assert_eq!(status(&house), RunStatus::Running);
        house.settle_if_restless();
        house.fold("acme", request([begun().between(TEN, TEN + DAY)]));
        assert_eq!(status(&house), RunStatus::Success);
    }
}

/// Thousands of runs may be waiting for their end at any time: looking for the silent ones must not read every one of them back.
#[test]
fn unfinished_runs_that_are_not_silent_are_left_on_disk() {
    let mut house = House::new(Tuning { run_timeout: Nanos(DAY), ..Tuning::restless() });
    for trace in 1..=50 {
        house.send("acme", request([chat(trace, 2, 1, (1, 1), 1).session("s")]));
    }
    house.settle();
    house.tuning = Tuning { run_timeout: Nanos(DAY), ..swept() };
    house.reopen();
    house.tick();
    assert_eq!(house.metric("sessionfold_store_open_traces"), 0.0);
    house.advance(2 * DAY);
    house.until("all have timed out", || {
        house.tick();
        house.detail("acme", "s").unwrap().0.running_count == 0
    });
}

#[test]
fn the_oldest_sessions_leave_while_the_index_is_over_its_cap() {
    let mut house = House::new(Tuning::restless());
    let long = "x".repeat(200);
    let send = |house: &House, from: u128| {
        for trace in from..from + 300 {
            let spans =
                (2..10).map(|number| chat(trace, number, 1, (1, 1), 1).with("gen_ai.agent.name", &*format!("{long}{trace}{number}")));
            let run =
                agent(trace, 1, 0, "a").session(&format!("s{trace:05}")).between(TEN + trace as u64 * SECOND, TEN + trace as u64 * SECOND);
            house.send("acme", request(spans.chain([run])));
        }
    };
    send(&house, 1);
    house.settle();
    let cap = used_bytes(&house);
    house.tuning.max_index_bytes = Some(cap);
    house.reopen();
    house.advance(HOUR);
    for part in 1..5 {
        send(&house, 1 + part * 300);
        house.until("the cap is kept", || {
            house.settle();
            used_bytes(&house) <= cap
        });
        let left = house.sessions("acme");
        // What is newest stays, and not much more went than had to.
        assert_eq!(left.last().unwrap().0, format!("s{:05}", (part + 1) * 300));
        let (first, last) = (&left.first().unwrap().0, &left.last().unwrap().0);
        let span = last[1..].parse::<usize>().unwrap() - first[1..].parse::<usize>().unwrap() + 1;
        assert_eq!(span, left.len(), "a session in the middle went");
        assert!(left.len() > 150, "{} are left", left.len());
    }
}

/// Their times say nothing; still they must not fill the disk, nor push out everything else for ever.
#[test]
fn sessions_of_the_far_future_leave_too_when_only_they_are_over_the_cap() {
    let mut house = House::new(Tuning::restless());
    for trace in 1..=300 {
        house.send("acme", request([run_at(trace, &format!("s{trace}"), TEN + 400 * DAY)]));
    }
    house.settle();
    let cap = 100_000;
    house.tuning.max_index_bytes = Some(cap);
    house.reopen();
    house.until("the cap is kept", || {
        house.settle();
        used_bytes(&house) <= cap
    });
    house.fold("acme", request([run_at(1_000, "now", TEN)]));
    house.tick();
    assert!(house.detail("acme", "now").is_some());
    assert!(house.sessions("acme").len() > 30);
}

/// The cap on disk raises what counts as old; it must not bring back what was deleted.
#[test]
fn deleted_sessions_stay_gone_when_the_cap_removes_older_ones() {
    let mut house = House::new(aging(Tuning::restless()));
    house.fold("acme", request([run_at(1, "gone", TEN - DAY)]));
    house.settle();
    assert_eq!(house.delete("acme", "gone"), Some(1));
    house.fold("acme", request([run_at(2, "newer", TEN + DAY / 2)]));
    house.tuning.max_index_bytes = Some(1);
    house.reopen();
    house.settle();
    house.settle();
    assert_eq!(house.sessions("acme"), []);
    house.tuning = aging(Tuning::default());
    house.reopen();
    house.fold("acme", request([run_at(1, "gone", TEN - DAY)]));
    assert_eq!(house.sessions("acme"), []);
}

fn used_bytes(house: &House) -> u64 {
    let query = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    u64::try_from(house.count_rows(query)).unwrap()
}

#[test]
fn one_bad_clock_takes_no_call_out_of_a_run_of_today() {
    // A monotonic clock, milliseconds for nanoseconds, a clock that is behind or ahead, and times that are not there.
    let odd = [
        (12 * HOUR, 12 * HOUR + SECOND),
        (TEN / 1_000_000, TEN / 1_000_000 + 1000),
        (TEN - 40 * DAY, TEN - 40 * DAY + SECOND),
        (TEN + 5 * DAY, TEN + 5 * DAY + SECOND),
        (0, 0),
        (0, TEN + SECOND),
        (TEN, 0),
    ];
    let call = |at: usize| chat(1, 2 + at as u64, 1, (100, 10), 1).between(odd[at].0, odd[at].1);
    for tuning in [Tuning::restless(), swept()] {
        let mut house = House::new(aging(tuning));
        house.fold("acme", request([call(0), call(1)]));
        house.settle_if_restless();
        house.fold("acme", request([run_at(1, "s", TEN), call(2)]));
        house.settle_if_restless();
        house.fold("acme", request([call(3), call(4)]));
        house.fold("acme", request([call(5), call(6)]));
        for _ in 0..2 {
            let (summary, runs) = house.detail("acme", "s").unwrap();
            assert_eq!((summary.total_tokens, runs.len()), (770, 1));
            assert_eq!((runs[0].status, summary.first_run), (RunStatus::Success, runs[0].started_at));
            house.reopen();
        }
    }
}

#[test]
fn a_run_that_began_before_everything_that_is_kept_and_ended_now_is_not_too_old() {
    let house = House::new(aging(Tuning::restless()));
    house.fold("acme", request([agent(1, 1, 0, "a").session("s").between(TEN - 31 * DAY, TEN), chat(1, 2, 1, (100, 10), 1)]));
    assert_eq!(house.detail("acme", "s").unwrap().0.total_tokens, 110);
}

#[test]
fn a_trace_that_is_too_old_as_a_whole_is_counted_and_not_shown_with_a_session_or_without() {
    for tuning in [Tuning::restless(), swept()] {
        let mut house = House::new(aging(tuning));
        house.fold("acme", request([run_at(1, "s", TEN / 1_000_000), chat(1, 2, 1, (1, 1), 1).between(TEN - 40 * DAY, TEN - 40 * DAY)]));
        house.fold("acme", request([agent(2, 1, 0, "a").between(TEN - 40 * DAY, TEN - 40 * DAY)]));
        assert_eq!(house.metric("sessionfold_store_spans_total{outcome=\"too_old\"}"), 3.0);
        house.settle_if_restless();
        house.reopen();
        assert!(house.sessions("acme").is_empty() && house.runs("acme").is_empty());
        // Nor is it kept for long.
        house.settle_if_restless();
        house.advance(2 * HOUR);
        if house.tuning.checkpoint_interval.is_zero() {
            house.settle();
            house.until("what is old is gone", || {
                house.tick();
                house.count_rows("SELECT count(*) FROM traces") == 0
            });
        }
    }
}
