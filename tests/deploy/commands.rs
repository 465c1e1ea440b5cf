//! Commands, settings and keys in the docs are such that work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sessionfold::auth::hash::KeyHash;
use sessionfold::config::Config;

use super::docs::pages;
use super::{read, sessionfold};

/// Every piece of code on a page, in its text and in its blocks.
fn pieces(page: &Path) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut is_block = false;
    for line in read(page.to_str().unwrap()).lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if line.starts_with("| WARN |") || line.starts_with("| ERROR |") {
            // What the log says is no code.
        } else if is_block {
            pieces.extend(line.split("$ ").nth(1).map(str::to_owned));
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    pieces
}

/// What follows `sessionfold` or `cargo run --release --` up to a comment or a pipe.
fn words(piece: &str) -> Option<Vec<&str>> {
    let arguments = piece.strip_prefix("sessionfold ").or_else(|| piece.strip_prefix("cargo run --release -- "))?;
    Some(arguments.split(['#', '|', '>']).next()?.split_whitespace().collect())
}

#[test]
fn every_command_of_the_docs_exists_with_its_flags() {
    let mut helps = BTreeMap::<Vec<String>, BTreeSet<String>>::new();
    let mut help = |path: &[&str]| {
        let key: Vec<String> = path.iter().map(|&word| word.to_owned()).collect();
        let said = || sessionfold(&[path, &["--help"]].concat());
        helps.entry(key).or_insert_with(|| said().split([' ', '\n', ',', '=']).map(str::to_owned).collect()).clone()
    };
    let root = help(&[]);
    let mut n_commands = 0;
    for page in pages() {
        for piece in pieces(&page) {
            let Some(words) = words(&piece) else { continue };
            let mut path = Vec::new();
            if let Some(&first) = words.first().filter(|word| !word.starts_with('-')) {
                assert!(root.contains(first), "{}: there is no command {first}: {piece}", page.display());
                path.push(first);
                path.extend(words.get(1).filter(|word| first == "key" && !word.starts_with('-')));
            }
            let known = help(&path);
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let name = flag.split('=').next().unwrap().trim_end_matches(['.', ',', ';']);
                assert!(known.contains(name), "{}: {path:?} has no flag {name}: {piece}", page.display());
            }
            n_commands += 1;
        }
    }
    assert!(n_commands > 50, "{n_commands}");
}

#[test]
fn every_setting_that_the_docs_name_exists() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let settings: BTreeSet<String> =
        defaults.iter().flat_map(|(section, keys)| keys.as_table().unwrap().keys().map(move |key| format!("{section}.{key}"))).collect();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut n_named = 0;
    for page in pages() {
        for piece in pieces(&page) {
            let name = piece.split(" = ").next().unwrap();
            let Some((section, key)) = name.split_once('.') else { continue };
            // Names of files have a dot, too.
            if !defaults.contains_key(section) || !is_word(key) || ["rs", "md", "py", "toml", "sqlite", "end"].contains(&key) {
                continue;
            }
            assert!(settings.contains(name), "{}: {name} is no setting", page.display());
            n_named += 1;
        }
    }
    assert!(n_named > 50, "{n_named}");
}

#[test]
fn the_key_of_the_docs_has_the_hash_that_stands_below_it() {
    let page = read("docs/security.md");
    let key = page.lines().find(|line| line.starts_with("sfk_")).unwrap();
    let hash = page.split("sha256:").nth(1).unwrap().split('"').next().unwrap();
    assert!(KeyHash::parse(&format!("sha256:{hash}")).is_ok_and(|hash| hash == KeyHash::of(key.as_bytes())), "{hash}");
}
