//! A trace and a run: from Tempo, from the journal, or from what the index keeps.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::{HOSTILE, Visitor, encode, place, run, send, shows};
use crate::support::server::until;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, span};

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
    let pages = ["/sessions".to_owned(), "/sessions/conv".to_owned(), format!("/runs/{id}/explain"), TRACE.to_owned()];
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

/// An agent with two steps, below each a call and a tool; the second tool failed.
fn tree() -> Vec<opentelemetry_proto::tonic::trace::v1::Span> {
    let at = |seconds: u64| TEN + seconds * SECOND;
    let tool = |id, parent| span(1, id, parent).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", "lookup");
    vec![
        span(1, 9, 0).between(at(0), at(100)),
        agent(1, 1, 9, "planner").session("conv").between(at(0), at(90)),
        span(1, 2, 1).between(at(0), at(40)),
        chat(1, 3, 2, (100, 20), 300).with("gen_ai.input.messages", "Where is parcel 92203?").between(at(0), at(10)),
        tool(4, 2).with("order", 17).between(at(10), at(35)),
        span(1, 5, 1).between(at(40), at(80)),
        chat(1, 6, 5, (50, 5), 100).between(at(40), at(50)),
        tool(7, 5).between(at(50), at(70)).failed(),
    ]
}

/// The ids of the lines, in order.
fn lines(page: &super::Page) -> Vec<u64> {
    let ids = page.text.split("<tr id=\"r-").skip(1).map(|rest| u64::from_str_radix(&rest[..16], 16).unwrap());
    ids.collect()
}

#[tokio::test]
async fn a_trace_is_a_tree_with_one_span_beside_it_and_the_first_root_is_chosen() {
    let place = place().set("ui.grafana_url", "https://grafana.example.org").set("ui.grafana_datasource_uid", "tempo-1");
    let server = place.start().await;
    send(&server, tree()).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get(TRACE).await;
    assert_eq!(lines(&page), [9, 1, 2, 3, 4, 5, 6, 7]);
    assert!(page.text.contains("<tr id=\"r-0000000000000009\" class=\"critical\" aria-current=\"true\""), "{}", page.text);
    assert_eq!(page.text.matches("aria-current=\"true\"").count(), 2, "one span, and the theme");
    assert!(!page.text.contains(">unset<"));
    // The agent's own time is what neither step covers, and its sum that of both calls.
    let row = &page.text[page.text.find("r-0000000000000001").unwrap()..page.text.find("r-0000000000000002").unwrap()];
    for text in ["own-time\"><data value=\"10.0\"", "value=\"175\"", "value=\"0.0004\"", "Of the spans below it", "on the critical path"] {
        assert!(row.contains(text), "{text}: {row}");
    }
    assert!(page.links().iter().any(|link| link.starts_with("https://grafana.example.org/explore?")));
    // One of them whole: the place is kept by its line, and its JSON is there.
    let way = page.links().into_iter().find(|link| link.ends_with("#r-0000000000000004") && link.contains("?span=")).unwrap();
    let page = visitor.get(way.split('#').next().unwrap()).await;
    for text in ["\"parent_span_id\": \"0000000000000002\"", "\"order\": 17"] {
        page.says(&text.replace('"', "&quot;"));
    }
    page.says("id=\"span-json\"");
}

#[tokio::test]
async fn what_is_folded_is_in_the_address() {
    let place = place();
    let server = place.start().await;
    send(&server, tree()).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get(&format!("{TRACE}?span=0000000000000007")).await;
    let fold = page.links().into_iter().find(|link| link.contains("fold=0000000000000005")).unwrap();
    let folded = visitor.get(fold.split('#').next().unwrap()).await;
    assert_eq!(lines(&folded), [9, 1, 2, 3, 4, 5]);
    folded.says("aria-expanded=\"false\" aria-label=\"2 spans below\"");
    folded.says("1 error below");
    folded.says("id=\"span-title\"");
    let opened = folded.links().into_iter().find(|link| link.contains("open=0000000000000005")).unwrap();
    assert_eq!(lines(&visitor.get(opened.split('#').next().unwrap()).await).len(), 8);
    // The way to an error opens what hides it.
    let next = folded.text.split("Error 1 of 1").next().map(|_| format!("{TRACE}?fold=0000000000000005"));
    let page = visitor.get(&next.unwrap()).await;
    let next = page.links().into_iter().find(|link| link.contains("span=0000000000000007")).unwrap();
    let page = visitor.get(next.split('#').next().unwrap()).await;
    page.says("Error 1 of 1");
    assert_eq!(lines(&page).len(), 8);
}

#[tokio::test]
async fn spans_are_found_by_text_and_kind_with_what_they_lie_in() {
    let place = place();
    let server = place.start().await;
    send(&server, tree()).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    for (query, found, n) in [
        ("search=PARCEL+92203", &[9, 1, 2, 3][..], 1),
        ("search=17", &[9, 1, 2, 4], 1),
        ("kind=tool", &[9, 1, 2, 4, 5, 7], 2),
        ("kind=error", &[9, 1, 5, 7], 1),
        ("kind=model", &[9, 1, 2, 3, 5, 6], 2),
        ("kind=agent", &[9, 1], 1),
        ("kind=tool&search=lookup&fold=0000000000000005", &[9, 1, 2, 4, 5, 7], 2),
        ("search=nowhere", &[], 0),
    ] {
        let page = visitor.get(&format!("{TRACE}?{query}")).await;
        assert_eq!(lines(&page), found, "{query}");
        page.says(&format!("{n} span{} of 8", if n == 1 { "" } else { "s" }));
    }
    // The first that is found is the one that is shown whole, and the form keeps what else was asked.
    let page = visitor.get(&format!("{TRACE}?kind=error&fold=0000000000000002")).await;
    page.says("<input type=\"hidden\" name=\"fold\" value=\"0000000000000002\">");
    page.says("<option value=\"error\" selected>");
    assert!(page.text.contains("<tr id=\"r-0000000000000007\" class=\"critical\" aria-current=\"true\""));
    for unmeant in ["kind=x", "open=1", "fold=x", "offset=x"] {
        assert_eq!(visitor.get(&format!("{TRACE}?{unmeant}")).await.status, StatusCode::BAD_REQUEST, "{unmeant}");
    }
}

#[tokio::test]
async fn ten_thousand_spans_are_drawn_some_at_a_time() {
    let place = place();
    let server = place.start().await;
    let end = TEN + 1_000 * SECOND;
    let mut spans = vec![agent(1, 1, 0, "lead").session("conv").between(TEN, end)];
    for step in 0..50 {
        spans.push(span(1, 2 + step, 1).between(TEN + step * SECOND, end));
        spans.extend((0..199).map(|n| chat(1, 1_000 + step * 199 + n, 2 + step, (1, 1), 1).between(TEN + step * SECOND + n, end)));
    }
    assert_eq!(spans.len(), 10_001);
    send(&server, spans).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    until("all are there", async || visitor.get(TRACE).await.text.contains("10,001 spans")).await;
    let page = visitor.get(TRACE).await;
    assert_eq!(lines(&page).len(), 51);
    page.says("▸ 199");
    assert!(page.text.len() < 120_000, "{} bytes", page.text.len());
    // One step opened: its calls, in pages.
    let page = visitor.get(&format!("{TRACE}?open=0000000000000002&offset=200")).await;
    assert_eq!(lines(&page).len(), 50);
    page.says("Spans 201–250 of 250");
    page.says("In <a");
    // A span that is asked for is there, however deep it lies.
    let page = visitor.get(&format!("{TRACE}?span={:016x}", 1_000 + 30 * 199 + 150)).await;
    assert!(lines(&page).contains(&(1_000 + 30 * 199 + 150)));
    let page = visitor.get(&format!("{TRACE}?kind=model")).await;
    page.says("9,950 spans of 10,001");
    assert_eq!(lines(&page).len(), 200);
}

#[tokio::test]
async fn a_run_has_its_own_spans_on_its_page_and_says_each_thing_once() {
    let place = place();
    let server = place.start().await;
    let at = |seconds: u64| TEN + seconds * SECOND;
    let mut spans = tree();
    spans.push(agent(1, 20, 5, "helper").session("conv").between(at(41), at(60)));
    spans.push(chat(1, 21, 20, (7, 3), 50).between(at(41), at(50)));
    send(&server, spans).await;
    until("both runs are there", async || server.json("/api/v1/observability/sessions/").await["results"][0]["run_count"] == 2).await;
    let runs = server.json("/api/v1/observability/sessions/conv/?include=parents").await["runs"].clone();
    assert_eq!(runs[1]["parent_run_id"], runs[0]["id"]);
    let visitor = Visitor::of(&server);
    let address = format!("/runs/{}", runs[1]["id"]);
    let page = visitor.get(&address).await;
    assert_eq!(lines(&page), [20, 21]);
    for text in ["Run of", "helper", "Calls by model", "Its trace", "Started in", "gen_ai.agent.name"] {
        page.says(text);
    }
    assert!(!page.text.contains("<h2>Calls</h2>") && !page.text.contains("<h2>Tools</h2>"), "they are lines of the tree");
    assert!(page.links().contains(&format!("{address}?span=0000000000000015#r-0000000000000015")), "{:?}", page.links());
    let whole = visitor.get(&format!("{address}?span=0000000000000015")).await;
    whole.says("house-model");
    assert_eq!(lines(&visitor.get(&format!("/runs/{}", runs[0]["id"])).await), [1, 2, 3, 4, 5, 6, 20, 21, 7], "with the run within");
    // The trace, opened at the run.
    let page = visitor.get(&format!("{TRACE}?run={}", runs[1]["id"])).await;
    assert_eq!(lines(&page).len(), 10);
    assert!(page.text.contains("<tr id=\"r-0000000000000014\" class=\"own\" aria-current=\"true\""));
    assert!(page.links().contains(&address));
}

#[tokio::test]
async fn hostile_text_is_text_in_every_part_of_a_trace() {
    let place = place();
    let server = place.start().await;
    let mut first = agent(1, 1, 0, HOSTILE).session(HOSTILE).with(HOSTILE, HOSTILE).between(TEN, TEN + SECOND).failed();
    first.name = HOSTILE.into();
    if let Some(status) = &mut first.status {
        status.message = HOSTILE.into();
    }
    let mut second =
        chat(1, 2, 1, (1, 1), 1).with("gen_ai.tool.name", HOSTILE).with("gen_ai.input.messages", HOSTILE).between(TEN, TEN + SECOND);
    second.name = HOSTILE.into();
    send(&server, [first, second]).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let id = server.json(&format!("/api/v1/observability/sessions/{}/", encode(HOSTILE))).await["runs"][0]["id"].to_string();
    let search = encode(HOSTILE);
    for address in [
        TRACE.to_owned(),
        format!("{TRACE}?span=0000000000000002&search={search}"),
        format!("/runs/{id}?search={search}"),
        format!("/sessions/{search}"),
    ] {
        let page = visitor.get(&address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert!(!page.text.contains("<script>"), "{address}");
        page.says("&lt;script&gt;alert(");
    }
}
