//! What is shipped beside the binary says the truth: the compose file, the image, Tempo's and Grafana's settings, README and docs.
//!
//! None of this needs a Docker engine. `tests/tempo` starts a real Tempo with the shipped settings.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod answers;
mod commands;
mod compose;
mod dashboard;
mod docs;
mod image;
mod metrics;
mod pages;
mod readme;
mod tables;
mod tempo;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows between two comments of a page, head and rule left out: their cells, code marks taken off.
fn table(page: &str, name: &str) -> Vec<Vec<String>> {
    let text = read(page);
    let from = text.split(&format!("<!-- {name}: begin")).nth(1).unwrap_or_else(|| panic!("{page} has no table of {name}"));
    let table = from.split(&format!("<!-- {name}: end -->")).next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
    rows.map(cells).collect()
}

/// What the binary prints; a variable of the caller's environment must not change it.
fn sessionfold(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionfold"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SESSIONFOLD_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).env("COLUMNS", "1000").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails on what a lenient parser lets pass: a key that stands twice.
fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All strings in a list, none if it is not there.
fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

/// Every file below `folder` whose name ends in `.extension`, from the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
