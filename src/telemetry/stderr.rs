//! What is written to standard error besides the log: why a command failed, and panics. With `log.format = "json"` each is a line of JSON with
//! the keys that the log's lines have, so that whoever reads that stream reads all of it.
//!
//! What the runtime itself writes while it aborts (out of memory, out of stack) cannot be had as JSON.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{SecondsFormat, Utc};

use crate::config::LogFormat;

/// Set as soon as the format is known, and read by whoever writes.
static IS_JSON: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

/// How everything is written from here on.
pub fn speak(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    if format == LogFormat::Json {
        PANIC_HOOK.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| if is_json() { write(&panic_line(info)) } else { usual(info) }));
        });
    }
}

/// The format that the environment asks for, before anything that could fail is read.
pub fn speak_as_the_environment_says() {
    if std::env::var("SESSIONFOLD_LOG_FORMAT").is_ok_and(|format| format == "json") {
        speak(LogFormat::Json);
    }
}

pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Why a command cannot go on.
pub fn error(problem: &str) {
    say("ERROR", problem);
}

/// Something that a person should look at.
pub fn warn(problem: &str) {
    say("WARN", problem);
}

/// How far a command has come.
pub fn note(text: &str) {
    say("INFO", text);
}

/// As [`note`], in text without our name before it.
pub fn progress(text: &str) {
    if is_json() { note(text) } else { eprintln!("{text}") }
}

fn say(level: &str, text: &str) {
    if is_json() { write(&line(level, text)) } else { eprintln!("sessionfold: {text}") }
}

fn line(level: &str, message: &str) -> serde_json::Value {
    let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    serde_json::json!({ "timestamp": timestamp, "level": level, "message": message })
}

fn panic_line(info: &PanicHookInfo<'_>) -> serde_json::Value {
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let mut line = line("ERROR", &format!("panicked: {}", words.unwrap_or("with a value that is no text")));
    line["thread"] = std::thread::current().name().unwrap_or("unnamed").into();
    if let Some(location) = info.location() {
        line["location"] = location.to_string().into();
    }
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        line["backtrace"] = backtrace.to_string().into();
    }
    line
}

/// In one piece, so that lines of several threads do not mix.
fn write(line: &serde_json::Value) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "STDERR_TEST_CHILD";

    /// A test of its own, because a hook is the whole process's: the test runs itself again, and there it panics.
    #[test]
    fn a_panic_is_one_line_of_json() {
        if std::env::var_os(CHILD).is_some() {
            speak(LogFormat::Json);
            panic!("over \"two\"\nlines");
        }
        let name = "telemetry::stderr::tests::a_panic_is_one_line_of_json";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output =
            child.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1").env_remove("RUST_BACKTRACE").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<serde_json::Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let [line] = &lines[..] else { panic!("{said}") };
        assert_eq!(line["message"], "panicked: over \"two\"\nlines");
        assert_eq!(line["level"], "ERROR");
        assert!(line["location"].as_str().unwrap().starts_with("src/telemetry/stderr.rs:"), "{line}");
        assert!(!said.contains("note: run with"), "the usual words do not come as well: {said}");
    }
}
