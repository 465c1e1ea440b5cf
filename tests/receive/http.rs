//! OTLP over HTTP: content types, codings, and the exact answers.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use sessionfold::store::AcceptError;

use super::harness::*;
use super::log;

#[tokio::test]
async fn protobuf_in_gives_the_very_bytes_to_the_store_and_an_empty_protobuf_back() {
    for (path, content_type) in [
        ("/v1/traces", "application/x-protobuf"),
        ("/v1/traces/", "application/protobuf"),
        ("/v1/traces", "Application/X-Protobuf; charset=utf-8"),
    ] {
        let door = open().await;
        let body = encoded(vec![good(1), good(2)]);
        let answer = door.post(path, &[("content-type", content_type)], body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
        assert!(content_type.to_lowercase().starts_with(answer.header("content-type")));
        assert_eq!(door.store.only(), body);
        assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 2);
        assert_eq!(door.metric("sessionfold_receive_body_bytes_total"), body.len() as u64);
        assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
    }
}

#[tokio::test]
async fn json_in_gives_json_out_and_the_same_spans_to_the_store() {
    let door = open().await;
    let sent = request(vec![good(1)]);
    let body = serde_json::to_vec(&sent).unwrap();
    for content_type in ["application/json", "application/json; charset=utf-8"] {
        let answer = door.post("/v1/traces", &[("content-type", content_type)], body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]));
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let accepted = door.store.accepted();
    assert_eq!(accepted.len(), 2);
    for (_, bytes) in accepted {
        let decoded = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::decode(bytes).unwrap();
        assert_eq!(decoded, sent);
    }
    let labels = "{signal=\"traces\",transport=\"http_json\",outcome=\"accepted\"}";
    assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), 2);
}

#[tokio::test]
async fn every_coding_gives_the_same_bytes_to_the_store() {
    let body = encoded((1..100).map(good).collect());
    // The second is long enough to be undone on another thread.
    let long = encoded((0..20_000u32).map(|i| span(&[1; 16], &(i + 1).to_be_bytes().repeat(2), &format!("{i:x}"))).collect());
    for body in [body, long] {
        let codings: [(&str, Vec<u8>); 6] = [
            ("identity", body.clone()),
            ("gzip", gzip(&body)),
            ("GZIP", gzip(&body)),
            ("deflate", zlib(&body)),
            ("deflate", bare_deflate(&body)),
            ("zstd", zstd(&body)),
        ];
        for (coding, sent) in codings {
            let door = open().await;
            let answer = door.post("/v1/traces", &[PROTOBUF, ("content-encoding", coding)], sent).await;
            assert_eq!(answer.status, 200, "{coding}");
            assert_eq!(door.store.only(), body, "{coding}");
            assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
        }
    }
}

#[tokio::test]
async fn an_empty_request_is_a_success_that_stores_nothing() {
    let door = open().await;
    for body in [vec![], encoded(vec![])] {
        assert_eq!(door.post("/v1/traces", &[PROTOBUF], body).await.body, "");
    }
    for body in ["{}", "{\"resourceSpans\":[]}"] {
        assert_eq!(door.post("/v1/traces", &[JSON], body).await.body, "{}");
    }
    assert!(door.store.accepted().is_empty());
}

#[tokio::test]
async fn bytes_that_are_no_request_are_answered_with_the_place() {
    let door = open().await;
    let whole = encoded(vec![good(1)]);
    for garbage in [&b"hello, world"[..], &[0xff; 64], &whole[..whole.len() - 1]] {
        let answer = door.post("/v1/traces", &[PROTOBUF], garbage.to_vec()).await;
        assert_eq!(answer.status, 400);
        let status = answer.rpc_status();
        assert!(status.code == 3 && status.message.contains("at byte "), "{status:?}");
        assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");
    }
    for garbage in [&b"hello"[..], b"{\"resourceSpans\":", b"[]", &whole] {
        let answer = door.post("/v1/traces", &[JSON], garbage.to_vec()).await;
        assert_eq!(answer.status, 400);
        assert_eq!((answer.json()["code"].as_i64(), answer.json()["message"].is_string()), (Some(3), true));
    }
    assert!(door.store.accepted().is_empty());
    assert_eq!(door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"http_json\",outcome=\"malformed\"}"), 3);
    assert_eq!(
        door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"http_json\",outcome=\"protobuf_as_json\"}"),
        1
    );
}

#[tokio::test]
async fn compressed_garbage_is_refused_in_the_senders_format() {
    let door = open().await;
    for coding in ["gzip", "deflate", "zstd"] {
        let answer = door.post("/v1/traces", &[PROTOBUF, ("content-encoding", coding)], "not compressed at all").await;
        assert_eq!(answer.status, 400);
        assert!(answer.rpc_status().message.contains(coding), "{:?}", answer.rpc_status());
        let answer = door.post("/v1/traces", &[JSON, ("content-encoding", coding)], "{\"resourceSpans\":[]}").await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (400, Some(3)));
    }
    for coding in ["br", "snappy", "gzip, gzip"] {
        let answer = door.post("/v1/traces", &[PROTOBUF, ("content-encoding", coding)], encoded(vec![good(1)])).await;
        assert_eq!((answer.status.as_u16(), answer.header("accept-encoding")), (415, "gzip,zstd,deflate,identity"));
        assert!(answer.rpc_status().message.contains(coding));
    }
}

#[tokio::test]
async fn what_is_not_otlp_is_told_what_is() {
    let door = open().await;
    for headers in [&[("content-type", "text/plain")][..], &[("content-type", "application/grpc")], &[]] {
        let answer = door.post("/v1/traces", headers, encoded(vec![good(1)])).await;
        assert_eq!(answer.status, 415);
        assert!(answer.text().contains("application/x-protobuf or application/json"));
    }
    for (method, path) in [("GET", "/v1/traces"), ("PUT", "/v1/traces/"), ("DELETE", "/v1/logs"), ("OPTIONS", "/v1/metrics")] {
        let answer = door.send(method, path, &[], "", false).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
    }
}

#[tokio::test]
async fn logs_and_metrics_are_all_rejected_without_an_error() {
    let door = open().await;
    let scope = ScopeLogs { log_records: vec![LogRecord::default(); 3], ..Default::default() };
    let logs = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }] };
    for _ in 0..2 {
        let answer = door.post("/v1/logs", &[PROTOBUF, ("content-encoding", "gzip")], gzip(&logs.encode_to_vec())).await;
        assert_eq!(answer.status, 200);
        let partial = ExportLogsServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
        assert_eq!(partial.rejected_log_records, 3);
        assert_eq!(partial.error_message, "sessionfold stores traces, and logs of coding agents: 3 records of logs were dropped");
    }
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{},{}]}}]}]}]}"#;
    let answer = door.post("/v1/metrics/", &[JSON], metrics).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["partialSuccess"]["rejectedDataPoints"], "2");
    let answer = door.post("/v1/metrics", &[PROTOBUF], "").await;
    assert_eq!(ExportMetricsServiceResponse::decode(answer.body).unwrap().partial_success, None);
    assert_eq!(door.post("/v1/logs", &[PROTOBUF], "garbage").await.status, 400);
    assert!(door.store.accepted().is_empty());
    assert_eq!(door.metric("sessionfold_receive_records_rejected_total{signal=\"logs\"}"), 6);
    assert_eq!(door.metric("sessionfold_receive_records_rejected_total{signal=\"metrics\"}"), 2);
}

#[tokio::test]
async fn each_cause_is_logged_once_and_no_key_or_payload_with_it() {
    log::read_lines();
    let door = open().await;
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"secret"}}]}]}]}"#;
    for _ in 0..5 {
        door.post("/v1/logs", &[JSON], logs).await;
        door.post("/v1/traces", &[PROTOBUF, ("x-wax-key", "secret")], "garbage").await;
        door.post("/v1/traces", &[PROTOBUF], encoded(vec![span(&[0; 16], &[1; 8], "secret")])).await;
    }
    let text = log::lines();
    for part in ["sessionfold stores traces, and logs of coding agents", "OTLP requests were refused", "spans were rejected"] {
        assert_eq!(text.matches(part).count(), 1, "{text}");
    }
    assert!(text.lines().count() == 3 && text.lines().all(|line| line.contains(" WARN ")) && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_store_that_cannot_take_spans_is_a_retryable_refusal_without_its_words() {
    let door = open().await;
    let errors = [(AcceptError::Full("/var/secret/path".into()), "5"), (AcceptError::Unavailable("fsync of /var/secret".into()), "2")];
    for (error, seconds) in errors {
        door.store.refuse(Some(error));
        let answer = door.post("/v1/traces", &[PROTOBUF], encoded(vec![good(1)])).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, seconds));
        let status = answer.rpc_status();
        assert!(status.code == 14 && !status.message.contains("secret"), "{status:?}");
        assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
    }
    door.store.refuse(None);
    assert_eq!(door.post("/v1/traces", &[PROTOBUF], encoded(vec![good(1)])).await.status, 200);
    assert_eq!(door.metric("sessionfold_receive_spans_accepted_total"), 1);
}

#[tokio::test]
async fn our_own_export_is_refused_for_good() {
    let door = open().await;
    for (id, status) in [(INSTANCE, 400), ("another-instance", 200)] {
        let answer = door.post("/v1/traces", &[PROTOBUF, ("x-sessionfold-instance", id)], encoded(vec![good(1)])).await;
        assert_eq!(answer.status, status, "{id}");
    }
    assert_eq!(door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"http_protobuf\",outcome=\"loop\"}"), 1);
}
