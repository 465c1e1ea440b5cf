//! A trace and a run: from Tempo, from the journal, or from what the index keeps.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::{Visitor, place, run, send, shows};
use crate::support::server::until;
use crate::support::spans::{Tell, request};

const TRACE: &str = "/traces/00000000000000000000000000000001";

/// Answers as Tempo does for a trace by its id.
#[derive(Clone)]
struct Double {
    body: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

async fn tempo(body: Option<Vec<u8>>) -> (Double, String) {
    let double = Double { body: Arc::new(Mutex::new(body)), asked: Arc::default() };
    let answer = async |State(double): State<Double>, Path(id): Path<String>, headers: HeaderMap| {
        double.asked.lock().unwrap().push((id, headers));
        match double.body.lock().unwrap().clone() {
            Some(body) => (StatusCode::OK, body),
            None => (StatusCode::NOT_FOUND, Vec::new()),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/api/traces/{id}", get(answer)).with_state(double.clone());
    tokio::spawn(async move { axum_serve(listener, router).await });
    (double, url)
}

async fn axum_serve(listener: TcpListener, router: Router) {
    let limits = sessionfold::server::Limits::default();
    sessionfold::server::serve(listener, router, tokio_util::sync::CancellationToken::new(), limits).await;
}

#[tokio::test]
async fn without_a_tempo_the_journal_has_attributes_and_messages() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get(&format!("{TRACE}?span=0000000000000002")).await;
    for text in [
        "from this server&#39;s journal",
        "What is &lt;b&gt;this&lt;/b&gt;?",
        "gen_ai.usage.input_tokens",
        "house-model",
        "$0.0003",
        "2 spans",
        "aria-current=\"true\"",
    ] {
        assert!(page.text.contains(text) || page.text.contains(&text.replace("&#39;", "'")), "{text}: {}", page.text);
    }
    let id = server.json("/api/v1/observability/sessions/conv/").await["runs"][0]["id"].as_u64().unwrap();
    let run = visitor.get(&format!("/runs/{id}")).await;
    for text in ["Run of", "planner", "Calls by model", "house-model", "Its trace"] {
        run.says(text);
    }
    for nowhere in ["/traces/xyz", "/traces/00000000000000000000000000000009", "/runs/5", "/runs/x"] {
        assert_eq!(visitor.get(nowhere).await.status, StatusCode::NOT_FOUND, "{nowhere}");
    }
}

#[tokio::test]
async fn a_deleted_session_has_no_trace_any_more_though_the_journal_holds_it() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    assert_eq!(visitor.get(TRACE).await.status, StatusCode::OK);
    server.delete("/api/v1/observability/sessions/conv/").await;
    for gone in [TRACE, "/sessions/conv", "/sessions/conv?view=conversation"] {
        let page = visitor.get(gone).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{gone}");
        assert!(!page.text.contains("What is"), "{gone}");
    }
}

#[tokio::test]
async fn with_a_tempo_the_trace_is_asked_of_it_in_the_name_of_the_tenant() {
    let spans = request(run(1, "conv", "planner", 0));
    let (double, url) = tempo(Some(spans.to_vec())).await;
    let place = place().argument("--tempo-query").argument(&url);
    let place = place.config("[auth]\nkeys = [{ key = \"wax_sk_both_0123456789\", tenant = \"acme\" }]\n");
    let server = place.start().await;
    server.client().with_key("wax_sk_both_0123456789").send(spans).await.unwrap();
    let mut visitor = Visitor::of(&server);
    let answer = visitor.post("/login", "key=wax_sk_both_0123456789").await;
    visitor.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
    until("the trace is there", async || visitor.get(TRACE).await.status == StatusCode::OK).await;
    let page = visitor.get(&format!("{TRACE}?span=0000000000000002")).await;
    page.says("Attributes and messages are from Tempo.");
    page.says("It is bold &amp; brave.");
    let asked = double.asked.lock().unwrap().clone();
    let (id, headers) = asked.first().unwrap();
    assert_eq!(id, "00000000000000000000000000000001");
    assert_eq!(headers["x-scope-orgid"], "acme");
    assert_eq!(headers["accept"], "application/protobuf");
}

#[tokio::test]
async fn a_tempo_that_lacks_the_trace_or_is_away_is_told_of_and_the_page_comes_all_the_same() {
    let (double, url) = tempo(None).await;
    let place = place().argument("--tempo-query").argument(&url).set("retention.raw_max_bytes", "1MiB");
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    // The journal still has it.
    visitor.get(TRACE).await.says("journal");
    assert_eq!(double.asked.lock().unwrap().len(), 1);
    // One that nobody knows.
    assert_eq!(visitor.get("/traces/00000000000000000000000000000009").await.status, StatusCode::NOT_FOUND);

    let place = super::place().argument("--tempo-query").argument("http://127.0.0.1:1");
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let page = Visitor::of(&server).get(TRACE).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("invoke_agent");
}

#[tokio::test]
async fn a_sum_is_explained_span_by_span_on_a_page_of_its_own() {
    let place = place();
    let server = place.start().await;
    let mut spans = run(1, "conv", "planner", 0).to_vec();
    // A framework's span around the call, with a hostile name.
    let mut around = crate::support::spans::chat(1, 3, 1, (100, 20), 0);
    around.name = "<i>x</i>".into();
    around = around.with("gen_ai.conversation.id", "minted");
    spans[1].parent_span_id = around.span_id.clone();
    spans.push(around);
    send(&server, spans).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let id = server.json("/api/v1/observability/sessions/conv/").await["runs"][0]["id"].as_u64().unwrap();
    let address = format!("/runs/{id}/explain");
    for from in [format!("/runs/{id}"), TRACE.to_owned()] {
        let page = visitor.get(&from).await;
        assert!(page.links().contains(&address), "{from} does not lead to {address}");
    }
    let page = visitor.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "It is a run, since it is an agent and no agent is above it.",
        "read from this server's journal",
        "Left out: model spans below it tell of the same tokens",
        "gen_ai.usage.input_tokens",
        "The span states the cost",
        "&lt;i&gt;x&lt;/i&gt;",
        "href=\"#s-0000000000000002\"",
        "gen_ai.conversation.id</bdi></code> = <bdi>minted</bdi> – does not hold: a framework may have made it up",
    ] {
        let text = text.replace("The span", "the span");
        assert!(page.text.contains(&text) || page.text.contains(&text.replace('\'', "&#39;")), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("<i>x"));
    for nowhere in ["/runs/5/explain", "/runs/x/explain"] {
        assert_eq!(visitor.get(nowhere).await.status, StatusCode::NOT_FOUND, "{nowhere}");
    }
}

#[tokio::test]
async fn past_the_last_page_there_is_a_way_back_and_what_cannot_be_meant_is_refused_on_every_page() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let id = server.json("/api/v1/observability/sessions/conv/").await["runs"][0]["id"].as_u64().unwrap();
    let pages = ["/".to_owned(), "/sessions/conv".to_owned(), format!("/runs/{id}/explain"), TRACE.to_owned()];
    for page in &pages {
        let far = visitor.get(&format!("{page}?offset=4000")).await;
        assert_eq!(far.status, StatusCode::OK, "{page}");
        let (_, back) = far.text.split_once("rel=\"prev\"").map(|(before, _)| before.rsplit_once("href=\"").unwrap()).expect(page);
        assert!(back.starts_with(page.as_str()), "{page} leads back to {back}");
        for unmeant in ["abc", "-1", "1e3"] {
            assert_eq!(visitor.get(&format!("{page}?offset={unmeant}")).await.status, StatusCode::BAD_REQUEST, "{page} {unmeant}");
        }
    }
    for page in &pages[2..] {
        visitor.get(&format!("{page}?offset=99999999999999999999")).await.says("2 spans, none this far down");
    }
    for unmeant in ["run=abc", "run=0", "span=xyz", "span=0000000000000000"] {
        assert_eq!(visitor.get(&format!("{TRACE}?{unmeant}")).await.status, StatusCode::BAD_REQUEST, "{unmeant}");
    }
}

#[tokio::test]
async fn a_trace_without_a_run_says_of_each_span_why_it_is_of_none() {
    let place = place();
    let server = place.start().await;
    let start = crate::support::spans::TEN;
    let call = crate::support::spans::chat(1, 2, 1, (100, 20), 300).between(start, start + 5);
    send(&server, [crate::support::spans::span(1, 1, 0).between(start, start + 9), call]).await;
    let visitor = Visitor::of(&server);
    until("the trace is there", async || visitor.get(TRACE).await.status == StatusCode::OK).await;
    let address = format!("{TRACE}/explain");
    let page = visitor.get(TRACE).await;
    page.says("2 spans are of no run");
    assert!(page.links().contains(&address));
    let page = visitor.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in ["It is of no run: no run is above it, and no session is named.", "gen_ai.usage.input_tokens", "<strong>In no sum</strong>"]
    {
        page.says(text);
    }
    assert!(page.links().contains(&format!("{TRACE}?span=0000000000000002#span")), "{:?}", page.links());
    visitor.get(&format!("{address}?offset=200")).await.says("2 spans, none this far down");
    assert_eq!(visitor.get(&format!("{address}?offset=x")).await.status, StatusCode::BAD_REQUEST);
    for nowhere in ["/traces/xyz/explain", "/traces/00000000000000000000000000000009/explain"] {
        assert_eq!(visitor.get(nowhere).await.status, StatusCode::NOT_FOUND, "{nowhere}");
    }
    // A run explains its own, and leads to the others.
    send(&server, run(7, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let of_run = "/traces/00000000000000000000000000000007/explain";
    visitor.get(of_run).await.says("Each of its spans belongs to a run.");
    visitor.get(of_run).await.says("planner");
}
