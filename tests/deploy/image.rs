//! `config/Dockerfile` and `.dockerignore`.

use super::{files, read, root};

/// The instructions of the last stage, comments left out, continued lines joined.
fn final_stage() -> Vec<String> {
    let text = read("config/Dockerfile").replace("\\\n", " ");
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    let last = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    lines[last..].to_vec()
}

fn instruction(name: &str) -> String {
    let found = final_stage().into_iter().find(|line| line.starts_with(name));
    found.unwrap_or_else(|| panic!("the image has no {name}"))
}

#[test]
fn the_image_has_no_shell_no_root_and_owns_its_data() {
    assert!(instruction("FROM ").contains("distroless"));
    let user = instruction("USER ").replace("USER ", "");
    assert!(!user.starts_with('0') && !user.starts_with("root"));
    let data = instruction("COPY --from=build --chown=");
    assert!(data.contains(&format!("--chown={user} ")) && data.ends_with(" /data"), "{data}");
    assert!(instruction("ENV ").contains("SESSIONFOLD_DATA_DIR=/data"));
    for line in final_stage().iter().filter(|line| line.starts_with("ENTRYPOINT") || line.starts_with("HEALTHCHECK")) {
        assert!(line.contains("[\"/usr/local/bin/sessionfold\""), "needs a shell: {line}");
    }
}

#[test]
fn the_image_does_not_listen_publicly_without_keys_by_itself() {
    assert!(!read("config/Dockerfile").lines().any(|line| !line.starts_with('#') && line.contains("ALLOW_ANONYMOUS")));
}

#[test]
fn every_setting_of_the_image_exists() {
    let environment: Vec<(String, String)> = instruction("ENV ")
        .trim_start_matches("ENV ")
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(environment.len(), 4);
    assert_eq!(sessionfold::config::unknown_environment(&environment), []);
}

#[test]
fn the_image_is_built_with_the_toolchain_of_this_repository() {
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let image = read("config/Dockerfile").lines().find_map(|line| line.strip_prefix("FROM rust:").map(str::to_owned)).unwrap();
    let (version, variant) = image.split_once('-').unwrap();
    assert!(channel.starts_with(version), "the image has Rust {version}, the repository {channel}");
    assert!(variant.starts_with("slim-bookworm"), "distroless cc-debian12 has the glibc of bookworm");
}

#[test]
fn the_builder_gets_every_file_that_the_build_reads() {
    let ignore = read(".dockerignore");
    let allowed: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let is_sent = |path: &str| allowed.iter().any(|allowed| path == *allowed || path.starts_with(&format!("{allowed}/")));
    for path in ["Cargo.toml", "Cargo.lock", "src/main.rs", "src/lib.rs"] {
        assert!(is_sent(path), "{path}");
    }
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    for kind in ["test", "bench", "example"] {
        for target in manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten() {
            let name = target["name"].as_str().unwrap();
            let path = target.get("path").and_then(toml::Value::as_str).map_or_else(|| format!("{kind}es/{name}.rs"), str::to_owned);
            assert!(is_sent(&path), "cargo looks for {path} of the {kind} {name}");
        }
    }
    for file in files("src", "rs") {
        let text = read(file.to_str().unwrap());
        for included in text.split("include_str!(\"").skip(1).chain(text.split("include_bytes!(\"").skip(1)) {
            let path = root().join(&file).parent().unwrap().join(included.split('"').next().unwrap()).canonicalize().unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let is_for_tests = path.starts_with("tests/") || file.to_str().unwrap().contains("tests");
            assert!(is_for_tests || is_sent(&path), "{} includes {path}", file.display());
        }
    }
}

#[test]
fn the_licences_that_ci_allows_are_those_of_deny_toml() {
    let deny: toml::Table = read("deny.toml").parse().unwrap();
    let mut allowed: Vec<&str> = deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let script = read(".ci/licences.py");
    let list = script.split("ALLOWED = {").nth(1).unwrap().split('}').next().unwrap();
    let mut by_script: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    allowed.sort_unstable();
    by_script.sort_unstable();
    assert_eq!(allowed, by_script);
}
