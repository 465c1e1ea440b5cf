//! Notes of sessions: what may be sent, what is answered, and what the list and the detail add.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sessionfold::api;
use sessionfold::store::AcceptError;
use tower::ServiceExt;

use super::double::{Double, by_user, run};
use super::{LIST, get, guarded_api, router};

async fn put(router: &Router, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
    let mut request = Request::builder().method("PUT").uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn two() -> Double {
    Double::new([by_user(run("a/b", "one", 0), "ada", None), run("plain", "two", 1)])
}

#[tokio::test]
async fn a_note_is_changed_in_parts_and_shown_where_it_is_asked_for() {
    let router = router(two());
    let note = format!("{LIST}a%2Fb/note/");
    let nothing = json!({"session_id": "a/b", "bookmarked": false, "note": "", "note_changed_at": null});
    assert_eq!(get(&router, &note).await.json(), nothing);
    assert_eq!(put(&router, &note, &[], r#"{"bookmarked":true}"#).await.0, StatusCode::OK);
    let both = json!({"session_id": "a/b", "bookmarked": true, "note": "ticket 1234", "note_changed_at": "2026-02-07T10:00:00Z"});
    assert_eq!(put(&router, &note, &[], r#"{"note":" ticket 1234\n"}"#).await, (StatusCode::OK, both.clone()));
    assert_eq!(get(&router, &note).await.json(), both);
    // A proxy that decodes the id, and no slash at the end.
    assert_eq!(get(&router, &format!("{LIST}a/b/note")).await.json(), both);

    let plain = get(&router, LIST).await.json();
    assert!(plain["results"][0].get("note").is_none() && plain["results"][0].get("users").is_none());
    let list = get(&router, &format!("{LIST}?include=note&bookmarked=true")).await.json();
    assert_eq!(list["count"], 1);
    let line = &list["results"][0];
    assert_eq!([&line["session_id"], &line["bookmarked"], &line["note"]], [&both["session_id"], &json!(true), &both["note"]]);
    let others = get(&router, &format!("{LIST}?include=note&bookmarked=false")).await.json();
    assert_eq!([&others["results"][0]["session_id"], &others["results"][0]["bookmarked"]], [&json!("plain"), &json!(false)]);
    let detail = get(&router, &format!("{LIST}a%2Fb/?include=note")).await.json();
    assert_eq!(
        [&detail["bookmarked"], &detail["note"], &detail["note_changed_at"]],
        [&both["bookmarked"], &both["note"], &both["note_changed_at"]]
    );
    assert!(get(&router, &format!("{LIST}a%2Fb/")).await.json().get("note").is_none());

    assert_eq!(super::send(&router, "DELETE", &note, &[]).await.json(), nothing);
    assert_eq!(get(&router, &format!("{LIST}?bookmarked=true")).await.json()["count"], 0);
}

#[tokio::test]
async fn what_is_no_note_is_refused_by_name_and_changes_nothing() {
    let router = router(two());
    let note = format!("{LIST}plain/note/");
    let long = format!("{{\"note\":\"{}\"}}", "é".repeat(2_001));
    for (body, detail) in [
        ("", "Invalid body: "),
        ("[]", "Invalid body: "),
        ("{\"bookmark\":true}", "Invalid body: unknown field `bookmark`"),
        ("{\"bookmarked\":\"yes\"}", "Invalid body: "),
        ("{\"note\":\"\\ud800\"}", "Invalid body: "),
        (&long, "Invalid note "),
    ] {
        let (status, answer) = put(&router, &note, &[], body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer["detail"].as_str().unwrap().starts_with(detail), "{answer}");
    }
    assert_eq!(put(&router, &note, &[], &" ".repeat(100_000)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(put(&router, &format!("{LIST}none/note/"), &[], "{}").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, &format!("{LIST}none/note/")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, &format!("{LIST}?bookmarked=yes")).await.json()["parameter"], "bookmarked");
    let most = format!("{{\"note\":\"{}\"}}", "\\ud83d\\ude00".repeat(2_000));
    assert_eq!(put(&router, &note, &[], &most).await.0, StatusCode::OK);
    assert_eq!(super::send(&router, "POST", &note, &[]).await.header("allow"), Some("GET, HEAD, PUT, DELETE"));
    assert_eq!(put(&router, &note, &[], r#"{"note":"one too many"}"#).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn whoever_may_read_a_session_may_note_it_and_nobody_else() {
    let router = api::router(Arc::new(guarded_api(Arc::new(two()))));
    let note = format!("{LIST}plain/note/");
    for (key, status) in [
        ("", StatusCode::UNAUTHORIZED),
        ("key-of-nobody", StatusCode::UNAUTHORIZED),
        ("key-of-a-sender", StatusCode::FORBIDDEN),
        ("key-of-another-reader", StatusCode::NOT_FOUND),
        ("key-of-a-reader", StatusCode::OK),
    ] {
        assert_eq!(put(&router, &note, &[("x-wax-key", key)], r#"{"bookmarked":true}"#).await.0, status, "{key}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_record_now_says_when_to_try_again() {
    let router = router(Double { refusal: Some(AcceptError::Full("7 of 7 GiB".into())), ..two() });
    let note = format!("{LIST}plain/note/");
    let answer = super::send(&router, "DELETE", &note, &[]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("5")));
    assert!(!answer.text.contains("GiB"), "{}", answer.text);
}
