//! The pages of tools: their figures are those of the JSON, which are those of the spans, and a slow tool is two clicks away.

use http::StatusCode;
use serde_json::Value;

use super::{HOSTILE, Visitor, encode, place, send, shows};
use crate::support::server::{SESSIONS, Server, until};
use crate::support::spans::{MILLI, SECOND, TEN, Tell, agent, span, tool};

const PATH: &str = "/api/v1/observability/tools/";
const MINUTE: u64 = 60 * SECOND;
/// All of the runs.
const WINDOW: &str = "since=2026-02-07T10%3A00%3A00Z&until=2026-02-07T16%3A00%3A00Z";

/// Thirty runs of two agents, each with a quick call, every second with a slow one, every third with one of a hostile name that fails.
async fn told(server: &Server) {
    let mut spans = Vec::new();
    for number in 0..30_u64 {
        let (trace, at) = (u128::from(number) + 1, TEN + number * 10 * MINUTE);
        spans.push(
            agent(trace, 1, 0, ["planner", "clerk"][number as usize % 2]).session(&format!("s{}", number % 3)).between(at, at + MINUTE),
        );
        spans.push(tool(trace, 2, 1, "lookup").between(at, at + (10 + number) * MILLI));
        if number % 2 == 0 {
            spans.push(tool(trace, 3, 1, "book").between(at, at + (number + 1) * SECOND));
        }
        if number % 3 == 0 {
            // As an instrumentation tells it that names the tool in its span alone.
            let broken = span(trace, 4, 1).with("openinference.span.kind", "TOOL").between(at, at + SECOND).failed();
            spans.push(opentelemetry_proto::tonic::trace::v1::Span { name: HOSTILE.into(), ..broken });
        }
    }
    send(server, spans).await;
    shows(server, 3).await;
    until("all calls are there", async || {
        let list = server.json(&format!("{PATH}?{WINDOW}&sort=tool_name")).await;
        list["results"].as_array().is_some_and(|tools| tools.iter().map(|tool| tool["call_count"].as_u64().unwrap()).sum::<u64>() == 55)
    })
    .await;
}

/// The values of all `<data>` in a part of the page.
fn data(text: &str) -> Vec<&str> {
    text.split("<data value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn figures(of: &Value) -> Vec<String> {
    let keys = ["call_count", "error_count", "total_duration", "duration_p50", "duration_p95"];
    keys.iter().map(|key| of[key].to_string()).filter(|value| value != "null").collect()
}

fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split(from).nth(1).unwrap_or_else(|| panic!("no {from}: {page}")).split(to).next().unwrap()
}

#[tokio::test]
async fn the_json_is_what_the_spans_say_through_deletions_and_restarts() {
    let place = place();
    let server = place.start().await;
    told(&server).await;
    let list = server.json(&format!("{PATH}?{WINDOW}&sort=tool_name")).await;
    let names: Vec<&str> = list["results"].as_array().unwrap().iter().map(|tool| tool["tool_name"].as_str().unwrap()).collect();
    assert_eq!((names, &list["count"]), (vec![HOSTILE, "book", "lookup"], &3.into()));
    let [broken, book, lookup] = [&list["results"][0], &list["results"][1], &list["results"][2]];
    assert_eq!(
        (&broken["call_count"], &broken["error_count"], &broken["agents"]),
        (&10.into(), &10.into(), &serde_json::json!(["clerk", "planner"]))
    );
    assert_eq!((&book["call_count"], &book["error_count"], &book["run_count"]), (&15.into(), &0.into(), &15.into()));
    assert_eq!((&book["total_duration"], &book["duration_mean"]), (&225.0.into(), &15.0.into()));
    let about = |value: &Value, exact: f64| assert!((value.as_f64().unwrap() - exact).abs() <= exact / 20.0, "{value} for {exact}");
    about(&book["duration_p50"], 15.0);
    about(&book["duration_p95"], 29.0);
    assert_eq!(lookup["last_seen"], "2026-02-07T14:51:00Z");
    let slow = server.json(&format!("{PATH}?{WINDOW}&sort=-duration_p95&limit=1")).await;
    assert_eq!((&slow["results"][0]["tool_name"], &slow["next"]), (&"book".into(), &"?offset=1&limit=1".into()));
    let of_clerk = server.json(&format!("{PATH}?{WINDOW}&agent=clerk&search=OO")).await;
    assert_eq!((&of_clerk["count"], &of_clerk["results"][0]["call_count"]), (&1.into(), &15.into()), "{of_clerk}");

    let one = server.json(&format!("{PATH}book/?{WINDOW}")).await;
    assert_eq!(figures(&one), figures(book));
    let sum = |key: &str| one["series"].as_array().unwrap().iter().map(|point| point[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("call_count"), &one["calls_by_agent"][0]["agent_name"]), (15, &"planner".into()));
    assert_eq!(
        (&one["slowest_runs"][0]["started_at"], &one["slowest_runs"][0]["calls"]["total_duration"]),
        (&"2026-02-07T14:40:00Z".into(), &29.0.into())
    );
    assert_eq!((&one["failed_runs"], one["latest_runs"].as_array().unwrap().len()), (&serde_json::json!([]), 10));
    let odd = server.json(&format!("{PATH}{}/?{WINDOW}", encode(HOSTILE))).await;
    assert_eq!((&odd["tool_name"], &odd["error_count"], &odd["failed_runs"][0]["session_id"]), (&HOSTILE.into(), &10.into(), &"s0".into()));
    assert_eq!(server.json(&format!("{PATH}none/?{WINDOW}")).await["call_count"], 0);
    let overview = server.json(&format!("/api/v1/observability/overview/?{WINDOW}")).await;
    assert_eq!((&overview["tools"][0]["tool_name"], &overview["tool_count"]), (&"book".into(), &3.into()));
    let of_model = server.json(&format!("/api/v1/observability/overview/?{WINDOW}&model=m")).await;
    assert_eq!((&of_model["tools"], &of_model["tool_count"]), (&Value::Null, &Value::Null));
    for bad in ["?last=2h", "?sort=cost", "book/?since=soon"] {
        assert_eq!(server.get(&format!("{PATH}{bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }

    let after = async |server: &Server| {
        let list = server.json(&format!("{PATH}?{WINDOW}&sort=tool_name")).await;
        list["results"].as_array().unwrap().iter().map(|tool| tool["call_count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(server.delete(&format!("{SESSIONS}s0/")).await.status, StatusCode::OK);
    assert_eq!(after(&server).await, [10, 20], "every third run failed, and those were all of that session");
    // `kill -9`.
    server.kill().await;
    let server = place.start().await;
    assert_eq!(after(&server).await, [10, 20]);
    server.terminate().await;
    assert_eq!(after(&place.start().await).await, [10, 20]);
}

#[tokio::test]
async fn every_figure_of_the_pages_is_one_of_the_json() {
    let place = place();
    let server = place.start().await;
    told(&server).await;
    let visitor = Visitor::of(&server);
    for query in ["", "&sort=-call_count", "&sort=tool_name", "&agent=clerk", "&search=look"] {
        let json = server.json(&format!("{PATH}?{WINDOW}{query}")).await;
        let page = visitor.get(&format!("/tools?{WINDOW}{query}")).await;
        assert_eq!(page.status, StatusCode::OK);
        let expected: Vec<String> = json["results"].as_array().unwrap().iter().flat_map(figures).collect();
        assert_eq!(data(part(&page.text, "table class=\"plot listed\"", "</table>")), expected, "{query}");
    }
    for name in ["book", HOSTILE] {
        let json = server.json(&format!("{PATH}{}/?{WINDOW}", encode(name))).await;
        let page = visitor.get(&format!("/tools/{}?{WINDOW}", encode(name))).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.text.contains("<script>alert"), "what tools are called is text");
        assert_eq!(data(part(&page.text, "headline", "</dl>")), figures(&json), "{name}");
        let points: Vec<String> = json["series"].as_array().unwrap().iter().rev().flat_map(figures).collect();
        assert_eq!(data(part(&page.text, "table class=\"plain points\"", "</table>")), points);
        let agents: Vec<String> = json["calls_by_agent"].as_array().unwrap().iter().flat_map(figures).collect();
        assert_eq!(data(part(&page.text, "<caption class=\"for-readers\">By agent", "</table>")), agents);
    }
    let overview = server.json(&format!("/api/v1/observability/overview/?{WINDOW}")).await;
    let page = visitor.get(&format!("/overview?{WINDOW}")).await;
    let tools: Vec<String> = overview["tools"].as_array().unwrap().iter().flat_map(figures).collect();
    assert_eq!(data(part(&page.text, "<caption class=\"for-readers\">By tool", "</table>")), tools);
}

#[tokio::test]
async fn a_slow_tool_is_two_clicks_away_and_each_link_leads_somewhere() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    visitor.get("/tools").await.says("No tool was called in this time");
    visitor.get("/tools/none").await.says("It was not called in this time");
    told(&server).await;
    visitor.get("/sessions").await.says("href=\"/tools\"");
    let list = visitor.get(&format!("/tools?{WINDOW}&sort=-duration_p95")).await;
    let first = part(&list.text, "<tbody>", "</th>");
    assert!(first.contains("/tools/book?"), "{first}");
    let sorted = list.links().into_iter().find(|link| link.contains("sort=-duration_p50")).unwrap();
    assert_eq!(visitor.get(&sorted).await.status, StatusCode::OK);
    let one = visitor.get(&format!("/tools/book?{WINDOW}")).await;
    let narrowed = one.links().into_iter().find(|link| link.contains("agent=planner")).unwrap();
    let narrowed = visitor.get(&narrowed).await;
    narrowed.says("Those of all agents");
    // From the span of a call to the tool.
    let trace = one.links().into_iter().find(|link| link.starts_with("/traces/") && link.contains("search=book")).unwrap();
    visitor.get(&trace).await.says("<bdi>execute_tool book</bdi>".replace("execute_tool book", "work").as_str());
    let spanned = visitor.get(&format!("/traces/{:032x}?span=0000000000000003", 1)).await;
    assert!(spanned.links().contains(&"/tools/book".to_owned()), "{:?}", spanned.links());
    for link in list.links().iter().chain(&one.links()).chain(&narrowed.links()).filter(|link| link.starts_with('/')) {
        let answer = visitor.get(link.split('#').next().unwrap()).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{link}: {}", answer.status);
    }
    assert_eq!(visitor.get("/tools/book?last=2h").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(visitor.get("/tools?sort=size").await.status, StatusCode::BAD_REQUEST);
}
