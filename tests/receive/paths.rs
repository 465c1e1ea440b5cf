//! Which paths lead to a door, and what is said at those that lead nowhere.

use super::harness::*;
use super::log;

const LOST: &str = "sessionfold_receive_requests_total{signal=\"unknown\",transport=\"http_json\",outcome=\"unknown_path\"}";

#[tokio::test]
async fn traces_are_taken_below_any_path() {
    let door = open().await;
    let body = encoded(vec![good(1)]);
    let paths = [
        "/api/public/otel/v1/traces",
        "/otel/v1/traces",
        "/otlp/v1/traces/",
        "/api/v1/private/otel/v1/traces?project=x",
        "/v1/traces/v1/traces",
        "//v1/traces",
        "/",
    ];
    for (n, path) in paths.into_iter().enumerate() {
        for http2 in [false, true] {
            let answer = door.send("POST", path, &[PROTOBUF], body.clone(), http2).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]), "{path}");
        }
        assert_eq!(door.post(path, &[JSON, ("authorization", "Basic cGstbGYteDpzay1sZi14")], "{}").await.text(), "{}");
        assert_eq!(door.store.accepted().len(), 2 * (n + 1), "{path}");
    }
    assert_eq!(door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"http_protobuf\",outcome=\"accepted\"}"), 14);
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}"#;
    assert_eq!(door.post("/otlp/v1/logs", &[JSON], logs).await.json()["partialSuccess"]["rejectedLogRecords"], "1");
    assert_eq!(door.post("/otlp/v1/traces", &[("content-type", "text/plain")], body).await.status, 415);
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_named_counted_and_logged_once() {
    log::read_lines();
    let door = open().await;
    for path in ["/v1/trace", "/api/v2/spans", "/v1/traces/x"] {
        let answer = door.post(path, &[JSON], "{}").await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(path) && answer.text().contains("POST /v1/traces"), "{}", answer.text());
    }
    assert_eq!(door.metric(LOST), 3);
    assert_eq!(door.send("GET", "/otel/v1/traces", &[], "", false).await.status, 404);
    assert_eq!(
        door.call("/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export", &[], "").await.grpc(),
        tonic::Code::Unimplemented
    );
    assert_eq!(door.metric(&LOST.replace("http_json", "grpc")), 1);
    let lines = log::lines();
    assert!(lines.lines().count() == 1 && lines.contains("path=\"/v1/trace\""), "{lines}");
}
