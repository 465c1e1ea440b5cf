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
    assert_eq!(visitor.get(&format!("/?search={id}")).await.header("location"), format!("/runs/{id}"));
    let talk = visitor.get("/sessions/told?view=conversation").await;
    talk.says("Is &lt;i&gt;this&lt;/i&gt; it?");
    talk.says("It is.");
}
