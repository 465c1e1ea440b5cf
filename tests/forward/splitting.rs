//! Requests that are too large, and spans that Tempo will not have.

use std::time::Duration;

use sessionfold::journal::Position;
use sessionfold::tempo::metrics::DropReason;
use sessionfold::tempo::options::{BatchOptions, Options};
use tonic::Code;

use super::bench::{Bench, padded_request, quick, request};
use super::double::{Double, Reply};

fn refusal(code: Code, message: &str) -> Reply {
    Reply::Status(code, message.to_owned())
}

#[tokio::test]
async fn an_entry_larger_than_a_batch_is_cut_between_spans() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let batch = BatchOptions { max_bytes: 5_000, ..quick("").batch };
    let bench = Bench::start(Options { batch, max_pending_bytes: 1, ..quick(&tempo.endpoint()) }).await;
    bench.log.spans(request(0..3));
    bench.log.spans(padded_request(3..100, 1_000));
    bench.log.spans(request(100..103));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), (0..103).collect::<Vec<u64>>());
    let sizes: Vec<usize> = tempo.calls().iter().map(|call| call.message.len()).collect();
    assert!(sizes.iter().all(|size| *size < 5_100), "{sizes:?}");
    assert_eq!(bench.metrics.splits.get(), 0);
}

#[tokio::test]
async fn an_entry_sent_in_parts_is_done_only_with_its_last_part() {
    let tempo = Double::start(|spans, _| if spans.contains(&19) { refusal(Code::Unavailable, "") } else { Reply::Ok }).await;
    let batch = BatchOptions { max_bytes: 5_000, ..quick("").batch };
    let bench = Bench::start(Options { batch, ..quick(&tempo.endpoint()) }).await;
    bench.log.spans(padded_request(0..20, 1_000));
    tempo.received(8).await;
    assert!(tempo.accepted().len() >= 12, "the first parts were not taken");
    assert_eq!(bench.status.forwarded_position(), Position(0));
}

#[tokio::test]
async fn an_entry_taken_apart_is_done_only_with_its_last_half() {
    let tempo = Double::start(|spans, _| match spans {
        [4] => refusal(Code::Unavailable, ""),
        spans if spans.contains(&4) => refusal(Code::InvalidArgument, "bad"),
        _ => Reply::Ok,
    });
    let tempo = tempo.await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.spans(request(1..5));
    tempo.received(6).await;
    assert_eq!(tempo.accepted(), [1, 2, 3]);
    assert_eq!(bench.status.forwarded_position(), Position(0));
}

#[tokio::test]
async fn a_request_that_is_too_large_for_tempo_is_halved_until_it_fits() {
    for words in ["grpc: received message larger than max (9 vs. 8)", "RATE_LIMITED: batch size (9 bytes) exceeds ingestion limit"] {
        let tempo = Double::start(move |spans, _| if spans.len() > 12 { refusal(Code::ResourceExhausted, words) } else { Reply::Ok }).await;
        let bench = Bench::start(quick(&tempo.endpoint())).await;
        bench.log.spans(request(0..50));
        bench.log.spans(request(50..99));
        bench.forwarded(bench.log.end()).await;
        assert_eq!(tempo.accepted(), (0..99).collect::<Vec<u64>>());
        assert!(bench.metrics.splits.get() > 0);
        assert_eq!(bench.metrics.dropped_spans(DropReason::TooLarge).get(), 0);
    }
}

#[tokio::test]
async fn only_a_span_that_is_too_large_alone_is_given_up() {
    let tempo =
        Double::start(|spans, _| if spans.contains(&7) { refusal(Code::ResourceExhausted, "larger than max") } else { Reply::Ok }).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.spans(request(0..20));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), (0..20).filter(|n| *n != 7).collect::<Vec<u64>>());
    assert_eq!(bench.metrics.dropped_spans(DropReason::TooLarge).get(), 1);
}

#[tokio::test]
async fn a_poisoned_batch_loses_only_its_bad_spans() {
    for (code, words) in [
        (Code::InvalidArgument, "span ids must be 64 bit and not all zero"),
        (Code::Internal, "grpc: error unmarshalling request: unmarshal: invalid TraceID length"),
    ] {
        let is_bad = |n: &u64| matches!(n, 0 | 41 | 42 | 299);
        let tempo = Double::start(move |spans, _| if spans.iter().any(is_bad) { refusal(code, words) } else { Reply::Ok }).await;
        let bench = Bench::start(quick(&tempo.endpoint())).await;
        for n in 0..60 {
            bench.log.spans(request(n * 5..n * 5 + 5));
        }
        bench.forwarded(bench.log.end()).await;
        assert_eq!(tempo.accepted(), (0..300).filter(|n| !is_bad(n)).collect::<Vec<u64>>());
        assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 4);
        // Finding a bad span takes two requests a halving, not one a record.
        assert!(tempo.calls().len() < 70, "{} requests", tempo.calls().len());
    }
}

#[tokio::test]
async fn the_spans_of_a_record_that_is_taken_apart_keep_their_bytes() {
    let whole = padded_request(1..3, 50);
    let tempo = Double::start(|spans, _| if spans.len() > 1 { refusal(Code::InvalidArgument, "one of them") } else { Reply::Ok }).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.spans(whole);
    bench.forwarded(bench.log.end()).await;
    let messages: Vec<bytes::Bytes> = tempo.calls().iter().skip(1).map(|call| call.message.clone()).collect();
    assert_eq!(messages, [padded_request(1..2, 50), padded_request(2..3, 50)]);
}

#[tokio::test]
async fn a_batch_above_the_burst_that_tempo_calls_a_matter_of_rate_is_halved_in_the_end() {
    let tempo = Double::start(|spans, _| {
        let words = "RATE_LIMITED: ingestion rate limit (burst: 100000 bytes) exceeded while adding".to_owned();
        if spans.len() > 90 { Reply::RetryAfter(Code::ResourceExhausted, words, Duration::from_millis(10)) } else { Reply::Ok }
    });
    let tempo = tempo.await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.spans(padded_request(0..300, 1_000));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), (0..300).collect::<Vec<u64>>());
    assert_eq!(bench.metrics.dropped_spans(DropReason::TooLarge).get(), 0);
}

#[tokio::test]
async fn a_batch_that_is_never_answered_in_time_is_halved_in_the_end() {
    let tempo = Double::start(|spans, _| if spans.len() > 90 { Reply::Hang } else { Reply::Ok }).await;
    let mut options = quick(&tempo.endpoint());
    options.retry.request_timeout = Duration::from_millis(100);
    options.retry.ambiguous_wait = Duration::from_millis(10);
    let bench = Bench::start(options).await;
    bench.log.spans(padded_request(0..300, 1_000));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), (0..300).collect::<Vec<u64>>());
    assert_eq!(bench.metrics.splits.get(), 3);
}
