//! JSON that is no request of traces, although it was sent as one: what it is instead, told by the names of its members.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

/// What a body is that holds no `resourceSpans`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misplaced {
    /// What Tempo answers when it is asked for a trace.
    TempoTrace,
    Logs,
    Metrics,
    Profiles,
    /// Some other object; the names of its first members, cut.
    Unknown(Vec<String>),
}

/// Names of an unknown object that are repeated to its sender, and how much of each.
const NAMES_MAX: usize = 3;
const NAME_MAX_CHARS: usize = 40;

/// What `json` is, which was read as a request of traces and held none; `None` where it says that it holds none.
pub fn misplaced(json: &[u8]) -> Option<Misplaced> {
    let names = serde_json::Deserializer::from_slice(json).deserialize_map(Names).ok()?;
    if names.is_empty() || names.iter().any(|name| ["resourceSpans", "resource_spans"].contains(&name.as_str())) {
        return None;
    }
    let known = names.iter().find_map(|name| match name.as_str() {
        // Inside `trace` since the second version of its API.
        "batches" | "trace" => Some(Misplaced::TempoTrace),
        "resourceLogs" | "resource_logs" => Some(Misplaced::Logs),
        "resourceMetrics" | "resource_metrics" => Some(Misplaced::Metrics),
        "resourceProfiles" | "resource_profiles" => Some(Misplaced::Profiles),
        _ => None,
    });
    Some(known.unwrap_or(Misplaced::Unknown(names)))
}

/// Reads the names of an object's members and passes by the values.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Vec<String>, A::Error> {
        let mut names: Vec<String> = Vec::new();
        while let Some((name, IgnoredAny)) = object.next_entry::<std::borrow::Cow<'de, str>, IgnoredAny>()? {
            if names.len() < NAMES_MAX {
                names.push(name.chars().take(NAME_MAX_CHARS).collect());
            }
        }
        Ok(names)
    }
}

// === impl Misplaced ===

impl Misplaced {
    /// A label for metrics and log lines.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TempoTrace => "tempo_trace",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Profiles => "profiles",
            Self::Unknown(_) => "no_spans",
        }
    }
}

impl fmt::Display for Misplaced {
    /// What it is and where it belongs, for its sender.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TempoTrace => f.write_str(
                "nothing was stored: `batches` is what Tempo answers when it is asked for a trace. As OTLP the same list is called `resourceSpans`, and ids are hexadecimal there, not base64",
            ),
            Self::Logs => f.write_str("nothing was stored: these are logs (`resourceLogs`), which belong to /v1/logs, where those of coding agents are taken"),
            Self::Metrics => {
                f.write_str("nothing was stored: these are metrics (`resourceMetrics`), which belong to /v1/metrics, and sessionfold stores none")
            }
            Self::Profiles => f.write_str("nothing was stored: these are profiles (`resourceProfiles`), and sessionfold stores none"),
            Self::Unknown(names) => {
                write!(f, "nothing was stored: OTLP/JSON holds its traces in `resourceSpans`, and this object has {names:?} instead")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_of_an_object_tell_what_it_is() {
        for (json, expect) in [
            (r#"{}"#, None),
            (r#"{"resourceSpans":[]}"#, None),
            (r#"{"resource_spans":null,"x":1}"#, None),
            (r#"[]"#, None),
            (r#"{"batches":"#, None),
            (r#"{"batches":[{"scopeSpans":[]}]}"#, Some("tempo_trace")),
            (r#"{"trace":{"resourceSpans":[]}}"#, Some("tempo_trace")),
            (r#"{"resourceLogs":[]}"#, Some("logs")),
            (r#"{"x":1,"resource_metrics":[]}"#, Some("metrics")),
            (r#"{"resourceProfiles":[]}"#, Some("profiles")),
            (r#"{"data":[{"traceID":"1"}]}"#, Some("no_spans")),
        ] {
            assert_eq!(misplaced(json.as_bytes()).as_ref().map(Misplaced::as_str), expect, "{json}");
        }
        let long = format!(r#"{{"{}":1,"b":2,"c":3,"d":4}}"#, "é".repeat(100));
        let told = misplaced(long.as_bytes()).map(|what| what.to_string()).unwrap_or_default();
        assert!(told.contains(r#""b", "c"] instead"#) && told.len() < 250, "{told}");
    }
}
