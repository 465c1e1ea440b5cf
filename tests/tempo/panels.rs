//! The graphs of the dashboard, asked as Grafana asks them, come to the totals of the API.
//!
//! Grafana's Tempo data source sends `/api/metrics/query_range` with whole seconds and, where a panel names no step, none. Every sample is the
//! sum over its step, so the samples of a series come to what the legend shows as its total.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::support::dashboard::graphs;
use crate::support::server::Server;
use crate::support::tempo::Tempo;

/// Figures by the name of a series, in billionths, so that they can be compared.
type Totals = BTreeMap<String, i64>;

const API: &str = "/api/v1/observability/sessions/";

/// What differs from the API; empty once Tempo shows everything.
pub(crate) async fn differences(tempo: &Tempo, server: &Server) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let sessions = server.get(&format!("{API}?include=errors,links")).await.json()["results"].as_array().unwrap().clone();
    let mut runs = Vec::new();
    for session in &sessions {
        let detail = server.get(&format!("{API}{}/?include=models", session["session_id"].as_str().unwrap())).await.json();
        runs.extend(detail["runs"].as_array().unwrap().clone());
    }
    let mut wrong = Vec::new();
    for (title, query) in graphs() {
        let shown = samples(tempo, &query, now - 3_600, now).await;
        let expected = expected(&title, &sessions, &runs);
        if shown != expected {
            wrong.push(format!("{title}\n  shows   {shown:?}\n  and not {expected:?}"));
        }
    }
    for session in &sessions {
        let links = &session["links"];
        let (start, end) = (links["start"].as_u64().unwrap(), links["end"].as_u64().unwrap());
        let shown: i64 = samples(tempo, links["cost"]["traceql"].as_str().unwrap(), start, end).await.values().sum();
        if shown != billionths(&session["total_cost"]) {
            wrong.push(format!("the link to the cost of {session}\n  shows {shown}"));
        }
    }
    wrong
}

/// What a graph has to show, by its title.
fn expected(title: &str, sessions: &[Value], runs: &[Value]) -> Totals {
    let (figure, dimension) = title.split_once(" by ").unwrap();
    let mut totals = Totals::new();
    let mut add = |name: &Value, amount: i64| {
        if amount != 0 {
            *totals.entry(name.as_str().unwrap().to_owned()).or_default() += amount;
        }
    };
    for session in sessions.iter().filter(|_| dimension == "session") {
        let amount = match figure {
            "Cost" => &session["total_cost"],
            "Tokens" => &session["total_tokens"],
            "Runs" => &session["run_count"],
            "Failed runs" => &session["errors"]["error_count"],
            other => panic!("no figure of a session: {other}"),
        };
        add(&session["session_id"], billionths(amount));
    }
    for run in runs.iter().filter(|_| dimension == "agent") {
        let one = &Value::from(1);
        let amount = match figure {
            "Cost" => billionths(&run["cost"]),
            "Tokens" => billionths(&run["tokens"]),
            "Runs" => billionths(one),
            "Failed runs" => billionths(one) * i64::from(run["status"] == "error"),
            other => panic!("no figure of an agent: {other}"),
        };
        add(&run["agent_name"], amount);
    }
    // A call that only the SDK's HTTP path told of has no span that could name a model.
    for run in runs.iter().filter(|run| dimension == "model" && run["trace_id"] != "") {
        for model in run["models"].as_array().unwrap() {
            let amount = match figure {
                "Cost" => billionths(&model["cost"]),
                "Tokens" => billionths(&model["tokens"]),
                "Calls" => billionths(&model["llm_calls"]),
                // A run of this data that failed did so with all of its calls.
                "Failed calls" if run["status"] == "error" => billionths(&model["llm_calls"]),
                "Failed calls" => 0,
                other => panic!("no figure of a model: {other}"),
            };
            add(&model["model"], amount);
        }
    }
    totals
}

/// The sum of the samples of each series, zeros left out.
async fn samples(tempo: &Tempo, query: &str, start: u64, end: u64) -> Totals {
    let path = format!("/api/metrics/query_range?q={}&start={start}&end={end}", utf8_percent_encode(query, NON_ALPHANUMERIC));
    let (status, body) = tempo.get(&path, &[]).await.unwrap();
    assert_eq!(status, 200, "{query}: {}", String::from_utf8_lossy(&body));
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let mut totals = Totals::new();
    for series in answer["series"].as_array().into_iter().flatten() {
        let name = series["labels"][0]["value"]["stringValue"].as_str().unwrap_or_default();
        let values = series["samples"].as_array().into_iter().flatten().filter_map(|sample| sample["value"].as_f64());
        let total = values.sum::<f64>();
        if total != 0.0 {
            totals.insert(name.to_owned(), rounded(total));
        }
    }
    totals
}

fn billionths(number: &Value) -> i64 {
    rounded(number.as_f64().unwrap_or_else(|| panic!("{number} is no number")))
}

fn rounded(number: f64) -> i64 {
    (number * 1e9).round() as i64
}
