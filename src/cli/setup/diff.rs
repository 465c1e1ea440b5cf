//! What would change in a settings file, as a person reads it, without the secrets that stand there.

use similar::TextDiff;

use super::agents::Format;
use super::wishes::{KEY_HEADER, KEY_PLACEHOLDER};
use super::{json, toml};

/// Parts of the names of settings whose values are nobody's business.
const SECRET: [&str; 8] = ["key", "token", "secret", "passw", "auth", "header", "credential", "cookie"];
const HIDDEN: &str = "<hidden>";
/// Lines around a change.
const CONTEXT: usize = 3;

/// A unified diff; empty where nothing that is shown differs.
pub(super) fn diff(format: Format, name: &str, before: &str, after: &str) -> String {
    let shown = |text: &str| match format {
        Format::Json => json::hide(text, &hide),
        Format::Toml => toml::hide(text, &hide),
    };
    let (before, after) = (shown(before), shown(after));
    TextDiff::from_lines(&before, &after).unified_diff().context_radius(CONTEXT).header(name, name).to_string()
}

/// What to show of a string; `None` is the string itself.
fn hide(path: &[String], value: &str) -> Option<String> {
    let ours = format!("{KEY_HEADER}={KEY_PLACEHOLDER}");
    if value == ours || value == KEY_PLACEHOLDER {
        return None;
    }
    let is_secret = path.iter().any(|key| SECRET.iter().any(|part| key.to_ascii_lowercase().contains(part))) && !is_plain(value);
    match value.strip_suffix(&ours) {
        Some(_) if is_secret => Some(format!("{HIDDEN},{ours}")),
        _ => (is_secret || has_password(value)).then(|| HIDDEN.to_owned()),
    }
}

/// What no secret looks like.
fn is_plain(value: &str) -> bool {
    matches!(value, "" | "0" | "1" | "true" | "false" | "none")
}

/// An address that can be shown.
pub(super) fn without_password(address: &str) -> &str {
    if has_password(address) { HIDDEN } else { address }
}

/// `https://user:password@host`.
fn has_password(value: &str) -> bool {
    value.split_once("://").is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_beside_a_change_is_not_shown() {
        let before =
            "{\n  \"env\": {\n    \"ANTHROPIC_API_KEY\": \"sk-1\",\n    \"OTEL_EXPORTER_OTLP_HEADERS\": \"authorization=sk-2\"\n  }\n}\n";
        let after = before.replace("sk-2\"", "sk-2,x-wax-key=YOUR_KEY\",\n    \"A\": \"1\"");
        let said = diff(Format::Json, "settings.json", before, &after);
        assert!(!said.contains("sk-"), "{said}");
        assert!(said.contains("-    \"OTEL_EXPORTER_OTLP_HEADERS\": \"<hidden>\"\n"), "{said}");
        assert!(said.contains("+    \"OTEL_EXPORTER_OTLP_HEADERS\": \"<hidden>,x-wax-key=YOUR_KEY\",\n"), "{said}");
        assert!(said.contains("     \"ANTHROPIC_API_KEY\": \"<hidden>\",\n"), "{said}");

        let before = "[mcp_servers.a.env]\nGITHUB_TOKEN = \"sk-1\" # mine\n[[list]]\nurl = \"https://me:sk-2@host/\"\n";
        let said = diff(Format::Toml, "config.toml", before, &format!("{before}[otel]\na = 1\n"));
        assert!(!said.contains("sk-") && said.contains("GITHUB_TOKEN = \"<hidden>\" # mine\n"), "{said}");
        assert!(said.contains("+[otel]\n+a = 1\n"), "{said}");
    }

    #[test]
    fn what_is_replaced_is_shown() {
        let before = "[otel]\nexporter = \"none\"\n";
        let said = diff(Format::Toml, "config.toml", before, &before.replace("\"none\"", "{ otlp-http = { endpoint = \"http://a:1\" } }"));
        assert!(said.contains("-exporter = \"none\"\n+exporter = { otlp-http = { endpoint = \"http://a:1\" } }\n"), "{said}");
    }
}
