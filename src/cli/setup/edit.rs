//! A change of a settings file as text: what both formats have in common.

use super::agents::{Agent, Format};
use super::wishes::Wish;
use super::{json, toml};

/// Why a file is left as it is. No text of the file is in the message: it may hold secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum EditError {
    #[error("line {line}, column {column}: {message}; fix it first")]
    Broken { line: usize, column: usize, message: String },
    #[error("{0} is not {1}, which is what belongs there; fix it first")]
    Shape(String, &'static str),
    #[error("{0:?} stands there twice, and programs differ in which one they take; remove one first")]
    Twice(String),
    #[error("it cannot be changed without losing something of it: put the lines in by hand")]
    Lossy,
}

/// Some editors put it before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a settings file of this agent with every wish in it; all else is as it was.
pub(super) fn edit(agent: &Agent, format: Format, text: &str, wishes: &[Wish]) -> Result<String, EditError> {
    let bare = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let edited = match format {
        Format::Json => json::edit(bare, wishes)?,
        Format::Toml => toml::edit(bare, wishes, agent.alternatives)?,
    };
    Ok(if bare.len() < text.len() { format!("{BYTE_ORDER_MARK}{edited}") } else { edited })
}

/// The setting at `path`: a string as it is meant, all else as it is written.
pub(super) fn value(format: Format, text: &str, path: &[&str]) -> Option<String> {
    let bare = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    match format {
        Format::Json => json::value(bare, path),
        Format::Toml => toml::value(bare, path),
    }
}

/// Whether the setting at `path` is there, and does not say no.
pub(super) fn is_on(format: Format, text: &str, path: &[&str]) -> bool {
    value(format, text, path).is_some_and(|value| !["", "0", "false", "null", "none"].contains(&value.trim().to_ascii_lowercase().as_str()))
}

/// Keys as people write them.
pub(super) fn dotted(path: &[&str]) -> String {
    path.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_on_unless_it_says_no() {
        for (value, expected) in [("\"1\"", true), ("true", true), ("\"0\"", false), ("false", false), ("\"\"", false), ("\"none\"", false)]
        {
            assert_eq!(is_on(Format::Json, &format!("\u{feff}{{\"env\": {{\"A\": {value}}}}}"), &["env", "A"]), expected, "{value}");
            assert_eq!(is_on(Format::Toml, &format!("[env]\nA = {value} # said\n"), &["env", "A"]), expected, "{value}");
        }
        for text in ["", "{}", "{", "env = 1"] {
            assert!(!is_on(Format::Json, text, &["env", "A"]) && !is_on(Format::Toml, text, &["env", "A"]), "{text}");
        }
    }
}
