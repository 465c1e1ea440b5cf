//! A session's page: figures, timeline, other formats.

use http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::{Visitor, place, run, send, shows};
use crate::support::server::until;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, span};

fn nested() -> Vec<Span> {
    let at = |seconds: u64| TEN + seconds * SECOND;
    vec![
        agent(1, 1, 0, "lead").session("conv").with("user.id", "ana").between(at(0), at(60)),
        agent(1, 2, 1, "helper").session("conv").between(at(10), at(30)),
        chat(1, 3, 2, (100, 20), 4_000).between(at(11), at(12)),
        agent(2, 1, 0, "lead").session("conv").between(at(1_000), at(1_010)).failed(),
        agent(3, 1, 0, "lead").session("conv").between(at(1_020), 0),
    ]
}

#[tokio::test]
async fn a_session_has_its_figures_its_runs_in_order_and_marks_what_is_odd() {
    let place = place();
    let server = place.start().await;
    send(&server, nested()).await;
    let visitor = Visitor::of(&server);
    until("all runs are there", async || visitor.get("/sessions/conv").await.text.contains("1 running")).await;
    let page = visitor.get("/sessions/conv").await;
    for text in [
        "1 min 30 s",
        "17 min",
        "$0.0040",
        "120",
        "ana",
        "in <bdi>lead</bdi>",
        "depth-1",
        "idle for 15 min",
        "datetime=\"2026-02-07T10:00:00Z\"",
    ] {
        page.says(text);
    }
    let order: Vec<usize> = ["10:00:00</time></span>", "10:00:10</time></span>", "idle for", "10:16:40</time></span>"]
        .iter()
        .map(|text| page.text.find(text).unwrap())
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    assert!(page.text.contains("class=\"badge error\"") && page.text.contains("class=\"badge running\""));
    // A run leads to its trace, opened at it.
    assert!(page.links().iter().any(|link| link.starts_with("/traces/00000000000000000000000000000001?run=")));
    page.says("span.gen_ai.conversation.id = &quot;conv&quot;");
}

/// What no page may trip over, and no spreadsheet.
const WHY: &str = "=cmd|' /C calc'!A0 <script>alert('x')</script>\u{202e}\n\"429\" & more";

#[tokio::test]
async fn why_a_run_failed_is_shown_wherever_the_run_is() {
    let place = place();
    let server = place.start().await;
    let tool = |number: u64| span(1, number, 1).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", "search");
    let mut call = chat(1, 2, 1, (1, 1), 1);
    call.status = Some(Status { code: 2, message: WHY.to_owned() });
    let tools = [tool(3).with("error.message", "no such order"), tool(4).failed(), tool(5)];
    send(&server, [agent(1, 1, 0, "bot").session("s").failed(), call].into_iter().chain(tools)).await;
    shows(&server, 1).await;
    let visitor = Visitor::of(&server);
    let escaped = "=cmd|' /C calc'!A0 &lt;script&gt;alert('x')&lt;/script&gt; &quot;429&quot; &amp; more";
    let json = server.json("/api/v1/observability/sessions/s/?include=errors").await;
    let plain = "=cmd|' /C calc'!A0 <script>alert('x')</script> \"429\" & more";
    assert_eq!((&json["runs"][0]["error"], &json["runs"][0]["tool_errors"]), (&plain.into(), &2.into()));
    assert_eq!(json["errors"], serde_json::json!({"error_count": 1, "running_count": 0, "tool_errors": 2}));
    let run = json["runs"][0]["id"].to_string();
    let detail = server.json(&format!("/api/v1/observability/runs/{run}/")).await;
    assert_eq!((&detail["error"], &detail["tool_errors"]), (&plain.into(), &2.into()));
    for path in ["/sessions".to_owned(), "/sessions?status=error".to_owned(), "/sessions/s".to_owned(), format!("/runs/{run}")] {
        let page = visitor.get(&path).await;
        page.says(escaped);
        assert!(!page.text.contains("<script>alert"), "{path}");
    }
    for path in ["/sessions", "/sessions/s"] {
        visitor.get(path).await.says("2 tools failed");
    }
    visitor.get(&format!("/runs/{run}")).await.says("<span class=\"why\" title=\"no such order\"><bdi>no such order</bdi></span>");
    let conversation = visitor.get("/sessions/s?view=conversation").await;
    assert!(conversation.text.contains("&lt;script&gt;") && !conversation.text.contains("<script>alert"));
    let csv = visitor.get("/sessions/s?format=csv").await;
    let mut lines = csv.text.split("\r\n");
    assert!(lines.next().unwrap().ends_with(",trace_id,error,tool_errors,parent_run_id"));
    assert!(lines.next().unwrap().ends_with(",\"'=cmd|' /C calc'!A0 <script>alert('x')</script> \"\"429\"\" & more\",2,"), "{}", csv.text);
}

/// The ids of the runs that have a line, in order.
fn lines(page: &super::Page) -> Vec<String> {
    page.text.split("<li id=\"run-").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn runs_stand_where_they_were_in_time_and_what_is_within_is_foldable_and_summed() {
    let place = place();
    let server = place.start().await;
    send(&server, nested()).await;
    let visitor = Visitor::of(&server);
    until("all runs are there", async || visitor.get("/sessions/conv").await.text.contains("1 running")).await;
    let runs = server.json("/api/v1/observability/sessions/conv/").await["runs"].clone();
    let id = |at: usize| runs[at]["id"].to_string();
    let page = visitor.get("/sessions/conv").await;
    assert_eq!(lines(&page), [id(0), id(1), id(2), id(3)]);
    // Of a line of 80 s the first minute is three quarters; the silences of 940 s and 10 s have a fortieth each.
    page.says("<rect x=\"0\" width=\"750\" height=\"8\"></rect>");
    page.says("<rect class=\"silence\" x=\"750\" width=\"25\" height=\"8\"></rect>");
    page.says("2 silences are shortened");
    page.says("<span>10:00:00</span>");
    // The lead cost nothing itself, and what it started did.
    let lead = &page.text[page.text.find("<li id=\"run-").unwrap()..];
    let lead = &lead[..lead.find("</li>").unwrap()];
    assert!(lead.contains("value=\"0.004\"") && lead.contains("value=\"120\"") && lead.contains("aria-label=\"1 run within\""), "{lead}");
    page.says("Most expensive run: ");
    assert_eq!(page.text.matches(">most expensive<").count(), 1);
    let fold = page.links().into_iter().find(|link| link.contains("fold=")).unwrap();
    let folded = visitor.get(fold.split('#').next().unwrap()).await;
    assert_eq!(lines(&folded), [id(0), id(2), id(3)]);
    folded.says("▸ 1");
    for (query, order) in
        [("?sort=-cost", [0, 1, 2, 3]), ("?sort=cost", [2, 3, 0, 1]), ("?sort=-started_at", [3, 2, 0, 1]), ("?sort=duration", [3, 2, 0, 1])]
    {
        let page = visitor.get(&format!("/sessions/conv{query}")).await;
        assert_eq!(lines(&page), order.map(id), "{query}");
    }
    assert_eq!(lines(&visitor.get("/sessions/conv?runs=outer").await).len(), 3);
    assert_eq!(lines(&visitor.get(&format!("/sessions/conv?runs=outer&open={}", id(0))).await).len(), 4);
    for unmeant in ["sort=price", "runs=some", "open=x", "fold=0"] {
        assert_eq!(visitor.get(&format!("/sessions/conv?{unmeant}")).await.status, StatusCode::BAD_REQUEST, "{unmeant}");
    }
    let csv = visitor.get("/sessions/conv?format=csv").await.text;
    let parents: Vec<&str> = csv.trim_end().split("\r\n").map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(parents, ["parent_run_id", "", &id(0), "", ""]);
}

#[tokio::test]
async fn three_hundred_runs_are_a_small_page() {
    let place = place();
    let server = place.start().await;
    let at = |seconds: u64| TEN + seconds * SECOND;
    let turn = |n: u64| {
        let trace = u128::from(n) + 1;
        let within = (0..5).flat_map(move |k| {
            let start = at(n * 60 + 1 + k);
            [
                agent(trace, 10 + k, 1, "helper").session("many").between(start, start + SECOND),
                chat(trace, 20 + k, 10 + k, (100, 20), 300 + u32::try_from(n).unwrap()).between(start, start + SECOND),
            ]
        });
        [agent(trace, 1, 0, "lead").session("many").between(at(n * 60), at(n * 60 + 9))].into_iter().chain(within)
    };
    send(&server, (0..50).flat_map(turn)).await;
    until("all runs are there", async || server.json("/api/v1/observability/sessions/").await["results"][0]["run_count"] == 300).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get("/sessions/many").await;
    assert_eq!(lines(&page).len(), 50, "those that no other run started");
    assert!(page.text.len() < 100_000, "{} bytes", page.text.len());
    let all = visitor.get("/sessions/many?runs=all&limit=500").await;
    assert_eq!(lines(&all).len(), 300);
    assert!(all.text.len() < 400_000, "{} bytes", all.text.len());
    let dearest = visitor.get("/sessions/many?sort=-cost&runs=all&limit=2").await;
    let runs = server.json("/api/v1/observability/sessions/many/").await["runs"].clone();
    assert_eq!(lines(&dearest)[0], runs[49 * 6]["id"].to_string());
    dearest.says("href=\"/sessions/many?sort=-cost&amp;runs=all&amp;limit=2&amp;offset=2\"");
}

/// Neither the run's own span nor a model's or a tool's tells it.
#[tokio::test]
async fn a_conversation_says_why_a_turn_failed_also_where_only_the_index_knows() {
    let place = place();
    let server = place.start().await;
    let mut query = span(1, 3, 1);
    query.status = Some(Status { code: 2, message: "db: connection refused".to_owned() });
    let asked = chat(1, 2, 1, (1, 1), 1).with("gen_ai.input.messages", "Who ordered?");
    send(&server, [agent(1, 1, 0, "bot").session("s").failed(), asked, query]).await;
    shows(&server, 1).await;
    let page = Visitor::of(&server).get("/sessions/s?view=conversation").await;
    page.says("Who ordered?");
    page.says("<p class=\"problem\">db: connection refused</p>");
}

#[tokio::test]
async fn the_same_session_is_there_for_grafana_for_spreadsheets_and_for_programs() {
    let place = place().set("ui.grafana_url", "https://grafana.example.org/").set("ui.grafana_datasource_uid", "tempo-1");
    let server = place.start().await;
    send(&server, nested()).await;
    let visitor = Visitor::of(&server);
    until("all runs are there", async || visitor.get("/sessions/conv").await.text.contains("1 running")).await;
    let page = visitor.get("/sessions/conv").await;
    let explore = page.links().into_iter().find(|link| link.starts_with("https://grafana.example.org/explore?")).unwrap();
    let panes = explore.split("panes=").nth(1).unwrap();
    let panes: serde_json::Value = serde_json::from_str(&percent_encoding::percent_decode_str(panes).decode_utf8().unwrap()).unwrap();
    assert_eq!(panes["ses"]["datasource"], "tempo-1");
    assert_eq!(panes["ses"]["range"], serde_json::json!({"from": "1770458400000", "to": "1770459421000"}));
    let csv = visitor.get("/sessions/conv?format=csv").await;
    assert_eq!(
        (csv.header("content-type"), csv.header("content-disposition")),
        ("text/csv; charset=utf-8", "attachment; filename=\"conv.csv\"")
    );
    let lines: Vec<&str> = csv.text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[2].contains(",\"helper\",") && lines[2].contains(",success,0.004,0,120,100,20,"), "{}", lines[2]);
    assert_eq!(visitor.get("/sessions/conv?format=xls").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(visitor.get("/sessions/none").await.status, StatusCode::NOT_FOUND);
}

/// Tempo refuses a search over more than a week, and a sum over more than a day.
#[tokio::test]
async fn a_session_of_ten_days_leads_to_grafana_in_parts_and_a_run_of_it_at_once() {
    let place = place().set("ui.grafana_url", "https://grafana.example.org").set("ui.grafana_datasource_uid", "tempo-1");
    let server = place.start().await;
    let runs = [0, 10 * 24 * 3600].into_iter().zip(1_u128..).flat_map(|(at, trace)| run(trace, "long", "worker", at));
    send(&server, runs).await;
    let visitor = Visitor::of(&server);
    until("both runs are there", async || server.json("/api/v1/observability/sessions/").await["results"][0]["run_count"] == 2).await;
    let in_grafana = |links: Vec<String>| links.into_iter().filter(|link| link.starts_with("https://grafana.example.org/explore?")).count();
    let page = visitor.get("/sessions/long").await;
    page.says("Grafana Explore, 2 parts");
    page.says("Cost in Grafana, 11 parts");
    assert_eq!(in_grafana(page.links()), 13);
    let id = server.json("/api/v1/observability/sessions/long/").await["runs"][0]["id"].to_string();
    let page = visitor.get(&format!("/runs/{id}")).await;
    assert_eq!(in_grafana(page.links()), 2);
    page.says(&format!("{{ span.sessionfold.run_id = &quot;{id}&quot; }}"));
}

#[tokio::test]
async fn ten_thousand_runs_are_shown_a_window_at_a_time_and_exported_whole() {
    let place = place();
    let server = place.start().await;
    for batch in 0..10_u64 {
        let spans = (0..1_000).flat_map(|n| run(u128::from(batch * 1_000 + n) + 1, "huge", "worker", batch * 1_000 + n));
        send(&server, spans).await;
    }
    until("all runs are there", async || server.json("/api/v1/observability/sessions/").await["results"][0]["run_count"] == 10_000).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get("/sessions/huge").await;
    page.says("Runs 1–200 of 10,000");
    page.says("href=\"/sessions/huge?offset=9800\"");
    assert!(page.text.len() < 400_000, "{} bytes", page.text.len());
    let last = visitor.get("/sessions/huge?offset=9800").await;
    last.says("Runs 9,801–10,000 of 10,000");
    assert_eq!(visitor.get("/sessions/huge?format=csv").await.text.lines().count(), 10_001);
    shows(&server, 1).await;
}

#[tokio::test]
async fn a_conversation_is_read_turn_by_turn() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "conv", "planner", 0).into_iter().chain(run(2, "conv", "planner", 100))).await;
    shows(&server, 1).await;
    let page = Visitor::of(&server).get("/sessions/conv?view=conversation").await;
    assert_eq!(page.text.matches("What is &lt;b&gt;this&lt;/b&gt;?").count(), 3, "in each turn, and above them what was asked first");
    assert_eq!(page.text.matches("It is bold &amp; brave.").count(), 2);
}
