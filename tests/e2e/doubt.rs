//! Kills under load beside a Tempo that can be asked what it holds: everything acknowledged is there, and nothing twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::forward::double::{Double, Reply};
use crate::forward::holder::Holder;
use crate::support::apart::{Load, id_of};
use crate::support::dice::Dice;
use crate::support::server::{Place, until};
use crate::support::sums::{shown, sums};

/// What came to a double, answered or not, by trace.
#[derive(Default)]
struct Stored {
    n_calls: usize,
    traces: HashMap<u128, Vec<Span>>,
}

// === impl Stored ===

impl Stored {
    fn catch_up(&mut self, tempo: &Double) {
        let calls = tempo.calls();
        for call in calls.iter().skip(self.n_calls) {
            let request = ExportTraceServiceRequest::decode(call.message.clone()).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            for span in scopes.flat_map(|scope| scope.spans) {
                let trace = u128::from_be_bytes(span.trace_id.clone().try_into().unwrap());
                self.traces.entry(trace).or_default().push(span);
            }
        }
        self.n_calls = calls.len();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_fifteen_kills_under_load_everything_is_in_tempo_once_and_the_sums_agree() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 & 0xffff_ffff;
    let mut dice = Dice::new(seed);
    // One request in four is taken and never answered: the kill comes before it is known.
    let mut fate = Dice::new(seed + 1);
    let tempo = Arc::new(Double::start(move |_, _| if fate.below(4) == 0 { Reply::Hang } else { Reply::Ok }).await);
    let stored: Arc<Mutex<Stored>> = Arc::default();
    let holder = {
        let (tempo, stored) = (tempo.clone(), stored.clone());
        Holder::start(move |trace| {
            let mut stored = stored.lock().unwrap();
            stored.catch_up(&tempo);
            stored.traces.get(&trace).cloned().unwrap_or_default()
        })
        .await
    };
    let place = Place::new()
        .argument("--tempo")
        .argument(&tempo.endpoint())
        .argument("--tempo-query")
        .argument(&holder.url())
        .set("forward.hold", "300ms")
        .set("forward.timeout", "3s")
        .set("retention.max_age", "0s");
    let mut sent = Load::default();
    for _ in 0..15 {
        let server = place.start().await;
        sent.send(&server, &mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.below(2_500))).await;
        server.kill().await;
    }
    let server = place.start().await;
    sent.send_late(&server).await;
    let lag = async || server.get("/metrics").await.text.lines().any(|line| line == "sessionfold_forward_lag_bytes 0");
    let drained = async {
        until("all is forwarded", lag).await;
    };
    tokio::time::timeout(Duration::from_secs(120), drained).await.unwrap_or_else(|_| panic!("seed {seed}: it does not drain"));
    // Differences that could be told only at the end.
    tokio::time::sleep(Duration::from_secs(2)).await;

    let all: Vec<Span> = {
        let mut stored = stored.lock().unwrap();
        stored.catch_up(&tempo);
        stored.traces.values().flatten().cloned().collect()
    };
    let mut n_copies: BTreeMap<(u128, u64), u32> = BTreeMap::new();
    all.iter().for_each(|span| *n_copies.entry(id_of(span)).or_default() += 1);
    let missing = sent.acked.iter().filter(|id| !n_copies.contains_key(id)).count();
    let doubled = n_copies.values().filter(|n| **n > 1).count();
    eprintln!(
        "seed {seed}: {} spans acknowledged, {} traces asked for in the last life, {missing} missing, {doubled} doubled",
        sent.acked.len(),
        holder.n_asked()
    );
    assert_eq!((missing, doubled), (0, 0), "seed {seed}; {}", place.log());
    assert_eq!(sums(&all), shown(&server).await, "seed {seed}");
    assert!(holder.n_asked() > 0);
}
