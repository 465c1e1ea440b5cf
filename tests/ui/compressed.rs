//! Pages, JSON, CSV and assets over the wire, as browsers and curl ask for them.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{Visitor, place, run, send, shows};
use crate::support::server::{SESSIONS, Server, until};
use crate::support::spans::{agent, request};

async fn ask(server: &Server, method: &str, path: &str, accepts: &str, content_type: &str, body: Bytes) -> (HeaderMap, Vec<u8>) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(format!("http://{}{path}", server.http));
    let request = request.header(header::ACCEPT_ENCODING, accepts).header(header::CONTENT_TYPE, content_type);
    let response = client.request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

fn plain(coding: &str, bytes: &[u8]) -> String {
    let mut text = Vec::new();
    match coding {
        "br" => brotli::BrotliDecompress(&mut &*bytes, &mut text).unwrap(),
        "gzip" => _ = GzDecoder::new(bytes).read_to_end(&mut text).unwrap(),
        _ => text.extend_from_slice(bytes),
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_timeline_of_three_hundred_runs_is_less_than_twenty_kilobytes() {
    let place = place();
    let server = place.start().await;
    send(&server, (0..300).flat_map(|n| run(n + 1, "long", "planner", n as u64 * 30))).await;
    until("all runs are there", async || Visitor::of(&server).get("/sessions/long?limit=500").await.text.matches("<li id=").count() == 300)
        .await;
    for coding in ["br", "gzip"] {
        let (_, bytes) = ask(&server, "GET", "/sessions/long?limit=500", coding, "text/plain", Bytes::new()).await;
        assert!(bytes.len() < 20_000, "{} bytes as {coding}", bytes.len());
    }
}

#[tokio::test]
async fn what_is_read_is_compressed_and_says_the_same_and_what_is_sent_is_answered_as_ever() {
    let place = place();
    let server = place.start().await;
    for n in 0..40 {
        send(&server, run(n + 1, &format!("conv-{n:02}"), "planner", n as u64)).await;
    }
    shows(&server, 40).await;
    let page = Visitor::of(&server).get("/sessions").await;
    let assets: Vec<String> = page.links().into_iter().filter(|link| link.contains("/ui.css")).collect();
    let list = format!("{SESSIONS}?limit=100");
    let paths = ["/sessions?sort=session_id", list.as_str(), "/sessions?format=csv", "/api/openapi.yaml", "/metrics", assets[0].as_str()];
    for path in paths {
        let (_, whole) = ask(&server, "GET", path, "", "text/plain", Bytes::new()).await;
        for coding in ["br", "gzip"] {
            let (headers, bytes) = ask(&server, "GET", path, coding, "text/plain", Bytes::new()).await;
            assert_eq!(headers[header::CONTENT_ENCODING], coding, "{path}");
            assert!(headers.get_all(header::VARY).iter().any(|varies| varies == "accept-encoding"), "{path}");
            assert!(bytes.len() * 2 < whole.len(), "{path}: {} of {} bytes as {coding}", bytes.len(), whole.len());
            // Ages and counters move on between two answers.
            if !path.starts_with("/sessions?sort") && path != "/metrics" {
                assert_eq!(plain(coding, &bytes), String::from_utf8_lossy(&whole), "{path} as {coding}");
            }
            let (head, nothing) = ask(&server, "HEAD", path, coding, "text/plain", Bytes::new()).await;
            assert_eq!((&head[header::CONTENT_ENCODING], nothing.len()), (&headers[header::CONTENT_ENCODING], 0), "{path}");
        }
    }
    let spans = request([agent(99, 1, 0, "x")]);
    let (headers, _) = ask(&server, "POST", "/v1/traces", "br, gzip", "application/x-protobuf", spans).await;
    assert!(!headers.contains_key(header::CONTENT_ENCODING) && !headers.contains_key(header::VARY), "{headers:?}");
}
