//! The real program as it is typed: what it says when something is wrong, and with which exit code.

mod demo;
mod explain;
mod setup;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sessionfold::journal::{Journal, Options};
use tempfile::TempDir;

/// Bad configuration.
const USAGE: i32 = 64;
/// A start or a command that failed.
const FAILURE: i32 = 1;

/// What a command that is about to fail may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs until it ends: only for what does not start a server.
fn run(args: &[&str], variables: &[(&str, &OsStr)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionfold"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SESSIONFOLD_")) {
        command.env_remove(name);
    }
    command.args(args).envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("the program is our child").is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    // One that serves instead of refusing has no exit code then.
    let _ = child.kill();
    child.wait_with_output().expect("its output is read")
}

/// Expects a refusal, and gives what was said.
fn refused(args: &[&str], variables: &[(&str, &OsStr)], code: i32) -> String {
    let output = run(args, variables);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?} {variables:?}: {said}");
    said
}

fn check_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

/// `--config` with a file of this content.
fn with_file(text: &str) -> String {
    let dir = TempDir::new().expect("a temporary directory");
    let path = dir.path().join("sessionfold.toml");
    std::fs::write(&path, text).expect("the directory is ours");
    refused(&["--config", path.to_str().expect("a temporary directory has a plain name")], &[], USAGE)
}

fn free_ports(data_dir: &Path) -> [&str; 8] {
    let data_dir = data_dir.to_str().expect("a temporary directory has a plain name");
    ["--data-dir", data_dir, "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--http", "127.0.0.1:0"]
}

/// One variable that is not text, of whatever program, once ended the start with a panic.
#[cfg(unix)]
#[test]
fn a_variable_of_another_program_may_hold_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let output = run(&["--print-config"], &[("LS_COLORS", OsStr::from_bytes(b"\xff\xfe"))]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
fn a_variable_of_ours_that_is_no_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let said = refused(&["--print-config"], &[("SESSIONFOLD_RETENTION_MAX_AGE", OsStr::from_bytes(b"7\xff"))], USAGE);
    check_says(&said, &["SESSIONFOLD_RETENTION_MAX_AGE", "UTF-8"]);
}

#[test]
fn a_level_that_does_not_exist_is_refused() {
    let said = refused(&["check"], &[("SESSIONFOLD_LOG_LEVEL", "loud".as_ref())], USAGE);
    check_says(&said, &["log.level", "loud", "debug"]);
}

#[test]
fn a_mistake_beside_a_secret_does_not_show_the_secret() {
    for file in [
        "[auth]\nkeys = [{ key = \"wax_sk_topsecret\", tenant = \"acme\", rights = [\"write\"] }]\n",
        "[auth]\nkeys = [\"wax_sk_topsecret\"]\n",
        "[auth]\nkeys = [{ key = \"wax_sk_topsecret }]\n",
        "[forward]\nheaders = { Authorization = \"wax_sk_topsecret\", X = 1 }\n",
        "[forward.headers]\nAuthorization = wax_sk_topsecret\n",
    ] {
        let said = with_file(file);
        assert!(!said.contains("topsecret"), "{said}");
        check_says(&said, &["sessionfold.toml", "line 2"]);
    }
    for (name, value) in [
        ("SESSIONFOLD_AUTH_KEYS", "wax_sk_topsecret"),
        ("SESSIONFOLD_AUTH_KEYS", "[\"wax_sk_topsecret\"]"),
        ("SESSIONFOLD_AUTH_KEYS", "[{ key = \"wax_sk_topsecret\", rights = [\"write\"] }]"),
        ("SESSIONFOLD_FORWARD_HEADERS", "Authorization=wax_sk_topsecret"),
        ("SESSIONFOLD_FORWARD_HEADERS", "{ Authorization = [\"wax_sk_topsecret\"] }"),
    ] {
        let said = refused(&["--print-config"], &[(name, value.as_ref())], USAGE);
        assert!(!said.contains("topsecret"), "{said}");
        check_says(&said, &[name]);
    }
}

#[test]
fn a_mistake_elsewhere_is_shown_with_its_line() {
    check_says(&with_file("[retention]\nmax_age = \"30 parsecs\"\n"), &["max_age = \"30 parsecs\"", "line 2", "30d"]);
}

#[test]
fn a_port_alone_is_no_address_of_tempo() {
    let dir = TempDir::new().unwrap();
    let said = refused(&[&free_ports(dir.path())[..], &["--tempo", "14317"]].concat(), &[], USAGE);
    check_says(&said, &["--tempo", "14317", "host:port"]);
}

#[test]
fn an_address_to_listen_on_is_refused_with_an_example() {
    for address in ["localhost", ":8080", "8080", "256.0.0.1:8080"] {
        check_says(&refused(&["--http", address], &[], USAGE), &[address, "127.0.0.1:8080", "localhost:8080"]);
    }
    check_says(&with_file("[server]\nhttp = \"localhost\"\n"), &["line 2", "localhost:8080"]);
    let said = refused(&["--http", "nowhere.invalid:8080"], &[], USAGE);
    check_says(&said, &["--http", "nowhere.invalid:8080"]);
}

#[test]
fn two_doors_at_one_address_are_refused_before_another_program_is_blamed() {
    let dir = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let mut args = free_ports(dir.path());
    args[3] = &address;
    args[5] = &address;
    check_says(&refused(&args, &[], USAGE), &["--otlp-grpc", "--otlp-http", &address]);
    check_says(&refused(&[&["check"], &args[..]].concat(), &[], USAGE), &["--otlp-grpc", "--otlp-http", &address]);
}

#[test]
fn a_data_directory_that_another_server_uses_is_noticed_before_the_start() {
    let dir = TempDir::new().unwrap();
    let options = Options { segment_bytes: 1 << 20, max_bytes: 1 << 24, tail_bytes: 0 };
    let (journal, _) = Journal::open(&dir.path().join("journal"), options).unwrap();
    let said = refused(&[&["check"], &free_ports(dir.path())[..]].concat(), &[], FAILURE);
    check_says(&said, &["--data-dir", "in use"]);
    check_says(&refused(&free_ports(dir.path()), &[], FAILURE), &["in use by another process"]);
    drop(journal);
    let output = run(&[&["check"], &free_ports(dir.path())[..]].concat(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_check_creates_nothing_and_says_whether_the_server_could() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("a/b/data");
    let output = run(&[&["check"], &free_ports(&missing)[..]].concat(), &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    check_says(&said, &["can be made"]);
    let output = run(&[&["check"], &free_ports(dir.path())[..]].concat(), &[]);
    check_says(&String::from_utf8_lossy(&output.stdout), &["is writable"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it left something behind");

    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    for in_the_way in [file.join("data"), file] {
        check_says(&refused(&[&["check"], &free_ports(&in_the_way)[..]].concat(), &[], FAILURE), &["--data-dir", "not a directory"]);
    }
}

#[test]
fn a_misspelled_variable_is_told_with_the_one_that_was_meant() {
    let dir = TempDir::new().unwrap();
    let misspelled: [(&str, &OsStr); 1] = [("SESSIONFOLD_RETENTION_MAXAGE", "7d".as_ref())];
    let meant = ["SESSIONFOLD_RETENTION_MAXAGE", "did you mean SESSIONFOLD_RETENTION_MAX_AGE?"];
    let output = run(&[&["check"], &free_ports(dir.path())[..]].concat(), &misspelled);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    check_says(&said, &meant);
    check_says(&said, &["warn", "with 1 to look at"]);
    let output = run(&["--print-config"], &misspelled);
    check_says(&String::from_utf8_lossy(&output.stderr), &meant);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(toml::from_str::<sessionfold::config::Config>(&printed).is_ok(), "standard output stays a configuration: {printed}");
}

#[test]
fn a_name_is_an_address_to_listen_on() {
    let dir = TempDir::new().unwrap();
    let mut args = free_ports(dir.path());
    (args[3], args[5], args[7]) = ("localhost:0", "localhost:0", "localhost:0");
    let output = run(&[&["check"], &args[..]].concat(), &[]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    check_says(&said, &["localhost:0, ", "is free"]);
}

/// Every line on standard error, as JSON.
fn json_lines(output: &Output) -> Vec<serde_json::Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?} in:\n{said}"))).collect()
}

#[test]
fn a_failure_is_a_line_of_json_where_the_log_is_json() {
    let dir = TempDir::new().unwrap();
    let json: [(&str, &OsStr); 1] = [("SESSIONFOLD_LOG_FORMAT", "json".as_ref())];
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let file = dir.path().join("sessionfold.toml");
    std::fs::write(&file, "[log]\nformat = \"json\"\n").unwrap();
    let with_file = ["--config", file.to_str().unwrap(), "--http", "0.0.0.0:0"];
    for (args, variables, words) in [
        (&["--no-such-flag"][..], &json[..], "--no-such-flag"),
        (&["--http", "8080"], &json, "localhost:8080"),
        (&["--config", "/nowhere.toml"], &json, "/nowhere.toml"),
        (&["--http", "0.0.0.0:0"], &json, "without keys"),
        (&["health", "--http", &taken], &json, "no answer"),
        (&with_file, &[], "without keys"),
    ] {
        let lines = json_lines(&run(args, variables));
        let last = lines.last().unwrap_or_else(|| panic!("{args:?} said nothing"));
        assert!(last["message"].as_str().unwrap().contains(words), "{args:?}: {last}");
        assert_eq!(last["level"], "ERROR");
        assert!(last["timestamp"].as_str().unwrap().ends_with('Z'), "{last}");
    }
}

#[test]
fn a_journal_that_cannot_be_opened_says_why() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("journal"), b"a file where a directory should be").unwrap();
    check_says(&refused(&free_ports(dir.path()), &[], FAILURE), &["journal", "os error"]);
}

#[test]
fn verify_needs_to_know_where_tempo_answers() {
    check_says(&refused(&["verify"], &[], USAGE), &["--tempo-query"]);
    check_says(&refused(&["verify", "--tempo-query", "tempo:3200"], &[], USAGE), &["tempo:3200", "http"]);
    check_says(&refused(&["verify", "--since", "soon"], &[], USAGE), &["24h", "all"]);
    let args = ["verify", "--tempo-query", "http://127.0.0.1:9", "--tenant", "a|b"];
    check_says(&refused(&args, &[], USAGE), &["a|b"]);
}

/// `cargo run` hands the program what the build script told the compiler: two of its names once looked like settings that nobody had made.
#[test]
fn what_cargo_leaves_in_the_environment_is_not_taken_for_a_misspelled_setting() {
    let left: Vec<(String, String)> = std::env::vars().filter(|(name, _)| !name.starts_with("SESSIONFOLD_BIN")).collect();
    assert!(left.iter().any(|(name, _)| name == "CARGO_MANIFEST_DIR"), "cargo runs this test");
    let taken: Vec<_> = sessionfold::config::unknown_environment(&left).into_iter().map(|unknown| unknown.name).collect();
    assert!(taken.is_empty(), "{taken:?}");
}
