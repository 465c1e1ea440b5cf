//! What the real SDK sent on both of its paths, against what its programs counted themselves.
//!
//! Each recorded case is replayed into a store: its posts in the order they were recorded, with the run ids that a server of ours would
//! have given, and its spans before, between or after them. With both paths the sessions must be the truth; with posts alone too.
//! Where a path cannot know, what it can is written down, with the reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use prost::Message;
use serde_json::Value;
use sessionfold::conventions::posts;
use sessionfold::model::ids::RunId;
use sessionfold::model::query::SessionQuery;
use sessionfold::model::report::EventKind;
use sessionfold::model::run::Run;
use sessionfold::model::time::UnixNanos;
use sessionfold::params::instant;
use sessionfold::store::RunPost;

use crate::store::house::{House, Tuning};

/// Agent, session, user, parent's agent, status, cost in nano-dollars, tokens.
type KnownRun = (String, String, String, Option<String>, String, u64, u64);

/// A part of a case, in the order and with the time it was recorded.
struct Part {
    at: UnixNanos,
    what: What,
}

enum What {
    Post(RunPost),
    Spans(Bytes),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paths {
    Both,
    PostsOnly,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    AsRecorded,
    SpansFirst,
    SpansLast,
    SpansReversed,
}

/// What a run's tokens and cost are where no path can know the truth, or only one of them.
struct BestAnswer {
    case: &'static str,
    paths: &'static [Paths],
    agent: &'static str,
    tokens: u64,
    cost_nanos: u64,
}

const BEST_ANSWERS: &[BestAnswer] = &[
    // The stream was abandoned: its usage never came.
    BestAnswer { case: "08_streaming", paths: &[Paths::Both, Paths::PostsOnly], agent: "stream-abandoned", tokens: 0, cost_nanos: 0 },
    // Consumed after the run had ended: over HTTP it is a call outside any run.
    BestAnswer { case: "08_streaming", paths: &[Paths::PostsOnly], agent: "stream-late", tokens: 0, cost_nanos: 0 },
];

/// Cases whose programs had a server to post to.
const CASES: &[&str] = &[
    "01_call_time_session",
    "02_decorator_session",
    "03_context_batch",
    "05_multi_nested",
    "06_errors",
    "08_streaming",
    "10_manual",
    "13_no_session",
    "15_user_provider",
    "16_long_run",
    "20_langchain",
    "26_gzip",
    "30_many_runs",
    "32_ollama_plain",
    "41_nested_agents",
    "42_own_provider",
    "43_tools",
];

fn folder(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sdk").join(case)
}

/// The parts of a case, with every id that the recorded server gave replaced by one that ours would give.
fn parts(case: &str) -> Vec<Part> {
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    let mut parts = Vec::new();
    let text = fs::read_to_string(folder(case).join("requests.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let object = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    for line in &lines {
        let (path, body, response) = (line["path"].as_str().unwrap(), object(&line["body"]), object(&line["response"]));
        let at = instant::parse(line["time"].as_str().unwrap()).unwrap();
        let post = |post| Part { at, what: What::Post(post) };
        let posted = |body: &Value, given: &BTreeMap<String, String>| {
            let mut text = body.to_string();
            for (theirs, ours) in given.iter().filter(|(theirs, _)| theirs.len() > 8) {
                text = text.replace(theirs, ours);
            }
            Bytes::from(text)
        };
        if path.ends_with("/runs/start/") {
            let run = RunId::mint(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(given.len() as u64 + 1));
            parts.push(post(RunPost { kind: EventKind::Start, run: Some(run), body: posted(&body, &given) }));
            given.insert(response["run_id"].as_str().unwrap().into(), run.to_string());
            given.insert(response["workflow_id"].as_str().unwrap().into(), posts::workflow_id(run));
        } else if path == "/v1/traces" {
            let file = folder(case).join(body["otlp_file"].as_str().unwrap());
            parts.push(Part { at, what: What::Spans(with_our_ids(&fs::read(file).unwrap(), &given)) });
        } else if let Some(rest) = path.strip_prefix("/api/v1/observe/runs/") {
            let (run, what) = rest.split_once('/').unwrap();
            let Some(run) = given.get(run) else { continue };
            let kind = match what {
                "llm-calls/" => EventKind::LlmCalls,
                "steps/" => EventKind::Steps,
                "spans/" => EventKind::Spans,
                "scores/" => EventKind::Scores,
                "partial/" => EventKind::Partial,
                "complete/" => EventKind::Complete,
                other => panic!("{other}"),
            };
            parts.push(post(RunPost { kind, run: RunId::from_minted(run), body: posted(&body, &given) }));
        }
    }
    parts
}

fn with_our_ids(request: &[u8], given: &BTreeMap<String, String>) -> Bytes {
    let mut request = ExportTraceServiceRequest::decode(request).unwrap();
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for attribute in scopes.flat_map(|scope| &mut scope.spans).flat_map(|span| &mut span.attributes) {
        let Some(value) = attribute.value.as_mut().filter(|_| attribute.key == "waxell.run_id") else { continue };
        if let Some(AnyValue::StringValue(theirs)) = &value.value
            && let Some(ours) = given.get(theirs)
        {
            value.value = Some(AnyValue::StringValue(ours.clone()));
        }
    }
    request.encode_to_vec().into()
}

fn ordered(parts: Vec<Part>, paths: Paths, order: Order) -> Vec<Part> {
    if paths == Paths::PostsOnly {
        return parts.into_iter().filter(|part| matches!(part.what, What::Post(_))).collect();
    }
    if order == Order::AsRecorded {
        return parts;
    }
    let (mut spans, posts): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| matches!(part.what, What::Spans(_)));
    if order == Order::SpansReversed {
        spans.reverse();
    }
    match order {
        Order::SpansFirst => spans.into_iter().chain(posts).collect(),
        _ => posts.into_iter().chain(spans).collect(),
    }
}

fn replay(house: &House, parts: &[Part]) {
    for part in parts {
        // The clock never goes back, in whatever order the parts come.
        house.advance(part.at.since(house.now()).0.max(1_000));
        match &part.what {
            What::Post(post) => house.post("default", post.clone()),
            What::Spans(request) => house.send("default", request.clone()),
        }
    }
    house.wait_folded();
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn known_runs(case: &str, paths: Paths) -> Vec<KnownRun> {
    let truth: Value = serde_json::from_slice(&fs::read(folder(case).join("expected.json")).unwrap()).unwrap();
    let runs = truth["runs"].as_array().unwrap();
    let known = |run: &Value| {
        let agent = text(&run["agent_name"]);
        let parent = run["parent"].as_u64().map(|parent| text(&runs[parent as usize]["agent_name"]));
        let best = BEST_ANSWERS.iter().find(|best| best.case == case && best.paths.contains(&paths) && best.agent == agent);
        let (cost, tokens) = best.map_or_else(
            || ((run["cost"].as_f64().unwrap() * 1e9).round() as u64, run["tokens"].as_u64().unwrap()),
            |best| (best.cost_nanos, best.tokens),
        );
        (agent, text(&run["session_id"]), text(&run["user_id"]), parent, text(&run["status"]), cost, tokens)
    };
    let mut known: Vec<KnownRun> = runs.iter().map(known).collect();
    known.sort();
    known
}

fn found_runs(house: &House) -> Vec<KnownRun> {
    let runs = house.runs("default");
    let found = |run: &Run| {
        let parent = run.parent.map(|parent| runs.iter().find(|other| other.id == parent).expect("a parent is a run").agent.to_string());
        let session = run.session.as_ref().map_or("", |session| session.as_str()).to_owned();
        let (user, status) = (run.user.as_deref().unwrap_or("").to_owned(), run.status.as_str().to_owned());
        (run.agent.to_string(), session, user, parent, status, run.usage.cost.0, run.usage.tokens)
    };
    // The SDK makes runs of its own for calls outside any run; the programs know nothing of them.
    let mut found: Vec<KnownRun> = runs.iter().filter(|run| !run.agent.starts_with("auto:")).map(found).collect();
    found.sort();
    found
}

fn check(case: &str, paths: Paths, order: Order, tuning: Tuning) {
    let what = format!("{case}, {paths:?}, {order:?}");
    let mut house = House::new(tuning);
    replay(&house, &ordered(parts(case), paths, order));
    house.settle_if_restless();
    let known = known_runs(case, paths);
    assert_eq!(found_runs(&house), known, "{what}");
    let list = house.list("default", &SessionQuery { limit: 10_000, ..SessionQuery::default() });
    let (cost, tokens) = list.items.iter().fold((0, 0), |sum, item| (sum.0 + item.total_cost.0, sum.1 + item.total_tokens));
    let of_sessions = known.iter().filter(|run| !run.1.is_empty());
    assert_eq!((cost, tokens), of_sessions.fold((0, 0), |sum, run| (sum.0 + run.5, sum.1 + run.6)), "{what}: the list");
    house.crash();
    assert_eq!(found_runs(&house), known, "{what}: after a crash");
}

#[test]
fn both_paths_together_give_the_truth_in_any_order() {
    for case in CASES {
        for order in [Order::AsRecorded, Order::SpansFirst, Order::SpansLast, Order::SpansReversed] {
            check(case, Paths::Both, order, Tuning::default());
        }
    }
}

#[test]
fn posts_alone_give_the_truth() {
    for case in CASES {
        check(case, Paths::PostsOnly, Order::AsRecorded, Tuning::default());
    }
}

#[test]
fn what_left_memory_on_the_way_is_joined_as_well() {
    for case in ["05_multi_nested", "08_streaming", "10_manual", "16_long_run", "20_langchain"] {
        check(case, Paths::Both, Order::AsRecorded, Tuning::restless());
        check(case, Paths::Both, Order::SpansReversed, Tuning::restless());
    }
}

#[test]
fn a_run_keeps_the_number_that_the_sdk_was_given() {
    let parts = parts("01_call_time_session");
    let given: Vec<RunId> = parts
        .iter()
        .filter_map(|part| match &part.what {
            What::Post(RunPost { kind: EventKind::Start, run, .. }) => *run,
            _ => None,
        })
        .collect();
    let house = House::new(Tuning::default());
    replay(&house, &parts);
    let mut shown: Vec<RunId> = house.runs("default").iter().filter(|run| run.is_reported).map(|run| run.id).collect();
    let mut given = given;
    shown.sort();
    given.sort();
    assert_eq!(shown, given);
    for run in given {
        let view = house.run("default", run).unwrap();
        let sum =
            view.calls.iter().fold((0, 0), |sum, call| (sum.0 + call.usage.tokens(), sum.1 + call.cost.map_or(0, |cost| cost.amount.0)));
        assert_eq!(sum, (view.run.usage.tokens, view.run.usage.cost.0), "the calls of {run} add up to it");
    }
}

#[test]
fn a_call_that_came_as_a_run_of_its_own_too_counts_once_in_the_run_that_made_it() {
    for order in [Order::AsRecorded, Order::SpansFirst, Order::SpansLast] {
        let mut house = House::new(Tuning::default());
        replay(&house, &ordered(parts("08_streaming"), Paths::Both, order));
        let strays = |house: &House| -> Vec<(u64, u64)> {
            let runs = house.runs("default");
            runs.iter().filter(|run| run.agent.starts_with("auto:")).map(|run| (run.usage.tokens, run.suppressed.tokens)).collect()
        };
        house.until("the stray is found", || strays(&house) == [(0, 732)]);
        house.reopen();
        assert_eq!(strays(&house), [(0, 732)], "{order:?}");
    }
    // Over HTTP alone nobody else tells of it.
    let house = House::new(Tuning::default());
    replay(&house, &ordered(parts("08_streaming"), Paths::PostsOnly, Order::AsRecorded));
    let stray = house.runs("default").into_iter().find(|run| run.agent.starts_with("auto:")).unwrap();
    assert_eq!((stray.usage.tokens, stray.suppressed.tokens), (732, 0));
}
