//! The dashboard: its data sources exist, and its queries are those that a real Tempo answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, read, strings, yaml};

fn dashboard() -> Value {
    serde_json::from_str(&read("config/grafana/provisioning/dashboards/agent-sessions.json")).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// Every TraceQL query of the dashboard.
pub(crate) fn queries() -> Vec<String> {
    let targets = panels().into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    targets.filter_map(|target| target["query"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_panel_asks_a_data_source_that_is_provisioned() {
    let provisioned: BTreeSet<(String, String)> = files("config/grafana/provisioning/datasources", "yaml")
        .iter()
        .flat_map(|path| yaml(path.to_str().unwrap())["datasources"].as_array().unwrap().clone())
        .map(|source| (source["type"].as_str().unwrap().to_owned(), source["uid"].as_str().unwrap().to_owned()))
        .collect();
    for panel in panels() {
        for asked in panel["targets"].as_array().unwrap().iter().chain([&panel]) {
            let source = &asked["datasource"];
            let source = (source["type"].as_str().unwrap().to_owned(), source["uid"].as_str().unwrap().to_owned());
            assert!(provisioned.contains(&source), "{}: {source:?} of {provisioned:?}", panel["title"]);
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_cover_each_other() {
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has another's id", panel["title"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{} is too wide", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{} covers another", panel["title"]);
            }
        }
    }
}

#[test]
fn what_counts_leaves_corrections_out_and_what_sums_asks_for_its_attribute() {
    let queries = queries();
    assert!(queries.len() >= 9, "{queries:?}");
    for query in queries {
        let counts = query.contains("count_over_time");
        assert_eq!(query.contains("name != \"sessionfold.correction\""), counts, "{query}");
        if let Some((_, sum)) = query.split_once("sum_over_time(") {
            let key = sum.split(')').next().unwrap();
            assert!(query.contains(&format!("{key} != nil")), "without it the sum is empty: {query}");
        }
    }
}

#[test]
fn the_table_reads_the_sessions_api_where_the_server_listens() {
    let panels = panels();
    let table = panels.iter().find(|panel| panel["type"] == "table").unwrap();
    let target = &table["targets"][0];
    let url = target["url"].as_str().unwrap();
    let source = yaml("config/grafana/provisioning/datasources/sessionfold.yaml");
    let base = source["datasources"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{base}/api/v1/observability/sessions/?")), "{url}");
    assert!(strings(&source["datasources"][0]["jsonData"]["allowedHosts"]).contains(&&*base));
    let known = ["session_id", "run_count", "first_run", "last_activity", "total_duration", "total_cost", "total_tokens", "agents"];
    for column in target["columns"].as_array().unwrap() {
        assert!(known.contains(&column["selector"].as_str().unwrap()), "{column}");
    }
    let compose = yaml("docker-compose.yml");
    let plugin = &source["datasources"][0]["type"];
    assert_eq!(&compose["services"]["grafana"]["environment"]["GF_PLUGINS_PREINSTALL"], plugin, "Grafana has to install it");
}
