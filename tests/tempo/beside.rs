//! The whole server between recorded agents and a real Tempo.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;

use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::spans::{SECOND, Tell, agent, chat, request};
use crate::support::tempo::Tempo;

/// Runs of two sessions, each in a trace of its own, that ended a few seconds ago.
fn traces() -> BTreeMap<u128, Vec<Span>> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    let at_that_time = |mut span: Span, trace: u64| {
        span.start_time_unix_nano = now - 30 * SECOND + trace * SECOND / 4;
        span.end_time_unix_nano = span.start_time_unix_nano + SECOND;
        // Tempo gives every span a status; an agent's SDK sends one too.
        span.status = Some(Status::default());
        span
    };
    let trace = |n: u64| {
        let id = u128::from(n) << 64 | 0xfeed;
        let session = if n.is_multiple_of(3) { "conv/e2e second" } else { "conv-e2e-first" };
        let root = agent(id, 1, 0, "planner").with("waxell.session_id", session).with("waxell.span_type", "agent_execution");
        let spans = [root, chat(id, 2, 1, (100, 20), 300), chat(id, 3, 1, (10, 2), 30)];
        (id, spans.into_iter().map(|span| at_that_time(span, n)).collect())
    };
    (1..=24).map(trace).collect()
}

/// A trace as Tempo has it, its spans ordered by id.
async fn stored(tempo: &Tempo, trace: u128) -> Vec<Span> {
    let Ok((200, body)) = tempo.get(&format!("/api/traces/{trace:032x}"), &[("accept", "application/protobuf")]).await else {
        return Vec::new();
    };
    let trace = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = trace.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let mut spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
    spans.sort_by(|a, b| a.span_id.cmp(&b.span_id));
    spans
}

/// The traces that TraceQL finds for a session.
async fn found(tempo: &Tempo, session: &str) -> BTreeSet<String> {
    let query = format!("{{ span.waxell.session_id = \"{session}\" }}");
    let query = utf8_percent_encode(&query, NON_ALPHANUMERIC);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let Ok((200, body)) = tempo.get(&format!("/api/search?q={query}&limit=1000&start={}&end={}", now - 900, now + 60), &[]).await else {
        return BTreeSet::new();
    };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    answer["traces"].as_array().into_iter().flatten().map(|trace| format!("{:0>32}", trace["traceID"].as_str().unwrap())).collect()
}

/// The traces that our own answer names for a session.
async fn shown(server: &Server, session: &str) -> BTreeSet<String> {
    let path = utf8_percent_encode(session, NON_ALPHANUMERIC);
    let answer = server.get(&format!("{SESSIONS}{path}/")).await;
    if answer.status != 200 {
        return BTreeSet::new();
    }
    let detail = answer.json();
    detail["runs"].as_array().into_iter().flatten().map(|run| run["trace_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tempo_holds_what_was_sent_and_finds_the_sessions_we_show_though_both_were_away() {
    let mut tempo = Tempo::prepare(&[]);
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint());
    let traces = traces();
    let batches: Vec<_> = traces.values().map(|spans| request(spans.iter().rev().cloned())).collect();

    // A third without Tempo, a third before the server is killed, a third after.
    let server = place.start().await;
    for batch in &batches[..8] {
        server.send(batch.clone()).await.unwrap();
    }
    tempo.start().await;
    for batch in &batches[8..16] {
        server.send(batch.clone()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.kill().await;
    let server = place.start().await;
    for batch in &batches[16..] {
        server.send(batch.clone()).await.unwrap();
    }

    for (trace, sent) in &traces {
        tempo.until("the trace is found by its id", async || !stored(&tempo, *trace).await.is_empty()).await;
        // A kill can leave it unknown what Tempo had taken; such spans are sent again, and Tempo then holds the same span twice.
        let mut stored = stored(&tempo, *trace).await;
        for span in &mut stored {
            let n_before = span.attributes.len();
            span.attributes.retain(|attribute| !attribute.key.starts_with("sessionfold."));
            assert!(span.attributes.len() < n_before, "a span of a run has no stamps");
        }
        stored.dedup();
        assert_eq!(&stored, sent);
    }
    for session in ["conv-e2e-first", "conv/e2e second"] {
        until("the session is shown", async || shown(&server, session).await.len() >= 8).await;
        let ours = shown(&server, session).await;
        tempo.until("TraceQL finds the traces we show", async || found(&tempo, session).await == ours).await;
    }
    let ended = server.terminate().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
