//! Sizes, bytes in flight, and slow senders.

use std::time::{Duration, Instant};

use sessionfold::auth::Authenticator;
use sessionfold::ingest::Options;
use sessionfold::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::*;

async fn limited(options: Options) -> Door {
    open_with(Authenticator::off(), options, Limits::default()).await
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_and_the_sender_reads_why() {
    let door = open().await;
    let body = bytes::Bytes::from(vec![0; 100 << 20]);
    for headers in [PROTOBUF, JSON] {
        let answer = door.post("/v1/traces", &[headers], body.clone()).await;
        assert_eq!(answer.status, 413);
        assert!(String::from_utf8_lossy(&answer.body).contains("larger than 67108864 bytes"));
    }
    let answer = door.send("POST", "/v1/traces", &[PROTOBUF], body, true).await;
    assert_eq!(answer.status, 413);
    assert_eq!(door.metric("sessionfold_receive_body_bytes_total"), 0);
}

#[tokio::test]
async fn a_chunked_body_is_cut_at_the_limit() {
    let door = limited(Options { max_request_bytes: 1000, ..Options::default() }).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("190\r\n{}\r\n", "a".repeat(400)).as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_bomb_is_refused_for_the_price_of_the_limit() {
    let door = open().await;
    let zeros = vec![0; 300 << 20];
    for (coding, bomb) in [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("deflate", bare_deflate(&zeros)), ("zstd", zstd(&zeros))] {
        assert!(bomb.len() < 2 << 20, "{coding}");
        let answer = door.post("/v1/traces", &[PROTOBUF, ("content-encoding", coding)], bomb).await;
        assert_eq!(answer.status, 413, "{coding}");
        assert!(answer.rpc_status().message.contains("after decompression"));
    }
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn what_does_not_fit_in_flight_is_refused_at_once_and_fits_again_later() {
    let body = encoded(vec![span(&[1; 16], &[1; 8], &"x".repeat(10_000))]);
    let door = limited(Options { max_inflight_bytes: 3 * body.len() as u64, ..Options::default() }).await;
    door.store.hold();
    let door = std::sync::Arc::new(door);
    let held: Vec<_> = (0..3)
        .map(|_| {
            let (door, body) = (door.clone(), body.clone());
            tokio::spawn(async move { door.post("/v1/traces", &[PROTOBUF], body).await.status })
        })
        .collect();
    door.store.arrived(3).await;
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 3 * body.len() as u64);

    let asked = Instant::now();
    let answer = door.post("/v1/traces", &[PROTOBUF], body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert_eq!(door.call(TRACES, &[], frame(0, &body)).await.grpc(), tonic::Code::Unavailable);
    assert!(asked.elapsed() < Duration::from_secs(2));

    door.store.let_go(4);
    for status in held {
        assert_eq!(status.await.unwrap(), 200);
    }
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
    assert_eq!(door.post("/v1/traces", &[PROTOBUF], body).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let door = limited(Options { body_timeout: Duration::from_millis(100), ..Options::default() }).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn a_sender_that_breaks_off_leaves_nothing_in_flight() {
    let door = open().await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 1000\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    while door.metric("sessionfold_receive_inflight_bytes") == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while door.metric("sessionfold_receive_inflight_bytes") != 0 {
        tokio::task::yield_now().await;
    }
    assert!(door.store.accepted().is_empty());
}

#[tokio::test]
async fn a_sender_that_asks_first_is_refused_before_it_sends() {
    let door = limited(Options { max_request_bytes: 1000, ..Options::default() }).await;
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}
