//! The demo against a whole server in this process: what it sent is what the API answers, and it leaves nothing behind.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue;
use prost::Message;
use serde_json::Value;
use sessionfold::app::App;
use sessionfold::config::{Config, Key};
use sessionfold::demo::client::{Client, ClientError, Door};
use sessionfold::demo::send::Sent;
use sessionfold::demo::traffic::{self, Plan, Traffic};
use sessionfold::demo::truth::SessionTruth;
use sessionfold::demo::{clean, send};
use sessionfold::model::time::UnixNanos;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long what was acknowledged may take to be seen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    pub(crate) otlp: Client,
    pub(crate) api: Client,
    pub(crate) addresses: [std::net::SocketAddr; 3],
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
    _dir: TempDir,
}

pub(crate) async fn start(keys: Vec<Key>) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    let free = || "127.0.0.1:0".parse().unwrap();
    (config.server.otlp_grpc, config.server.otlp_http, config.server.http) = (free(), free(), free());
    config.server.data_dir = dir.path().join("data");
    config.auth.keys = keys;
    let app = App::build(&config).await.unwrap();
    let addresses = app.addresses();
    let [_, otlp, http] = addresses;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move { app.run(async { drop(stopped.await) }).await.unwrap() });
    let client = |address, door| Client::new(&format!("http://{address}"), door, None).unwrap();
    Server { otlp: client(otlp, Door::Otlp), api: client(http, Door::Api), addresses, stop, running, _dir: dir }
}

/// Traffic that need not be waited for.
fn traffic_of(sessions: u64, seed: u64) -> Traffic {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let mut traffic =
        traffic::make(&Plan { sessions, seed, now: UnixNanos(now.try_into().unwrap()), spread: traffic::SPREAD, live: Duration::ZERO });
    for parcel in &mut traffic.parcels {
        parcel.due = Duration::ZERO;
    }
    traffic
}

pub(crate) async fn get(api: &Client, path: &str) -> Value {
    serde_json::from_slice(&api.get(path).await.unwrap()).unwrap()
}

async fn listed(api: &Client) -> BTreeMap<String, Value> {
    let mut sessions = BTreeMap::new();
    for offset in (0..).step_by(100) {
        let path = format!("/api/v1/observability/sessions/?search=demo-&include=usage,errors&limit=100&offset={offset}");
        let page = get(api, &path).await;
        for session in page["results"].as_array().unwrap() {
            sessions.insert(session["session_id"].as_str().unwrap().to_owned(), session.clone());
        }
        if page["next"].is_null() {
            return sessions;
        }
    }
    unreachable!("the pages end")
}

/// What the list must say of a session; times are compared to the microsecond, money and length to the unit.
fn expected(truth: &SessionTruth) -> [String; 9] {
    let micros = |nanos: u64| (nanos / 1_000).to_string();
    [
        truth.runs.len().to_string(),
        micros(truth.first_run()),
        micros(truth.last_activity()),
        ((truth.duration() + 500) / 1_000).to_string(),
        truth.cost_nanos().to_string(),
        truth.tokens().to_string(),
        truth.agents().join(","),
        truth.errors().to_string(),
        truth.unpriced_calls().to_string(),
    ]
}

fn answered(session: &Value) -> [String; 9] {
    let micros = |key: &str| chrono::DateTime::parse_from_rfc3339(session[key].as_str().unwrap()).unwrap().timestamp_micros().to_string();
    let agents: Vec<_> = session["agents"].as_array().unwrap().iter().map(|agent| agent.as_str().unwrap()).collect();
    [
        session["run_count"].to_string(),
        micros("first_run"),
        micros("last_activity"),
        ((session["total_duration"].as_f64().unwrap() * 1e6).round() as u64).to_string(),
        ((session["total_cost"].as_f64().unwrap() * 1e9).round() as u64).to_string(),
        session["total_tokens"].to_string(),
        agents.join(","),
        session["errors"]["error_count"].to_string(),
        session["usage"]["unpriced_calls"].to_string(),
    ]
}

async fn wait_for(server: &Server, truth: &BTreeMap<String, [String; 9]>) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen: BTreeMap<_, _> = listed(&server.api).await.iter().map(|(id, session)| (id.clone(), answered(session))).collect();
        if seen == *truth {
            return;
        }
        if tokio::time::Instant::now() > deadline {
            let wrong: Vec<_> =
                truth.iter().filter(|(id, want)| seen.get(*id) != Some(*want)).map(|(id, want)| (id, want, seen.get(id))).collect();
            panic!("{} of {} sessions are not as sent, for instance {:#?}", wrong.len(), truth.len(), wrong.first());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn truth_of(traffic: &Traffic) -> BTreeMap<String, [String; 9]> {
    traffic.truth.iter().map(|(id, truth)| (id.clone(), expected(truth))).collect()
}

pub(crate) async fn stop(server: Server) {
    server.stop.send(()).unwrap();
    server.running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_answers_what_the_demo_sent_and_clean_removes_it_all() {
    let server = start(Vec::new()).await;
    let traffic = traffic_of(120, 42);
    let truth = truth_of(&traffic);
    let n_spans = traffic.parcels.iter().map(|parcel| parcel.n_spans).sum();
    let sent = send::send(&server.otlp, traffic.parcels).await.unwrap();
    assert_eq!(sent, Sent { spans: n_spans, rejected: 0 });
    wait_for(&server, &truth).await;

    for (id, session) in &traffic.truth {
        let detail = get(&server.api, &format!("/api/v1/observability/sessions/{id}/")).await;
        let mut want: Vec<_> = session.runs.iter().map(|run| (run.start / 1_000, run.agent.clone(), run.tokens, run.is_error)).collect();
        want.sort();
        let mut got: Vec<_> = detail["runs"].as_array().unwrap().iter().map(run_of).collect();
        assert!(got.is_sorted_by_key(|run| run.0), "{id}");
        got.sort();
        assert_eq!(got, want, "{id}");
    }

    assert_eq!(clean::clean(&server.api).await.unwrap(), 120);
    wait_for(&server, &BTreeMap::new()).await;
    assert_eq!(clean::clean(&server.api).await.unwrap(), 0);
    stop(server).await;
}

/// What was removed stays removed, so the same conversations have to come as others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_is_there_again_after_clean() {
    let server = start(Vec::new()).await;
    for _ in 0..3 {
        let traffic = traffic_of(20, 5);
        let truth = truth_of(&traffic);
        send::send(&server.otlp, traffic.parcels).await.unwrap();
        wait_for(&server, &truth).await;
        assert_eq!(clean::clean(&server.api).await.unwrap(), 20);
    }
    stop(server).await;
}

fn run_of(run: &Value) -> (u64, String, u64, bool) {
    let started = chrono::DateTime::parse_from_rfc3339(run["started_at"].as_str().unwrap()).unwrap().timestamp_micros();
    (started as u64, run["agent_name"].as_str().unwrap().to_owned(), run["tokens"].as_u64().unwrap(), run["status"] == "error")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_in_the_opposite_order_or_sent_twice_gives_the_same_sessions() {
    let server = start(Vec::new()).await;
    let traffic = traffic_of(40, 7);
    let truth = truth_of(&traffic);
    for parcel in traffic.parcels.iter().rev().chain(&traffic.parcels) {
        let answer = server.otlp.post_traces(parcel.body.clone()).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    wait_for(&server, &truth).await;
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_leaves_sessions_alone_that_only_contain_the_word() {
    let server = start(Vec::new()).await;
    let traffic = traffic_of(1, 1);
    let (id, truth) = traffic.truth.iter().next().unwrap();
    let mine = format!("my-{id}");
    for parcel in &traffic.parcels {
        server.otlp.post_traces(parcel.body.clone()).await.unwrap();
        server.otlp.post_traces(as_session(&parcel.body, &mine)).await.unwrap();
    }
    wait_for(&server, &[(id.clone(), expected(truth)), (mine.clone(), expected(truth))].into()).await;
    assert_eq!(clean::clean(&server.api).await.unwrap(), 1);
    wait_for(&server, &[(mine, expected(truth))].into()).await;
    stop(server).await;
}

/// The same spans in other traces, their runs in the session `id`.
fn as_session(body: &[u8], id: &str) -> Bytes {
    let mut request = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    for span in scopes.flat_map(|scope| &mut scope.spans) {
        span.trace_id[0] ^= 2;
        for attribute in &mut span.attributes {
            if ["waxell.session_id", "gen_ai.conversation.id"].contains(&attribute.key.as_str()) {
                attribute.value = Some(AnyValue { value: Some(StringValue(id.to_owned())) });
            }
        }
    }
    request.encode_to_vec().into()
}

#[tokio::test]
async fn a_missing_key_is_told_with_the_flag_to_add_and_a_right_one_is_taken() {
    let config: Config =
        toml::from_str("[[auth.keys]]\nkey = \"wax_sk_0123456789abcdef\"\ntenant = \"default\"\nrights = [\"ingest\", \"read\"]\n")
            .unwrap();
    let server = start(config.auth.keys).await;
    let body = traffic_of(1, 1).parcels.remove(0).body;
    let answer = server.otlp.post_traces(body.clone()).await.unwrap();
    let error = server.otlp.expect_ok("/v1/traces", answer).unwrap_err();
    assert!(matches!(error, ClientError::Key { .. }) && error.to_string().contains("--key"), "{error}");
    assert!(matches!(clean::clean(&server.api).await, Err(ClientError::Key { .. })));
    let with_key = Client::new(server.otlp.base(), Door::Otlp, Some("wax_sk_0123456789abcdef")).unwrap();
    assert_eq!(with_key.post_traces(body).await.unwrap().status, 200);
    stop(server).await;
}
