//! The forwarder against a real Tempo.
//!
//! `recorded/` holds OTLP requests as waxell-observe 0.1.10 sent them: one session of three runs, and a session of nested agents in two requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::link::failure::Cause;
use sessionfold::tempo::metrics::DropReason;
use sessionfold::tempo::options::{BatchOptions, Options};
use sessionfold::tempo::probe::{self, Reached};
use sessionfold::tempo::tls::Trust;

use crate::bench::{Bench, eventually, padded_request, request};
use crate::support::tempo::Tempo;

const RECORDED: [&[u8]; 3] = [
    include_bytes!("../forward/recorded/one_session.pb"),
    include_bytes!("../forward/recorded/nested_agents_1.pb"),
    include_bytes!("../forward/recorded/nested_agents_2.pb"),
];

/// Spans by trace.
type Traces = BTreeMap<Vec<u8>, Vec<Span>>;

fn options(tempo: &Tempo) -> Options {
    Options::new(&tempo.otlp_endpoint(), "test-instance")
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The recorded requests, moved in time so that the last span of all ended just now.
fn recorded_now() -> Vec<ExportTraceServiceRequest> {
    let mut requests: Vec<_> = RECORDED.iter().map(|bytes| ExportTraceServiceRequest::decode(*bytes).unwrap()).collect();
    let last = requests.iter_mut().flat_map(spans_mut).map(|span| span.end_time_unix_nano).max().unwrap();
    let by = (unix_seconds() * 1_000_000_000).wrapping_sub(last);
    for span in requests.iter_mut().flat_map(spans_mut) {
        span.start_time_unix_nano = span.start_time_unix_nano.wrapping_add(by);
        span.end_time_unix_nano = span.end_time_unix_nano.wrapping_add(by);
        for event in &mut span.events {
            event.time_unix_nano = event.time_unix_nano.wrapping_add(by);
        }
    }
    requests
}

fn spans_mut(request: &mut ExportTraceServiceRequest) -> impl Iterator<Item = &mut Span> {
    request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).flat_map(|scope| &mut scope.spans)
}

fn by_trace(resources: &[ResourceSpans]) -> Traces {
    let mut traces = Traces::new();
    for span in resources.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans) {
        traces.entry(span.trace_id.clone()).or_default().push(span.clone());
    }
    for spans in traces.values_mut() {
        spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    }
    traces
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The trace as Tempo has it, or nothing.
async fn trace_by_id(tempo: &Tempo, id: &[u8], tenant: &str) -> Vec<Span> {
    let headers = [("accept", "application/protobuf"), ("x-scope-orgid", tenant)];
    let Ok((200, body)) = tempo.get(&format!("/api/traces/{}", hex(id)), &headers).await else {
        return Vec::new();
    };
    // tempopb.Trace has the shape of the request.
    let trace = ExportTraceServiceRequest::decode(body).unwrap();
    by_trace(&trace.resource_spans).remove(id).unwrap_or_default()
}

/// The ids of the traces that a TraceQL query finds, in hexadecimal with their leading zeros, which Tempo leaves out.
async fn search(tempo: &Tempo, query: &str) -> BTreeSet<String> {
    let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
    let (start, end) = (unix_seconds() - 1800, unix_seconds() + 60);
    let Ok((200, body)) = tempo.get(&format!("/api/search?q={query}&limit=1000&start={start}&end={end}"), &[]).await else {
        return BTreeSet::new();
    };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let traces = answer["traces"].as_array().cloned().unwrap_or_default();
    traces.iter().map(|trace| format!("{:0>32}", trace["traceID"].as_str().unwrap())).collect()
}

/// The traces of each session, by the attribute that names it.
fn sessions(traces: &Traces) -> BTreeMap<String, BTreeSet<String>> {
    let mut sessions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (id, spans) in traces {
        for attribute in spans.iter().flat_map(|span| &span.attributes).filter(|attribute| attribute.key == "waxell.session_id") {
            if let Some(Value::StringValue(session)) = attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
                sessions.entry(session.clone()).or_default().insert(hex(id));
            }
        }
    }
    sessions
}

#[tokio::test]
async fn recorded_traces_are_found_in_a_real_tempo_that_comes_late_span_for_span() {
    let mut tempo = Tempo::prepare(&[]);
    let requests = recorded_now();
    let resources: Vec<ResourceSpans> = requests.iter().flat_map(|request| request.resource_spans.clone()).collect();
    let sent = by_trace(&resources);
    let bench = Bench::start(options(&tempo)).await;
    for request in &requests {
        bench.log.spans(request.encode_to_vec().into());
    }
    eventually("tempo is missed", || bench.metrics.retries(Cause::Unreachable).get() > 0).await;
    tempo.start().await;
    bench.forwarded(bench.log.end()).await;

    assert!(sent.len() >= 4, "the recordings hold too little");
    for (id, spans) in &sent {
        tempo.until("the trace is found by its id", async || !trace_by_id(&tempo, id, "").await.is_empty()).await;
        assert_eq!(&trace_by_id(&tempo, id, "").await, spans);
    }
    let sessions = sessions(&sent);
    assert!(sessions.len() >= 2, "the recordings hold too few sessions");
    for (session, traces) in sessions {
        let query = format!("{{ span.waxell.session_id = \"{session}\" }}");
        tempo.until("the session is found by search", async || search(&tempo, &query).await == traces).await;
    }
    assert_eq!(bench.stop().await.left_bytes, 0);
}

#[tokio::test]
async fn a_real_tempo_gets_requests_above_its_limits_in_parts() {
    let settings = [("TEMPO_BURST_BYTES", "3000000"), ("TEMPO_RATE_BYTES", "2000000")];
    let mut tempo = Tempo::prepare(&settings);
    tempo.start().await;
    // Above the 4 MiB of a gRPC message, then above the burst, then above the rate.
    let batch = BatchOptions { max_bytes: 16 << 20, ..BatchOptions::default() };
    let bench = Bench::start(Options { batch, max_pending_bytes: 32 << 20, ..options(&tempo) }).await;
    for n in 0..6 {
        bench.log.spans(padded_request(n * 1000 + 1..n * 1000 + 1001, 900));
    }
    let forwarded = tokio::time::timeout(Duration::from_secs(60), async {
        while bench.status.lag_bytes() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(forwarded.await.is_ok(), "{} bytes are left", bench.status.lag_bytes());
    assert!(bench.metrics.splits.get() > 0);
    assert_eq!(bench.metrics.dropped_spans(DropReason::TooLarge).get(), 0);
    for number in [1_u64, 3000, 6000] {
        let id = u128::from(number).to_be_bytes();
        tempo.until("a span is found", async || trace_by_id(&tempo, &id, "").await.len() == 1).await;
    }
}

#[tokio::test]
async fn one_bad_span_costs_a_real_tempo_only_that_span() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let bench = Bench::start(options(&tempo)).await;
    // Ingest would refuse such spans; this is what happens should it ever let one through.
    let mut poisoned = ExportTraceServiceRequest::decode(request(10..20)).unwrap();
    poisoned.resource_spans[0].scope_spans[0].spans[4].trace_id = vec![1; 7];
    poisoned.resource_spans[0].scope_spans[0].spans[7].span_id = vec![0; 8];
    bench.log.spans(request(1..10));
    bench.log.spans(poisoned.encode_to_vec().into());
    bench.log.spans(request(20..30));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 2);
    for number in (1..30_u64).filter(|number| ![14, 17].contains(number)) {
        let id = u128::from(number).to_be_bytes();
        tempo.until("a good span is found", async || trace_by_id(&tempo, &id, "").await.len() == 1).await;
    }
}

#[tokio::test]
async fn a_real_multi_tenant_tempo_is_told_the_tenant_and_a_missing_one_is_a_configuration_error() {
    let mut tempo = Tempo::prepare(&[("TEMPO_MULTITENANCY", "true")]);
    tempo.start().await;
    let bench = Bench::start(options(&tempo)).await;
    bench.log.spans(request(1..2));
    bench.log.tenant_spans(&Tenant::new("acme").unwrap(), request(2..3));
    let id = 2_u128.to_be_bytes();
    tempo.until("the tenant's span is found", async || trace_by_id(&tempo, &id, "acme").await.len() == 1).await;
    assert!(trace_by_id(&tempo, &id, "other").await.is_empty());
    eventually("the missing tenant is noticed", || bench.metrics.retries(Cause::NoTenant).get() > 0).await;
    assert_eq!(bench.metrics.dropped_spans(DropReason::BadData).get(), 0);
}

#[tokio::test]
async fn a_real_tempos_settings_are_read() {
    let settings = [("TEMPO_SLACK", "2m"), ("TEMPO_END_CUTOFF", "30s")];
    let mut tempo = Tempo::prepare(&settings);
    tempo.start().await;
    let read = probe::settings(&tempo.query_url(), &Trust::System).await.unwrap();
    assert_eq!((read.slack, read.cutoff), (Some(Duration::from_secs(120)), Some(Duration::from_secs(30))));
    assert_eq!(probe::reach(&options(&tempo)).await.unwrap(), Reached::Yes);
    // The query port speaks gRPC to nobody, or not this service.
    let wrong = Options::new(&tempo.query_url(), "test-instance");
    assert_ne!(probe::reach(&wrong).await.unwrap(), Reached::Yes);
}
