//! Keys in a file of their own: what a secret store mounts, and what can be changed while the server runs.

use std::path::Path;

use serde::Deserialize;

use super::load::explain;
use super::{ConfigError, Key};

/// What such a file holds: `keys = [...]` as in the section `auth`, or a `[[keys]]` for each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    keys: Vec<Key>,
}

/// The keys in a file; an error says where, and never what stands there.
pub fn read_keys(path: &Path) -> Result<Vec<Key>, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let file: Result<KeysFile, _> = toml::from_str(&text);
    let file = file.map_err(|error| ConfigError::File { path: path.to_owned(), message: explain(&text, &error, true) })?;
    super::load::validate_keys(&file.keys).map_err(|message| ConfigError::File { path: path.to_owned(), message })?;
    Ok(file.keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Key>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        std::fs::write(&path, text).unwrap();
        read_keys(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn both_ways_to_write_a_list_are_read() {
        let inline = read("keys = [{ key = \"wax_sk_12345678\", tenant = \"acme\", rights = [\"read\"] }]").unwrap();
        let tables = read("[[keys]]\nkey = \"wax_sk_12345678\"\ntenant = \"acme\"\nrights = [\"read\"]\n").unwrap();
        assert_eq!((inline.len(), &inline), (1, &tables));
    }

    #[test]
    fn an_error_says_where_and_shows_no_key() {
        for (text, says) in [
            ("keys = [\n{ key = \"wax_sk_12345678\", tenannt = \"acme\" }\n]", "line 2"),
            ("keys = [\n{ key = \"wax_sk_12345678\" \n", "line "),
            ("keys = [{ key = 12345678 }]", "line 1"),
            ("keys = [{ tenant = \"acme\" }]", "number 1"),
            ("keys = [{ key = \"wax_sk_12345678\", hash = \"sha256:00\" }]", "number 1"),
            ("keys = [{ key = \"wax_sk\" }]", "number 1"),
            ("wax_sk_12345678", "line 1"),
            ("", "keys"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says) && error.contains("keys.toml") && !error.contains("12345678"), "{text}: {error}");
        }
    }
}
