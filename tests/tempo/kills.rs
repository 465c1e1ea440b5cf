//! A real Tempo, sessionfold, and both killed under load: what was acknowledged is in Tempo within two minutes, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::apart::{Load, id_of};
use crate::support::dice::Dice;
use crate::support::server::Place;
use crate::support::sums::{shown, sums};
use crate::support::tempo::Tempo;

/// How long it may take until all is in Tempo, and then until the last differences of the sums have been told.
const PATIENCE: Duration = Duration::from_secs(120);

async fn trace(tempo: &Tempo, trace: u128) -> Vec<Span> {
    let headers = [("accept", "application/protobuf")];
    let Ok((200, body)) = tempo.get(&format!("/api/traces/{trace:032x}"), &headers).await else { return Vec::new() };
    let trace = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = trace.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_fifteen_kills_of_either_side_and_both_everything_is_in_tempo_once() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 & 0xffff_ffff;
    let mut dice = Dice::new(seed);
    let place = Place::new()
        .argument("--tempo")
        .argument(&tempo.otlp_endpoint())
        .argument("--tempo-query")
        .argument(&tempo.query_url())
        .set("forward.hold", "300ms")
        .set("retention.max_age", "0s");
    let mut load = Load::default();
    let mut server = place.start().await;
    for kill in 0..15 {
        load.send(&server, &mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.below(1_500))).await;
        if kill % 3 != 0 {
            tempo.kill();
        }
        if kill % 3 != 1 {
            server.kill().await;
            server = place.start().await;
        }
        load.send(&server, &mut dice).await;
        if kill % 3 != 0 {
            tempo.start().await;
        }
    }
    load.send_late(&server).await;

    let last_kill = Instant::now();
    let traces: BTreeSet<u128> = load.acked.iter().map(|(trace, _)| *trace).collect();
    let mut whole: BTreeMap<u128, Vec<Span>> = BTreeMap::new();
    while whole.len() < traces.len() && last_kill.elapsed() < PATIENCE {
        for id in &traces {
            if whole.contains_key(id) {
                continue;
            }
            let spans = trace(&tempo, *id).await;
            let there: BTreeSet<_> = spans.iter().map(id_of).collect();
            if load.acked.range((*id, 0)..=(*id, u64::MAX)).all(|id| there.contains(id)) {
                whole.insert(*id, spans);
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = last_kill.elapsed();
    let missing: Vec<_> = traces.iter().filter(|id| !whole.contains_key(id)).map(|id| format!("{id:032x}")).collect();
    let metrics = server.get("/metrics").await.text;
    let told: Vec<_> = metrics.lines().filter(|line| line.starts_with("sessionfold_forward")).collect();
    let told = told.join("\n");
    assert!(
        missing.is_empty(),
        "seed {seed}: {} of {} traces are not whole: {missing:?}\n{told}\n{}",
        missing.len(),
        traces.len(),
        place.log()
    );

    let expected = shown(&server).await;
    let mut all = Vec::new();
    while last_kill.elapsed() < PATIENCE {
        all.clear();
        for id in &traces {
            all.extend(trace(&tempo, *id).await);
        }
        if sums(&all) == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut n_copies: BTreeMap<(u128, u64), u32> = BTreeMap::new();
    all.iter().for_each(|span| *n_copies.entry(id_of(span)).or_default() += 1);
    let doubled = n_copies.values().filter(|n| **n > 1).count();
    eprintln!(
        "seed {seed}: {} spans of {} traces acknowledged, all in Tempo {took:?} after the last kill, with all sums after {:?}, {doubled} twice",
        load.acked.len(),
        traces.len(),
        last_kill.elapsed()
    );
    assert_eq!(doubled, 0, "seed {seed}\n{told}\n{}", place.log());
    assert_eq!(sums(&all), shown(&server).await, "seed {seed}\n{told}");
}
