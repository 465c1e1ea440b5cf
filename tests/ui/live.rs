//! Pages as event streams.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{place, run, send, shows};
use crate::support::server::Server;

struct Stream(Incoming);

async fn open(server: &Server, path: &str) -> Stream {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{}{path}", server.http)).header(header::ACCEPT, "text/event-stream");
    let response = client.request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    Stream(response.into_body())
}

impl Stream {
    /// Reads on until `text` came; `false` if the stream ended before.
    async fn says(&mut self, text: &str) -> bool {
        let mut heard = String::new();
        while !heard.contains(text) {
            match tokio::time::timeout(Duration::from_secs(30), self.0.frame()).await.unwrap() {
                Some(Ok(frame)) => heard += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default()),
                _ => return false,
            }
        }
        true
    }
}

#[tokio::test]
async fn what_changes_is_sent_to_those_who_look() {
    let place = place();
    let server = place.start().await;
    let mut list = open(&server, "/?search=conv").await;
    assert!(list.says("No session fits").await);
    send(&server, run(1, "conv-1", "planner", 0)).await;
    assert!(list.says("conv-1").await);
    let mut session = open(&server, "/sessions/conv-1").await;
    assert!(session.says("planner").await);
    send(&server, run(2, "conv-1", "another-agent", 10)).await;
    assert!(session.says("another-agent").await);
    server.delete("/api/v1/observability/sessions/conv-1/").await;
    assert!(session.says("event: gone").await);
}

#[tokio::test]
async fn an_open_page_does_not_hold_up_a_stop() {
    let place = place();
    let server = place.start().await;
    shows(&server, 0).await;
    let mut list = open(&server, "/").await;
    assert!(list.says("Nothing received yet").await);
    let began = Instant::now();
    let ended = server.terminate().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(!list.says("anything more").await);
}
