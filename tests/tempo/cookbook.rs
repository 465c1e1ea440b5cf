//! Every query of `docs/traceql.md` answers what stands under it, and the graphs of the dashboard show the totals of the API.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::query::QueryClient;
use sessionfold::tempo::query::search::Window;

use super::panels;
use crate::support::server::{Place, until};
use crate::support::spans::{SECOND, Tell, agent, chat, request};
use crate::support::tempo::Tempo;

/// The queries and their answers, in order.
fn recipes() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/traceql.md")).unwrap();
    let block = |fence: &str, text: &str| -> Option<(String, usize)> {
        let start = text.find(&format!("```{fence}\n"))? + fence.len() + 4;
        let end = start + text[start..].find("\n```")?;
        Some((text[start..end].to_owned(), end))
    };
    let mut recipes = Vec::new();
    let mut rest = &page[..];
    while let Some((query, end)) = block("traceql", rest) {
        rest = &rest[end..];
        let (answer, end) = block("text", rest).expect("an answer follows every query");
        recipes.push((query, answer));
        rest = &rest[end..];
    }
    recipes
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn answer(client: &QueryClient, query: &str) -> Result<String, String> {
    let window = Window { start: now() - 3600, end: now() + 1 };
    if !query.contains("over_time") {
        let found = client.search(&Tenant::default(), query, window, 100, 3).await.map_err(|error| error.to_string())?;
        return Ok(format!("{} traces", found.len()));
    }
    let series = client.metric(&Tenant::default(), query, window).await.map_err(|error| error.to_string())?;
    let mut lines: Vec<String> = series
        .iter()
        .filter(|series| !query.contains(" by (") || series.labels.iter().all(Option::is_some))
        .map(|series| {
            let value = (series.value * 1e9).round() / 1e9;
            let labels: Vec<_> = series.labels.iter().flatten().filter(|_| query.contains(" by (")).cloned().collect();
            if labels.is_empty() { value.to_string() } else { format!("{} {value}", labels.join(" ")) }
        })
        .collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// What the page says of its data.
fn traces() -> Vec<Vec<Span>> {
    let start = (now() - 60) * SECOND;
    let timed = |spans: Vec<Span>| spans.into_iter().map(|span| span.between(start, start + SECOND)).collect();
    let planner = |trace: u128, session: &str| agent(trace, 1, 0, "planner").session(session);
    let searching = vec![
        planner(3 << 64 | 1, "conv-42"),
        chat(3 << 64 | 1, 2, 1, (100, 20), 300),
        agent(3 << 64 | 1, 3, 1, "searcher").with("waxell.session_id", "conv-42"),
        chat(3 << 64 | 1, 4, 3, (60, 6), 2_100),
    ];
    vec![
        timed(vec![planner(1 << 64 | 1, "conv-42"), chat(1 << 64 | 1, 2, 1, (100, 20), 300)]),
        timed(vec![planner(2 << 64 | 1, "conv-42").failed(), refused(chat(2 << 64 | 1, 2, 1, (10, 2), 31))]),
        timed(searching),
        timed(vec![planner(4 << 64 | 1, "conv-43"), chat(4 << 64 | 1, 2, 1, (200, 30), 900)]),
    ]
}

/// It failed, and only an event of it says why.
fn refused(call: Span) -> Span {
    let said = |key: &str, text: &str| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(text.into())) }),
        ..KeyValue::default()
    };
    let attributes = vec![said("exception.type", "openai.RateLimitError"), said("exception.message", "Error code: 429")];
    Span { events: vec![Event { name: "exception".into(), attributes, ..Event::default() }], ..call.failed() }
}

#[tokio::test]
async fn every_query_of_the_cookbook_answers_what_it_says() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    for spans in traces() {
        server.send(request(spans)).await.unwrap();
    }
    let post = async |path: &str, body: &'static str| {
        let to = format!("http://{}/api/v1/observe/{path}", server.http);
        let headers = [("content-type", "application/json")];
        let answer = server.client().request(http::Method::POST, &to, &headers, body.into()).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.json()
    };
    let started = post("runs/start/", r#"{"agent_name":"caller","workflow_name":"default","session_id":"conv-42"}"#).await;
    let run = started["run_id"].as_str().unwrap().to_owned();
    let calls = r#"{"calls":[{"model":"house-model","tokens_in":70,"tokens_out":7,"cost":0.0125,"task":"chat.completions"}]}"#;
    post(&format!("runs/{run}/llm-calls/"), calls).await;
    post(&format!("runs/{run}/complete/"), r#"{"status":"success"}"#).await;

    let forwarded = async |metric: &str, n: u64| {
        let text = server.get("/metrics").await.text;
        text.lines().any(|line| line == format!("sessionfold_forward_{metric} {n}"))
    };
    until("the runs left", async || forwarded("stamped_spans_total", 10).await && forwarded("synthetic_spans_total", 1).await).await;
    let late = chat(1 << 64 | 1, 9, 1, (4, 1), 100);
    let start = (now() - 50) * SECOND;
    server.send(request([late.between(start, start + SECOND)])).await.unwrap();
    until("the late call left", async || forwarded("corrections_total", 1).await).await;

    let client = tempo.query_client();
    let recipes = recipes();
    assert!(recipes.len() >= 14, "the page has {} queries", recipes.len());
    let mut wrong = Vec::new();
    for _ in 0..40 {
        wrong.clear();
        for (query, expected) in &recipes {
            let found = answer(&client, query).await;
            if found.as_ref() != Ok(expected) {
                wrong.push(format!("{query}\n  said {found:?}\n  not  {expected:?}"));
            }
        }
        wrong.extend(panels::differences(&tempo, &server).await);
        if wrong.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    panic!("{}", wrong.join("\n"));
}
