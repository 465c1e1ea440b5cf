//! `sessionfold demo` against a real server, found by the same flags, variables and file as the server has.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::ffi::OsStr;

use super::{USAGE, check_says, refused, run};
use crate::support::server::{Place, SESSIONS, Server, until};

/// What it prints, on both its outputs.
async fn sessionfold(args: &[&str], variables: &[(&str, &str)]) -> String {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    let variables: Vec<(String, String)> = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let done = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &OsStr)> = variables.iter().map(|(name, value)| (name.as_str(), OsStr::new(value))).collect();
        run(&args, &variables)
    });
    let output = done.await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

async fn shows(server: &Server, n_sessions: u64) {
    until("all that was sent is there", async || server.json(SESSIONS).await["count"] == n_sessions).await;
}

#[tokio::test]
async fn it_finds_the_server_by_whatever_the_server_was_told() {
    let place = Place::new();
    let server = place.start().await;
    let (otlp, http) = (server.otlp_http.to_string(), server.http.to_string());
    let [otlp_url, http_url] = [&otlp, &http].map(|address| format!("http://{address}"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sessionfold.toml");
    std::fs::write(&file, format!("[server]\notlp_http = \"{otlp}\"\nhttp = \"{http}\"\n")).unwrap();
    let file = file.to_str().unwrap();
    let everywhere = |address: &str| address.replace("127.0.0.1", "0.0.0.0");
    let (otlp_everywhere, http_everywhere) = (everywhere(&otlp), everywhere(&http));

    type Ways<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);
    let ways: [Ways<'_>; 8] = [
        (&["--otlp-http", &otlp, "--http", &http], &[]),
        (&["--otlp-http", &otlp_url, "--http", &http_url], &[]),
        // As it was called before.
        (&["--url", &otlp_url, "--http", &http_url], &[]),
        (&[], &[("SESSIONFOLD_OTLP_HTTP", &otlp), ("SESSIONFOLD_HTTP", &http)]),
        (&[], &[("SESSIONFOLD_OTLP_HTTP", &otlp_everywhere), ("SESSIONFOLD_HTTP", &http_everywhere)]),
        (&[], &[("SESSIONFOLD_SERVER_OTLP_HTTP", &otlp), ("SESSIONFOLD_SERVER_HTTP", &http)]),
        (&["--config", file], &[]),
        (&[], &[("SESSIONFOLD_CONFIG", file)]),
    ];
    for (flags, variables) in ways {
        let said = sessionfold(&[&["demo", "--sessions", "2"], flags].concat(), variables).await;
        check_says(&said, &["sent 2 sessions", &format!("to {otlp_url};"), &format!("demo --clean --http {http_url}")]);
        shows(&server, 2).await;
        let said = sessionfold(&[&["demo", "--clean"], flags].concat(), variables).await;
        check_says(&said, &[&format!("removed 2 sessions from {http_url}")]);
        shows(&server, 0).await;
    }
}

/// Every command that it names works as it stands, and every page is there.
#[tokio::test]
async fn it_ends_with_pages_to_look_at_and_each_is_there() {
    let place = Place::new();
    let server = place.start().await;
    let (otlp, http) = (server.otlp_http.to_string(), server.http.to_string());
    let said = sessionfold(&["demo", "--sessions", "20", "--seed", "7", "--otlp-http", &otlp, "--http", &http], &[]).await;
    shows(&server, 20).await;
    let line =
        |what: &str| said.lines().find_map(|line| line.strip_prefix(&format!("  {what:<19}"))).unwrap_or_else(|| panic!("{what}: {said}"));
    let page = async |what: &str| server.get(line(what).trim_start_matches("curl ").strip_prefix(&format!("http://{http}")).unwrap()).await;
    for what in ["all of them", "a conversation", "several agents", "a run that failed", "as JSON"] {
        let answer = page(what).await;
        assert!(answer.status.is_success() && answer.text.contains("demo-"), "{what}: {}", answer.text);
    }
    assert!(page("a run that failed").await.text.contains("error"));
    let agents = server.json(&line("several agents").replace(&format!("http://{http}/sessions/"), SESSIONS)).await;
    assert!(agents["aggregates"]["agents"].as_array().unwrap().len() > 1, "{agents}");
    for command in ["why it costs that", "tidy up"] {
        let words: Vec<&str> = line(command).split(' ').collect();
        assert_eq!(words[0], "sessionfold");
        sessionfold(&words[1..], &[]).await;
    }
    shows(&server, 0).await;
}

#[test]
fn an_address_that_cannot_be_meant_is_refused_with_the_flag_to_use() {
    let said = refused(&["demo"], &[("SESSIONFOLD_HTTP", OsStr::new("127.0.0.1:0"))], USAGE);
    check_says(&said, &["port 0", "--http"]);
    check_says(&refused(&["demo", "--http", "localhost"], &[], USAGE), &["127.0.0.1:8080"]);
    check_says(&refused(&["explain", "x", "--config", "/nowhere.toml"], &[], USAGE), &["/nowhere.toml"]);
}
