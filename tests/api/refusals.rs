//! Who and what is refused, health, metrics, and the headers that every answer has.

use std::sync::Arc;

use http::StatusCode;
use sessionfold::api;
use sessionfold::model::ids::Tenant;
use sessionfold::store::AcceptError;

use super::double::{Double, run};
use super::{LIST, get, guarded_api, router, send};

fn one() -> Double {
    Double::new([run("s", "a", 0)])
}

#[tokio::test]
async fn a_bad_value_is_refused_with_its_name_and_what_is_allowed() {
    let answer = get(&router(one()), &format!("{LIST}?sort=cost")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let expected = concat!(
        r#"{"detail":"Invalid sort \"cost\": must be one of last_activity, first_run, run_count, total_cost, total_tokens, "#,
        r#"total_duration, session_id, each with a leading - for descending order.","parameter":"sort"}"#
    );
    assert_eq!(answer.text, expected);
    for (path, parameter) in [
        ("?limit=0", "limit"),
        ("?offset=-1", "offset"),
        ("?start=soon", "start"),
        ("?end=2026-13-01", "end"),
        ("?status=done", "status"),
        ("?include=all", "include"),
        ("s/?limit=0", "limit"),
        ("s/?offset=x", "offset"),
        ("s/?include=all", "include"),
        ("nobody/?limit=0", "limit"),
    ] {
        let answer = get(&router(one()), &format!("{LIST}{path}")).await;
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (StatusCode::BAD_REQUEST, Some(parameter)), "{path}");
    }
}

#[tokio::test]
async fn nobody_reads_without_a_key_or_with_a_key_that_may_not() {
    let store = Arc::new(one());
    store.runs.lock().unwrap().push((Tenant::new("other").unwrap(), run("theirs", "b", 0)));
    let router = api::router(Arc::new(guarded_api(store)));
    let paths = [LIST, &format!("{LIST}s/"), &format!("{LIST}?limit=0"), "/api/v1/observability/agents/", "/metrics", "/api/v1/status/"];
    for path in paths {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.text, r#"{"detail":"Authentication credentials were not provided."}"#);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"sessionfold\""));
        let answer = send(&router, "GET", path, &[("authorization", "Bearer key-of-a-sender")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.text, r#"{"detail":"You do not have permission to perform this action."}"#);
    }
    for credential in ["", "Bearer key-of-a-sender"] {
        let answer = send(&router, "DELETE", &format!("{LIST}s/"), &[("authorization", credential)]).await;
        assert!(matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN));
    }
    for path in ["/healthz", "/readyz", "/api/openapi.yaml"] {
        assert_eq!(get(&router, path).await.status, StatusCode::OK, "{path}");
    }
    let other = [("authorization", "Bearer key-of-another-reader")];
    assert_eq!(send(&router, "GET", LIST, &other).await.ids(), ["theirs"]);
    assert_eq!(send(&router, "GET", &format!("{LIST}s/"), &other).await.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&router, "DELETE", &format!("{LIST}s/"), &other).await.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&router, "GET", LIST, &[("authorization", "Bearer key-of-a-reader")]).await.ids(), ["s"]);
}

#[tokio::test]
async fn what_is_not_there_is_json_too() {
    let router = router(one());
    for path in ["/api/v1", "/api/v1/observability/", "/api/v1/observability/agents/x", "/api/v2/sessions/?a=b", "/api/%FF"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = send(&router, method, path, &[]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
            assert!(answer.json()["detail"].is_string());
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_has_not_is_told_those_that_it_has() {
    let router = router(one());
    for (path, allowed) in [
        (LIST, "GET, HEAD"),
        ("/api/v1/observability/sessions", "GET, HEAD"),
        ("/api/v1/observability/sessions/s/", "GET, HEAD, DELETE"),
        ("/api/v1/observability/agents/", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ] {
        for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let answer = send(&router, method, path, &[("origin", "https://evil.example")]).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
            assert_eq!(answer.text, r#"{"detail":"Method not allowed."}"#);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(send(&router, "DELETE", LIST, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn every_answer_is_neither_sniffed_nor_stored() {
    let router = router(one());
    for path in [
        LIST,
        &format!("{LIST}s"),
        &format!("{LIST}none"),
        &format!("{LIST}?limit=0"),
        "/api/nothing",
        "/healthz",
        "/metrics",
        "/version",
        "/api/v1/status/",
        "/api/openapi.yaml",
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_delete_now_says_when_to_try_again() {
    for refusal in [AcceptError::Full("7 of 7 GiB".to_owned()), AcceptError::Unavailable("fsync failed".to_owned())] {
        let router = router(Double { refusal: Some(refusal), ..one() });
        let answer = send(&router, "DELETE", &format!("{LIST}s/"), &[]).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(!answer.text.contains("fsync") && answer.json()["detail"].is_string(), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_failure_inside_is_never_shown_to_a_client() {
    for store in [Double { is_broken: true, ..one() }, Double { is_panicking: true, ..one() }] {
        let router = router(store);
        for path in [LIST, &format!("{LIST}s/"), "/api/v1/observability/agents/"] {
            let answer = get(&router, path).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            assert_eq!(answer.text, r#"{"detail":"Internal error; the server's log says more."}"#);
        }
    }
}

#[tokio::test]
async fn alive_is_not_the_same_as_ready() {
    let ready = router(one());
    assert_eq!(get(&ready, "/healthz").await.text, "ok");
    assert_eq!(get(&ready, "/readyz").await.text, "ok");
    let starting = router(Double { not_ready: Some("replaying the journal: 40 %".to_owned()), ..one() });
    assert_eq!(get(&starting, "/healthz").await.status, StatusCode::OK);
    let answer = get(&starting, "/readyz").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "replaying the journal: 40 %"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_never_by_path() {
    let router = router(one());
    for path in [&format!("{LIST}s/"), &format!("{LIST}s"), &format!("{LIST}none"), LIST, "/api/nothing"] {
        get(&router, path).await;
    }
    send(&router, "BREW", LIST, &[]).await;
    let answer = send(&router, "GET", "/metrics", &[("accept", "application/openmetrics-text;version=1.0.0")]).await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(answer.text.contains("\n# TYPE sessionfold_api_requests counter\n"), "{}", answer.text);
    for line in [
        r#"sessionfold_api_requests_total{route="/api/v1/observability/sessions/{session_id}/",status="200"} 2"#,
        r#"sessionfold_api_requests_total{route="/api/v1/observability/sessions/{session_id}/",status="404"} 1"#,
        r#"sessionfold_api_requests_total{route="/api/v1/observability/sessions/",status="200"} 1"#,
        r#"sessionfold_api_requests_total{route="/api/v1/observability/sessions/",status="405"} 1"#,
        r#"sessionfold_api_requests_total{route="unknown",status="404"} 1"#,
        r#"sessionfold_api_request_duration_seconds_count{route="/api/v1/observability/sessions/"} 2"#,
    ] {
        assert!(answer.text.lines().any(|found| found == line), "{line} is not in\n{}", answer.text);
    }
    assert!(answer.text.ends_with("# EOF\n"));

    let text = send(&router, "GET", "/metrics", &[("accept", "text/plain")]).await;
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(text.header("vary"), Some("Accept"));
    assert!(text.text.contains("\n# TYPE sessionfold_api_requests_total counter\n") && !text.text.contains("# EOF"), "{}", text.text);
    assert_eq!(get(&router, "/metrics").await.header("content-type"), text.header("content-type"));
}

#[tokio::test]
async fn anybody_may_ask_which_version_runs() {
    let router = api::router(Arc::new(guarded_api(Arc::new(one()))));
    let answer = get(&router, "/version").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    assert_eq!(answer.json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(answer.json()["revision"].is_null() || answer.json()["revision"].is_string(), "{}", answer.text);
}
