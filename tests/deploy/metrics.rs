//! What `/metrics` shows: the table of the docs is all of it, and alerts and the dashboard ask for nothing else.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;

use super::{files, read, yaml};
use crate::support::server::{Place, SESSIONS, until};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

const TABLE: &str = "docs/operating.md";

/// A metric as the page and the table have it: what kind it is, and the labels of its series.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// Every metric of a server with all its modules, by the name that its `TYPE` line has.
async fn shown() -> BTreeMap<String, Metric> {
    let place = Place::new().set("forward.tempo", "127.0.0.1:9").set("retention.max_age", "0s");
    let server = place.start().await;
    let spans = [agent(1, 1, 0, "planner").session("s").between(TEN, TEN + SECOND), chat(1, 2, 1, (1, 1), 1).between(TEN, TEN + SECOND)];
    server.send(request(spans)).await.unwrap();
    until("it is folded", async || server.json(SESSIONS).await["count"] == 1).await;
    assert!(server.get("/sessions").await.status.is_success());
    // One of each that has no series before it happens.
    let client = server.client();
    let post = async |path: String, kind: &str, body: Vec<u8>| {
        client.request(Method::POST, &path, &[("content-type", kind)], body.into()).await.unwrap()
    };
    let otlp = |signal: &str| format!("http://{}/v1/{signal}", server.otlp_http);
    let mut unnamed = agent(2, 1, 0, "planner");
    unnamed.trace_id = vec![0; 16];
    let odd = agent(3, 1, 0, "planner").session(&"s".repeat(600));
    post(otlp("traces"), "application/x-protobuf", request([unnamed, odd]).to_vec()).await;
    let mut untimely = request([agent(4, 1, 0, "BROKEN").between(TEN / 1_000_000, TEN / 1_000_000)]).to_vec();
    let at = untimely.windows(6).position(|window| window == b"BROKEN").unwrap();
    untimely[at] = 0xff;
    post(otlp("traces"), "application/x-protobuf", untimely).await;
    let record = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a log"}}]}]}]}"#;
    post(otlp("logs"), "application/json", record.to_vec()).await;
    let start = br#"{"agent_name":"a","workflow_name":"default","inputs":{},"metadata":{}}"#;
    post(format!("http://{}/api/v1/observe/runs/start/", server.http), "application/json", start.to_vec()).await;
    let mut page = server.get("/metrics").await.text;
    until("tempo was tried", async || {
        page = server.get("/metrics").await.text;
        page.contains("sessionfold_forward_retries_total{") && page.contains("sessionfold_store_odd_spans_total{")
    })
    .await;
    let mut metrics = BTreeMap::<String, Metric>::new();
    let mut family = String::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            family = name.to_owned();
            let known = metrics.insert(family.clone(), Metric { kind: kind.to_owned(), labels: BTreeSet::new() });
            assert!(known.is_none(), "{family} stands there twice");
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let names = labels.split("=\"").map(|part| part.rsplit([',', '"', '{']).next().unwrap().to_owned());
            let n_labels = labels.matches("=\"").count();
            let metric = metrics.get_mut(&family).unwrap();
            metric.labels.extend(names.take(n_labels).filter(|label| label != "le"));
        }
    }
    metrics
}

/// The rows of the table: name, kind, labels, meaning.
fn documented() -> BTreeMap<String, Metric> {
    let text = read(TABLE);
    let table = text.split("<!-- metrics: begin").nth(1).unwrap().split("<!-- metrics: end -->").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut metrics = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
        assert!(!meaning.is_empty(), "{row}");
        let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let known = metrics.insert(name.trim_matches('`').to_owned(), Metric { kind: kind.to_owned(), labels });
        assert!(known.is_none(), "{name} stands there twice");
    }
    metrics
}

#[tokio::test]
async fn the_table_of_metrics_is_what_the_server_shows() {
    let (shown, documented) = (shown().await, documented());
    let names = |metrics: &BTreeMap<String, Metric>| metrics.keys().cloned().collect::<BTreeSet<_>>();
    let (there, told) = (names(&shown), names(&documented));
    assert_eq!(there.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "{TABLE} lacks these");
    assert_eq!(told.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "{TABLE} has these, and the server does not");
    for (name, metric) in &shown {
        assert_eq!(metric.kind, documented[name].kind, "{name}");
        // What has not happened yet has no series, and then its labels are not to be seen.
        assert!(metric.labels.is_empty() || metric.labels == documented[name].labels, "{name}: {metric:?}, not {:?}", documented[name]);
    }
}

/// Every name that a query may use.
fn sample_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, metric) in documented() {
        match metric.kind.as_str() {
            "histogram" => names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))),
            _ => drop(names.insert(name)),
        }
    }
    names
}

/// Words that can only be metrics of ours.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| (word.starts_with("sessionfold_") || word.starts_with("process_")) && word.len() > "sessionfold_".len()).collect()
}

#[test]
fn alerts_ask_for_metrics_that_exist_and_each_has_a_test() {
    let names = sample_names();
    let rules = yaml("config/prometheus/sessionfold.rules.yml");
    let tests = read("config/prometheus/sessionfold.test.yml");
    let mut alerts = BTreeSet::new();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        let (alert, expression) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
        assert!(alerts.insert(alert.to_owned()), "{alert} stands there twice");
        let used = metrics_in(expression);
        assert!(!used.is_empty() || expression.starts_with("up{"), "{alert}: {expression}");
        for metric in used {
            assert!(names.contains(metric), "{alert} asks for {metric}, which is no metric");
        }
        assert!(tests.contains(&format!("- name: {alert}\n")), "{alert} has no test");
        let annotations = &rule["annotations"];
        assert!(["summary", "description"].iter().all(|key| annotations[key].as_str().is_some_and(|text| !text.is_empty())), "{alert}");
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{alert}");
        assert!(read(TABLE).contains(&format!("`{alert}`")), "{TABLE} does not say what to do about {alert}");
    }
    assert!(alerts.len() >= 10, "{alerts:?}");
}

#[test]
fn the_dashboard_of_its_own_health_asks_for_metrics_that_exist() {
    let names = sample_names();
    let dashboard: Value = serde_json::from_str(&read("config/grafana/sessionfold-health.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut n_queries, mut ids, mut cells) = (0, BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has another's id", panel["title"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && cells.insert((x, y)), "{} covers another or is too wide", panel["title"]);
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            let used = metrics_in(expression);
            assert!(!used.is_empty(), "{expression}");
            for metric in used {
                assert!(names.contains(metric), "{}: {metric} is no metric", panel["title"]);
            }
            n_queries += 1;
        }
    }
    assert!(n_queries >= 15, "{n_queries}");
    assert_eq!(dashboard["templating"]["list"][0]["query"], "prometheus");
}

#[test]
fn the_docs_name_no_metric_that_does_not_exist() {
    let names = sample_names();
    let families = documented();
    for file in files("docs", "md").into_iter().chain(["README.md".into()]) {
        let text = read(file.to_str().unwrap());
        let prefixes =
            ["sessionfold_api_", "sessionfold_forward_", "sessionfold_journal_", "sessionfold_receive_", "sessionfold_store_", "process_"];
        for word in
            metrics_in(&text).into_iter().filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix) && word.len() > prefix.len()))
        {
            assert!(names.contains(word) || families.contains_key(word), "{}: {word} is no metric", file.display());
        }
    }
}
