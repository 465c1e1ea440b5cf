//! The list, the detail and the agents agree, through the doors of the real binary.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::support::server::{Place, SESSIONS, Server, until};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sdk");

/// Every recorded request, in the order of the cases.
fn recordings() -> Vec<Bytes> {
    let mut paths = Vec::new();
    for case in std::fs::read_dir(FIXTURES).unwrap().map(|case| case.unwrap().path()).filter(|path| path.is_dir()) {
        let files = std::fs::read_dir(case).unwrap().map(|file| file.unwrap().path());
        paths.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "pb")));
    }
    paths.sort();
    assert!(paths.len() > 20, "the recordings are missing");
    paths.iter().map(|path| std::fs::read(path).unwrap().into()).collect()
}

async fn sent_all(server: &Server, requests: &[Bytes]) {
    for request in requests {
        server.send(request.clone()).await.unwrap();
    }
}

async fn all_sessions(server: &Server) -> Vec<Value> {
    let page = server.json(&format!("{SESSIONS}?limit=100&sort=session_id")).await;
    let results = page["results"].as_array().unwrap().clone();
    assert_eq!(page["count"], results.len(), "more sessions than one page holds");
    results
}

/// Seconds or dollars as whole billionths: the decimals of the JSON are exact in them.
fn billionths(number: &Value) -> i128 {
    (number.as_f64().unwrap() * 1e9).round() as i128
}

#[tokio::test]
async fn every_session_of_the_list_is_the_sum_of_its_runs_in_any_order_of_arrival() {
    let mut requests = recordings();
    let forward = Place::new();
    let forward = forward.start().await;
    sent_all(&forward, &requests).await;
    until("the sessions are there", async || all_sessions(&forward).await.len() >= 15).await;

    requests.reverse();
    let backward = Place::new();
    let backward = backward.start().await;
    sent_all(&backward, &requests).await;
    sent_all(&backward, &requests).await;

    let sessions = all_sessions(&forward).await;
    until("both servers show the same", async || all_sessions(&backward).await == sessions).await;
    for session in &sessions {
        let id = session["session_id"].as_str().unwrap();
        let path: String = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).collect();
        let detail = forward.get(&format!("{SESSIONS}{path}/")).await;
        assert_eq!(detail, backward.get(&format!("{SESSIONS}{path}/")).await, "{id}");
        let detail = detail.json();
        for key in ["run_count", "total_duration", "total_cost", "total_tokens", "agents"] {
            assert_eq!(detail["aggregates"][key], session[key], "{key} of {id}");
        }
        let runs = detail["runs"].as_array().unwrap();
        assert_eq!(session["run_count"], runs.len());
        let sum = |key: &str| runs.iter().map(|run| billionths(&run[key])).sum::<i128>();
        assert_eq!(billionths(&session["total_cost"]), sum("cost"), "{id}");
        assert_eq!(session["total_tokens"], runs.iter().map(|run| run["tokens"].as_u64().unwrap()).sum::<u64>(), "{id}");
        assert!((billionths(&session["total_duration"]) - sum("duration")).abs() <= 1_000 * runs.len() as i128, "{id}");
    }
    let agents = forward.json("/api/v1/observability/agents/").await;
    let n_runs: u64 = sessions.iter().map(|session| session["run_count"].as_u64().unwrap()).sum();
    let by_agent: u64 = agents["results"].as_array().unwrap().iter().map(|agent| agent["run_count"].as_u64().unwrap()).sum();
    assert_eq!(by_agent, n_runs);
}

#[tokio::test]
async fn every_door_takes_spans() {
    let place = Place::new();
    let server = place.start().await;
    let request = std::fs::read(format!("{FIXTURES}/01_call_time_session/otlp-001.pb")).unwrap();
    let client = server.client();
    for address in [server.otlp_grpc, server.otlp_http, server.http] {
        let url = format!("http://{address}/v1/traces");
        let headers = [("content-type", "application/x-protobuf")];
        let answer = client.request(Method::POST, &url, &headers, request.clone().into()).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{address}");
    }
    until("the session is there once", async || {
        let sessions = all_sessions(&server).await;
        sessions.len() == 1 && sessions[0]["run_count"] == 3 && sessions[0]["total_cost"] == 0.002945
    })
    .await;
}
