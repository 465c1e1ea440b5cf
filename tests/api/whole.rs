//! Runs, users and the query plane over the real store: what the SDK told is what is shown.

use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use sessionfold::api::{self, Api, ApiMetrics, StreamLimits};
use sessionfold::auth::Authenticator;
use sessionfold::model::ids::RunId;
use sessionfold::model::report::EventKind;
use tokio::runtime::Runtime;

use super::Answer;
use crate::store::house::{House, Tuning};
use crate::support::posts::*;
use crate::support::spans::{SECOND, TEN, Tell};

const GPT: Used = ("gpt-4o", 120, 30, 600);
const TRACE: u128 = 0x00c0_ffee_0000_0000_0000_0000_0000_0001;

/// A house with a known story, and its API.
struct Shown {
    house: House,
    router: Router,
    runtime: Runtime,
}

impl Shown {
    fn get(&self, path: &str) -> Answer {
        self.runtime.block_on(super::get(&self.router, path))
    }

    #[track_caller]
    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    fn query(&self, path: &str) -> Value {
        let and = if path.contains('?') { '&' } else { '?' };
        // The house's clock stands still in a year that is past.
        self.json(&format!("/api/v1/observe/query/{path}{and}hours=87600"))
    }
}

fn minted(number: u64) -> RunId {
    RunId::mint(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// An outer run on both paths with a nested one, one that failed over HTTP only, one that is running, one of spans only without a price.
fn shown() -> Shown {
    let house = House::new(Tuning::default());
    let [outer, inner, failed, running] = [1, 2, 3, 4].map(minted);
    let start_of = |run, agent: &str, user: &str, parent: Option<RunId>| {
        let mut body = json!({ "agent_name": agent, "session_id": "s", "user_id": user, "user_group": "paying", "inputs": { "q": "Hi" } });
        if let Some(parent) = parent {
            body["parent_workflow_id"] = json!(format!("wf-{parent}"));
        }
        post(run, EventKind::Start, &body)
    };
    let scores = json!({ "scores": [{ "name": "stars", "data_type": "numeric", "numeric_value": 4.5 },
        { "name": "label", "data_type": "categorical", "string_value": "good" },
        { "name": "ok", "data_type": "boolean", "numeric_value": 1.0, "string_value": "true" }] });
    let posts = [
        start_of(outer, "outer", "ann", None),
        start_of(inner, "inner", "ann", Some(outer)),
        calls(inner, &[GPT]),
        complete(inner, "success", Some((TRACE, 2))),
        calls(outer, &[GPT, ("claude", 10, 5, 0)]),
        step(outer, "think"),
        post(outer, EventKind::Scores, &scores),
        complete(outer, "success", Some((TRACE, 1))),
        start_of(failed, "failing", "bob", None),
        post(failed, EventKind::Complete, &json!({ "status": "error", "error": "no such order", "error_type": "ValueError" })),
        start_of(running, "waiting", "bob", None),
        score(running, "stars", 3.5),
    ];
    for post in posts {
        house.post("default", post);
        house.advance(SECOND);
    }
    let (run, nested) = (outer.to_string(), inner.to_string());
    house.send(
        "default",
        export([
            agent_span((TRACE, 1), 0, "outer", "s", Some(&run)).between(TEN, TEN + 5 * SECOND),
            agent_span((TRACE, 2), 1, "inner", "s", Some(&nested)).between(TEN + SECOND, TEN + 3 * SECOND),
            call_span((TRACE, 3), 2, GPT, false).between(TEN + SECOND, TEN + 2 * SECOND),
            call_span((TRACE, 4), 1, GPT, false).between(TEN + 3 * SECOND, TEN + 4 * SECOND),
        ]),
    );
    house.send("other", export([agent_span((TRACE, 9), 0, "spy", "s", None)]));
    house.wait_folded();
    house.tick();
    let metrics = ApiMetrics::default();
    metrics.register(&mut Registry::default());
    let api = Api {
        store: Arc::new(house.store().clone()),
        tempo: None,
        authenticator: Arc::new(Authenticator::off()),
        registry: Arc::new(Registry::default()),
        metrics,
        public_url: None,
        grafana: None,
        streams: StreamLimits::default(),
        asked: Default::default(),
        status: Arc::new(|_| super::status::plain()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    Shown { router: api::router(Arc::new(api)), house, runtime }
}

/// Fails on a null or a text where `wax` calculates.
#[track_caller]
fn numbers(of: &Value, keys: &[&str]) {
    keys.iter().for_each(|key| assert!(of[key].is_number(), "{key} in {of}"));
}

#[test]
fn a_run_is_found_by_everything_that_people_paste() {
    let shown = shown();
    let outer = minted(1).to_string();
    let trace = format!("{TRACE:032x}");
    for id in [outer.as_str(), &format!("wf-{outer}"), &trace, &trace.to_uppercase(), &outer[..12], &trace[..12], &trace[..20]] {
        let run = shown.json(&format!("/api/v1/observability/runs/{id}/"));
        assert_eq!((&run["id"], &run["agent_name"]), (&json!(minted(1).get()), &json!("outer")), "{id}");
        assert_eq!(shown.query(&format!("traces/detail/?trace_id={id}"))["run"]["id"], run["id"], "{id}");
    }
    for id in ["4711", "wf-4711", "nonsense", "00000000000000000000000000000001", "c0ffee", "%20", "999999999999"] {
        assert_eq!(shown.get(&format!("/api/v1/observability/runs/{id}/")).status, 404, "{id}");
        assert_eq!(shown.query(&format!("traces/detail/?trace_id={id}"))["run"], Value::Null, "{id}");
    }
    let spy = shown.house.runs("other")[0].id;
    assert_eq!(shown.get(&format!("/api/v1/observability/runs/{spy}/")).status, 404, "another tenant's");
}

#[test]
fn a_run_is_shown_whole() {
    let shown = shown();
    let run = shown.json(&format!("/api/v1/observability/runs/{}/", minted(1)));
    assert_eq!((&run["status"], &run["session_id"], &run["user_id"]), (&json!("success"), &json!("s"), &json!("ann")));
    assert_eq!((&run["started_at"], &run["duration"], &run["tokens"]), (&json!("2026-02-07T10:00:00Z"), &json!(5.0), &json!(165)));
    assert_eq!((&run["inputs"], &run["result"], &run["error"]), (&json!({ "q": "Hi" }), &json!({ "output": "done" }), &Value::Null));
    assert_eq!(run["children"].as_array().unwrap().iter().map(|child| &child["agent_name"]).collect::<Vec<_>>(), ["inner"]);
    let inner = shown.json(&format!("/api/v1/observability/runs/{}/", minted(2)));
    assert_eq!((&inner["parent"]["id"], &run["parent"]), (&json!(minted(1).get()), &Value::Null));
    let calls = run["llm_calls"].as_array().unwrap();
    assert_eq!(calls.iter().map(|call| call["total_tokens"].as_u64().unwrap()).sum::<u64>(), 165);
    // The one whose price nobody knows has none.
    let costs: Vec<_> = calls.iter().map(|call| (call["model"].as_str().unwrap(), &call["cost"], &call["cost_source"])).collect();
    assert!(costs.contains(&("gpt-4o", &json!(0.0006), &json!("emitted"))), "{costs:?}");
    assert!(costs.contains(&("claude", &Value::Null, &json!("unknown"))), "{costs:?}");
    assert_eq!(run["usage"]["cost_source"], "mixed");
    assert_eq!((&run["steps"][0]["step_name"], &run["steps"][0]["output"]), (&json!("think"), &json!({ "text": "a secret" })));
    let scores: Vec<_> =
        run["scores"].as_array().unwrap().iter().map(|s| (&s["data_type"], &s["numeric_value"], &s["string_value"])).collect();
    let expected = [
        (&json!("numeric"), &json!(4.5), &Value::Null),
        (&json!("categorical"), &Value::Null, &json!("good")),
        (&json!("boolean"), &json!(1.0), &json!("true")),
    ];
    assert_eq!(scores, expected);
    assert_eq!(run["spans"].as_array().unwrap().len(), 2);
    let failed = shown.json(&format!("/api/v1/observability/runs/{}/", minted(3)));
    assert_eq!(
        (&failed["status"], &failed["error"], &failed["trace_id"]),
        (&json!("error"), &json!("ValueError: no such order"), &json!(""))
    );
}

#[test]
fn a_run_is_explained_when_asked_and_its_reasons_add_up() {
    let shown = shown();
    let address = format!("/api/v1/observability/runs/{}/", minted(1));
    assert!(shown.json(&address).get("explain").is_none());
    let answer = shown.get(&format!("{address}?include=explain,usage"));
    assert_eq!(answer.header("x-sessionfold-ignored"), Some("include=usage"));
    let run = answer.json();
    let explain = &run["explain"];
    assert_eq!(
        (&explain["adds_up"], &explain["why_run"]["rule"], &explain["why_session"]["rule"]),
        (&json!(true), &json!("reported"), &json!("reported"))
    );
    assert_eq!((&explain["counted"]["tokens"], &explain["counted"]["cost"]), (&run["tokens"], &run["cost"]));
    assert_eq!(explain["counted"]["llm_calls"], run["usage"]["llm_calls"]);
    // This house keeps its journal, so the attributes are known.
    assert_eq!(explain["attributes_from"]["source"], "journal");
    assert_eq!(explain["span_count"], run["spans"].as_array().unwrap().len());
    let spans = explain["spans"].as_array().unwrap();
    for span in spans {
        for key in [
            "span_id",
            "parent_span_id",
            "depth",
            "name",
            "scope",
            "kind",
            "why_kind",
            "is_run",
            "why_owner",
            "counting",
            "why_not",
            "attributes",
        ] {
            assert!(span.get(key).is_some(), "{key} in {span}");
        }
    }
    let own = spans.iter().find(|span| span["is_run"] == true).unwrap();
    assert!(own["why_run"]["words"].as_str().unwrap().starts_with("a run, since"), "{own}");
    assert!(own["attributes"].as_array().unwrap().iter().any(|answer| answer["question"] == "kind"), "{own}");
    // One span at a time; the sums are over all.
    let paged = shown.json(&format!("{address}?include=explain&limit=1&offset=1"));
    assert_eq!(paged["explain"]["spans"], json!([spans[1]]));
    assert_eq!((&paged["explain"]["span_count"], &paged["explain"]["counted"]), (&explain["span_count"], &explain["counted"]));
    // Told of over HTTP only.
    let failed = shown.json(&format!("/api/v1/observability/runs/{}/?include=explain", minted(3)));
    assert_eq!((&failed["explain"]["attributes_from"]["source"], &failed["explain"]["spans"]), (&json!("none"), &json!([])));
    for bad in ["include=reasons", "include=explain&limit=x"] {
        assert_eq!(shown.get(&format!("{address}?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn a_session_includes_scores_and_where_its_cost_is_from_only_when_asked() {
    let shown = shown();
    let plain = shown.get("/api/v1/observability/sessions/s/").text;
    assert!(!plain.contains("scores") && !plain.contains("cost_source"), "{plain}");
    let detail = shown.json("/api/v1/observability/sessions/s/?include=scores,usage");
    let text = detail.to_string();
    assert!(text.contains("cost_source"), "{text}");
    let stars = find(&detail, "scores").into_iter().find_map(|scores| scores.as_array()?.iter().find(|score| score["count"] == 2).cloned());
    assert_eq!(stars.map(|stars| (stars["name"].clone(), stars["average"].clone())), Some((json!("stars"), json!(4.0))));
    let runs = detail["runs"].as_array().unwrap();
    let n_scores: usize = runs.iter().map(|run| run["scores"].as_array().unwrap().len()).sum();
    assert_eq!((runs.len(), n_scores), (4, 4));
}

/// Every value of a key, at any depth.
fn find<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(object) => object.iter().flat_map(|(k, v)| (k == key).then_some(v).into_iter().chain(find(v, key))).collect(),
        Value::Array(array) => array.iter().flat_map(|v| find(v, key)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn users_are_listed_searched_sorted_paged_and_opened() {
    let shown = shown();
    const USERS: &str = "/api/v1/observability/users/";
    let ids = |query: &str| -> Vec<String> {
        let list = shown.json(&format!("{USERS}{query}"));
        list["results"].as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(""), ["bob", "ann"], "the last seen first");
    assert_eq!(ids("?sort=user_id"), ["ann", "bob"]);
    assert_eq!(ids("?sort=-total_cost"), ["ann", "bob"]);
    assert_eq!(ids("?search=AN"), ["ann"]);
    assert_eq!(ids("?agent=failing"), ["bob"]);
    assert_eq!(ids("?end=2026-02-07T09:00:00Z"), [""; 0]);
    let page = shown.get(&format!("{USERS}?limit=1&sort=user_id"));
    assert_eq!(
        (&page.json()["count"], &page.json()["next"], &page.json()["previous"]),
        (&json!(2), &json!("?offset=1&limit=1"), &Value::Null)
    );
    assert!(page.header("link").unwrap().contains("sort=user_id"), "{:?}", page.header("link"));
    let ann = shown.json(&format!("{USERS}ann/"));
    let aggregates = &ann["aggregates"];
    assert_eq!((&ann["user_id"], &ann["user_group"], &ann["sessions"]), (&json!("ann"), &json!("paying"), &json!(["s"])));
    numbers(aggregates, &["run_count", "session_count", "total_duration", "total_cost", "total_tokens"]);
    assert_eq!(
        (&aggregates["run_count"], &aggregates["total_tokens"], &aggregates["total_cost"]),
        (&json!(2), &json!(315), &json!(0.0012))
    );
    assert_eq!((&aggregates["agents"], &aggregates["first_seen"]), (&json!(["outer", "inner"]), &json!("2026-02-07T10:00:00Z")));
    assert_eq!(aggregates["cost_by_model"], json!({ "claude": 0.0, "gpt-4o": 0.0012 }));
    assert_eq!(ann["runs"].as_array().unwrap().len(), 2);
    for (path, status) in [("nobody/", 404), ("?sort=cost", 400), ("?limit=0", 400)] {
        assert_eq!(shown.get(&format!("{USERS}{path}")).status, status, "{path}");
    }
}

#[test]
fn the_query_plane_has_what_wax_reads_and_numbers_where_it_calculates() {
    let shown = shown();
    let sessions = shown.query("sessions/");
    let one = &sessions["sessions"][0];
    assert_eq!((&one["session_id"], &one["run_count"]), (&json!("s"), &json!(4)));
    assert!(one["agent_names"].is_array() && one["started_at"].is_string() && one["last_activity_at"].is_string());
    let one = &shown.query("sessions/?session_id=s")["sessions"][0];
    numbers(one, &["run_count", "duration", "cost"]);
    assert!(one["agents"].is_array());
    for run in one["runs"].as_array().unwrap() {
        numbers(run, &["run_id", "duration", "cost"]);
        assert!(["agent_name", "status", "started_at"].iter().all(|key| run[key].is_string()), "{run}");
    }
    assert_eq!(shown.query("sessions/?session_id=none")["sessions"], json!([]));

    let traces = shown.query("traces/");
    assert_eq!((&traces["total"], traces["traces"].as_array().unwrap().len()), (&json!(4), 4));
    assert!(traces["hours"].is_number());
    for run in traces["traces"].as_array().unwrap() {
        numbers(run, &["id", "duration", "total_cost", "total_tokens", "span_count"]);
    }
    let agents_of = |path: &str| -> Vec<Value> {
        shown.query(path)["traces"].as_array().unwrap().iter().map(|run| run["agent_name"].clone()).collect()
    };
    assert_eq!(agents_of("traces/?status=error"), ["failing"]);
    assert_eq!(agents_of("traces/?agent_name=OUT"), ["outer"]);
    assert_eq!(agents_of("traces/?limit=1"), ["waiting"]);
    assert_eq!(agents_of("traces/?limit=-3"), ["waiting"]);

    let detail = shown.query(&format!("traces/detail/?trace_id={}", minted(1)));
    numbers(&detail["run"], &["id", "duration"]);
    for call in detail["llm_calls"].as_array().unwrap() {
        numbers(call, &["tokens_in", "tokens_out", "total_tokens"]);
        assert!(call["cost"].is_number() || call["model"] == "claude");
    }
    assert_eq!(detail["span_tree"][0]["name"], "work");
    assert!(detail["span_tree"][0]["children"].is_array() && detail["span_count"] == 2);
    assert_eq!((&detail["scores"][0]["value"], &detail["scores"][1]["value"]), (&json!(4.5), &json!("good")));

    let runs = shown.query("runs/");
    assert_eq!((&runs["total_runs"], &runs["by_status"]), (&json!(4), &json!({ "error": 1, "running": 1, "success": 2 })));
    for run in runs["runs"].as_array().unwrap().iter().chain(runs["recent_runs"].as_array().unwrap()) {
        numbers(run, &["cost", "total_tokens", "duration"]);
        assert!(run["trace_id"].is_string());
    }

    let agents = shown.query("agents/");
    for agent in agents["agents"].as_array().unwrap() {
        numbers(agent, &["total_runs", "error_rate"]);
        assert!(agent["status"].is_string() && agent["last_run_at"].is_string());
    }
    let failing = shown.query("agents/?name=failing");
    assert_eq!((failing["agents"].as_array().unwrap().len(), &failing["agents"][0]["error_rate"]), (1, &json!(100.0)), "all of them");
    assert_eq!(shown.query("agents/?name=nobody")["agents"], json!([]));

    let models = shown.query("models/");
    let gpt = models["by_model"].as_array().unwrap().iter().find(|model| model["model"] == "gpt-4o").unwrap();
    numbers(gpt, &["calls", "tokens", "cost", "call_count", "input_tokens", "output_tokens", "total_tokens"]);
    assert_eq!((&gpt["calls"], &gpt["cost"]), (&json!(2), &json!(0.0012)));
    assert!(models["models"].as_array().unwrap().iter().all(Value::is_string) && models["total_calls"] == 3);

    let costs = shown.query("costs/");
    assert_eq!(costs["total_cost"], json!(0.0012));
    costs["models"].as_array().unwrap().iter().for_each(|model| numbers(model, &["calls", "cost", "tokens"]));
    costs["agents"].as_array().unwrap().iter().for_each(|agent| numbers(agent, &["runs", "cost"]));

    let dashboard = shown.query("dashboard/");
    numbers(&dashboard, &["total_runs", "error_rate", "success_rate", "avg_cost_per_run", "total_cost", "error_count", "active_agents"]);
    assert_eq!((&dashboard["error_rate"], &dashboard["success_rate"]), (&json!(0.25), &json!(0.75)));
    assert_eq!(dashboard["active_agents"], 4);

    let users = shown.query("users/");
    for user in users["users"].as_array().unwrap() {
        numbers(user, &["runs", "cost"]);
        assert_eq!((&user["group"], user["last_seen"].is_string()), (&json!("paying"), true));
    }
    let bob = &shown.query("users/?user_id=bob")["users"];
    assert_eq!((bob.as_array().unwrap().len(), bob[0]["agents"].as_array().unwrap().len()), (1, 2));
    bob[0]["recent_runs"].as_array().unwrap().iter().for_each(|run| numbers(run, &["run_id", "cost"]));

    let billing = shown.query("billing/");
    numbers(&billing["usage"], &["total_tokens", "input_tokens", "output_tokens", "total_calls", "total_runs", "total_cost"]);
    let errors = shown.query("errors/");
    assert_eq!((&errors["total_errors"], &errors["error_rate"]), (&json!(1), &json!(0.25)));
    assert_eq!(errors["recent_errors"][0]["error"], "ValueError: no such order");
}

/// Of a store that is empty, too: `wax` divides.
#[test]
fn an_empty_window_has_numbers_and_lists() {
    let shown = shown();
    for path in ["sessions", "traces", "runs", "agents", "models", "costs", "users", "dashboard", "billing", "errors"] {
        for hours in ["1", "0", "-7", "soon"] {
            let answer = shown.json(&format!("/api/v1/observe/query/{path}/?hours={hours}"));
            assert!(find(&answer, "total_cost").into_iter().chain(find(&answer, "error_rate")).all(Value::is_number), "{path}: {answer}");
        }
    }
    assert_eq!(shown.json("/api/v1/observe/query/dashboard/?hours=1")["total_runs"], 0);
}
