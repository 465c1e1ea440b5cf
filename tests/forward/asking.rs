//! Where Tempo can be asked what it holds, nothing is sent to it twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use sessionfold::journal::Position;
use sessionfold::tempo::metrics::Doubt;
use sessionfold::tempo::options::Options;

use super::bench::{Bench, Log, quick, request};
use super::double::{Double, Reply};
use super::holder::Holder;

/// Numbers of spans that are with Tempo, each a trace of its own.
type Held = Arc<Mutex<BTreeSet<u64>>>;

async fn holder(held: &Held) -> Holder {
    let held = held.clone();
    Holder::start(move |trace| {
        let number = trace as u64;
        let span = || Span { trace_id: trace.to_be_bytes().to_vec(), span_id: number.to_be_bytes().to_vec(), ..Default::default() };
        held.lock().unwrap().get(&number).map(|_| span()).into_iter().collect()
    })
    .await
}

/// A Tempo that keeps what it is sent, and answers the first requests so.
async fn tempo(held: &Held, replies: Vec<(bool, Reply)>) -> Double {
    let (held, mut replies) = (held.clone(), replies.into_iter());
    Double::start(move |numbers, _| {
        let (keeps, reply) = replies.next().unwrap_or((true, Reply::Ok));
        if keeps {
            for number in numbers {
                assert!(held.lock().unwrap().insert(*number), "span {number} was sent although it was there");
            }
        }
        reply
    })
    .await
}

fn numbers(held: &Held) -> Vec<u64> {
    held.lock().unwrap().iter().copied().collect()
}

/// The process before was killed while it sent: some arrived, some did not, nobody noted which.
#[tokio::test]
async fn what_the_process_before_sent_is_not_sent_again_and_nothing_waits_long() {
    let held: Held = Arc::new(Mutex::new([1, 2, 5, 6].into()));
    let (tempo, holder) = (tempo(&held, vec![]).await, holder(&held).await);
    let (log, source) = Log::new();
    for n in 1..=8 {
        log.spans(request(n..n + 1));
    }
    let in_doubt_below = log.end();
    log.spans(request(9..12));
    let mut options = Options { in_doubt_below, query: Some(holder.client()), ..quick(&tempo.endpoint()) };
    options.retry.ambiguous_wait = Duration::from_secs(31);
    let began = Instant::now();
    let bench = Bench::start_with(options, log, source, |_: Position| {}).await;
    bench.forwarded(bench.log.end()).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(numbers(&held), (1..12).collect::<Vec<_>>());
    assert_eq!(bench.metrics.held_back_spans.get(), 4);
    assert_eq!(bench.metrics.maybe_doubled_spans(Doubt::Restart).get(), 0);
    assert!(holder.n_asked() >= 8);
}

#[tokio::test]
async fn a_request_without_an_answer_is_asked_for_before_it_is_sent_again() {
    for (keeps, reply) in
        [(true, Reply::Cut), (false, Reply::Cut), (true, Reply::Hang), (true, Reply::Status(tonic::Code::Unknown, "what".into()))]
    {
        let held: Held = Arc::default();
        let (tempo, holder) = (tempo(&held, vec![(keeps, reply)]).await, holder(&held).await);
        let mut options = Options { query: Some(holder.client()), ..quick(&tempo.endpoint()) };
        options.retry.request_timeout = Duration::from_millis(500);
        let bench = Bench::start(options).await;
        bench.log.spans(request(1..20));
        bench.forwarded(bench.log.end()).await;
        assert_eq!(numbers(&held), (1..20).collect::<Vec<_>>(), "{keeps}");
        assert_eq!(tempo.calls().len(), if keeps { 1 } else { 2 });
        assert_eq!(bench.metrics.maybe_doubled_spans(Doubt::Unanswered).get(), 0);
    }
}

/// A Tempo that cannot be asked is treated as before: what it may have is sent after the long wait, and counted.
#[tokio::test]
async fn without_an_answer_what_is_in_doubt_is_sent_and_counted() {
    let held: Held = Arc::default();
    let tempo = tempo(&held, vec![]).await;
    let client = {
        let gone = holder(&held).await;
        gone.client()
    };
    let (log, source) = Log::new();
    log.spans(request(1..4));
    let mut options = Options { in_doubt_below: log.end(), query: Some(client), ..quick(&tempo.endpoint()) };
    options.ask.time = Duration::from_millis(500);
    let bench = Bench::start_with(options, log, source, |_: Position| {}).await;
    bench.forwarded(bench.log.end()).await;
    assert_eq!(numbers(&held), [1, 2, 3]);
    assert_eq!(bench.metrics.maybe_doubled_spans(Doubt::Restart).get(), 3);
}
