//! What senders get wrong, as their bug reports have it: nothing good is lost for it, and they hear what to change.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tonic::Code;

use super::harness::*;
use super::log;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/field/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The text attributes of every span that reached the store.
fn texts(door: &Door) -> Vec<String> {
    let mut found = Vec::new();
    for (_, request) in door.store.accepted() {
        let request = ExportTraceServiceRequest::decode(request).unwrap();
        let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        for value in spans.flat_map(|span| &span.attributes).filter_map(|attribute| attribute.value.as_ref()?.value.as_ref()) {
            if let Value::StringValue(text) = value {
                found.push(text.clone());
            }
        }
    }
    found
}

#[tokio::test]
async fn half_a_character_in_json_costs_nothing_but_itself() {
    log::read_lines();
    let door = open().await;
    for _ in 0..2 {
        let answer = door.post("/v1/traces", &[JSON], fixture("35-json-lone-surrogate.json")).await;
        assert_eq!((answer.status.as_u16(), &*answer.text()), (200, "{}"));
    }
    let texts = texts(&door);
    assert!(texts.contains(&"hello \u{fffd}".to_owned()) && texts.contains(&"sur-good".to_owned()), "{texts:?}");
    assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 4);
    assert_eq!(door.metric("sessionfold_receive_texts_repaired_total{reason=\"half_surrogate\"}"), 2);
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
    let lines = log::lines();
    assert!(lines.lines().count() == 1 && lines.contains("spans[0].attributes[2].value.stringValue"), "{lines}");
}

#[tokio::test]
async fn bytes_that_are_no_text_in_json_cost_nothing_but_themselves() {
    let door = open().await;
    let body = replaced(&fixture("35-json-lone-surrogate.json"), br"hello \ud83d", b"caf\xc3");
    assert_eq!(door.post("/v1/traces", &[JSON], body).await.text(), "{}");
    assert!(texts(&door).contains(&"caf\u{fffd}".to_owned()));
    assert_eq!(door.metric("sessionfold_receive_texts_repaired_total{reason=\"invalid_utf8\"}"), 1);
}

#[tokio::test]
async fn a_preview_cut_inside_a_character_keeps_its_span() {
    log::read_lines();
    let door = open().await;
    for _ in 0..2 {
        let answer = door.post("/v1/traces", &[PROTOBUF], fixture("14-invalid-utf8-truncated.pb")).await;
        assert_eq!((answer.status.as_u16(), answer.partial()), (200, None));
    }
    assert!(texts(&door).iter().any(|text| text.contains('\u{fffd}')), "{:?}", texts(&door));
    assert_eq!(door.metric("sessionfold_receive_texts_repaired_total{reason=\"invalid_utf8\"}"), 2);
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
    let lines = log::lines();
    assert!(lines.lines().count() == 1 && lines.contains("attribute ") && lines.contains("gen_ai."), "{lines}");
}

#[tokio::test]
async fn a_trace_in_another_unit_is_taken_and_its_sender_hears_of_it() {
    for (name, unit) in [("38-unit-0.pb", "milliseconds"), ("38-unit-2.pb", "microseconds")] {
        let door = open().await;
        let body = fixture(name);
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let n_spans: usize = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum();
        let expect = format!(
            "times look like {unit} since 1970, not nanoseconds: so do those of {n_spans} of {n_spans} spans; OTLP counts times in nanoseconds"
        );

        let answer = door.post("/v1/traces", &[PROTOBUF], body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.partial()), (200, Some((0, expect.clone()))));
        let answer = door.post("/v1/traces", &[JSON], serde_json::to_vec(&request).unwrap()).await;
        assert_eq!(answer.json()["partialSuccess"], serde_json::json!({ "rejectedSpans": "0", "errorMessage": expect }));
        let answer = door.call(TRACES, &[], frame(0, &body)).await;
        assert_eq!(answer.grpc(), Code::Ok);
        let message = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse::decode(&answer.body[5..]).unwrap();
        assert_eq!(message.partial_success.map(|partial| (partial.rejected_spans, partial.error_message)), Some((0, expect)));

        assert_eq!(door.store.accepted().len(), 3);
        assert_eq!(door.metric(&format!("sessionfold_receive_spans_in_other_unit_total{{unit=\"{unit}\"}}")), 3 * n_spans as u64);
        let labels = "{signal=\"traces\",transport=\"grpc\",outcome=\"accepted\"}";
        assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), 1);
    }
}

#[tokio::test]
async fn ids_as_text_are_rejected_with_what_they_should_be() {
    let door = open().await;
    let (n_rejected, message) = door.post("/v1/traces", &[PROTOBUF], fixture("15-hex-text-in-protobuf-ids.pb")).await.partial().unwrap();
    assert_eq!(n_rejected, 1);
    assert!(message.ends_with("has 32 bytes, not 16: it looks like hexadecimal text, send the bytes that it stands for"), "{message}");
    assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 1);
}

#[tokio::test]
async fn json_that_is_not_what_it_should_be_is_told_so_and_never_swallowed() {
    let cases = [
        ("0x-prefix", 400, "traceId: expected a string of hexadecimal digits"),
        ("base64-of-hex", 400, "traceId: expected a string of hexadecimal digits"),
        ("base64", 400, "traceId: expected a string of hexadecimal digits"),
        ("dashed-uuid", 400, "traceId: expected a string of hexadecimal digits"),
        ("decimal-id", 400, "traceId: expected a string of hexadecimal digits"),
        ("go-marshal", 400, "traceId: expected a string of hexadecimal digits"),
        ("jaeger-array", 400, "expected an object, got an array"),
        ("logs-on-traces", 200, "these are logs (`resourceLogs`), which belong to /v1/logs"),
        ("no-id", 200, "1 of 1 spans rejected: trace_id_length (1); the first is without a trace id"),
        ("short-64bit", 200, "whose trace id has 8 bytes, not 16"),
        ("tempo-batches", 200, "`batches` is what Tempo answers"),
    ];
    for (name, status, expect) in cases {
        let door = open().await;
        let answer = door.post("/v1/traces", &[JSON], fixture(&format!("16-json-ids-{name}.json"))).await;
        assert!(answer.status == status && answer.text().contains(expect), "{name}: {} {}", answer.status, answer.text());
        assert!(door.store.accepted().is_empty());
    }
}

#[tokio::test]
async fn what_belongs_elsewhere_is_counted_and_logged_once() {
    log::read_lines();
    let door = open().await;
    for body in [r#"{"resourceMetrics":[{}]}"#, r#"{"batches":[]}"#, r#"{"spans":[{"secret":1}]}"#] {
        let answer = door.post("/v1/traces", &[JSON], body).await;
        let partial = &answer.json()["partialSuccess"];
        assert_eq!((answer.status.as_u16(), partial["rejectedSpans"].as_str()), (200, Some("0")), "{partial}");
        assert!(partial["errorMessage"].as_str().unwrap().starts_with("nothing was stored: "), "{partial}");
    }
    assert!(door.store.accepted().is_empty());
    assert_eq!(door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"http_json\",outcome=\"misplaced\"}"), 3);
    let lines = log::lines();
    assert!(lines.lines().count() == 1 && lines.contains("what=\"metrics\""), "{lines}");
}

#[tokio::test]
async fn a_body_that_is_not_what_its_headers_say_is_named() {
    let (json, protobuf) = (serde_json::to_vec(&request(vec![good(1)])).unwrap(), encoded(vec![good(1)]));
    let cases = [
        (PROTOBUF, json.clone(), "json_as_protobuf", "the body is JSON, and its content type says that it is protobuf"),
        (JSON, protobuf.clone(), "protobuf_as_json", "the body is protobuf, and its content type says that it is JSON"),
        (PROTOBUF, gzip(&protobuf), "undeclared_coding", "the body is gzip, and Content-Encoding does not say so"),
        (JSON, gzip(&json), "undeclared_coding", "the body is gzip, and Content-Encoding does not say so"),
        (PROTOBUF, zstd(&protobuf), "undeclared_coding", "the body is zstd, and Content-Encoding does not say so"),
    ];
    for (media, body, reason, text) in cases {
        log::read_lines();
        let door = open().await;
        for _ in 0..3 {
            let answer = door.post("/v1/traces", &[media], body.clone()).await;
            assert!(answer.status == 400 && String::from_utf8_lossy(&answer.body).contains(text), "{reason}: {answer:?}");
        }
        let transport = if media == JSON { "http_json" } else { "http_protobuf" };
        let labels = format!("{{signal=\"traces\",transport=\"{transport}\",outcome=\"{reason}\"}}");
        assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), 3);
        let lines = log::lines();
        assert!(lines.lines().count() == 1 && lines.contains(text), "{lines}");
    }
    let door = open().await;
    let answer = door.call(TRACES, &[], frame(0, &json)).await;
    assert!(answer.grpc() == Code::InvalidArgument && answer.grpc_message().contains("the body is JSON"), "{answer:?}");
}

#[tokio::test]
async fn grpc_at_the_path_of_http_and_http_at_that_of_grpc_are_told_apart() {
    let door = open().await;
    let answer = door.post("/v1/traces", &[("content-type", "application/grpc")], frame(0, &encoded(vec![good(1)]))).await;
    assert!(answer.status == 415 && answer.text().starts_with("this is gRPC, sent to the path of OTLP over HTTP"), "{answer:?}");
    let answer = door.call("/v1/traces", &[], frame(0, &encoded(vec![good(1)]))).await;
    assert!(answer.grpc() == Code::Unimplemented && answer.grpc_message().starts_with("this is gRPC, sent to the path"), "{answer:?}");
    let answer = door.post(TRACES, &[JSON], "{}").await;
    assert!(answer.status == 415 && answer.text().contains("OTLP over HTTP is POST /v1/traces"), "{answer:?}");
    for (transport, reason, n) in [("http", "grpc_over_http", 2), ("grpc", "not_grpc", 1)] {
        let labels = format!("{{signal=\"traces\",transport=\"{transport}\",outcome=\"{reason}\"}}");
        assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), n);
    }
}

#[tokio::test]
async fn a_value_nested_too_deep_costs_its_span_only_in_json_too() {
    let door = open().await;
    let value = format!("{}{{}}{}", r#"{"arrayValue":{"values":["#.repeat(45), "]}}".repeat(45));
    let span = |n: u8, attributes: String| {
        format!(r#"{{"traceId":"{}","spanId":"{}","attributes":[{attributes}]}}"#, "cd".repeat(16), format!("{n:02x}").repeat(8))
    };
    let spans = [span(1, String::new()), span(2, format!(r#"{{"key":"k","value":{value}}}"#))].join(",");
    let answer = door.post("/v1/traces", &[JSON], format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["partialSuccess"]["rejectedSpans"].as_str()), (200, Some("1")));
    assert_eq!(door.metric("sessionfold_receive_spans_rejected_total{reason=\"too_deep\"}"), 1);
    assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 1);
}
