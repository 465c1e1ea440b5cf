//! The dashboard: its data sources exist, its queries are those that a real Tempo answers, and Grafana understands what it says.
//!
//! What Grafana does with a key or a value is from its sources: Grafana 13.2, its Tempo data source 13.1.5, Infinity 3.11.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{files, read, strings, yaml};
use crate::support::dashboard::graphs;

fn dashboard() -> Value {
    serde_json::from_str(&read("config/grafana/provisioning/dashboards/agent-sessions.json")).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

fn table() -> Value {
    panels().into_iter().find(|panel| panel["type"] == "table").unwrap()
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
fn cost_tokens_runs_and_failures_are_shown_by_session_agent_and_model() {
    let graphs = graphs();
    let mut titles: BTreeSet<&str> = graphs.iter().map(|(title, _)| &**title).collect();
    for (dimension, key, counted) in [
        ("session", "span.sessionfold.session_id", "runs"),
        ("agent", "span.sessionfold.agent_name", "runs"),
        // A run may call several models.
        ("model", "span.gen_ai.request.model", "calls"),
    ] {
        for figure in ["cost", "tokens", counted, &format!("failed {counted}")] {
            let title = format!("{}{} by {dimension}", figure[..1].to_uppercase(), &figure[1..]);
            assert!(titles.remove(&*title), "no graph of {title}");
            let (_, query) = graphs.iter().find(|(found, _)| *found == title).unwrap();
            assert!(query.contains(&format!("by ({key})")), "{title}: {query}");
        }
    }
    assert!(titles.is_empty(), "tests/tempo/panels.rs has nothing to compare {titles:?} with");
}

#[test]
fn what_counts_leaves_corrections_out_and_what_sums_asks_for_its_attribute() {
    for (title, query) in graphs() {
        let counts = query.contains("count_over_time");
        assert_eq!(query.contains("name != \"sessionfold.correction\""), counts, "{title}: {query}");
        // Tempo answers counts of every step with a number, mostly zero; sums only where there is one. A sum can be negative.
        assert_eq!(query.ends_with(" > 0"), counts, "{title}: {query}");
        if let Some((_, sum)) = query.split_once("sum_over_time(") {
            let key = sum.split(')').next().unwrap();
            assert!(query.contains(&format!("{key} != nil")), "without it the sum is empty: {title}: {query}");
        }
    }
}

#[test]
fn graphs_ask_for_ranges_and_add_up_to_their_legends() {
    for panel in panels().iter().filter(|panel| panel["type"] == "timeseries") {
        let target = &panel["targets"][0];
        assert_eq!(panel["targets"].as_array().unwrap().len(), 1, "the data source looks at the first only, to tell searches from sums");
        assert_eq!((&target["queryType"], &target["metricsQueryType"]), (&"traceql".into(), &"range".into()));
        assert!(target["step"].is_null(), "samples of a step of its own would have to be compared anew");
        assert_eq!(panel["options"]["legend"]["calcs"], serde_json::json!(["sum"]));
        assert_eq!(panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"], "normal");
        // Tempo gathers what has no session, or no agent, under this name.
        let names_nil = panel["fieldConfig"]["overrides"].as_array().unwrap().iter().any(|found| found["matcher"]["options"] == "nil");
        assert_eq!(names_nil, !target["query"].as_str().unwrap().contains("model"), "{}", panel["title"]);
    }
}

#[test]
fn the_table_reads_the_sessions_api_where_the_server_listens() {
    let table = table();
    let target = &table["targets"][0];
    let url = target["url"].as_str().unwrap();
    assert!(url.starts_with("/api/v1/observability/sessions/?"), "the data source knows the server: {url}");
    assert!(url.contains("include=errors,links&start=${__from:date:iso}&end=${__to:date:iso}"), "{url}");
    let source = &yaml("config/grafana/provisioning/datasources/sessionfold.yaml")["datasources"][0];
    assert!(strings(&source["jsonData"]["allowedHosts"]).contains(&source["url"].as_str().unwrap()));
    let line = serde_json::json!({
        "session_id": "", "run_count": 0, "first_run": "", "last_activity": "", "total_duration": 0, "total_cost": 0, "total_tokens": 0,
        "agents": [], "errors": { "error_count": 0 }, "links": { "start": 0, "end": 0 }
    });
    for column in target["columns"].as_array().unwrap() {
        let selector = column["selector"].as_str().unwrap();
        let pointer = format!("/{}", selector.replace('.', "/"));
        assert!(line.pointer(&pointer).is_some(), "the API has no {selector}");
    }
}

/// Infinity's backend hands over columns by their names in the alphabet, whatever the order of the query.
#[test]
fn the_table_puts_its_columns_into_order() {
    let table = table();
    let target = &table["targets"][0];
    let organize = &table["transformations"][0];
    assert_eq!(organize["id"], "organize");
    let order = organize["options"]["indexByName"].as_object().unwrap();
    let columns: Vec<&Value> = ["columns", "computed_columns"].iter().flat_map(|key| target[key].as_array().unwrap()).collect();
    assert_eq!(order.len(), columns.len());
    for (at, column) in columns.iter().enumerate() {
        assert_eq!(order[column["text"].as_str().unwrap()], at, "{column}");
    }
    assert_eq!(columns[0]["text"], "Session");
}

/// What Grafana makes of a link of a row: values put in, and then, to look for scripts in it, everything decoded. Seen with its own code:
/// an address with a host loses the backslashes of the JSON in it, and `&` ends a parameter.
fn followed(link: &Value, row: &[(&str, &str)]) -> Value {
    let mut url = link["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("/explore?schemaVersion=1&orgId=1&panes="), "{url}");
    for (variable, value) in row {
        url = url.replace(variable, value);
    }
    assert!(!url.contains("${"), "nothing is known of a variable: {url}");
    let url = percent_encoding::percent_decode_str(&url).decode_utf8().unwrap();
    let panes = url.split('&').nth(2).unwrap().strip_prefix("panes=").unwrap();
    serde_json::from_str(panes).unwrap_or_else(|error| panic!("{error}: {panes}"))
}

#[test]
fn a_row_of_the_table_leads_to_its_traces_and_to_its_cost_in_its_own_time() {
    let table = table();
    let overrides = table["fieldConfig"]["overrides"].as_array().unwrap();
    let of = |name: &str, key: &str| {
        let found = overrides.iter().find(|found| found["matcher"]["options"] == name);
        let properties = found.unwrap_or_else(|| panic!("nothing is said of {name}"))["properties"].as_array().unwrap();
        properties.iter().find(|property| property["id"] == key).unwrap()["value"].clone()
    };
    let links = of("Session", "links");
    assert_eq!(links.as_array().unwrap().len(), 2);
    let computed = table["targets"][0]["computed_columns"].as_array().unwrap();
    for (at, (column, longest, query)) in [
        ("traces_from", 168 * 3600, "{ span.sessionfold.session_id = \"conv-42\" }"),
        (
            "cost_from",
            24 * 3600,
            "{ span.sessionfold.session_id = \"conv-42\" } | { span.sessionfold.cost != nil } | sum_over_time(span.sessionfold.cost) by (span.sessionfold.agent_name)",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let from = computed.iter().find(|found| found["text"] == column).unwrap();
        assert_eq!(from["selector"], format!("start < end - {longest} ? end - {longest} : start"));
        let variable = format!("${{__data.fields.{column}.numeric}}");
        let row = [("${__value.raw:percentencode}", "conv-42"), (&*variable, "5"), ("${__data.fields.end.numeric}", "9")];
        let pane = &followed(&links[at], &row)["ses"];
        assert_eq!(pane["range"], serde_json::json!({ "from": "5000", "to": "9000" }));
        let asked = &pane["queries"][0];
        assert_eq!((&asked["query"], &asked["queryType"], &asked["datasource"]["uid"]), (&query.into(), &"traceql".into(), &"tempo".into()));
    }
    for name in ["start", "end", "traces_from", "cost_from"] {
        assert_eq!(of(name, "custom.hideFrom")["viz"], true, "{name} is for the links only");
    }
}
