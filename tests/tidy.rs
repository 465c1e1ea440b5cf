//! The rules of the house that a compiler does not know: layers, sizes, leftovers.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules by layer, lowest first: a module uses strictly lower layers only (the table in `src/lib.rs`).
const LAYERS: [&[&str]; 8] = [
    &["model", "faults", "log_limiter"],
    &["wire", "journal", "bounds", "clock"],
    &["conventions", "fold", "prices"],
    &["index", "tempo"],
    &["store"],
    &["auth", "params", "answered"],
    &["ingest", "api", "ui"],
    &["config", "telemetry", "server", "app", "cli", "demo", "fuzz"],
];
/// The same of what lies in `src/tempo`: a part uses those before it only.
const TEMPO: [&str; 13] =
    ["tls", "query", "options", "drain", "keys", "link", "metrics", "piece", "recover", "stamp", "export", "probe", "fuzz"];
const MAX_LINES: usize = 500;

#[test]
fn a_module_uses_strictly_lower_layers() {
    let mut arrows = Vec::new();
    for (path, text) in sources("src") {
        let Some(from) = module_of(&path) else { continue };
        let from_layer = layer_of(&from).unwrap_or_else(|| panic!("{from} is in no layer: add it to tests/tidy.rs and src/lib.rs"));
        for to in uses(&text) {
            let Some(to_layer) = layer_of(&to) else { panic!("{}: `crate::{to}` is in no layer", path.display()) };
            let is_top = from_layer == LAYERS.len() - 1;
            if to != from && (to_layer > from_layer || to_layer == from_layer && !is_top) {
                arrows.push(format!("{}: {from} (layer {from_layer}) uses {to} (layer {to_layer})", path.display()));
            }
        }
    }
    assert!(arrows.is_empty(), "new arrows:\n{}", arrows.join("\n"));
}

#[test]
fn a_module_of_tempo_uses_only_what_comes_before_it() {
    let mut arrows = Vec::new();
    for (path, text) in sources("src/tempo") {
        let inside = path.strip_prefix("src/tempo").unwrap_or(&path);
        let Some(module) = inside.components().next().map(|first| first.as_os_str().to_string_lossy().replace(".rs", "")) else { continue };
        if module == "mod" {
            continue;
        }
        let from = TEMPO.iter().position(|known| *known == module).unwrap_or_else(|| panic!("src/tempo/{module} is not in tests/tidy.rs"));
        // Beside the modules, `super` is `crate::tempo`.
        let text = if inside.components().count() == 1 { text.replace("super::", "crate::tempo::") } else { text };
        for to in uses(&text.replace("crate::tempo::", "crate::")) {
            if TEMPO.iter().position(|known| *known == to).is_some_and(|to| to > from) {
                arrows.push(format!("{}: {module} uses {to}", path.display()));
            }
        }
    }
    assert!(arrows.is_empty(), "new arrows:\n{}", arrows.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let generated = Path::new("src/wire/format/proto");
    let long: Vec<_> = ["src", "tests", "benches", "fuzz"]
        .into_iter()
        .flat_map(sources)
        .filter(|(path, text)| !path.starts_with(generated) && text.lines().count() > MAX_LINES)
        .map(|(path, text)| format!("{} ({} lines)", path.display(), text.lines().count()))
        .collect();
    assert!(long.is_empty(), "too long, split by noun or verb: {long:?}");
}

#[test]
fn every_module_of_the_library_is_in_the_layer_table_of_lib_rs() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for module in LAYERS.concat() {
        if lib.contains(&format!("pub mod {module};")) {
            assert!(lib.contains(&format!("[`{module}`]")), "{module} is missing from the table in src/lib.rs");
        }
    }
    assert!(!lib.contains("pub use"), "nothing is re-exported in lib.rs");
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["#[ig", "nore"].concat(), ["unimpl", "emented!("].concat()];
    for (path, text) in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} holds {mark}", path.display());
        }
    }
}

#[test]
fn only_the_dto_module_of_the_api_is_serialized() {
    for (path, text) in sources("src/api") {
        let is_dto = path.to_string_lossy().contains("dto");
        assert!(is_dto || !text.contains("derive(Serialize"), "{}: only src/api/dto* derives Serialize", path.display());
    }
}

/// So that a test can read the query plan of every statement (`src/store/local/disk/plans.rs`).
#[test]
fn sql_stands_in_one_place() {
    let database = Path::new("src/store/local/disk");
    let words = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "PRAGMA ", ".prepare(", ".prepare_cached(", "query_row("];
    let statements = ["statements.rs", "schema.rs"].map(|file| database.join(file));
    for (path, text) in sources("src") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let is_allowed = |word: &str| {
            statements.contains(&path)
                || path.ends_with("plans.rs")
                || path.starts_with(database) && !word.ends_with(' ') && word != "DELETE FROM"
        };
        for word in words.into_iter().filter(|word| !is_allowed(word)) {
            assert!(
                !code.iter().any(|line| line.contains(word)),
                "{} holds {word:?}: statements stand in {}",
                path.display(),
                database.display()
            );
        }
    }
}

// === the tree ===

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, with its path from the root.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.push((path.strip_prefix(root()).unwrap_or(&path).to_owned(), text));
            }
        }
    }
    found
}

/// `src/fold/echo.rs` and `src/fold.rs` are `fold`; `lib.rs` and `main.rs` are none.
fn module_of(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.components().next()?.as_os_str().to_string_lossy().into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (name != "lib" && name != "main").then_some(name)
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The modules named after `crate::`, outside comments.
fn uses(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            if at > 0 && line.as_bytes()[at - 1] == b'$' {
                continue;
            }
            let rest = &line[at + "crate::".len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            if end == 0 {
                let names = rest.trim_start_matches('{').split(['{', '}', ',']).map(str::trim);
                found.extend(
                    names
                        .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))
                        .map(|name| name.split("::").next().unwrap_or(name).to_owned()),
                );
            } else {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}
