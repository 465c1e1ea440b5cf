//! What memory holds has a limit, and large traces do not cost more than they must.

use std::time::{Duration, Instant};

use super::house::{House, Tuning};
use crate::support::spans::{Tell, agent, chat, request, span};

#[test]
fn a_trace_of_too_many_spans_is_folded_on_and_says_so() {
    let mut house = House::new(Tuning { max_trace_spans: 100, ..Tuning::restless() });
    house.fold("acme", request([agent(1, 1, 0, "a").session("s")]));
    for number in 2..150 {
        house.send("acme", request([span(1, number, 1)]));
    }
    house.wait_folded();
    assert!(house.metric("sessionfold_store_spans_total{outcome=\"trace_too_large\"}") > 0.0);
    // Money still counts, and an agent of its own session is still a run.
    house.fold("acme", request([chat(1, 500, 1, (10, 5), 100), agent(1, 501, 1, "b").session("t")]));
    for _ in 0..2 {
        let (summary, runs) = house.detail("acme", "s").unwrap();
        assert_eq!((summary.total_tokens, runs[0].is_truncated), (15, true));
        assert_eq!(runs[0].n_spans, 101);
        assert_eq!(house.sessions("acme").len(), 2);
        house.crash();
    }
}

/// Neither the sweep nor the next checkpoint may be waited for: at full speed they are hundreds of megabytes away.
#[test]
fn open_traces_leave_memory_when_they_take_more_than_their_cap() {
    const CAP_BYTES: usize = 1 << 20;
    let house = House::new(Tuning { open_trace_bytes: CAP_BYTES, ..Tuning::default() });
    for trace in 1..=4_000_u128 {
        let spans = (2..10).map(|number| chat(trace, number, 1, (1, 1), 1));
        house.send("acme", request(spans.chain([agent(trace, 1, 0, "a").session("s")])));
    }
    house.wait_folded();
    house.until("memory is within its cap", || {
        house.tick();
        (1.0..=CAP_BYTES as f64).contains(&house.metric("sessionfold_store_open_traces_bytes"))
    });
    assert_eq!(house.sessions("acme"), [("s".into(), 4_000)]);
}

#[test]
fn a_trace_that_grows_by_one_span_a_request_does_not_cost_its_square() {
    let house = House::new(Tuning { checkpoint_interval: Duration::from_millis(200), ..Tuning::default() });
    house.fold("acme", request([agent(1, 1, 0, "a").session("s")]));
    let began = Instant::now();
    for number in 2..=20_000 {
        house.send("acme", request([chat(1, number, 1, (1, 0), 1)]));
    }
    house.until("every call is counted", || house.detail("acme", "s").unwrap().0.total_tokens == 19_999);
    let took = began.elapsed();
    eprintln!("20,000 requests of one trace: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_trace_of_very_many_runs_does_not_cost_their_square() {
    let house = House::new(Tuning { checkpoint_interval: Duration::from_millis(200), ..Tuning::default() });
    let began = Instant::now();
    for part in 0..40_u64 {
        house.fold("acme", request((1..=500).map(|at| agent(1, part * 500 + at, 0, "a").session("s"))));
    }
    house.until("every run is counted", || house.detail("acme", "s").unwrap().0.run_count == 20_000);
    let took = began.elapsed();
    eprintln!("20,000 runs of one trace: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
