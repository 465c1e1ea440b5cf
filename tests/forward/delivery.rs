//! What arrives when nothing goes wrong, and when the process stops or starts.

use std::time::{Duration, Instant};

use sessionfold::journal::Position;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::INSTANCE_HEADER;
use sessionfold::tempo::export::forwarder::{Forwarder, StartError};
use sessionfold::tempo::metrics::ForwardMetrics;
use sessionfold::tempo::options::{BatchOptions, Options};
use tonic::Code;

use super::bench::{Bench, Log, padded_request, quick, request};
use super::double::{Double, Reply};

#[tokio::test]
async fn every_span_arrives_in_order_and_in_the_original_bytes() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    let mut sent = Vec::new();
    for n in 0..300 {
        let bytes = request(n * 3..n * 3 + 3);
        sent.extend_from_slice(&bytes);
        bench.log.spans(bytes);
    }
    bench.forwarded(bench.log.end()).await;
    let got: Vec<u8> = tempo.calls().iter().flat_map(|call| call.message.to_vec()).collect();
    assert!(got == sent, "the bytes differ");
    assert_eq!(tempo.accepted(), (0..900).collect::<Vec<u64>>());
    assert!(tempo.calls().len() < 300, "nothing was batched");
    assert_eq!(bench.status.lag_bytes(), 0);
    assert!(bench.status.is_tempo_up());
    assert_eq!(bench.stop().await.left_bytes, 0);
}

#[tokio::test]
async fn batches_keep_to_their_size_and_small_ones_wait_for_company() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let batch = BatchOptions { max_bytes: 10_000, linger: Duration::from_millis(100) };
    let bench = Bench::start(Options { batch, ..quick(&tempo.endpoint()) }).await;
    let began = Instant::now();
    for n in 0..50 {
        bench.log.spans(padded_request(n..n + 1, 900));
    }
    bench.forwarded(bench.log.end()).await;
    let sizes: Vec<usize> = tempo.calls().iter().map(|call| call.message.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 10_000), "{sizes:?}");
    // Ten spans fit in a batch. Only the last one, which is not full, had to wait.
    assert_eq!(sizes.len(), 5, "{sizes:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_holds_no_spans_is_passed_over() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    bench.log.deletion();
    bench.log.spans(bytes::Bytes::new());
    let end = bench.log.deletion();
    bench.forwarded(end).await;
    bench.log.spans(request(1..2));
    let end = bench.log.deletion();
    bench.forwarded(end).await;
    assert_eq!(tempo.calls().len(), 1);
}

#[tokio::test]
async fn tenants_are_named_to_tempo_and_never_share_a_request() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let headers = vec![("Authorization".to_owned(), "Bearer abc".to_owned())];
    let bench = Bench::start(Options { headers, ..quick(&tempo.endpoint()) }).await;
    let acme = Tenant::new("acme").unwrap();
    for n in 0..20 {
        bench.log.tenant_spans(&Tenant::default(), request(n..n + 1));
        bench.log.tenant_spans(&acme, request(1000 + n..1001 + n));
    }
    bench.forwarded(bench.log.end()).await;
    for call in tempo.calls() {
        let is_acme = super::double::span_numbers(&call.message)[0] >= 1000;
        assert!(super::double::span_numbers(&call.message).iter().all(|n| (*n >= 1000) == is_acme));
        assert_eq!(call.headers.get("x-scope-orgid").map(|name| name.to_str().unwrap()), is_acme.then_some("acme"));
        assert_eq!(call.headers["authorization"], "Bearer abc");
        assert_eq!(call.headers[INSTANCE_HEADER], "test-instance");
    }
}

#[tokio::test]
async fn a_configured_org_id_names_the_default_tenant_and_no_other() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let headers = vec![("X-Scope-OrgID".to_owned(), "team".to_owned())];
    let bench = Bench::start(Options { headers, ..quick(&tempo.endpoint()) }).await;
    bench.log.spans(request(1..2));
    bench.log.tenant_spans(&Tenant::new("acme").unwrap(), request(1000..1001));
    bench.forwarded(bench.log.end()).await;
    for call in tempo.calls() {
        let is_acme = super::double::span_numbers(&call.message)[0] >= 1000;
        let names: Vec<&str> = call.headers.get_all("x-scope-orgid").iter().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, [if is_acme { "acme" } else { "team" }]);
    }
}

#[tokio::test]
async fn gzip_is_used_when_asked_for() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(Options { gzip: true, ..quick(&tempo.endpoint()) }).await;
    let bytes = padded_request(1..50, 100);
    bench.log.spans(bytes.clone());
    bench.forwarded(bench.log.end()).await;
    let call = &tempo.calls()[0];
    assert!(call.is_compressed);
    assert_eq!(call.message, bytes);
}

#[tokio::test]
async fn a_refused_tenant_does_not_keep_the_others_from_tempo() {
    let is_acme = |headers: &http::HeaderMap| headers.contains_key("x-scope-orgid");
    let tempo =
        Double::start(move |_, headers| if is_acme(headers) { Reply::Status(Code::PermissionDenied, "no".to_owned()) } else { Reply::Ok })
            .await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    let first = bench.log.spans(request(1..2));
    bench.log.tenant_spans(&Tenant::new("acme").unwrap(), request(1000..1001));
    bench.log.spans(request(2..3));
    super::bench::eventually("the other tenant's spans arrive", || tempo.accepted() == [1, 2]).await;
    // The position stays before what is not delivered.
    assert_eq!(bench.status.forwarded_position(), first);
    assert_eq!(bench.metrics.dropped_spans(sessionfold::tempo::metrics::DropReason::BadData).get(), 0);
}

#[tokio::test]
async fn shutting_down_sends_what_is_there_and_says_what_is_left() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let batch = BatchOptions { linger: Duration::from_secs(60), ..BatchOptions::default() };
    let bench = Bench::start(Options { batch, ..quick(&tempo.endpoint()) }).await;
    bench.log.spans(request(1..4));
    let end = bench.log.spans(request(4..6));
    let began = Instant::now();
    let ending = bench.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "it waited for company");
    assert_eq!((ending.position, ending.left_bytes), (end, 0));
    assert_eq!(tempo.accepted(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn shutting_down_waits_for_what_is_in_the_journal_and_not_read_yet() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(quick(&tempo.endpoint())).await;
    let end = bench.log.spans(request(1..2));
    bench.forwarded(end).await;
    let arrive = bench.log.late_spans(request(2..3));
    bench.begin_shutdown();
    tokio::time::sleep(Duration::from_millis(50)).await;
    arrive();
    assert_eq!(bench.stop().await.left_bytes, 0);
    assert_eq!(tempo.accepted(), [1, 2]);
}

#[tokio::test]
async fn shutting_down_without_tempo_is_quick_and_keeps_everything() {
    let address = Double::start(|_, _| Reply::Ok).await.endpoint();
    let bench = Bench::start(quick(&address)).await;
    bench.log.spans(request(1..2));
    let end = bench.log.spans(request(2..3));
    super::bench::eventually("a retry", || bench.metrics.retries(sessionfold::tempo::link::failure::Cause::Unreachable).get() > 0).await;
    let began = Instant::now();
    let ending = bench.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!((ending.position, ending.left_bytes), (Position(0), end.0));
}

#[tokio::test]
async fn what_a_process_before_may_have_sent_waits_until_tempo_can_merge_copies() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let (log, source) = Log::new();
    log.spans(request(1..2));
    let options = Options { in_doubt_below: log.end(), ..quick(&tempo.endpoint()) };
    let wait = options.retry.ambiguous_wait;
    let began = Instant::now();
    let bench = Bench::start_with(options, log, source, |_| {}).await;
    bench.log.spans(request(2..3));
    bench.forwarded(bench.log.end()).await;
    assert!(tempo.calls()[0].at.duration_since(began) >= wait);
    assert_eq!(tempo.accepted(), [1, 2]);
}

#[tokio::test]
async fn what_came_after_the_start_does_not_wait() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let options = quick(&tempo.endpoint());
    let wait = options.retry.ambiguous_wait;
    let bench = Bench::start(options).await;
    let began = Instant::now();
    bench.log.spans(request(1..2));
    bench.forwarded(bench.log.end()).await;
    assert!(began.elapsed() < wait);
}

#[tokio::test]
async fn a_tempo_address_that_is_our_own_refuses_to_start() {
    let own = vec!["0.0.0.0:4317".parse().unwrap()];
    let (_log, source) = Log::new();
    let options = Options { own_addresses: own, ..quick("localhost:4317") };
    let started =
        Forwarder::new(options, source, Box::new(|_| Ok(())), std::sync::Arc::new(|| Position(0)), ForwardMetrics::default()).await;
    assert!(matches!(started.err(), Some(StartError::OwnAddress(_))));
}
