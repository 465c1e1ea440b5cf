//! SDKs that were made for another server and are told to send here.

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::support::server::{Place, SESSIONS, until};

const KEYS: &str = "[[auth.keys]]\nkey = \"sk-lf-secret-of-a-project\"\ntenant = \"default\"\nrights = [\"ingest\"]\n\n\
    [[auth.keys]]\nkey = \"reader-of-sessions\"\ntenant = \"default\"\nrights = [\"read\"]\n";

/// As `langfuse` 5.0.4 sends it, and with these keys: public as the user, secret as the password.
fn headers(basic: &'static str) -> [(&'static str, &'static str); 6] {
    [
        ("content-type", "application/x-protobuf"),
        ("user-agent", "OTel-OTLP-Exporter-Python/1.45.2"),
        ("authorization", basic),
        ("x-langfuse-sdk-name", "python"),
        ("x-langfuse-sdk-version", "5.0.4"),
        ("x-langfuse-public-key", "pk-lf-x"),
    ]
}

fn recorded() -> Bytes {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/langfuse/otlp-004.pb")).unwrap().into()
}

#[tokio::test]
async fn a_session_of_langfuses_sdk_appears_whatever_its_keys_are_and_on_either_port() {
    let place = Place::new().set("retention.max_age", "0s");
    let server = place.start().await;
    let client = server.client();
    for address in [server.otlp_http, server.http] {
        let to = format!("http://{address}/api/public/otel/v1/traces");
        let answer = client.request(Method::POST, &to, &headers("Basic cGstbGYteDpzay1sZi14"), recorded()).await.unwrap();
        assert_eq!((answer.status, &*answer.text), (StatusCode::OK, ""));
    }
    until("the session is there", async || server.get(&format!("{SESSIONS}lf-s2/")).await.status == StatusCode::OK).await;
    // What is no door says so on this port too, and is counted.
    let answer =
        client.request(Method::POST, &format!("http://{}/api/v2/spans", server.http), &headers("Basic eDp5"), recorded()).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer =
        client.request(Method::POST, &format!("http://{}/elsewhere", server.http), &headers("Basic eDp5"), recorded()).await.unwrap();
    assert!(answer.status == StatusCode::NOT_FOUND && answer.text.contains("the pages begin at /"), "{}", answer.text);
    let answer = server.get("/elsewhere").await;
    assert!(answer.status == StatusCode::NOT_FOUND && !answer.text.contains("this port takes OTLP"), "{}", answer.text);
    let counted = "sessionfold_receive_requests_total{signal=\"unknown\",transport=\"http_protobuf\",outcome=\"unknown_path\"} 2";
    assert!(server.get("/metrics").await.text.contains(counted));
    // A page that ends so is still a page.
    assert_ne!(server.get("/sessions/otel/v1/traces").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn with_keys_the_secret_key_of_the_sdk_is_one_of_them_or_nothing_is_taken() {
    let place = Place::new().set("retention.max_age", "0s").config(KEYS);
    let server = place.start().await;
    let to = format!("http://{}/api/public/otel/v1/traces", server.otlp_http);
    let (wrong, right) = ("Basic cGstbGYteDpzay1sZi14", "Basic cGstbGYteDpzay1sZi1zZWNyZXQtb2YtYS1wcm9qZWN0");
    let client = server.client();
    assert_eq!(client.request(Method::POST, &to, &headers(wrong), recorded()).await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.request(Method::POST, &to, &headers(right), recorded()).await.unwrap().status, StatusCode::OK);
    let reader = server.client().with_key("reader-of-sessions");
    until("the session is there", async || reader.call(Method::GET, &format!("{SESSIONS}lf-s2/")).await.status == StatusCode::OK).await;
    // It is no key of readers, in whatever form.
    let list = format!("http://{}{SESSIONS}", server.http);
    assert_eq!(client.request(Method::GET, &list, &headers(right), Bytes::new()).await.unwrap().status, StatusCode::UNAUTHORIZED);
}
