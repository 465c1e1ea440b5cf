//! `sessionfold setup` as it is typed, in a home directory of its own.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{FAILURE, USAGE, check_says};
use crate::support::server::Place;

/// A home directory, and what the program is told by variables.
struct Home {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), variables: Vec::new() }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let home = Self::new();
        for (name, text) in files {
            fs::write(home.dir.path().join(name), text).unwrap();
        }
        home
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        // Nothing listens there, so that no server of this machine is asked.
        let nowhere: &[&str] = if args.contains(&"--http") { &[] } else { &["--http", "127.0.0.1:9"] };
        self.command(env!("CARGO_BIN_EXE_sessionfold")).arg("setup").args(args).args(nowhere).output().unwrap()
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str], code: i32) -> String {
        let output = self.run(args);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }
}

#[test]
fn every_block_of_the_page_is_what_the_program_prints() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coding-agents.md")).unwrap();
    let home = Home::new();
    let mut n_blocks = 0;
    for part in page.split("<!-- sessionfold setup ").skip(1) {
        let (args, rest) = part.split_once(" -->\n```").unwrap();
        let block = rest.split_once('\n').unwrap().1.split("\n```\n").next().unwrap();
        let said = home.said(&args.split(' ').collect::<Vec<_>>());
        assert!(said.contains(&format!(":\n\n{block}\n\n")), "{args}: {block}\nis not in\n{said}");
        n_blocks += 1;
    }
    assert!(n_blocks >= 18, "{n_blocks}");
}

#[test]
fn the_lines_are_for_the_server_with_these_settings_and_show_no_key() {
    let home = Home::with(&[(
        "sessionfold.toml",
        "[server]\notlp_http = \"0.0.0.0:14318\"\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n[auth]\nkeys = [{ key = \"wax_sk_topsecret_0123\" }]\n",
    )]);
    for agent in ["claude-code", "codex", "gemini", "qwen", "copilot", "opencode"] {
        let output = home.run(&[agent, "--config", "sessionfold.toml"]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        check_says(&said, &["https://127.0.0.1:14318", "YOUR_KEY", "certificate"]);
        assert!(!said.contains("topsecret"), "{said}");
        assert!(output.status.success(), "{said}");
    }
    check_says(&home.said(&["claude-code", "--otlp-http", "sessionfold.agents.svc:4318"]), &["\"http://sessionfold.agents.svc:4318\""]);
    check_says(&home.said(&["codex", "--endpoint", "https://sf.example/"]), &["\"https://sf.example/v1/logs\""]);
    check_says(&home.refused(&["codex", "--endpoint", "sf.example"], USAGE), &["--endpoint", "https://"]);
    check_says(&home.refused(&["codex", "--otlp-http", "127.0.0.1:0"], USAGE), &["port 0", "--endpoint"]);
    check_says(&home.refused(&["cursor"], USAGE), &["cursor", "claude-code"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_mentioned_and_no_failure() {
    let home = Home::new();
    let output = home.run(&["claude-code"]);
    assert!(output.status.success());
    check_says(&String::from_utf8_lossy(&output.stderr), &["no answer from http://127.0.0.1:9/readyz"]);
    let place = Place::new();
    let server = place.start().await;
    let http = server.http.to_string();
    let output = tokio::task::spawn_blocking(move || home.run(&["claude-code", "--http", &http])).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn copilots_managed_settings_are_not_known() {
    check_says(&Home::new().refused(&["copilot", "--managed"], FAILURE), &["no managed settings are known"]);
}

#[test]
fn a_variable_that_counts_more_is_told() {
    let home = Home::new().variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://old:4317");
    check_says(&String::from_utf8_lossy(&home.run(&["gemini"]).stderr), &["OTEL_EXPORTER_OTLP_ENDPOINT is set", "counts more"]);
}
