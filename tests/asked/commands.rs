//! What the commands say of what they could not read.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::double::{Double, Limits, Trace};

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
