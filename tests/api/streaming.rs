//! Long answers: whole where they can be, broken off where they cannot, never much of them in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use sessionfold::api::{self, Api, StreamLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tower::ServiceExt;

use super::double::{Double, End, Endless, run};
use super::{LIST, get, open_api};

const DETAIL: &str = "/api/v1/observability/sessions/s/";

struct Long {
    router: Router,
    n_read: Arc<AtomicU64>,
    over: mpsc::UnboundedReceiver<()>,
}

fn long(n_runs: u64, end: End, streams: StreamLimits) -> Long {
    let (sender, over) = mpsc::unbounded_channel();
    let n_read = Arc::new(AtomicU64::new(0));
    let endless = Endless { n_runs, end, n_read: Arc::clone(&n_read), over: sender };
    let store = Double { endless: Some(endless), ..Double::new([run("s", "a", 0)]) };
    let router = api::router(Arc::new(Api { streams, ..open_api(Arc::new(store)) }));
    Long { router, n_read, over }
}

fn limits(chunk_bytes: usize) -> StreamLimits {
    StreamLimits { chunk_bytes, ..StreamLimits::default() }
}

async fn body(router: &Router) -> (StatusCode, Body) {
    let response = router.clone().oneshot(Request::get(DETAIL).body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, body)
}

/// Serves a router on a real socket and returns all bytes that a client gets.
async fn over_tcp(router: Router, path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset after the last bytes is one way for a connection to break.
    let _ = client.read_to_end(&mut bytes).await;
    server.abort();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_long_session_comes_in_many_chunks_and_is_correct_json() {
    let long = long(20_000, End::Ordinary, limits(4_096));
    let (_, mut body) = body(&long.router).await;
    let (mut text, mut n_chunks) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let chunk = frame.unwrap().into_data().unwrap();
        assert!(chunk.len() < 8_192);
        text.extend_from_slice(&chunk);
        n_chunks += 1;
    }
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 20_001);
    assert!(n_chunks > 1_000);
}

#[tokio::test]
async fn every_chunk_size_gives_the_same_bytes() {
    let whole = get(&long(50, End::Ordinary, limits(1 << 20)).router, DETAIL).await;
    assert!(whole.header("content-length").is_some());
    for chunk_bytes in [1, 2, 7, 100, 4_096] {
        let streamed = get(&long(50, End::Ordinary, limits(chunk_bytes)).router, DETAIL).await;
        assert_eq!(streamed.text, whole.text);
        assert_eq!(streamed.header("content-length"), None);
        assert_eq!(streamed.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_failure_on_the_way_breaks_the_body_off() {
    for end in [End::Error, End::Panic] {
        let long = long(1_000, end, limits(4_096));
        let (status, body) = body(&long.router).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.collect().await.is_err());
    }
}

#[tokio::test]
async fn a_failure_before_the_first_chunk_is_an_ordinary_error() {
    for end in [End::Error, End::Panic] {
        let answer = get(&long(3, end, limits(4_096)).router, DETAIL).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.text.contains("secret"));
    }
}

#[tokio::test]
async fn a_client_on_a_socket_sees_that_a_transfer_broke() {
    let whole = over_tcp(long(1_000, End::Ordinary, limits(4_096)).router, DETAIL).await;
    assert!(whole.to_ascii_lowercase().contains("transfer-encoding: chunked"));
    assert!(whole.ends_with("\r\n0\r\n\r\n"), "a whole answer ends with the last chunk");
    for end in [End::Error, End::Panic] {
        let broken = over_tcp(long(1_000, end, limits(4_096)).router, DETAIL).await;
        assert!(broken.starts_with("HTTP/1.1 200"));
        assert!(broken.len() > 50_000);
        assert!(!broken.ends_with("\r\n0\r\n\r\n"), "a broken answer has no last chunk");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go_and_little_was_read_for_it() {
    let streams = StreamLimits { stall: Duration::from_millis(20), ..limits(4_096) };
    let mut long = long(1_000_000, End::Ordinary, streams);
    let (_, mut body) = body(&long.router).await;
    body.frame().await.unwrap().unwrap();
    long.over.recv().await.unwrap();
    let n_read = long.n_read.load(Ordering::Relaxed);
    assert!(n_read < 200, "{n_read} runs were read for a client that took one chunk");
    assert!(body.collect().await.is_err());
    let metrics = get(&long.router, "/metrics").await.text;
    assert!(metrics.contains(r#"sessionfold_api_aborted_answers_total{reason="stalled"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_reading() {
    let mut long = long(1_000_000, End::Ordinary, limits(4_096));
    let (_, body) = body(&long.router).await;
    drop(body);
    long.over.recv().await.unwrap();
    assert!(long.n_read.load(Ordering::Relaxed) < 200);
}

#[tokio::test]
async fn with_all_slots_taken_only_long_answers_are_refused() {
    let streams = StreamLimits { slots: Arc::new(Semaphore::new(1)), ..limits(4_096) };
    let long = long(10_000, End::Ordinary, streams);
    let (status, first) = body(&long.router).await;
    assert_eq!(status, StatusCode::OK);
    let refused = get(&long.router, DETAIL).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(get(&long.router, &format!("{DETAIL}?limit=3")).await.status, StatusCode::OK);
    assert_eq!(get(&long.router, LIST).await.status, StatusCode::OK);
    first.collect().await.unwrap();
}
