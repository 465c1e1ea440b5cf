//! A phrase in what was said.

use http::{Method, StatusCode};
use opentelemetry_proto::tonic::trace::v1::Span;

use super::{Visitor, place, run, send, shows};
use crate::support::server::until;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, span};

/// A turn in which this was asked and answered, after all that was said before.
fn turn(trace: u128, session: &str, history: &[(&str, &str)], asked: &str, answered: &str) -> [Span; 2] {
    let start = TEN + trace as u64 * SECOND;
    let message = |role: &str, text: &str| serde_json::json!({"role": role, "parts": [{"type": "text", "content": text}]});
    let before = history.iter().flat_map(|(asked, answered)| [message("user", asked), message("assistant", answered)]);
    let input: Vec<_> = [message("system", "You sell kettles.")].into_iter().chain(before).chain([message("user", asked)]).collect();
    let output = [message("assistant", answered)];
    let text = |messages: &[serde_json::Value]| serde_json::to_string(messages).unwrap();
    [
        agent(trace, 1, 0, "seller").session(session).between(start, start + SECOND),
        chat(trace, 2, 1, (10, 2), 3)
            .with("gen_ai.input.messages", &*text(&input))
            .with("gen_ai.output.messages", &*text(&output))
            .between(start, start + SECOND),
    ]
}

#[tokio::test]
async fn a_phrase_leads_to_the_turn_in_which_it_was_said_and_not_to_those_that_repeat_it() {
    let place = place();
    let server = place.start().await;
    let first = ("Is the \"Blue\" kettle <b>loud</b>?", "It whistles;\nno more.");
    send(&server, turn(1, "shop", &[], first.0, first.1)).await;
    send(&server, turn(2, "shop", &[first], "And the red one?", "שלום, it is quiet.")).await;
    send(&server, run(3, "other", "planner", 3)).await;
    shows(&server, 2).await;
    let visitor = Visitor::of(&server);
    for (query, speaker, excerpt) in [
        ("the+%22blue%22+kettle", "asked", "Is <mark>the &quot;Blue&quot; kettle</mark> &lt;b&gt;loud&lt;/b&gt;?"),
        ("whistles;+no+more", "answered", "It <mark>whistles; no more</mark>."),
        ("%D7%A9%D7%9C%D7%95%D7%9D", "answered", "<mark>שלום</mark>, it is quiet."),
    ] {
        let page = visitor.get(&format!("/search?q={query}")).await;
        page.says("1 run. Looked through ");
        page.says("all that this server's journal still holds");
        page.says(&format!("<span class=\"kind\">{speaker}</span>"));
        page.says(&format!("<bdi>{excerpt}</bdi>"));
        let number = if excerpt.contains("quiet") { 2 } else { 1 };
        let link = format!("/sessions/shop?view=conversation#turn-{number}");
        assert!(page.links().contains(&link), "{query}: {:?}", page.links());
        visitor.get(&link).await.says(&format!("id=\"turn-{number}\""));
    }
    for nothing in ["You+sell+kettles", "sessionfold", "house-model"] {
        visitor.get(&format!("/search?q={nothing}")).await.says("Nobody said that");
    }
    // What runs of two sessions said, the newest first.
    send(&server, turn(9, "late", &[], "And the red one, again?", "No.")).await;
    shows(&server, 3).await;
    let page = visitor.get("/search?q=the+RED+one").await;
    page.says("2 runs. ");
    assert!(page.text.find("/sessions/late").unwrap() < page.text.find("/sessions/shop").unwrap());
}

#[tokio::test]
async fn what_tools_and_the_sdk_told_is_found_and_what_was_deleted_is_not() {
    let place = place();
    let server = place.start().await;
    let tool = span(1, 3, 1)
        .with("gen_ai.operation.name", "execute_tool")
        .with("gen_ai.tool.name", "search")
        .with("gen_ai.tool.call.arguments", r#"{"query":"teapots in Delft"}"#)
        .with("gen_ai.tool.call.result", "none but porcelain");
    send(&server, turn(1, "shop", &[], "A teapot?", "No.").into_iter().chain([tool])).await;
    let visitor = Visitor::of(&server);
    let post = async |path: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("x-wax-key", "any")];
        let answer = visitor.send(Method::POST, &format!("/api/v1/observe/runs/{path}"), &headers, body).await;
        serde_json::from_str::<serde_json::Value>(&answer.text).unwrap_or_default()
    };
    let started = post("start/", r#"{"agent_name":"clerk","inputs":{"user_message":"Any samovars?"},"session_id":"told"}"#).await;
    let id = started["run_id"].as_str().unwrap();
    post(&format!("{id}/complete/"), r#"{"result":{"output":"Two of brass."},"status":"success","error":""}"#).await;
    shows(&server, 2).await;
    until("the post is found", async || visitor.get("/search?q=of+brass").await.text.contains("1 run. ")).await;
    for (query, speaker, session) in [
        ("teapots+in+delft", "given to a tool", "shop"),
        ("porcelain", "from a tool", "shop"),
        ("samovars", "asked", "told"),
        ("of+brass", "answered", "told"),
    ] {
        let page = visitor.get(&format!("/search?q={query}")).await;
        page.says(&format!("<span class=\"kind\">{speaker}</span>"));
        assert!(page.links().contains(&format!("/sessions/{session}?view=conversation#turn-1")), "{query}: {:?}", page.links());
    }
    server.delete("/api/v1/observability/sessions/shop/").await;
    server.delete("/api/v1/observability/sessions/told/").await;
    for gone in ["porcelain", "of+brass"] {
        visitor.get(&format!("/search?q={gone}")).await.says("Nobody said that");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_said_and_nothing_is_looked_at() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    visitor.get("/search?q=ab").await.says("At least three characters");
    visitor.get(&format!("/search?q={}", "x".repeat(201))).await.says("At most 200 characters");
    visitor.get("/search?q=%3Cscript%3E").await.says("value=\"&lt;script&gt;\"");
    visitor.get("/search?q=nothing+yet").await.says("There are no spans in this server's journal.");
    assert_eq!(visitor.get("/search").await.status, StatusCode::OK);
    visitor.get("/sessions?search=kettle").await.says("/search");
}
