//! What `sessionfold check` learns of Tempo.

use std::time::Duration;

use sessionfold::tempo::probe::{self, ProbeError, Reached};
use sessionfold::tempo::tls::Trust;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use super::bench::quick;
use super::double::{Double, Reply};

/// Serves one HTTP request with these bytes.
async fn serve_once(answer: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = socket.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /status/config HTTP/1.1\r\n"));
        socket.write_all(answer.as_bytes()).await.unwrap();
    });
    url
}

#[tokio::test]
async fn a_receiver_is_told_from_a_refusal_and_from_nobody() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    assert_eq!(probe::reach(&quick(&tempo.endpoint())).await.unwrap(), Reached::Yes);
    assert!(tempo.calls()[0].message.is_empty());
    let refusing = Double::start(|_, _| Reply::Status(Code::Unimplemented, "unknown service".to_owned())).await;
    assert!(
        matches!(probe::reach(&quick(&refusing.endpoint())).await.unwrap(), Reached::Refused(words) if words.contains("unknown service"))
    );
    let hanging = Double::start(|_, _| Reply::Hang).await;
    let mut impatient = quick(&hanging.endpoint());
    impatient.retry.request_timeout = Duration::from_millis(300);
    assert!(matches!(probe::reach(&impatient).await.unwrap(), Reached::No(words) if words.contains("no answer")));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answer = probe::reach(&quick(&closed.to_string())).await.unwrap();
    assert!(matches!(&answer, Reached::No(words) if words.contains("refused")), "{answer:?}");
    assert!(probe::reach(&quick("not an address")).await.is_err());
}

#[tokio::test]
async fn settings_are_read_from_tempos_effective_configuration() {
    let url = serve_once("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nquery_end_cutoff: 30s\n  ingestion_time_range_slack: 2m0s\n").await;
    let settings = probe::settings(&url, &Trust::System).await.unwrap();
    assert_eq!(settings.slack, Some(Duration::from_secs(120)));
    assert_eq!(settings.warnings().len(), 2);
}

#[tokio::test]
async fn a_query_api_that_is_not_there_is_an_error_with_its_url() {
    let url = serve_once("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(probe::settings(&url, &Trust::System).await, Err(ProbeError::Status { status: 404, .. })));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = probe::settings(&format!("http://{closed}"), &Trust::System).await.unwrap_err();
    assert!(error.to_string().contains("/status/config") && error.to_string().contains("refused"), "{error}");
    assert!(matches!(probe::settings("tempo:3200", &Trust::System).await, Err(ProbeError::Url(_))));
}
