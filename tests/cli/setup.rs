//! `sessionfold setup` as it is typed, in a home directory of its own.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{FAILURE, USAGE, check_says};
use crate::support::server::Place;

const CLAUDE: &str = ".claude/settings.json";
const SETTINGS: &str = "{\n  \"model\": \"opus\",\n  \"env\": {\n    \"ANTHROPIC_API_KEY\": \"sk-secret\",\n    \"OTEL_EXPORTER_OTLP_ENDPOINT\": \"http://old:4317\"\n  }\n}\n";

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
            fs::create_dir_all(home.path(name).parent().unwrap()).unwrap();
            fs::write(home.path(name), text).unwrap();
        }
        home
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The files of a folder, hidden ones too.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
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
fn nothing_is_written_where_nobody_can_be_asked() {
    let home = Home::with(&[(CLAUDE, SETTINGS)]);
    let said = home.refused(&["claude-code", "--write"], FAILURE);
    check_says(&said, &["-    \"OTEL_EXPORTER_OTLP_ENDPOINT\": \"http://old:4317\"\n", "+    \"OTEL_LOGS_EXPORTER\": \"otlp\"", "--yes"]);
    assert!(!said.contains("sk-secret"), "{said}");
    assert_eq!((home.read(CLAUDE).as_str(), home.files(".claude").len()), (SETTINGS, 1));
}

#[test]
fn writing_keeps_what_is_there_and_the_second_time_changes_nothing() {
    let home = Home::with(&[("dotfiles/claude.json", SETTINGS)]);
    let real = home.path("dotfiles/claude.json");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir(home.path(".claude")).unwrap();
    std::os::unix::fs::symlink("../dotfiles/claude.json", home.path(CLAUDE)).unwrap();
    check_says(&home.said(&["claude-code", "--write", "--yes"]), &["wrote ", ".bak"]);
    let written: serde_json::Value = serde_json::from_str(&home.read(CLAUDE)).unwrap();
    assert_eq!(
        written,
        serde_json::json!({"model": "opus", "env": {
            "ANTHROPIC_API_KEY": "sk-secret", "CLAUDE_CODE_ENABLE_TELEMETRY": "1", "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        }})
    );
    assert!(home.path(CLAUDE).symlink_metadata().unwrap().is_symlink());
    let kept = home.files("dotfiles");
    assert!(kept.len() == 2 && kept[1].starts_with("claude.json.2") && kept[1].ends_with("Z.bak"), "{kept:?}");
    for name in &kept {
        assert_eq!(home.path("dotfiles").join(name).metadata().unwrap().permissions().mode() & 0o777, 0o640, "{name}");
    }
    assert_eq!(home.read(&format!("dotfiles/{}", kept[1])), SETTINGS);
    let before = home.read(CLAUDE);
    check_says(&home.said(&["claude-code", "--write"]), &["nothing to change"]);
    assert_eq!((home.read(CLAUDE), home.files("dotfiles").len()), (before, 2));
}

#[test]
fn a_key_that_was_put_in_the_place_of_ours_stays() {
    let home = Home::new();
    for (agent, file) in [("claude-code", CLAUDE), ("codex", ".codex/config.toml")] {
        let output = home.run(&[agent, "--with-key", "--write", "--yes"]);
        check_says(&String::from_utf8_lossy(&output.stderr), &["put your key in the place of YOUR_KEY"]);
        let with_key = home.read(file).replace("YOUR_KEY", "sfk_1");
        fs::write(home.path(file), &with_key).unwrap();
        check_says(&home.said(&[agent, "--with-key", "--write"]), &["nothing to change"]);
        assert_eq!(home.path(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let said = home.said(&[agent, "--traces", "--write", "--yes"]);
        assert!(home.read(file).contains("sfk_1") && !said.contains("sfk_1"), "{said}");
    }
}

#[test]
fn content_that_was_asked_for_before_is_not_forgotten_silently() {
    let home = Home::new();
    home.said(&["claude-code", "--content", "--write", "--yes"]);
    let output = home.run(&["claude-code", "--write", "--yes"]);
    check_says(&String::from_utf8_lossy(&output.stderr), &["sends content", "OTEL_LOG_USER_PROMPTS"]);
    home.said(&["codex", "--content", "--write", "--yes"]);
    home.said(&["codex", "--write", "--yes"]);
    check_says(&home.read(".codex/config.toml"), &["log_user_prompt = false"]);
}

#[test]
fn each_agent_is_looked_for_where_it_looks_itself() {
    let home = Home::new();
    for (agent, file) in [
        ("claude-code", CLAUDE),
        ("codex", ".codex/config.toml"),
        ("gemini", ".gemini/settings.json"),
        ("qwen", ".qwen/settings.json"),
        ("opencode", ".config/opencode/opencode.json"),
    ] {
        home.said(&[agent, "--write", "--yes"]);
        check_says(&home.read(file), &[if agent == "opencode" { "openTelemetry" } else { "http://127.0.0.1:4318" }]);
    }
    for (agent, variable, file) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", "settings.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("gemini", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("qwen", "QWEN_HOME", "settings.json"),
        ("opencode", "XDG_CONFIG_HOME", "opencode/opencode.json"),
    ] {
        let home = Home::new().variable(variable, "elsewhere");
        home.said(&[agent, "--write", "--yes"]);
        assert_eq!(home.files("."), ["elsewhere"], "{agent}");
        assert!(home.path("elsewhere").join(file).is_file(), "{agent}");
    }
    let home = Home::with(&[(".config/opencode/opencode.jsonc", "{\n  // mine\n  \"model\": \"a/b\", // and this\n}\n")]);
    let said = home.said(&["opencode", "--write", "--yes"]);
    check_says(&said, &["export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n", "export OTEL_BSP_SCHEDULE_DELAY=200\n"]);
    let expected = "{\n  // mine\n  \"model\": \"a/b\", // and this\n  \"experimental\": {\n    \"openTelemetry\": true\n  },\n}\n";
    assert_eq!(home.read(".config/opencode/opencode.jsonc"), expected);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line_and_left_alone() {
    for (agent, text, says) in [
        ("claude-code", "{\n  \"env\": {\n    \"A\": \"sk-secret\"\n    \"B\": 1\n  }\n}\n", "line 3, column "),
        ("codex", "a = 1\nkey = sk-secret\n", "line 2, column 7: "),
        ("gemini", "{\"telemetry\": \"sk-secret\"}", "telemetry is not an object"),
    ] {
        let home = Home::with(&[("settings", text)]);
        let said = home.refused(&[agent, "--write", "--yes", "--file", "settings"], FAILURE);
        check_says(&said, &["settings: ", says, "nothing has been written"]);
        assert!(!said.contains("sk-secret"), "{said}");
        assert_eq!((home.read("settings").as_str(), home.files(".").len()), (text, 1));
    }
}

#[test]
fn copilot_has_variables_only_and_its_managed_settings_are_not_known() {
    let home = Home::new();
    check_says(
        &home.refused(&["copilot", "--write", "--yes"], FAILURE),
        &["export OTEL_EXPORTER_OTLP_ENDPOINT=", "nothing has been written"],
    );
    check_says(&home.refused(&["copilot", "--managed"], FAILURE), &["no managed settings are known"]);
    assert!(home.files(".").is_empty());
}

#[test]
fn a_variable_that_counts_more_is_told() {
    let home = Home::new().variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://old:4317");
    check_says(&String::from_utf8_lossy(&home.run(&["gemini"]).stderr), &["OTEL_EXPORTER_OTLP_ENDPOINT is set", "counts more"]);
}

#[test]
fn what_counts_more_than_our_lines_and_what_came_from_elsewhere_is_told() {
    let settings = "{\"telemetry\": {\"outfile\": \"log.txt\", \"otlpEndpoint\": \"http://old:4317\"}}";
    let home = Home::with(&[(".gemini/settings.json", settings)]);
    let output = home.run(&["gemini", "--write", "--yes"]);
    check_says(
        &String::from_utf8_lossy(&output.stderr),
        &["telemetry.outfile stands there, too", "what went to http://old:4317 comes here now"],
    );
    check_says(&home.read(".gemini/settings.json"), &["\"outfile\": \"log.txt\""]);
}

#[test]
fn on_a_terminal_it_asks() {
    let home = Home::with(&[(CLAUDE, SETTINGS)]);
    for (answer, is_written) in [("\n", false), ("n\n", false), ("y\n", true)] {
        let line = format!("{} setup claude-code --write --http 127.0.0.1:9", env!("CARGO_BIN_EXE_sessionfold"));
        let mut command = home.command("script");
        let spawned = command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = spawned else {
            println!("SKIPPED on_a_terminal_it_asks: script is not installed");
            return;
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        check_says(&String::from_utf8_lossy(&output.stdout), &["Write this? [y/N]"]);
        assert_eq!(output.status.success(), is_written, "{answer:?}: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(home.read(CLAUDE) != SETTINGS, is_written, "{answer:?}");
    }
}
