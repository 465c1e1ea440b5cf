//! README's tables are what the program has.

use std::collections::BTreeMap;
use std::process::Command;

use sessionfold::config::Config;

use super::{files, read};

/// The cells of a table between two comments of README, head and rule left out, code marks taken off.
fn table(name: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let from = readme.split(&format!("<!-- {name}: begin")).nth(1).unwrap();
    let table = from.split(&format!("<!-- {name}: end -->")).next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
    rows.map(cells).collect()
}

/// What the binary prints; a variable of the caller's environment must not change it.
fn sessionfold(argument: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionfold"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SESSIONFOLD_")) {
        command.env_remove(name);
    }
    let output = command.arg(argument).env("COLUMNS", "1000").output().unwrap();
    assert!(output.status.success(), "{argument}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_table_of_flags_is_what_help_says() {
    let help = sessionfold("--help");
    let words: Vec<&str> = help.split_whitespace().collect();
    let rows = table("flags");
    for row in &rows {
        let [flag, variable, default, _] = &row[..] else { panic!("{row:?}") };
        let name = flag.split(' ').next().unwrap();
        assert!(words.contains(&name), "{name} is no flag");
        assert!(help.contains(&format!("{variable}=")), "{variable} is no variable of a flag");
        if let [value] = default.split(' ').collect::<Vec<_>>()[..]
            && !["none", "false"].contains(&value)
        {
            assert!(help.contains(&format!("[default: {value}]")), "{name}: {value} is not the default");
        }
    }
    let documented: Vec<&str> = rows.iter().map(|row| row[0].split(' ').next().unwrap()).collect();
    let of_everyone = ["--help", "--version", "--print-config"];
    let of_the_server = help.split("Options:").nth(1).and_then(|rest| rest.split("Examples:").next()).unwrap().split_whitespace();
    for flag in of_the_server.filter(|word| word.starts_with("--") && !of_everyone.contains(word)) {
        assert!(documented.contains(&flag), "README's table lacks {flag}");
    }
}

#[test]
fn the_table_of_settings_is_every_key_with_its_default() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let mut expected = BTreeMap::new();
    for (section, keys) in &defaults {
        for (key, value) in keys.as_table().unwrap() {
            expected.insert(format!("{section}.{key}"), value.to_string());
        }
    }
    let shown: BTreeMap<String, String> = table("settings").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(shown, expected);
}

#[test]
fn every_message_in_the_table_of_the_log_is_logged() {
    let sources: String = files("src", "rs").iter().map(|file| read(file.to_str().unwrap())).collect();
    let rows = table("log");
    assert!(rows.len() > 10);
    for row in rows {
        assert!(sources.contains(&row[1]), "nothing logs {:?}", row[1]);
        let at = sources.find(&row[1]).unwrap();
        let level = if row[0] == "WARN" { "warn!(" } else { "error!(" };
        let before = &sources[..at];
        let call = before.rfind("tracing::").unwrap();
        assert!(before[call..].starts_with(&format!("tracing::{level}")), "{:?} is not logged as {}", row[1], row[0]);
    }
}
