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
async fn the_overview_follows_what_comes_and_its_form_stays() {
    let place = place();
    let server = place.start().await;
    let window = "since=2026-02-07&until=2026-02-08&agent=planner";
    let mut overview = open(&server, &format!("/overview?{window}")).await;
    let first = event_with(&mut overview, "event: parts").await;
    assert!(first.contains("No run in this time") && first.contains("overview-time") && first.contains("Their sessions"), "{first}");
    assert!(!first.contains("Own range, agent, model, user"), "{first}");
    send(&server, run(1, "conv-1", "planner", 0)).await;
    assert!(overview.says("/sessions/conv-1").await);
    send(&server, run(2, "conv-2", "another", 10)).await;
    send(&server, run(3, "conv-3", "planner", 20)).await;
    assert!(overview.says("/sessions/conv-3").await);
    // What is of nobody's interest here is not sent.
    let mut none = open(&server, "/overview?since=2026-02-07&until=2026-02-08&agent=nobody").await;
    event_with(&mut none, "event: parts").await;
    send(&server, run(4, "conv-4", "planner", 30)).await;
    shows(&server, 4).await;
    let heard = tokio::time::timeout(Duration::from_secs(2), none.says("parts")).await;
    assert!(heard.is_err(), "it was sent again");
}

/// The last event whose data holds `text`, and how many bytes it had.
async fn event_with(stream: &mut Stream, text: &str) -> String {
    let mut heard = String::new();
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(30), stream.0.frame()).await.unwrap().unwrap().unwrap();
        heard += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default());
        if let Some(event) = heard.split_inclusive("\n\n").find(|event| event.ends_with("\n\n") && event.contains(text)) {
            return event.to_owned();
        }
    }
}

#[tokio::test]
async fn one_new_run_on_a_full_list_is_less_than_two_kilobytes_and_on_a_timeline_its_bars() {
    let place = place();
    let server = place.start().await;
    for n in 0..60_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), "planner", n * 40)).await;
        send(&server, run(u128::from(n) + 101, "long", "planner", n * 40)).await;
    }
    shows(&server, 61).await;
    // Within the hour, so that the bars above the list last as long as before.
    // A later end of a session moves each bar of its line of time: those of 61 runs and of 40 silences.
    for (path, new, bytes_max) in [("/?limit=100", "conv-new", 2_048), ("/sessions/long", "new-agent", 10_240)] {
        let mut page = open(&server, path).await;
        let whole = event_with(&mut page, "event: parts").await;
        assert!(whole.len() > 20_000, "{}", whole.len());
        let session = if new == "conv-new" { "conv-new" } else { "long" };
        send(&server, run(if new == "conv-new" { 901 } else { 902 }, session, "new-agent", 2_400)).await;
        let change = event_with(&mut page, new).await;
        assert!(change.starts_with("event: change\nid: "), "{change}");
        assert!(change.len() < bytes_max, "{path}: {} bytes:\n{change}", change.len());
        // It says from what it differs, and that is what was sent.
        let id = whole.split("\nid: ").nth(1).unwrap().lines().next().unwrap();
        assert!(change.contains(&format!("\ndata: {id}\n")), "{change}");
    }
}

#[tokio::test]
async fn who_comes_back_with_what_they_have_is_sent_only_what_is_new() {
    let place = place();
    let server = place.start().await;
    for n in 0..30_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), "planner", n * 60)).await;
    }
    shows(&server, 30).await;
    let mut stays = open(&server, "/").await;
    let whole = event_with(&mut stays, "event: parts").await;
    let id = whole.split("\nid: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{}/", server.http)).header(header::ACCEPT, "text/event-stream").header("last-event-id", &id);
    let mut back = Stream(client.request(request.body(Empty::new()).unwrap()).await.unwrap().into_body());
    send(&server, run(99, "conv-new", "planner", 9_000)).await;
    let change = event_with(&mut back, "conv-new").await;
    assert!(change.starts_with("event: change"), "{change}");
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
