//! The state of the overview, which is the page's address.

use crate::model::time::UnixNanos;
use crate::params::BadParam;
use crate::params::format;
use crate::params::overview::{KNOWN, OverviewParams, RANGE_DEFAULT};
use crate::params::pairs::{self, Pairs};

pub(in crate::ui) const PATH: &str = "/overview";

/// What narrows the overview to some runs, and its words.
pub(super) const NARROWINGS: [(&str, &str); 3] = [("agent", "Agent"), ("model", "Model"), ("user", "User")];

/// The parameters that were given, all of them the API's.
pub(super) struct OverviewState {
    pairs: Option<Pairs>,
    pub(super) params: Result<OverviewParams, BadParam>,
}

// === impl OverviewState ===

impl OverviewState {
    pub(super) fn read(query: Option<&str>) -> Self {
        Self { pairs: Pairs::read(query, KNOWN).ok(), params: OverviewParams::parse(query) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.as_ref()?.get(name)
    }

    /// The value of `last` that holds, if the window is not an own one.
    pub(super) fn last(&self) -> Option<&str> {
        let has_own = self.get("since").is_some() || self.get("until").is_some();
        self.get("last").or((!has_own).then_some(RANGE_DEFAULT))
    }

    /// The overview with some parameters changed; `None` takes one away.
    pub(super) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = String::new();
        for known in KNOWN {
            let change = changes.iter().find(|(name, _)| name == known);
            if let Some(value) = change.map_or_else(|| self.get(known), |(_, value)| *value) {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.extend([known, "=", &pairs::encode(value)]);
            }
        }
        format!("{PATH}{query}")
    }

    /// The same of a part of its time.
    pub(super) fn between(&self, since: UnixNanos, until: UnixNanos) -> String {
        let (since, until) = (format::timestamp(since), format::timestamp(until));
        self.with(&[("last", None), ("since", Some(&since)), ("until", Some(&until)), ("step", None)])
    }

    /// The same answer from the API.
    pub(super) fn api(&self) -> String {
        format!("/api/v1/observability{}", self.with(&[]).replacen(PATH, "/overview/", 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_else_is_in_the_address() {
        let state = OverviewState::read(Some("last=7d&agent=a+b&x=1&user="));
        assert_eq!(state.with(&[("model", Some("m/1"))]), "/overview?last=7d&agent=a%20b&model=m%2F1");
        assert_eq!(state.with(&[("agent", None)]), "/overview?last=7d");
        let part = "/overview?since=1970-01-01T00%3A00%3A00Z&until=1970-01-01T00%3A00%3A01Z&agent=a%20b";
        assert_eq!(state.between(UnixNanos(0), UnixNanos(1_000_000_000)), part);
        assert_eq!(state.api(), "/api/v1/observability/overview/?last=7d&agent=a%20b");
        assert_eq!(state.last(), Some("7d"));
        assert_eq!(OverviewState::read(None).last(), Some("24h"));
        assert_eq!(OverviewState::read(Some("since=2026-01-01")).last(), None);
    }
}
