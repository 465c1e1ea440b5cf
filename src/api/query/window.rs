//! The parameters of the query plane: a window of time, and words to filter by.

use crate::clock::now;
use crate::model::time::{Nanos, UnixNanos};
use crate::params::pairs::Pairs;

const KNOWN: &[&str] =
    &["hours", "period", "limit", "offset", "session_id", "trace_id", "user_id", "agent_name", "agent", "name", "status"];
const HOURS_DEFAULT: u64 = 24;
/// Ten years: longer than anything is kept.
const HOURS_MAX: u64 = 10 * 365 * 24;

/// What a request of the query plane asks for.
pub(super) struct Asked {
    pub(super) hours: u64,
    pairs: Option<Pairs>,
}

// === impl Asked ===

impl Asked {
    pub(super) fn of(query: Option<&str>) -> Self {
        // A value that is not UTF-8 is as good as none.
        let pairs = Pairs::read(query, KNOWN).ok();
        let get = |name: &str| pairs.as_ref().and_then(|pairs| pairs.get(name));
        let hours = get("hours").and_then(|hours| hours.parse::<i64>().ok()).map(|hours| hours.max(1).unsigned_abs());
        let hours = hours.or_else(|| get("period").and_then(period)).unwrap_or(HOURS_DEFAULT).min(HOURS_MAX);
        Self { hours, pairs }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.as_ref()?.get(name)
    }

    /// At least one.
    pub(super) fn limit(&self, default: usize, max: usize) -> usize {
        let limit = self.get("limit").and_then(|limit| limit.parse::<i64>().ok());
        limit.map_or(default, |limit| usize::try_from(limit.max(1)).unwrap_or(max).min(max))
    }

    /// From zero.
    pub(super) fn offset(&self) -> usize {
        self.get("offset").and_then(|offset| offset.parse().ok()).unwrap_or(0)
    }

    pub(super) fn start(&self) -> UnixNanos {
        now().minus(Nanos::from_secs(self.hours * 3_600))
    }
}

/// `1h`, `24h`, `7d`, `30d`.
fn period(text: &str) -> Option<u64> {
    let (number, hours) = match text.as_bytes().last()? {
        b'h' => (&text[..text.len() - 1], 1),
        b'd' => (&text[..text.len() - 1], 24),
        b'w' => (&text[..text.len() - 1], 7 * 24),
        _ => return None,
    };
    number.parse::<u64>().ok().map(|number| number.saturating_mul(hours).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_typed_is_a_window() {
        for (query, hours) in [
            ("", 24),
            ("hours=1", 1),
            ("hours=0", 1),
            ("hours=-5", 1),
            ("hours=soon", 24),
            ("hours=99999999999", 87_600),
            ("period=7d", 168),
            ("period=1h", 1),
            ("period=0d", 1),
            ("period=d", 24),
            ("period=é", 24),
            ("hours=%FF", 24),
        ] {
            assert_eq!(Asked::of(Some(query)).hours, hours, "{query}");
        }
        for (query, limit) in [("", 10), ("limit=0", 1), ("limit=-1", 1), ("limit=50", 50), ("limit=5000", 100), ("limit=x", 10)] {
            assert_eq!(Asked::of(Some(query)).limit(10, 100), limit, "{query}");
        }
    }
}
