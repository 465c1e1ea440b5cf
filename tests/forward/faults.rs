//! What goes wrong on the way to Tempo: nothing is lost, nothing is sent too soon, and the position never runs ahead.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::HeaderMap;
use sessionfold::journal::Position;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::link::failure::Cause;
use sessionfold::tempo::metrics::DropReason;
use sessionfold::tempo::options::{BatchOptions, Options};
use tonic::Code;

use super::bench::{Bench, Log, eventually, quick, request};
use super::double::{Double, Reply};

/// Answers with these replies in turn, then OK.
fn turns(replies: Vec<Reply>) -> impl FnMut(&[u64], &HeaderMap) -> Reply + Send + 'static {
    let mut replies = replies.into_iter();
    move |_, _| replies.next().unwrap_or(Reply::Ok)
}

fn status(code: Code, message: &str) -> Reply {
    Reply::Status(code, message.to_owned())
}

/// One span, one failed attempt: gives the time until the second attempt.
async fn time_until_retry(reply: Reply, cause: Cause) -> Duration {
    let tempo = Double::start(turns(vec![reply])).await;
    let mut options = quick(&tempo.endpoint());
    if cause == Cause::Timeout {
        options.retry.request_timeout = Duration::from_millis(300);
    }
    let bench = Bench::start(options).await;
    bench.log.spans(request(1..2));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), [1]);
    assert_eq!(bench.metrics.retries(cause).get(), 1, "{cause:?}");
    for reason in [DropReason::BadData, DropReason::TooLarge, DropReason::Rejected] {
        assert_eq!(bench.metrics.dropped_spans(reason).get(), 0);
    }
    let calls = tempo.calls();
    assert_eq!(calls.len(), 2);
    calls[1].at.duration_since(calls[0].at)
}

#[tokio::test]
async fn a_clear_refusal_is_retried_soon() {
    let soon = quick("").retry.ambiguous_wait;
    assert!(time_until_retry(status(Code::Unavailable, "not now"), Cause::Unavailable).await < soon);
    assert!(time_until_retry(status(Code::ResourceExhausted, "rate limit"), Cause::RateLimited).await < soon);
}

#[tokio::test]
async fn a_receiver_that_says_when_to_come_back_is_obeyed() {
    let delay = Duration::from_millis(500);
    let limited = Reply::RetryAfter(Code::ResourceExhausted, "ingestion rate limit exceeded".to_owned(), delay);
    assert!(time_until_retry(limited, Cause::RateLimited).await >= delay);
    let later = Reply::RetryAfter(Code::Unavailable, "later".to_owned(), delay);
    assert!(time_until_retry(later, Cause::Unavailable).await >= delay);
}

#[tokio::test]
async fn what_tempo_may_already_have_is_repeated_only_after_the_long_wait() {
    let wait = quick("").retry.ambiguous_wait;
    assert!(time_until_retry(Reply::Hang, Cause::Timeout).await >= wait);
    assert!(time_until_retry(Reply::Cut, Cause::ConnectionLost).await >= wait);
    assert!(time_until_retry(status(Code::Aborted, ""), Cause::Aborted).await >= wait);
    assert!(time_until_retry(status(Code::Unknown, "what"), Cause::ServerError).await >= wait);
}

#[tokio::test]
async fn a_configuration_error_is_retried_until_a_person_mends_it_and_drops_nothing() {
    for (code, words, cause) in [
        (Code::Unavailable, "no org id", Cause::NoTenant),
        (Code::InvalidArgument, "tenant ID is too long: max 150 characters", Cause::BadTenant),
        (Code::Unauthenticated, "", Cause::Unauthenticated),
        (Code::PermissionDenied, "", Cause::PermissionDenied),
        (Code::Unimplemented, "unknown service", Cause::NotOtlp),
        (Code::FailedPrecondition, "this is the sessionfold that sent it", Cause::OwnInstance),
    ] {
        let slow = quick("").retry.max_backoff;
        assert!(time_until_retry(status(code, words), cause).await >= slow, "{cause:?}");
    }
}

#[tokio::test]
async fn a_partial_success_is_final_and_counted() {
    let tempo = Double::start(turns(vec![Reply::Partial(2, "too old")])).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.spans(request(1..6));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.calls().len(), 1);
    assert_eq!(bench.metrics.dropped_spans(DropReason::Rejected).get(), 2);
}

#[tokio::test]
async fn a_warning_in_a_success_drops_nothing() {
    let tempo = Double::start(turns(vec![Reply::Partial(0, "slow down"), Reply::Partial(-5, "nonsense")])).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    let end = bench.log.spans(request(1..2));
    bench.forwarded(end).await;
    let end = bench.log.spans(request(2..3));
    bench.forwarded(end).await;
    assert_eq!(bench.metrics.dropped_spans(DropReason::Rejected).get(), 0);
}

#[tokio::test]
async fn a_tls_address_of_a_plain_receiver_fails_clearly_and_loses_nothing() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(quick(&format!("https://localhost:{}", tempo.address.port()))).await;
    bench.log.spans(request(1..2));
    eventually("a failed handshake", || bench.metrics.retries(Cause::Unreachable).get() > 1).await;
    assert_eq!(bench.stop().await.position, Position(0));
    assert!(tempo.calls().is_empty());
}

#[tokio::test]
async fn the_position_stays_before_what_is_not_acknowledged() {
    let (allow, allowed) = std::sync::mpsc::channel::<()>();
    let mut is_open = false;
    let script = move |_: &[u64], _: &HeaderMap| {
        is_open = is_open || allowed.try_recv().is_ok();
        if is_open { Reply::Ok } else { status(Code::Unavailable, "") }
    };
    let tempo = Double::start(script).await;
    let batch = BatchOptions { max_bytes: 100, ..quick("").batch };
    let bench = Bench::start(Options { batch, ..quick(&tempo.endpoint()) }).await;
    for n in 0..10 {
        bench.log.spans(request(n..n + 1));
    }
    tempo.received(5).await;
    assert_eq!(bench.status.forwarded_position(), Position(0));
    assert_eq!(bench.status.lag_bytes(), bench.log.end().0);
    assert!(!bench.status.is_tempo_up());
    assert!(bench.saved.lock().unwrap().is_empty());
    allow.send(()).unwrap();
    bench.forwarded(bench.log.end()).await;
    assert!(bench.status.is_tempo_up());
    bench.stop().await;
}

#[tokio::test]
async fn a_tempo_that_is_absent_at_start_and_killed_later_loses_nothing() {
    let address = Double::start(|_, _| Reply::Ok).await.address;
    let bench = Bench::start(quick(&address.to_string())).await;
    bench.log.spans(request(0..10));
    eventually("a refused connection", || bench.metrics.retries(Cause::Unreachable).get() >= 2).await;

    let first = Double::start_at(address, |_, _| Reply::Ok).await;
    bench.forwarded(bench.log.end()).await;
    first.kill();
    for n in 1..20 {
        bench.log.spans(request(n * 10..n * 10 + 10));
    }
    eventually("an outage", || !bench.status.is_tempo_up()).await;
    let second = eventually_listening(address).await;
    bench.forwarded(bench.log.end()).await;

    assert_eq!(first.accepted(), (0..10).collect::<Vec<u64>>());
    assert_eq!(second.accepted(), (10..200).collect::<Vec<u64>>());
    assert_eq!(bench.stop().await.left_bytes, 0);
}

/// The port may still be held for a moment by connections that end.
async fn eventually_listening(address: std::net::SocketAddr) -> Double {
    let free = || std::net::TcpListener::bind(address).is_ok();
    eventually("the port is free", free).await;
    Double::start_at(address, |_, _| Reply::Ok).await
}

#[tokio::test]
async fn doubtful_refusals_drop_a_span_only_when_others_are_taken() {
    // Span 3 is refused without a word about data; everything else is taken.
    let tempo = Double::start(|spans, _| if spans.contains(&3) { status(Code::Internal, "panic") } else { Reply::Ok }).await;
    let mut options = quick(&tempo.endpoint());
    options.retry.ambiguous_wait = Duration::from_millis(20);
    let bench = Bench::start(options).await;
    bench.log.spans(request(1..6));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), [1, 2, 4, 5]);
    assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 1);
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_doubtfully_costs_no_span() {
    let began = Instant::now();
    let broken = Duration::from_millis(800);
    let tempo = Double::start(move |_, _| if began.elapsed() < broken { status(Code::Internal, "disk") } else { Reply::Ok }).await;
    let mut options = quick(&tempo.endpoint());
    options.retry.ambiguous_wait = Duration::from_millis(5);
    let bench = Bench::start(options).await;
    bench.log.spans(request(1..6));
    bench.forwarded(bench.log.end()).await;
    assert!(tempo.calls().len() > 10, "it was not tried often enough for this test to mean something");
    assert_eq!(tempo.accepted(), [1, 2, 3, 4, 5]);
    assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 0);
}

#[tokio::test]
async fn in_any_mix_of_faults_every_span_arrives_and_no_saved_position_is_ahead() {
    let acme = Tenant::new("acme").unwrap();
    let accepted: Arc<Mutex<HashSet<u64>>> = Arc::default();
    let script = {
        let accepted = accepted.clone();
        let mut n = 0_u64;
        move |spans: &[u64], _: &HeaderMap| {
            n += 1;
            // A fixed, well mixed sequence.
            let reply = match n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 {
                0 => status(Code::Unavailable, ""),
                1 => Reply::RetryAfter(Code::ResourceExhausted, "rate limit".to_owned(), Duration::from_millis(20)),
                2 if spans.len() > 1 => status(Code::ResourceExhausted, "received message larger than max (1 vs. 0)"),
                3 if spans.len() > 1 => status(Code::InvalidArgument, "bad"),
                4 => Reply::Cut,
                5 => Reply::Hang,
                _ => Reply::Ok,
            };
            if matches!(reply, Reply::Ok) {
                accepted.lock().unwrap().extend(spans);
            }
            reply
        }
    };
    let tempo = Double::start(script).await;
    let mut options = quick(&tempo.endpoint());
    options.batch.max_bytes = 2_000;
    options.max_pending_bytes = 6_000;
    options.retry.request_timeout = Duration::from_millis(150);
    options.retry.ambiguous_wait = Duration::from_millis(30);
    let ends: Arc<Mutex<Vec<(Position, u64)>>> = Arc::default();
    let check_saved = {
        let (ends, accepted) = (ends.clone(), accepted.clone());
        move |position| {
            let accepted = accepted.lock().unwrap();
            for (end, last_span) in ends.lock().unwrap().iter().filter(|(end, _)| *end <= position) {
                let missing: Vec<u64> = (last_span - 6..=*last_span).filter(|span| !accepted.contains(span)).collect();
                assert!(missing.is_empty(), "{position:?} was saved, but of the entry that ends at {end:?} {missing:?} are missing");
            }
        }
    };
    let (log, source) = Log::new();
    let bench = Bench::start_with(options, log, source, check_saved).await;
    for n in 0..400_u64 {
        let mut ends = ends.lock().unwrap();
        let tenant = if n % 3 == 0 { acme.clone() } else { Tenant::default() };
        let end = bench.log.tenant_spans(&tenant, request(n * 7 + 1..n * 7 + 8));
        ends.push((end, n * 7 + 7));
    }
    bench.forwarded(bench.log.end()).await;
    assert_eq!(accepted.lock().unwrap().len(), 2800);
    assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 0);
    bench.stop().await;
}
