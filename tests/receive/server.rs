//! Serving connections: slow ones, too many of them, and the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sessionfold::auth::Authenticator;
use sessionfold::ingest::Options;
use sessionfold::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::*;

async fn limited(limits: Limits) -> Door {
    open_with(Authenticator::off(), Options::default(), limits).await
}

#[tokio::test]
async fn a_connection_that_never_ends_its_headers_is_closed() {
    let door = limited(Limits { header_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    for said in ["", "P", "PRI * HTTP/2.0\r\n", "POST /v1/traces HTTP/1.1\r\nhost:", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "{said:?} kept a connection");
    }
}

#[tokio::test]
async fn a_preface_in_two_parts_is_still_http2() {
    let door = open().await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(b"\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!((head[3], &head[5..]), (4, &[0, 0, 0, 0][..]), "not a SETTINGS frame: {head:?}");
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_refused() {
    let door = open().await;
    let many: String = (0..150).map(|i| format!("x-{i}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(70_000));
    for headers in [many, long] {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        // The server may answer and close before it has read all of it.
        let _ = stream.write_all(format!("GET /v1/traces HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let door = limited(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(door.address).await.unwrap();
    first.write_all(b"GET /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();

    let second = door.post("/v1/traces", &[PROTOBUF], encoded(vec![good(1)]));
    let mut second = std::pin::pin!(second);
    assert!(tokio::time::timeout(Duration::from_millis(200), second.as_mut()).await.is_err());
    drop(first);
    assert_eq!(second.await.status, 200);
}

#[tokio::test]
async fn a_shutdown_closes_idle_connections_and_finishes_what_is_in_flight() {
    let door = open().await;
    door.store.hold();
    let mut idle = TcpStream::connect(door.address).await.unwrap();
    idle.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 12]).await.unwrap();
    let mut silent = TcpStream::connect(door.address).await.unwrap();

    let door = Arc::new(door);
    let (http, grpc) = (door.clone(), door.clone());
    let http = tokio::spawn(async move { http.post("/v1/traces", &[PROTOBUF], encoded(vec![good(1)])).await.status });
    let grpc = tokio::spawn(async move { grpc.call(TRACES, &[], frame(0, &encoded(vec![good(2)]))).await.grpc() });
    door.store.arrived(2).await;
    door.shutdown.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    silent.read_to_end(&mut rest).await.unwrap();
    assert!(!door.serving.is_finished());
    door.store.let_go(2);
    assert_eq!((http.await.unwrap().as_u16(), grpc.await.unwrap()), (200, tonic::Code::Ok));
    assert!(TcpStream::connect(door.address).await.is_err());
    Arc::into_inner(door).unwrap().close().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let door = limited(Limits { drain: Duration::from_millis(200), ..Limits::default() }).await;
    door.store.hold();
    let door = Arc::new(door);
    for http2 in [false, true] {
        let door = door.clone();
        tokio::spawn(async move {
            let client = door.address;
            let mut stream = TcpStream::connect(client).await.unwrap();
            let body = encoded(vec![good(1)]);
            if http2 {
                let _ = door.call(TRACES, &[], frame(0, &body)).await;
                return;
            }
            let length = body.len();
            let head =
                format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
    }
    door.store.arrived(2).await;
    let began = Instant::now();
    door.shutdown.cancel();
    while !door.serving.is_finished() {
        tokio::task::yield_now().await;
    }
    assert!((Duration::from_millis(200)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(door.receiver.admission().inflight_bytes(), 0);
}

/// The bytes of a whole POST of these.
fn posted(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Legal since HTTP/1.1 (RFC 9112, section 9.6), and what `nc -N` and some small agents do.
#[tokio::test]
async fn a_client_that_ends_its_side_after_a_whole_request_hears_its_answer() {
    let door = open().await;
    door.store.hold();
    for (n, size) in [0, 10, 300_000].into_iter().cycle().take(30).enumerate() {
        let body = encoded(vec![span(&[1; 16], &[1; 8], &"x".repeat(size))]);
        let mut client = TcpStream::connect(door.address).await.unwrap();
        client.write_all(&posted("/v1/traces", &body)).await.unwrap();
        client.shutdown().await.unwrap();
        door.store.arrived(1).await;
        // The server knows by now that nothing more comes.
        tokio::time::sleep(Duration::from_millis(5)).await;
        door.store.let_go(1);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{n}: {:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(door.store.accepted().len(), 30);
    let labels = "{signal=\"traces\",transport=\"http_protobuf\",outcome=\"accepted\"}";
    assert_eq!(door.metric(&format!("sessionfold_receive_requests_total{labels}")), 30);
}

#[tokio::test]
async fn a_client_that_ends_its_side_in_the_middle_of_a_request_is_not_waited_for() {
    let door = open().await;
    let whole = posted("/v1/traces", &encoded(vec![good(1)]));
    let began = Instant::now();
    for n_bytes in [1, 30, whole.len() - 20, whole.len() - 1] {
        let mut client = TcpStream::connect(door.address).await.unwrap();
        client.write_all(&whole[..n_bytes]).await.unwrap();
        client.shutdown().await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(door.store.accepted().is_empty());
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn tls_spoken_to_a_plain_port_is_told_so() {
    let door = open().await;
    let mut client = TcpStream::connect(door.address).await.unwrap();
    client.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on").await.unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).contains("this port speaks plain HTTP: use http://"));
}
