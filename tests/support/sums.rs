//! What stamps of spans sum up to, and what the API says of the same sessions.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::server::{SESSIONS, Server};

/// What a flat TraceQL query over stamped spans would sum up, of one session. Money in nano-dollars.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    pub runs: i64,
    pub errors: i64,
    pub cost: i64,
    pub tokens: i64,
    pub run_cost: i64,
    pub run_tokens: i64,
    pub run_calls: i64,
}

pub fn value(span: &Span, key: &str) -> Option<Value> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key == key);
    let value = found.next()?.value.clone()?.value;
    assert!(found.next().is_none(), "{key} stands twice");
    value
}

pub fn text(span: &Span, key: &str) -> String {
    match value(span, key) {
        Some(Value::StringValue(text)) => text,
        None => String::new(),
        other => panic!("{key} is {other:?}"),
    }
}

pub fn number(span: &Span, key: &str) -> i64 {
    match value(span, key) {
        Some(Value::DoubleValue(dollars)) if key.ends_with("cost") => (dollars * 1e9).round() as i64,
        Some(Value::IntValue(number)) if !key.ends_with("cost") => number,
        None => 0,
        other => panic!("{key} is {other:?}"),
    }
}

pub fn sums(spans: &[Span]) -> BTreeMap<String, Sums> {
    let mut sessions: BTreeMap<String, Sums> = BTreeMap::new();
    for span in spans {
        let session = text(span, "sessionfold.session_id");
        if session.is_empty() {
            continue;
        }
        let sums = sessions.entry(session).or_default();
        if value(span, "sessionfold.run.cost").is_some() && span.name != "sessionfold.correction" {
            sums.runs += 1;
            sums.errors += i64::from(span.status.as_ref().is_some_and(|status| status.code == 2));
        }
        sums.cost += number(span, "sessionfold.cost");
        sums.tokens += number(span, "sessionfold.tokens");
        sums.run_cost += number(span, "sessionfold.run.cost");
        sums.run_tokens += number(span, "sessionfold.run.tokens");
        sums.run_calls += number(span, "sessionfold.run.llm_calls");
    }
    sessions
}

/// The same by the API.
pub async fn shown(server: &Server) -> BTreeMap<String, Sums> {
    let list = server.json(&format!("{SESSIONS}?limit=100&include=errors")).await;
    let mut sessions = BTreeMap::new();
    for session in list["results"].as_array().unwrap() {
        let id = session["session_id"].as_str().unwrap();
        let path = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let detail = server.json(&format!("{SESSIONS}{path}/?include=usage,errors")).await;
        let runs = detail["runs"].as_array().unwrap();
        let ended: Vec<_> = runs.iter().filter(|run| run["status"] != "running").collect();
        let nanos = (session["total_cost"].as_f64().unwrap() * 1e9).round() as i64;
        let tokens = session["total_tokens"].as_i64().unwrap();
        let sums = Sums {
            runs: ended.len() as i64,
            errors: ended.iter().filter(|run| run["status"] == "error").count() as i64,
            cost: nanos,
            tokens,
            run_cost: nanos,
            run_tokens: tokens,
            run_calls: runs.iter().map(|run| run["usage"]["llm_calls"].as_i64().unwrap()).sum(),
        };
        sessions.insert(id.to_owned(), sums);
    }
    sessions
}
