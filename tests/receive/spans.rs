//! Partial success: bad spans are taken out and named, the others are kept byte for byte.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::harness::*;

fn nested(levels: usize) -> AnyValue {
    let mut value = AnyValue { value: Some(any_value::Value::IntValue(7)) };
    for _ in 0..levels {
        value = AnyValue { value: Some(any_value::Value::ArrayValue(ArrayValue { values: vec![value] })) };
    }
    value
}

fn with_attribute(span: Span, value: AnyValue) -> Span {
    Span { attributes: vec![KeyValue { key: "k".into(), value: Some(value), ..Default::default() }], ..span }
}

#[tokio::test]
async fn each_bad_span_is_taken_out_for_its_reason_and_the_others_are_kept() {
    let bad = [
        (span(&[0; 16], &[1; 8], "x"), "trace_id_zero", "of trace 00000000000000000000000000000000"),
        (span(&[3; 15], &[1; 8], "x"), "trace_id_length", "of trace 030303030303030303030303030303, whose trace id has 15 bytes, not 16"),
        (span(&[3; 200], &[1; 8], "x"), "trace_id_length", &*format!("of trace {}, whose trace id has 200 bytes, not 16", "03".repeat(32))),
        (span(&[], &[1; 8], "x"), "trace_id_length", "without a trace id"),
        (span(&[3; 16], &[0; 8], "x"), "span_id_zero", "of trace 03030303030303030303030303030303"),
        (span(&[3; 16], &[1; 7], "x"), "span_id_length", "of trace 03030303030303030303030303030303, whose span id has 7 bytes, not 8"),
        (span(&[3; 16], &[], "x"), "span_id_length", "of trace 03030303030303030303030303030303"),
        (
            Span { parent_span_id: vec![1; 9], ..good(3) },
            "parent_span_id_length",
            "of trace 03030303030303030303030303030303, whose parent span id has 9 bytes, not 8",
        ),
        (with_attribute(good(3), nested(60)), "too_deep", "of trace 03030303030303030303030303030303"),
    ];
    for (bad, reason, first) in bad {
        let door = open().await;
        let answer = door.post("/v1/traces", &[PROTOBUF], encoded(vec![good(1), bad, good(2)])).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.partial(), Some((1, format!("1 of 3 spans rejected: {reason} (1); the first is {first}"))));
        assert_eq!(door.store.only(), encoded(vec![good(1), good(2)]));
        assert_eq!(door.metric(&format!("sessionfold_receive_spans_rejected_total{{reason=\"{reason}\"}}")), 1);
        assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 2);
        assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
    }
}

#[tokio::test]
async fn text_that_is_not_utf8_is_repaired_and_its_span_kept() {
    let door = open().await;
    let body = |name: &str| encoded(vec![good(1), span(&[3; 16], &[3; 8], name), good(2)]);
    let answer = door.post("/v1/traces", &[PROTOBUF], replaced(&body("NAME"), b"NAME", b"NA\xffE")).await;
    assert_eq!(answer.partial(), None);
    assert_eq!(door.store.only(), body("NA\u{fffd}E"));
    assert_eq!(door.metric("sessionfold_receive_texts_repaired_total{reason=\"invalid_utf8\"}"), 1);
}

#[tokio::test]
async fn text_of_a_resource_that_is_not_utf8_is_repaired_and_the_spans_below_it_kept() {
    let resource = |name: &str, spans| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![KeyValue {
                key: "service.name".into(),
                value: Some(AnyValue { value: Some(any_value::Value::StringValue(name.into())) }),
                ..Default::default()
            }],
            ..Default::default()
        }),
        scope_spans: vec![ScopeSpans { spans, ..Default::default() }],
        ..Default::default()
    };
    let door = open().await;
    // Of the last span an id is wrong too.
    let body =
        |name: &str, spans| ExportTraceServiceRequest { resource_spans: vec![resource(name, spans), resource("fine", vec![good(3)])] };
    let sent = body("SERVICE", vec![good(1), good(2), span(&[0; 16], &[1; 8], "x")]).encode_to_vec();
    let answer = door.post("/v1/traces", &[PROTOBUF], replaced(&sent, b"SERVICE", b"SERVI\xc3E")).await;
    assert_eq!(answer.partial().unwrap().0, 1);
    assert_eq!(door.store.only(), body("SERVI\u{fffd}E", vec![good(1), good(2)]).encode_to_vec());
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn the_partial_success_is_exact_to_the_byte_in_both_formats() {
    let spans = vec![span(&[9; 16], &[0; 8], "a"), span(&[8; 16], &[0; 8], "b"), span(&[0; 16], &[1; 8], "c"), good(1)];
    let message = "3 of 4 spans rejected: span_id_zero (2), trace_id_zero (1); the first is of trace 09090909090909090909090909090909";
    let door = open().await;

    let answer = door.post("/v1/traces", &[PROTOBUF], encoded(spans.clone())).await;
    let mut expect = vec![0x0a, 4 + message.len() as u8, 0x08, 3, 0x12, message.len() as u8];
    expect.extend_from_slice(message.as_bytes());
    assert_eq!(answer.body, expect);
    assert_eq!(answer.header("content-type"), "application/x-protobuf");

    let answer = door.post("/v1/traces", &[JSON], serde_json::to_vec(&request(spans)).unwrap()).await;
    assert_eq!(answer.text(), format!(r#"{{"partialSuccess":{{"errorMessage":"{message}","rejectedSpans":"3"}}}}"#));
    assert_eq!(answer.header("content-type"), "application/json");

    let accepted = door.store.accepted();
    assert_eq!(accepted[0].1, encoded(vec![good(1)]));
    assert_eq!(ExportTraceServiceRequest::decode(accepted[1].1.clone()).unwrap(), request(vec![good(1)]));
}

#[tokio::test]
async fn a_request_of_bad_spans_only_is_a_partial_success_that_stores_nothing() {
    let door = open().await;
    let answer = door.post("/v1/traces", &[PROTOBUF], encoded(vec![span(&[0; 16], &[0; 8], "x"); 5])).await;
    assert_eq!((answer.status.as_u16(), answer.partial().unwrap().0), (200, 5));
    assert!(door.store.accepted().is_empty());
    let labels = "{signal=\"traces\",transport=\"http_protobuf\",outcome=\"partial\"}";
    assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), 1);
    assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 0);
}

#[tokio::test]
async fn thousands_of_bad_spans_make_one_short_message() {
    let spans = (1..=20_000u32).map(|i| span(&[if i % 2 == 0 { 0 } else { 1 }; 16], &i.to_be_bytes().repeat(2), "x")).collect();
    let door = open().await;
    let answer = door.post("/v1/traces", &[PROTOBUF], encoded(spans)).await;
    let (n_rejected, message) = answer.partial().unwrap();
    assert_eq!(n_rejected, 10_000);
    assert!(message.len() < 200, "{message}");
    let kept = ExportTraceServiceRequest::decode(door.store.only()).unwrap();
    assert_eq!(kept.resource_spans[0].scope_spans[0].spans.len(), 10_000);
}
