//! The load tool's bytes are valid OTLP that says what its truth says, and a server answers that truth.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

#[path = "../../benches/load/mod.rs"]
pub(crate) mod tool;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::Value;
use tool::connection::{Target, Transport};
use tool::plan::{Disorder, Plan, Source};
use tool::post::{Pace, post};
use tool::run::World;
use tool::shape::Shape;

use crate::demo::{get, start, stop};

const IN_ORDER: Disorder = Disorder { shuffle: None, duplicates: 0, late_parents: 0 };
const IN_NO_ORDER: Disorder = Disorder { shuffle: Some(4), duplicates: 20, late_parents: 30 };

fn world(sessions: u64, runs_per_session: u64) -> World {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    World { seed: 1, sessions, runs_per_session, epoch: now - 600_000_000_000, step: 1_000_000 }
}

fn source(world: World, disorder: Disorder, batch: usize, is_framed: bool) -> Source {
    Source::new(Plan::new(world, disorder), Arc::new(Shape::new(105)), batch, is_framed)
}

fn truth(source: &Source) -> BTreeMap<String, Value> {
    let mut text = Vec::new();
    source.plan.truth.write(&mut text).unwrap();
    let truth: Value = serde_json::from_slice(&text).unwrap();
    truth["sessions"].as_object().unwrap().iter().map(|(id, session)| (id.clone(), session.clone())).collect()
}

fn decode(source: &mut Source) -> Vec<Span> {
    let requests = source.map(|request| ExportTraceServiceRequest::decode(request.bytes).unwrap());
    requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Any> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match attribute(span, key) {
        Some(Any::StringValue(text)) => text,
        _ => "",
    }
}

fn int(span: &Span, key: &str) -> u64 {
    match attribute(span, key) {
        Some(Any::IntValue(number)) => *number as u64,
        _ => 0,
    }
}

/// Sums over the spans: runs, errors, tokens, cost.
fn sums(spans: &[Span]) -> BTreeMap<String, [u64; 4]> {
    let session_of: HashMap<_, _> =
        spans.iter().map(|span| (&span.trace_id, text(span, "waxell.session_id"))).filter(|(_, id)| !id.is_empty()).collect();
    let mut sums = BTreeMap::<String, [u64; 4]>::new();
    for span in spans {
        let sum = sums.entry(session_of[&span.trace_id].to_owned()).or_default();
        let is_run = span.parent_span_id.is_empty();
        sum[0] += u64::from(is_run);
        sum[1] += u64::from(is_run && span.status.as_ref().unwrap().code == 2);
        sum[2] += int(span, "waxell.llm.input_tokens") + int(span, "waxell.llm.output_tokens");
        assert_eq!(int(span, "waxell.llm.total_tokens"), int(span, "gen_ai.usage.input_tokens") + int(span, "gen_ai.usage.output_tokens"));
        if let Some(Any::DoubleValue(dollars)) = attribute(span, "waxell.llm.cost") {
            sum[3] += (dollars * 1e9).round() as u64;
        }
    }
    sums
}

fn sums_of_truth(truth: &BTreeMap<String, Value>) -> BTreeMap<String, [u64; 4]> {
    let keys = ["run_count", "error_count", "total_tokens", "total_cost_nanos"];
    truth.iter().map(|(id, session)| (id.clone(), keys.map(|key| session[key].as_u64().unwrap()))).collect()
}

#[test]
fn the_patched_bytes_decode_to_what_the_truth_says() {
    for (sessions, runs, batch) in [(1, 1, 6), (100, 3, 256), (70, 5, 7), (64, 2, 2_048)] {
        let mut source = source(world(sessions, runs), IN_ORDER, batch, false);
        let spans = decode(&mut source);
        assert_eq!(spans.len() as u64, sessions * runs * 6);
        let truth = truth(&source);
        assert_eq!(truth.len() as u64, sessions);
        assert!(truth.values().all(|session| session["run_count"] == runs));
        assert_eq!(sums(&spans), sums_of_truth(&truth));
        let bytes: usize = spans.iter().map(Message::encoded_len).sum();
        assert!((595..=630).contains(&(bytes / spans.len())), "{} bytes a span", bytes / spans.len());
    }
}

#[test]
fn children_lie_within_the_root_that_comes_after_them() {
    let spans = decode(&mut source(world(20, 3), IN_ORDER, 256, false));
    for run in spans.chunks(6) {
        let root = &run[5];
        assert_eq!(root.attributes.len(), 16);
        assert_eq!(run.iter().map(|span| &span.span_id).collect::<HashSet<_>>().len(), 6);
        for child in &run[..5] {
            assert_eq!((&child.trace_id, &child.parent_span_id), (&root.trace_id, &root.span_id));
            assert!(root.start_time_unix_nano <= child.start_time_unix_nano && child.end_time_unix_nano <= root.end_time_unix_nano);
        }
    }
}

#[test]
fn disorder_repeats_and_moves_spans_and_loses_none() {
    let ids = |spans: &[Span]| spans.iter().map(|span| (span.trace_id.clone(), span.span_id.clone())).collect::<Vec<_>>();
    let world = world(300, 40);
    let in_order = decode(&mut source(world, IN_ORDER, 256, false));
    let mut disorderly = source(world, IN_NO_ORDER, 256, false);
    let spans = decode(&mut disorderly);
    assert_ne!(ids(&spans)[..600], ids(&in_order)[..600]);
    assert!((in_order.len() * 115 / 100..in_order.len() * 125 / 100).contains(&spans.len()));
    let distinct: HashMap<_, _> = spans.into_iter().map(|span| ((span.trace_id.clone(), span.span_id.clone()), span)).collect();
    let distinct: Vec<_> = distinct.into_values().collect();
    assert_eq!(distinct.len(), in_order.len());
    assert_eq!(sums(&distinct), sums(&in_order));
    assert_eq!(sums(&distinct), sums_of_truth(&truth(&disorderly)));
}

#[test]
fn a_stop_finishes_every_run_that_was_begun() {
    let mut source = source(world(1_000, 50), IN_NO_ORDER, 100, false);
    let mut spans: Vec<Span> = Vec::new();
    for request in source.by_ref().take(10) {
        let request = ExportTraceServiceRequest::decode(request.bytes).unwrap();
        spans.extend(request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans));
    }
    source.plan.stop();
    spans.extend(decode(&mut source));
    let distinct: HashMap<_, _> = spans.into_iter().map(|span| ((span.trace_id.clone(), span.span_id.clone()), span)).collect();
    let truth = truth(&source);
    assert_eq!(sums(&distinct.into_values().collect::<Vec<_>>()), sums_of_truth(&truth));
    assert!(truth.values().map(|session| session["run_count"].as_u64().unwrap()).sum::<u64>() < 50_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_answers_the_truth_of_the_load_over_both_transports() {
    for (transport, disorder) in [(Transport::Grpc, IN_ORDER), (Transport::Http, IN_NO_ORDER)] {
        let server = start(Vec::new()).await;
        let addr = server.addresses[if transport == Transport::Grpc { 0 } else { 1 }];
        let source = source(world(150, 4), disorder, 256, transport == Transport::Grpc);
        let (report, truth) = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let target = Target { transport, addr, key: None };
            let pace = Pace { rate: None, duration: Duration::from_secs(60), connections: 2, in_flight: 4 };
            let (report, source) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, source, pace));
            (report, truth(&source))
        })
        .await
        .unwrap();
        assert_eq!((report.lost, report.rejected, report.errors.len()), (0, 0, 0));
        assert!(report.latency_ms(0.5) <= report.latency_ms(0.99) && report.spans_per_second() > 0.0);
        wait_for(&server.api, &truth).await;
        stop(server).await;
    }
}

async fn wait_for(api: &sessionfold::demo::client::Client, truth: &BTreeMap<String, Value>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let mut seen = BTreeMap::new();
        for offset in [0, 100] {
            let page = get(api, &format!("/api/v1/observability/sessions/?include=errors&limit=100&offset={offset}")).await;
            for session in page["results"].as_array().unwrap() {
                seen.insert(session["session_id"].as_str().unwrap().to_owned(), answered(session));
            }
        }
        let want: BTreeMap<_, _> = truth.iter().map(|(id, session)| (id.clone(), expected(session))).collect();
        if seen == want {
            return;
        }
        if tokio::time::Instant::now() > deadline {
            let wrong = want.iter().find(|(id, session)| seen.get(*id) != Some(*session));
            panic!("{:#?}\nis answered as {:#?}", wrong, wrong.and_then(|(id, _)| seen.get(id)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn expected(truth: &Value) -> [String; 7] {
    let number = |key: &str| truth[key].as_u64().unwrap();
    [
        truth["run_count"].to_string(),
        number("total_cost_nanos").to_string(),
        truth["total_tokens"].to_string(),
        ((number("total_duration_nanos") + 500) / 1_000).to_string(),
        truth["error_count"].to_string(),
        truth["agents"].to_string(),
        [number("first_run_unix_nanos"), number("last_activity_unix_nanos")].map(|nanos| (nanos / 1_000).to_string()).join(" "),
    ]
}

fn answered(session: &Value) -> [String; 7] {
    let micros = |key: &str| chrono::DateTime::parse_from_rfc3339(session[key].as_str().unwrap()).unwrap().timestamp_micros().to_string();
    let scaled = |key: &str, scale: f64| ((session[key].as_f64().unwrap() * scale).round() as u64).to_string();
    [
        session["run_count"].to_string(),
        scaled("total_cost", 1e9),
        session["total_tokens"].to_string(),
        scaled("total_duration", 1e6),
        session["errors"]["error_count"].to_string(),
        session["agents"].to_string(),
        [micros("first_run"), micros("last_activity")].join(" "),
    ]
}
