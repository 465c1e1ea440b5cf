//! Pages as event streams.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{place, run, send, shows};
use crate::support::server::{Server, until};

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
    let mut list = open(&server, "/sessions?search=conv").await;
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

/// The data of an event, its lines joined again.
fn data(event: &str) -> String {
    event.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>().join("\n")
}

fn id(event: &str) -> &str {
    event.split("\nid: ").nth(1).unwrap().lines().next().unwrap()
}

/// Cut before every `<` that a small letter follows.
fn pieces(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let is_cut = |at: &usize| bytes[*at] == b'<' && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    let cuts: Vec<usize> = [0].into_iter().chain((1..bytes.len()).filter(is_cut)).chain([bytes.len()]).collect();
    cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect()
}

/// What a browser makes of what it has and a change, as `live.js` does.
fn changed(whole: &str, change: &str) -> String {
    let (whole, change) = (data(whole), data(change));
    let old = pieces(&whole);
    let mut text = String::new();
    for line in change.lines().skip(1) {
        let (range, new) = line.split_once('+').unwrap_or((line, ""));
        if let Some((at, n)) = range.split_once(',') {
            let at: usize = at.parse().unwrap();
            text.extend(old[at..at + n.parse::<usize>().unwrap()].iter().copied());
        }
        text += &new.replace("\\n", "\n").replace("\\\\", "\\");
    }
    text
}

/// A page of many lines, and one run more: what is sent is small, says what it is a change of, and makes what a page opened now has.
async fn one_new_run_is_little(server: &Server, path: &str, (trace, session, at): (u128, &str, u64)) {
    let mut page = open(server, path).await;
    let whole = event_with(&mut page, "event: parts").await;
    assert!(whole.len() > 20_000, "{}", whole.len());
    let new = format!("new-{trace}");
    send(server, run(trace, session, &new, at)).await;
    let change = event_with(&mut page, &new).await;
    assert!(change.starts_with("event: change\nid: "), "{path}: {change}");
    assert!(change.len() < 2_048, "{path}: {} bytes:\n{change}", change.len());
    assert!(change.contains(&format!("\ndata: {}\n", id(&whole))), "{change}");
    let now = event_with(&mut open(server, path).await, &new).await;
    assert_eq!((changed(&whole, &change), id(&change)), (data(&now), id(&now)), "{path}");
}

#[tokio::test]
async fn one_new_run_is_less_than_two_kilobytes_on_a_full_list_and_on_timelines_of_sixty_and_three_hundred_runs() {
    let place = place();
    let server = place.start().await;
    let mut runs = Vec::new();
    for n in 0..60 {
        runs.extend(run(u128::from(n) + 1, &format!("conv-{n:02}"), "planner", n * 40));
        runs.extend(run(u128::from(n) + 101, "long", "planner", n * 40));
    }
    runs.extend((0..300).flat_map(|n| run(u128::from(n) + 1_001, "longer", "planner", n * 30)));
    send(&server, runs).await;
    shows(&server, 62).await;
    until("all runs are there", async || {
        server.json("/api/v1/observability/sessions/longer/").await["runs"].as_array().is_some_and(|runs| runs.len() == 300)
    })
    .await;
    // Within the hour, so that the bars above the list last as long as before.
    one_new_run_is_little(&server, "/sessions?limit=100", (901, "conv-new", 8_400)).await;
    one_new_run_is_little(&server, "/sessions/long", (902, "long", 2_400)).await;
    one_new_run_is_little(&server, "/sessions/longer?limit=500", (903, "longer", 9_000)).await;
}

#[tokio::test]
async fn who_comes_back_with_what_they_have_is_sent_only_what_is_new() {
    let place = place();
    let server = place.start().await;
    for n in 0..30_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), "planner", n * 60)).await;
    }
    shows(&server, 30).await;
    let mut stays = open(&server, "/sessions").await;
    let whole = event_with(&mut stays, "event: parts").await;
    let id = whole.split("\nid: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request =
        Request::get(format!("http://{}/sessions", server.http)).header(header::ACCEPT, "text/event-stream").header("last-event-id", &id);
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
    let mut list = open(&server, "/sessions").await;
    assert!(list.says("Nothing received yet").await);
    let began = Instant::now();
    let ended = server.terminate().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(!list.says("anything more").await);
}
