//! A run that only the SDK's HTTP path tells of.

use http::{Method, StatusCode};

use super::{Visitor, place};
use crate::support::server::{Server, until};

const OBSERVE: &str = "/api/v1/observe/runs/";
const TEXT: &str = "Is <i>this</i> it?";

async fn post(visitor: &Visitor, path: &str, body: &str) -> serde_json::Value {
    let headers = [("content-type", "application/json"), ("x-wax-key", "any")];
    let answer = visitor.send(Method::POST, &format!("{OBSERVE}{path}"), &headers, body).await;
    assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text);
    serde_json::from_str(&answer.text).unwrap_or_default()
}

/// A whole run; the id it was given.
async fn told(server: &Server) -> String {
    let visitor = Visitor::of(server);
    let start = format!(
        r#"{{"agent_name":"chat-agent","workflow_name":"default","inputs":{{"user_message":"{TEXT}"}},"metadata":{{}},"session_id":"told"}}"#
    );
    let started = post(&visitor, "start/", &start).await;
    let id = started["run_id"].as_str().unwrap().to_owned();
    let call = r#"{"calls":[{"model":"gpt-4o-2024-08-06","tokens_in":120,"tokens_out":30,"cost":0.0006,"task":"chat.completions","prompt_preview":"the prompt","response_preview":"the response","status":"ok"}]}"#;
    post(&visitor, &format!("{id}/llm-calls/"), call).await;
    post(&visitor, &format!("{id}/steps/"), r#"{"steps":[{"step_name":"tool:search","output":{"found":3},"position":0}]}"#).await;
    post(
        &visitor,
        &format!("{id}/scores/"),
        r#"{"scores":[{"name":"helpfulness","data_type":"numeric","comment":"fine","numeric_value":0.9}]}"#,
    )
    .await;
    post(&visitor, &format!("{id}/complete/"), r#"{"result":{"output":"It is."},"status":"success","error":"","steps":[]}"#).await;
    id
}

#[tokio::test]
async fn a_run_without_a_trace_has_a_page_of_its_own_where_its_click_leads() {
    let place = place();
    let server = place.start().await;
    let id = told(&server).await;
    let visitor = Visitor::of(&server);
    until("the run is over", async || visitor.get("/sessions/told").await.text.contains("run success")).await;
    let session = visitor.get("/sessions/told").await;
    assert!(session.links().contains(&format!("/runs/{id}")), "{:?}", session.links());
    let run = visitor.get(&format!("/runs/{id}")).await;
    assert_eq!(run.status, StatusCode::OK);
    for text in [
        "Is &lt;i&gt;this&lt;/i&gt; it?",
        "It is.",
        "tool:search",
        "helpfulness",
        "0.9",
        "chat.completions",
        "the prompt",
        "$0.0006",
        "No trace of this run is known",
    ] {
        run.says(text);
    }
    assert_eq!(visitor.get(&format!("/sessions?search={id}")).await.header("location"), format!("/runs/{id}"));
    let talk = visitor.get("/sessions/told?view=conversation").await;
    talk.says("Is &lt;i&gt;this&lt;/i&gt; it?");
    talk.says("It is.");
}

#[tokio::test]
async fn scores_of_a_session_are_on_its_page_by_name_and_beside_each_run() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    let first = told(&server).await;
    let second = told(&server).await;
    let scores = r#"{"scores":[
        {"name":"helpfulness","data_type":"numeric","numeric_value":0.4},
        {"name":"tone","data_type":"categorical","string_value":"<b>rude</b>"},
        {"name":"tone","data_type":"categorical","string_value":"polite"},
        {"name":"solved","data_type":"boolean","string_value":"true"}]}"#;
    post(&visitor, &format!("{second}/scores/"), scores).await;
    until("all scores are there", async || visitor.get("/sessions/told").await.text.contains("solved")).await;
    let page = visitor.get("/sessions/told").await;
    let table = &page.text[page.text.find("<h2 id=\"scores-title\">").unwrap()..page.text.find("<h2 id=\"timeline-title\">").unwrap()];
    // 0.9 of the first, 0.9 and 0.4 of the second.
    for text in [
        "<bdi>helpfulness</bdi></th><td class=\"number\">3</td><td>0.733</td>",
        "<bdi>solved</bdi></th><td class=\"number\">1</td><td>yes in 100 %</td>",
        "<bdi>&lt;b&gt;rude&lt;/b&gt;</bdi> 1, <bdi>polite</bdi> 1",
    ] {
        assert!(table.contains(text), "{text}: {table}");
    }
    let line = |run: &str| {
        let line = &page.text[page.text.find(&format!("<li id=\"run-{run}\"")).unwrap()..];
        line[..line.find("</li>").unwrap()].to_owned()
    };
    assert!(line(&first).contains("<span class=\"score\"><bdi>helpfulness</bdi> 0.9</span>"), "{}", line(&first));
    // The latest three of five.
    assert!(line(&second).contains("<bdi>solved</bdi> yes</span> <span class=\"quiet\">and 2 scores</span>"), "{}", line(&second));
    assert!(!page.text.contains("<b>rude"));
}
