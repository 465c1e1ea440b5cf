//! Tells the program what it was built from and by: the commit, where it is known, and the compiler.
//!
//! - `BUILD_REVISION` in the environment wins: a build without a repository, such as that of the image, is told so.
//! - Cargo hands these names to what it runs too, so none begins like a setting.
//! - Without it a release build asks git. A debug build does not: every commit would compile it anew.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    println!("cargo::rustc-env=BUILT_BY_RUSTC={}", rustc());
    if let Some(revision) = stated().or_else(committed) {
        println!("cargo::rustc-env=BUILT_FROM_REVISION={revision}");
    }
}

/// The version of the compiler, for instance `1.95.0`.
fn rustc() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    output(&rustc, &["--version"]).and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_else(|| "unknown".into())
}

fn stated() -> Option<String> {
    std::env::var("BUILD_REVISION").ok().map(|revision| revision.trim().to_owned()).filter(|revision| is_name(revision))
}

fn committed() -> Option<String> {
    if std::env::var("PROFILE").ok()? != "release" {
        return None;
    }
    let head = output("git", &["rev-parse", "--short=12", "HEAD"])?;
    // What the answer depends on: the commit, and whether the sources are those of the commit.
    for path in [output("git", &["rev-parse", "--git-path", "HEAD"])?, output("git", &["rev-parse", "--git-path", "logs/HEAD"])?] {
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for path in ["src", "Cargo.toml", "Cargo.lock", "docs/openapi.yaml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let changed = output("git", &["status", "--porcelain", "--untracked-files=no"]);
    let suffix = if changed.is_some() { "-dirty" } else { "" };
    Some(format!("{head}{suffix}")).filter(|revision| is_name(revision))
}

/// A line without anything that would have to be escaped in a label or a page.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte))
}

/// What a program printed, if it succeeded and printed anything.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
