//! More runs in a second than Tempo can answer for, and a trace that it cannot give back whole: read all the same.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;

use crate::support::server::{Place, Server, until};
use crate::support::spans::{MILLI, SECOND, Tell, agent, chat, request};
use crate::support::tempo::Tempo;

const N_RUNS: u64 = 41_000;
const N_SESSIONS: u64 = 500;
/// Spans of the large trace.
const N_LARGE: u64 = 2_000;

fn seconds_ago(n: u64) -> u64 {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - n) * SECOND
}

/// Ids as random as those of an SDK.
fn trace_id(n: u64) -> u128 {
    let mixed = |n: u64| {
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    u128::from(mixed(n + 1)) << 64 | u128::from(mixed(n + 0x9e37_79b9))
}

/// A run with two calls, a part of a millisecond long.
fn run(n: u64, first: u64) -> Vec<Span> {
    let (trace, start) = (trace_id(n), first + n * 2 * SECOND / N_RUNS);
    let spans = [
        chat(trace, n << 8 | 2, n << 8 | 1, (100, 20), 300),
        chat(trace, n << 8 | 3, n << 8 | 1, (10, 2), 31),
        agent(trace, n << 8 | 1, 0, "planner").session(&format!("conv-{}", n % N_SESSIONS)),
    ];
    spans.into_iter().map(|span| span.between(start, start + MILLI / 2)).collect()
}

async fn sessionfold(arguments: Vec<String>) -> (Option<i32>, String, String) {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_sessionfold")).env_clear().args(&arguments).stdin(Stdio::null()).output().unwrap()
    });
    let output = ran.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn everything_left(server: &Server) {
    let has_left = async || server.get("/metrics").await.text.lines().any(|line| line == "sessionfold_forward_lag_bytes 0");
    until("everything is with tempo", has_left).await;
}

/// Verifies until all has become visible.
async fn agrees(server: &Server, tempo: &Tempo, n_runs: u64) {
    let mut last = String::new();
    for _ in 0..8 {
        let arguments = ["verify", "--json", "--grace", "0s", "--since", "1h", "--http", &server.http.to_string(), "--tempo-query"];
        let arguments = arguments.into_iter().map(str::to_owned).chain([tempo.query_url()]).collect();
        let (code, said, errors) = sessionfold(arguments).await;
        last = format!("{code:?} {} {errors}", said.chars().take(2_000).collect::<String>());
        assert!(matches!(code, Some(0 | 1)), "it came to its end: {last}");
        let said: Value = serde_json::from_str(&said).unwrap();
        if code == Some(0) && said["runs"] == n_runs && said["unread"].as_array().unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    panic!("{last}");
}

#[tokio::test]
async fn a_burst_of_41_000_runs_in_two_seconds_is_verified_and_rebuilt() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    let first = seconds_ago(20);
    for from in (0..N_RUNS).step_by(500) {
        server.send(request((from..N_RUNS.min(from + 500)).flat_map(|n| run(n, first)))).await.unwrap();
    }
    everything_left(&server).await;
    agrees(&server, &tempo, N_RUNS).await;
    // A first look, while Tempo did not show all of it, and a second.
    let (n_searches, n_by_id) = tempo.n_asked().await;
    assert!(n_searches < 200 && n_by_id < 20, "verify asked {n_searches} searches and for {n_by_id} traces");

    let before = server.json("/api/v1/observability/sessions/?limit=100&sort=session_id").await;
    assert_eq!(before["count"], N_SESSIONS);
    assert_eq!(server.terminate().await.code, Some(0));
    std::fs::remove_dir_all(place.data()).unwrap();
    let data = place.data().display().to_string();
    let arguments = ["rebuild", "--json", "--since", "1h", "--data-dir", &data, "--from-tempo", &tempo.query_url()].map(str::to_owned);
    let (code, said, errors) = sessionfold(arguments.into()).await;
    assert_eq!(code, Some(0), "{said}{errors}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["runs"], &said["spans"]), (&Value::from(N_RUNS), &Value::from(3 * N_RUNS)));
    let n_of_rebuild = tempo.n_asked().await.0 - n_searches;
    assert!(n_of_rebuild < 100, "rebuild asked {n_of_rebuild} searches");
    let server = place.start().await;
    assert_eq!(server.json("/api/v1/observability/sessions/?limit=100&sort=session_id").await, before);
}

#[tokio::test]
async fn a_trace_above_tempos_limit_for_one_trace_is_read_in_parts() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    let start = seconds_ago(20);
    let large = trace_id(7);
    let spans = (2..=N_LARGE).map(|n| chat(large, n, 1, (n as i64, 1), 10)).chain([agent(large, 1, 0, "busy").session("large")]);
    let spans: Vec<Span> = spans.map(|span| span.between(start, start + SECOND)).collect();
    for part in spans.chunks(500) {
        server.send(request(part.to_vec())).await.unwrap();
    }
    for n in 100..120 {
        server.send(request(run(n, start))).await.unwrap();
    }
    everything_left(&server).await;
    agrees(&server, &tempo, 21).await;
    let before = server.json("/api/v1/observability/sessions/large/?include=usage").await;

    // From now on it refuses to give such a trace by its id.
    tempo.stop().await;
    tempo.set("TEMPO_TRACE_BYTES", "100000");
    tempo.start().await;
    let by_id = async || tempo.get(&format!("/api/traces/{large:032x}"), &[]).await.unwrap();
    assert_eq!(by_id().await.0, 422, "{:?}", by_id().await);
    agrees(&server, &tempo, 21).await;
    assert_eq!(server.terminate().await.code, Some(0));
    std::fs::remove_dir_all(place.data()).unwrap();
    let data = place.data().display().to_string();
    let arguments = ["rebuild", "--json", "--since", "1h", "--data-dir", &data, "--from-tempo", &tempo.query_url()].map(str::to_owned);
    let (code, said, errors) = sessionfold(arguments.into()).await;
    assert_eq!(code, Some(0), "{said}{errors}");
    let server = place.start().await;
    assert_eq!(server.json("/api/v1/observability/sessions/large/?include=usage").await, before);
}
