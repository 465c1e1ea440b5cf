//! Links and names of files lead somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{files, read, root};

/// The pages at the root, the README of the examples and everything below docs.
pub(super) fn pages() -> Vec<PathBuf> {
    let mut pages = files("docs", "md");
    pages
        .extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "THIRD_PARTY.md", "examples/README.md"].map(PathBuf::from));
    pages
}

#[test]
fn every_link_of_the_docs_leads_to_a_file_or_a_heading() {
    for page in pages() {
        let text = read(page.to_str().unwrap());
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() { page.clone() } else { page.parent().unwrap_or(Path::new("")).join(path) };
            assert!(root().join(&linked).exists(), "{}: {target} leads nowhere", page.display());
            if !heading.is_empty() {
                let headings: Vec<String> = read(linked.to_str().unwrap()).lines().filter_map(anchor).collect();
                assert!(headings.iter().any(|found| found == heading), "{}: no heading {heading} in {headings:?}", page.display());
            }
        }
    }
}

/// The anchor of a heading, as code hosts make it.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    Some(title.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-"))
}

#[test]
fn every_source_file_that_the_docs_name_exists() {
    let folders = ["src/", "tests/", "config/", "docs/", "benches/", "examples/", "scripts/", ".ci/"];
    for page in pages() {
        let text = read(page.to_str().unwrap());
        for code in text.split('`').skip(1).step_by(2) {
            let is_path =
                folders.iter().any(|folder| code.starts_with(folder)) && !code.contains(char::is_whitespace) && !code.contains('*');
            assert!(!is_path || root().join(code).exists(), "{} names {code}", page.display());
        }
    }
}

#[test]
fn every_page_that_the_source_names_exists() {
    let sources = ["src", "tests", "benches"].into_iter().flat_map(|folder| files(folder, "rs")).chain(["Cargo.toml".into()]);
    for file in sources {
        let text = read(file.to_str().unwrap());
        for (at, _) in text.match_indices("docs/") {
            let path: &str = text[at..].split(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)).next().unwrap();
            assert!(!path.ends_with(".md") || root().join(path).exists(), "{} names {path}", file.display());
        }
    }
}

/// It may be called as a program, with `sh` or with `bash`.
#[test]
fn ci_can_be_run_by_any_shell() {
    for shell in [&["sh"][..], &["bash"], &[]] {
        let command: Vec<&str> = [shell, &[".ci/run", "--list"]].concat();
        let output = Command::new(command[0]).args(&command[1..]).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stdout).contains("cargo test --locked"));
    }
}

#[test]
fn every_step_of_ci_is_explained() {
    let run = read(".ci/steps.py");
    let steps = run.split("STEPS = {").nth(1).unwrap().split("\n}").next().unwrap();
    let steps: Vec<&str> = steps.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    assert!(steps.contains(&"tests") && steps.len() > 8, "{steps:?}");
    let page = read("CONTRIBUTING.md");
    let first_cells: String = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    for step in steps {
        assert!(first_cells.contains(&format!("`{step}`")), "CONTRIBUTING does not explain {step}");
    }
}

/// The version of Cargo.toml has the newest section of the changelog, and is the one that the docs show.
#[test]
fn the_version_is_the_same_wherever_it_is_written() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    assert_eq!(newest.split(' ').next(), Some(version), "CHANGELOG.md");
    assert!(read("README.md").contains(&format!("INFO starting version=\"{version}\"")), "README.md");
    assert!(read("docs/openapi.yaml").contains(&format!("\n  version: {version}\n")), "docs/openapi.yaml");
}

/// The index of decisions is complete, and in order.
#[test]
fn every_decision_is_in_the_index() {
    let index = read("docs/decisions/README.md");
    let records: Vec<String> = files("docs/decisions", "md")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "README.md")
        .collect();
    let linked: Vec<&str> = index.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert_eq!(linked, records);
}
