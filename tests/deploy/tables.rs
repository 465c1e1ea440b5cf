//! The tables of the docs are what the program has.

use std::collections::{BTreeMap, BTreeSet};

use sessionfold::api;
use sessionfold::config::Config;
use sessionfold::model::query::SortField;

use super::{files, read, sessionfold, table, yaml};

const CONFIGURATION: &str = "docs/configuration.md";
const API: &str = "docs/api.md";

#[test]
fn the_table_of_flags_is_what_help_says() {
    let help = sessionfold(&["--help"]);
    let words: Vec<&str> = help.split_whitespace().collect();
    let rows = table(CONFIGURATION, "flags");
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
        assert!(documented.contains(&flag), "{CONFIGURATION} lacks {flag}");
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
    let shown: BTreeMap<String, String> =
        table(CONFIGURATION, "settings").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(shown, expected);
}

#[test]
fn every_message_in_the_table_of_the_log_is_logged() {
    let sources: String = files("src", "rs").iter().map(|file| read(file.to_str().unwrap())).collect();
    let rows = table("docs/operating.md", "log");
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

#[test]
fn the_table_of_commands_is_what_help_says() {
    let help = sessionfold(&["--help"]);
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    let rows = table(CONFIGURATION, "commands");
    let documented: BTreeSet<&str> = rows.iter().map(|row| row[0].trim_start_matches("sessionfold ")).collect();
    assert_eq!(documented, commands);
}

/// A path that ends in `...` stands for all that begin so; what is posted goes to doors that have no table of routes.
#[test]
fn the_table_of_routes_is_what_the_router_has() {
    let rows = table(API, "routes");
    let documented: Vec<(&str, &str)> =
        rows.iter().flat_map(|row| row[0].split("`, `")).map(|cell| cell.split_once(' ').unwrap()).collect();
    let is_told = |method: &str, path: &str| {
        documented.iter().any(|(told, of)| *told == method && of.strip_suffix("...").map_or(*of == path, |prefix| path.starts_with(prefix)))
    };
    let methods =
        |route: &'static api::Route| route.allow.split(", ").filter(|method| *method != "HEAD").map(|method| (method, route.path));
    for (method, path) in api::ROUTES.iter().flat_map(methods) {
        assert!(is_told(method, path), "{API} lacks {method} {path}");
    }
    for (method, path) in documented.iter().filter(|(method, _)| *method != "POST") {
        let path = path.trim_end_matches("...");
        let is_there =
            api::ROUTES.iter().any(|route| route.path.starts_with(path) && route.allow.split(", ").any(|allowed| allowed == *method));
        assert!(is_there, "{API} has {method} {path}, which no route serves");
    }
}

#[test]
fn the_table_of_parameters_is_that_of_the_description() {
    let described = &yaml("docs/openapi.yaml")["paths"]["/api/v1/observability/sessions/"]["get"]["parameters"];
    // Those that several routes have are only referred to there.
    let name = |parameter: &serde_json::Value| match parameter["name"].as_str() {
        Some(name) => name.to_owned(),
        None => parameter["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_lowercase(),
    };
    let described: BTreeSet<String> = described.as_array().unwrap().iter().map(name).collect();
    let rows = table(API, "parameters");
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| row[0].split("`, `")).map(str::to_owned).collect();
    assert_eq!(documented, described);
    let sorts = read(API).lines().find(|line| line.starts_with("Sorts: ")).unwrap().to_owned();
    let sorts: Vec<&str> = sorts.split('`').skip(1).step_by(2).filter(|sort| *sort != "-").collect();
    assert_eq!(sorts, SortField::ALL.map(SortField::as_str));
}
