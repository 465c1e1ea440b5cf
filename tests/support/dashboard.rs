//! What the shipped dashboard asks Tempo.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use serde_json::Value;

const DASHBOARD: &str = include_str!("../../config/grafana/provisioning/dashboards/agent-sessions.json");

/// The title of every graph, and its TraceQL.
pub fn graphs() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let graphs = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "timeseries");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    graphs.map(|panel| (text(&panel["title"]), text(&panel["targets"][0]["query"]))).collect()
}
