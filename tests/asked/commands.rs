//! What the commands say of what they could not read.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::double::{Double, Hidden, Limits, Trace};

async fn sessionfold(arguments: Vec<String>) -> (Option<i32>, String) {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_sessionfold")).env_clear().args(&arguments).stdin(Stdio::null()).output().unwrap()
    });
    let output = ran.await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn a_trace_that_nobody_can_read_is_named_and_nothing_is_said_of_its_runs() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let giant = Trace { id: 0x0123_4567_89ab_cdef << 64 | 0x0fed_cba9_8765_4321, second: now - 1_800, n_spans: 300 };
    let named = format!("trace {:032x}: tempo's answer would be too large", giant.id);
    let limits = Limits { whole: 200, poisoned: Some(giant.id), ..Limits::default() };
    let double = Double::start(vec![giant], limits).await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();

    let arguments = ["rebuild", "--json", "--since", "1h", "--data-dir", &data, "--from-tempo", &double.url()].map(str::to_owned);
    let (code, said) = sessionfold(arguments.into()).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, said["unread"].as_array().unwrap().len()), (Some(2), 1), "{said}");
    assert!(
        said["unread"][0].as_str().unwrap().starts_with(&named) && said["not_given_back"][0].as_str().unwrap().starts_with(&named),
        "{said}"
    );

    // No server answers there, so it reads the data directory.
    let verify =
        ["verify", "--since", "1h", "--http", "127.0.0.1:9", "--data-dir", &data, "--tempo-query", &double.url()].map(str::to_owned);
    let (code, said) = sessionfold(verify.clone().into()).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with(&format!("not read: {named}")) && said.contains("they agree as far as tempo could be read"), "{said}");
    let (_, said) = sessionfold(verify.into_iter().chain(["--json".to_owned()]).collect()).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["differences"], said["unread"].as_array().unwrap().len()), (&Value::from(Vec::<Value>::new()), 1), "{said}");
}

/// Runs that ended half an hour ago, and the data directory of an index that a rebuild made of them.
async fn indexed(n_runs: u128) -> (Vec<Trace>, tempfile::TempDir) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let traces: Vec<_> = (1..=n_runs).map(|n| Trace { id: n << 64 | (0xbeef + n), second: now - 1_800, n_spans: 2 }).collect();
    let double = Double::start(traces.clone(), Limits::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    let arguments = ["rebuild", "--json", "--since", "1h", "--data-dir", &data, "--from-tempo", &double.url()].map(str::to_owned);
    let (code, said) = sessionfold(arguments.into()).await;
    assert_eq!(code, Some(0), "{said}");
    (traces, dir)
}

async fn verified(double: &Double, dir: &tempfile::TempDir, wait: &str) -> (Option<i32>, Value) {
    let data = dir.path().join("data").display().to_string();
    let arguments = ["verify", "--json", "--since", "1h", "--wait", wait, "--http", "127.0.0.1:9", "--data-dir", &data];
    let arguments = arguments.into_iter().map(str::to_owned).chain(["--tempo-query".to_owned(), double.url()]);
    let (code, said) = sessionfold(arguments.collect()).await;
    (code, serde_json::from_str(&said).unwrap())
}

/// Right after a burst Tempo's search may show nothing of it. Each run was then looked for by its id, one after the other: an hour for 41,000.
#[tokio::test]
async fn many_runs_that_search_does_not_show_are_not_looked_for_one_by_one() {
    const N_RUNS: usize = 3_000;
    let (traces, dir) = indexed(N_RUNS as u128).await;
    let double = Double::start(traces.clone(), Limits::default()).await;
    let (code, said) = verified(&double, &dir, "0s").await;
    assert_eq!((code, double.n_by_id()), (Some(0), 0), "{said}");

    let double = Double::start(traces.clone(), Limits { hidden: Hidden::Always, ..Limits::default() }).await;
    let (code, said) = verified(&double, &dir, "0s").await;
    let differences = said["differences"].as_array().unwrap();
    assert_eq!((code, differences.len(), &said["runs"]), (Some(1), N_RUNS, &Value::from(N_RUNS)));
    let n_of = |cause: &str| differences.iter().filter(|difference| difference["cause"] == cause).count();
    let n_looked_up = n_of("not_shown_yet");
    assert_eq!(n_looked_up + n_of("not_looked_up"), N_RUNS, "{}", differences[0]);
    assert!(n_looked_up == double.n_by_id() && (100..=500).contains(&n_looked_up), "{n_looked_up} of {}", double.n_by_id());

    // One that is there tells that waiting is worth it.
    let double = Double::start(traces, Limits { hidden: Hidden::AtFirst, ..Limits::default() }).await;
    let (code, said) = verified(&double, &dir, "30s").await;
    assert_eq!((code, &said["runs"]), (Some(0), &Value::from(N_RUNS)), "{said}");
    assert!(double.n_by_id() < 10, "{}", double.n_by_id());
}

/// While Tempo writes what it held in memory it finds it in no way.
#[tokio::test]
async fn traces_on_their_way_to_tempos_disk_are_not_called_lost() {
    let (traces, dir) = indexed(5).await;
    let double = Double::start(traces.clone(), Limits { hidden: Hidden::AtFirst, n_cut: 5, ..Limits::default() }).await;
    let (code, said) = verified(&double, &dir, "60s").await;
    assert_eq!(code, Some(0), "{said}");

    // Those that stay away are.
    let double = Double::start(traces[1..].to_vec(), Limits::default()).await;
    let (code, said) = verified(&double, &dir, "60s").await;
    assert_eq!((code, said["differences"].as_array().unwrap().len()), (Some(1), 1), "{said}");
    assert_eq!(said["differences"][0]["cause"], "trace_not_in_tempo");
}
