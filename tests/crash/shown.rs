//! What a server shows, and what it should show, in one form.

use std::collections::{BTreeMap, BTreeSet};

use sessionfold::model::ids::SessionId;
use sessionfold::model::run::Run;

use super::traffic::MARKS;
use crate::store::truth::{self, Truth};
use crate::support::server::{RemoteServer, SESSIONS};

/// A session by its figures: runs, seconds in micros, cost in nano-dollars, tokens, agents.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    run_count: u64,
    duration_micros: u64,
    cost_nanos: u64,
    tokens: u64,
    agents: Vec<String>,
}

/// A run as the detail shows it: id, agent, status, cost, tokens, trace.
pub type ShownRun = (u64, String, String, u64, u64, String);

/// Every session with its runs.
pub type Everything = BTreeMap<String, (Shown, Vec<ShownRun>)>;

/// All that the list and the details say; where the two differ, it fails.
pub async fn everything(server: &RemoteServer) -> Everything {
    let mut all = Everything::new();
    for line in list(server).await {
        let id = line["session_id"].as_str().unwrap();
        let detail = server.json(&format!("{SESSIONS}{id}/")).await;
        assert_eq!(detail["session_id"], id);
        let shown = shown(&line);
        assert_eq!(shown, self::shown(&detail["aggregates"]), "the list and the detail of {id} differ");
        let runs: Vec<ShownRun> = detail["runs"].as_array().unwrap().iter().map(run).collect();
        assert_eq!(shown.run_count, runs.len() as u64);
        all.insert(id.to_owned(), (shown, runs));
    }
    all
}

/// Every line of the list, page by page.
pub async fn list(server: &RemoteServer) -> Vec<serde_json::Value> {
    let mut lines = Vec::new();
    loop {
        let page = server.json(&format!("{SESSIONS}?sort=session_id&limit=100&offset={}", lines.len())).await;
        lines.extend(page["results"].as_array().unwrap().iter().cloned());
        if page["next"].is_null() {
            assert_eq!(page["count"], lines.len());
            return lines;
        }
    }
}

pub fn expected(truth: &Truth) -> Everything {
    let of = |(id, runs): (SessionId, Vec<Run>)| {
        let row = truth::summary(&id, &runs);
        let shown = Shown {
            run_count: row.run_count,
            duration_micros: row.total_duration.0 / 1000,
            cost_nanos: row.total_cost.0,
            tokens: row.total_tokens,
            agents: row.agents.iter().map(|name| name.to_string()).collect(),
        };
        let run = |run: &Run| {
            let status = run.status.as_str().to_owned();
            (run.id.get(), run.agent.to_string(), status, run.usage.cost.0, run.usage.tokens, run.key.trace.to_string())
        };
        (id.as_str().to_owned(), (shown, runs.iter().map(run).collect()))
    };
    truth.sessions().into_iter().map(of).collect()
}

/// Fails with the first session that differs, not with all of them.
pub fn compare(shown: &Everything, expected: &Everything, what: &str) {
    for (id, of_truth) in expected {
        let of_server = shown.get(id).unwrap_or_else(|| panic!("{what}: {id} is missing"));
        assert_eq!(of_server.0, of_truth.0, "{what}: {id}");
        let differ = of_server.1.iter().zip(&of_truth.1).find(|(a, b)| a != b);
        assert!(differ.is_none(), "{what}: {id}: {differ:?}");
    }
    let strangers: Vec<_> = shown.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(strangers.is_empty(), "{what}: {strangers:?}");
}

/// Which requests are there, by their marks.
pub fn marks(shown: &Everything) -> BTreeSet<String> {
    shown.get(MARKS).into_iter().flat_map(|(_, runs)| runs).map(|run| run.5.clone()).collect()
}

fn shown(line: &serde_json::Value) -> Shown {
    Shown {
        run_count: line["run_count"].as_u64().unwrap(),
        duration_micros: (line["total_duration"].as_f64().unwrap() * 1e6).round() as u64,
        cost_nanos: nanos(&line["total_cost"]),
        tokens: line["total_tokens"].as_u64().unwrap(),
        agents: line["agents"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
    }
}

fn run(run: &serde_json::Value) -> ShownRun {
    let text = |key: &str| run[key].as_str().unwrap().to_owned();
    (
        run["id"].as_u64().unwrap(),
        text("agent_name"),
        text("status"),
        nanos(&run["cost"]),
        run["tokens"].as_u64().unwrap(),
        text("trace_id"),
    )
}

fn nanos(dollars: &serde_json::Value) -> u64 {
    (dollars.as_f64().unwrap() * 1e9).round() as u64
}
