//! The commands an operator types.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use crate::support::server::Place;

fn sessionfold(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_sessionfold")).env_clear().current_dir(dir.path()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port that nothing listens on, most likely also in a moment.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn health_says_ready_of_a_server_that_is_and_fails_of_none() {
    let place = Place::new();
    let server = place.start().await;
    let ready = sessionfold(&["health", "--http", &server.http.to_string()]);
    assert_eq!((ready.status.code(), text(&ready.stdout)), (Some(0), "ready\n".into()));

    let nobody = free_port().to_string();
    let none = sessionfold(&["health", "--http", &nobody]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains(&nobody), "{}", text(&none.stderr));
}

#[tokio::test]
async fn check_names_a_taken_port_and_what_to_type_instead() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let (grpc, http) = (free_port().to_string(), free_port().to_string());
    let check = sessionfold(&["check", "--otlp-http", &taken.to_string(), "--otlp-grpc", &grpc, "--http", &http]);
    let says = text(&check.stdout);
    assert_eq!(check.status.code(), Some(1), "{says}");
    assert!(says.contains(&format!("port {} is taken (Tempo or a Collector?): use --otlp-http", taken.port())), "{says}");
    assert!(says.contains("ok    --data-dir") && says.contains("nothing is forwarded"), "{says}");
}

#[tokio::test]
async fn check_is_content_where_a_server_would_start_and_warns_of_a_tempo_that_is_away() {
    let [grpc, http, api, tempo] = [(); 4].map(|()| free_port().to_string());
    let check = sessionfold(&["check", "--otlp-http", &http, "--otlp-grpc", &grpc, "--http", &api, "--tempo", &tempo]);
    let says = text(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{says}");
    assert!(says.contains("warn  --tempo") && says.contains("wait in the journal"), "{says}");
}

#[test]
fn print_config_shows_every_setting_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sessionfold.toml");
    std::fs::write(&file, "[auth]\nkeys = [{ key = \"wax_sk_very_secret\" }]\n[retention]\nmax_age = \"7d\"\n").unwrap();
    let shown = sessionfold(&["--config", file.to_str().unwrap(), "--print-config"]);
    let says = text(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0));
    assert!(says.contains("max_age = \"7days\"") && says.contains("[journal]") && !says.contains("very_secret"), "{says}");
    // What is shown can be used as a file.
    std::fs::write(&file, says.replace("<hidden>", "wax_sk_another")).unwrap();
    assert_eq!(sessionfold(&["--config", file.to_str().unwrap(), "--print-config"]).status.code(), Some(0));
}

#[test]
fn what_is_wrong_with_the_settings_is_named_and_exits_64() {
    for (arguments, named) in [
        (&["--http", "0.0.0.0:0"][..], "--allow-anonymous"),
        (&["--tempo", "ftp://tempo"][..], "--tempo"),
        (&["--htpp", "127.0.0.1:0"][..], "--htpp"),
        (&["--http", "somewhere"][..], "somewhere"),
        (&["--config", "missing.toml"][..], "missing.toml"),
    ] {
        let refused = sessionfold(arguments);
        assert_eq!(refused.status.code(), Some(64), "{arguments:?}");
        assert!(text(&refused.stderr).contains(named), "{}", text(&refused.stderr));
    }
}

#[tokio::test]
async fn a_rebuild_says_what_is_in_its_way() {
    let place = Place::new();
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessionfold"));
        command.env_clear().args(["rebuild", "--data-dir"]).arg(place.data()).args(arguments).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, words) = run(&[]).await;
    assert!(code == Some(64) && words.contains("--from-tempo"), "{words}");
    let (code, words) = run(&["--from-tempo", "http://127.0.0.1:9"]).await;
    assert!(code == Some(2) && words.contains("cannot ask tempo"), "{words}");
    assert!(!place.data().exists(), "nothing is touched for a Tempo that does not answer");
}
