//! Logs of coding agents at every door, and what is wrong with some of them: answered, counted, and nothing else is lost.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tonic::codec::CompressionEncoding;

use super::grpc::unary;
use super::harness::{Door, JSON, LOGS, PROTOBUF, gzip, open};

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.into()))
}

/// A call of Claude Code, whose attributes can be replaced.
fn call(id: &str, replaced: &[(&str, Any)]) -> LogRecord {
    let mut attributes = vec![
        text("event.name", "api_request"),
        text("session.id", "s"),
        text("prompt.id", "p"),
        text("request_id", id),
        text("model", "claude-opus-4-8"),
        attribute("input_tokens", Any::IntValue(100)),
        attribute("output_tokens", Any::IntValue(10)),
        attribute("cost_usd", Any::DoubleValue(0.25)),
    ];
    for (key, value) in replaced {
        attributes.retain(|known| known.key != *key);
        attributes.push(attribute(key, value.clone()));
    }
    LogRecord { time_unix_nano: 1_796_000_000_000_000_000, attributes, ..Default::default() }
}

fn request(records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope = Some(InstrumentationScope { name: "com.anthropic.claude_code.events".into(), ..Default::default() });
    let scope_logs = vec![ScopeLogs { scope, log_records: records, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] }
}

/// Every span that the store took.
fn spans(door: &Door) -> Vec<Span> {
    let requests = door.store.accepted().into_iter().map(|(_, bytes)| ExportTraceServiceRequest::decode(bytes).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn is_plain(answer: &[u8]) -> bool {
    ExportLogsServiceResponse::decode(answer).unwrap().partial_success.is_none()
}

#[tokio::test]
async fn logs_of_an_agent_are_taken_in_every_coding_and_answered_without_a_word() {
    let door = open().await;
    let encoded = request(vec![call("r1", &[])]).encode_to_vec();
    let plain = door.post("/v1/logs", &[PROTOBUF], encoded.clone()).await;
    assert!(plain.status == 200 && is_plain(&plain.body));
    let zipped = door.post("/otlp/v1/logs", &[PROTOBUF, ("content-encoding", "gzip")], gzip(&encoded)).await;
    assert!(zipped.status == 200 && is_plain(&zipped.body));
    let json = serde_json::to_vec(&request(vec![call("r1", &[])])).unwrap();
    let answer = door.post("/v1/logs", &[JSON], json).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]));
    // Codex' setting wants the whole path; without it everything is posted to `/`.
    let astray = door.post("/", &[PROTOBUF, ("content-encoding", "gzip")], gzip(&encoded)).await;
    assert!(astray.status == 200 && is_plain(&astray.body));
    let json = serde_json::to_vec(&request(vec![call("r1", &[])])).unwrap();
    assert_eq!(door.post("/", &[JSON], json).await.text(), "{}");
    let spans = spans(&door);
    assert!(spans.len() == 5 && spans.iter().all(|span| *span == spans[0]), "the same call, five times: {spans:?}");
    assert_eq!(door.metric("sessionfold_receive_agent_records_total{outcome=\"told\"}"), 5);
}

#[tokio::test]
async fn a_grpc_client_exports_logs_of_an_agent_in_every_coding() {
    let codings = [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Deflate), Some(CompressionEncoding::Zstd)];
    let door = open().await;
    let of_stranger = LogRecord { attributes: vec![text("session.id", "s")], ..LogRecord::default() };
    let stranger = ScopeLogs { log_records: vec![of_stranger], ..ScopeLogs::default() };
    let mut sent = request(vec![call("r1", &[])]);
    sent.resource_logs.push(ResourceLogs { scope_logs: vec![stranger], ..ResourceLogs::default() });
    for coding in codings {
        let answer: ExportLogsServiceResponse = unary(&door, LOGS, coding, sent.clone()).await.unwrap().into_inner();
        assert_eq!(answer.partial_success.map(|rest| rest.rejected_log_records), Some(1), "{coding:?}");
    }
    let spans = spans(&door);
    assert!(spans.len() == 4 && spans.iter().all(|span| *span == spans[0]), "the same call, four times: {spans:?}");
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn a_record_that_says_nonsense_loses_nothing_of_those_beside_it() {
    let nonsense = [
        ("input_tokens", Any::StringValue("many".into())),
        ("output_tokens", Any::IntValue(-7)),
        ("cost_usd", Any::DoubleValue(f64::NAN)),
        ("duration_ms", Any::IntValue(i64::MAX)),
        ("model", Any::BoolValue(true)),
        ("session.id", Any::DoubleValue(1.5)),
        ("request_id", Any::BytesValue(vec![0xff])),
        ("prompt.id", Any::StringValue(String::new())),
        ("event.sequence", Any::StringValue("first".into())),
    ];
    for (key, value) in nonsense {
        let door = open().await;
        let body = request(vec![call("r1", &[]), call("r2", &[(key, value.clone())]), call("r3", &[])]).encode_to_vec();
        let answer = door.post("/v1/logs", &[PROTOBUF], body).await;
        assert!(answer.status == 200 && is_plain(&answer.body), "{key}");
        let names: Vec<_> = spans(&door).iter().map(|span| span.span_id.clone()).collect();
        assert_eq!(names.len(), 3, "{key} {value:?}");
    }
}

#[tokio::test]
async fn clocks_of_nobody_are_taken_as_they_are() {
    let door = open().await;
    let at = |time: u64| LogRecord { time_unix_nano: time, ..call(&format!("r{time}"), &[]) };
    // None, the first nanosecond of 1970, a second in seconds, and the end of time.
    let answer = door.post("/v1/logs", &[PROTOBUF], request(vec![at(0), at(1), at(1_796_000_000), at(u64::MAX)]).encode_to_vec()).await;
    assert!(answer.status == 200 && is_plain(&answer.body));
    assert_eq!(spans(&door).len(), 4);
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_broken_text_is_not() {
    let door = open().await;
    for garbage in [&b"\x0a\xff"[..], b"\xff\xff\xff", b"{\"resourceLogs\":3}"] {
        assert_eq!(door.post("/v1/logs", &[PROTOBUF], Bytes::copy_from_slice(garbage)).await.status, 400);
    }
    assert_eq!(door.post("/v1/logs", &[JSON], "{\"resourceLogs\":3}").await.status, 400);
    assert!(door.store.accepted().is_empty());
    // A model's name that is not UTF-8: the byte stands for itself nowhere, so it is put into the encoded bytes.
    let mut bytes = request(vec![call("r1", &[("model", Any::StringValue("claude-@".into()))])]).encode_to_vec();
    let at = bytes.windows(8).position(|window| window == b"claude-@").unwrap();
    bytes[at + 7] = 0xff;
    assert_eq!(door.post("/v1/logs", &[PROTOBUF], bytes).await.status, 200);
    assert_eq!(spans(&door)[0].name, "chat claude-\u{fffd}");
}

#[tokio::test]
async fn a_large_body_is_told_like_a_small_one() {
    let door = open().await;
    let long = Any::StringValue("x".repeat(1 << 20));
    let records: Vec<_> = (0..8).map(|n| call(&format!("r{n}"), &[("prompt", long.clone())])).collect();
    let answer = door.post("/v1/logs", &[PROTOBUF], request(records).encode_to_vec()).await;
    assert!(answer.status == 200 && is_plain(&answer.body));
    assert_eq!(spans(&door).len(), 8);
    let kept: usize = door.store.accepted().iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(kept < 16 << 10, "what was said is not kept, {kept} bytes are");
}

#[tokio::test]
async fn strangers_beside_an_agent_are_rejected_alone() {
    let door = open().await;
    let mut mixed = request(vec![call("r1", &[])]);
    let strange = ScopeLogs { log_records: vec![LogRecord::default(); 2], ..Default::default() };
    mixed.resource_logs[0].scope_logs.push(strange);
    let answer = door.post("/v1/logs", &[PROTOBUF], mixed.encode_to_vec()).await;
    let partial = ExportLogsServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 2);
    assert_eq!(spans(&door).len(), 1);
}
