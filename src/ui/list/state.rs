//! The state of the list, which is the page's address.

use crate::model::query::{SessionQuery, Sort, SortField};
use crate::model::time::{Nanos, UnixNanos};
use crate::params::BadParam;
use crate::params::pairs::{self, Pairs};
use crate::params::sessions::ListParams;

/// Where the list is.
pub(in crate::ui) const PATH: &str = "/sessions";

/// In the order they stand in links. All but `last` and `columns` are the API's.
const NAMES: &[&str] =
    &["search", "session_id", "agent", "user", "status", "bookmarked", "last", "start", "end", "columns", "sort", "limit", "offset"];

/// What narrows the list.
const FILTERS: &[&str] = &["search", "session_id", "agent", "user", "status", "bookmarked", "last", "start", "end"];

/// Ranges that move with the clock: the value of `last`, its words, and its length.
pub(super) const RANGES: [(&str, &str, Nanos); 6] = [
    ("15m", "Last 15 minutes", Nanos::from_secs(15 * 60)),
    ("1h", "Last hour", Nanos::from_secs(3_600)),
    ("6h", "Last 6 hours", Nanos::from_secs(6 * 3_600)),
    ("24h", "Last 24 hours", Nanos::from_secs(24 * 3_600)),
    ("7d", "Last 7 days", Nanos::from_secs(7 * 24 * 3_600)),
    ("30d", "Last 30 days", Nanos::from_secs(30 * 24 * 3_600)),
];

/// The part of an id that an address with no other condition of the list searches for.
pub(in crate::ui) fn searched(query: Option<&str>) -> Result<Option<String>, BadParam> {
    Ok(meant(&Pairs::read(query, &["search"])?, "search"))
}

/// Spaces around a value are not meant.
fn meant(pairs: &Pairs, name: &str) -> Option<String> {
    pairs.get(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The parameters that were given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ListState {
    values: Vec<(&'static str, String)>,
    /// What could not even be read.
    unreadable: Option<BadParam>,
}

// === impl ListState ===

impl ListState {
    /// There is one range of time: one with a start or an end of its own goes before one that moves.
    pub(super) fn read(query: Option<&str>) -> Self {
        match Pairs::read(query, NAMES) {
            Ok(pairs) => {
                let value = |name: &'static str| Some((name, meant(&pairs, name)?));
                let mut values: Vec<(&'static str, String)> = NAMES.iter().copied().filter_map(value).collect();
                if values.iter().any(|(name, _)| matches!(*name, "start" | "end")) {
                    values.retain(|(name, _)| *name != "last");
                }
                Self { values, unreadable: None }
            }
            Err(bad) => Self { values: Vec::new(), unreadable: Some(bad) },
        }
    }

    /// What it asks of the store at this moment.
    pub(super) fn query(&self, now: UnixNanos) -> Result<SessionQuery, BadParam> {
        if let Some(bad) = &self.unreadable {
            return Err(bad.clone());
        }
        let mut query = ListParams::parse(Some(&self.api_query(None)))?.query;
        if let Some(last) = self.get("last") {
            let Some((_, _, length)) = RANGES.into_iter().find(|(value, ..)| *value == last) else {
                return Err(BadParam::new("last", last, "15m, 1h, 6h, 24h, 7d or 30d"));
            };
            (query.start, query.end) = (Some(now.minus(length)), None);
        }
        Ok(query)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(held, _)| *held == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn sort(&self) -> Sort {
        self.query(UnixNanos::ZERO).map_or(SessionQuery::default().sort, |query| query.sort)
    }

    pub(super) fn is_filtered(&self) -> bool {
        FILTERS.iter().any(|name| self.get(name).is_some())
    }

    /// The path of the list with one parameter changed; it begins at the first page unless that is what changes.
    pub(super) fn with(&self, name: &'static str, value: Option<&str>) -> String {
        self.with_all(&[(name, value)])
    }

    /// The same with several changed.
    pub(super) fn with_all(&self, changes: &[(&'static str, Option<&str>)]) -> String {
        let mut query = String::new();
        for known in NAMES.iter().copied() {
            let value = match changes.iter().find(|(name, _)| *name == known) {
                Some((_, value)) => *value,
                None if known == "offset" => None,
                None => self.get(known),
            };
            if let Some(value) = value {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.extend([known, "=", &pairs::encode(value)]);
            }
        }
        format!("{PATH}{query}")
    }

    /// The list without any filter, in the same order.
    pub(super) fn unfiltered(&self) -> String {
        let kept = Self { values: self.values.iter().filter(|(name, _)| !FILTERS.contains(name)).cloned().collect(), unreadable: None };
        kept.with("offset", None)
    }

    /// What a form keeps that chooses the columns anew.
    pub(super) fn without_columns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().filter(|(name, _)| !matches!(*name, "columns" | "offset")).map(|(name, value)| (*name, value.as_str()))
    }

    /// The parameters that the API has, too. It does not know `last`: `start` then stands for it.
    pub(super) fn for_api<'a>(&'a self, start: Option<&'a str>) -> impl Iterator<Item = (&'static str, &'a str)> {
        let start = start.filter(|_| self.get("last").is_some()).map(|start| ("start", start));
        let values = self.values.iter().filter(|(name, _)| !matches!(*name, "last" | "columns"));
        values.map(|(name, value)| (*name, value.as_str())).chain(start)
    }

    /// The same as a query string, without `?`.
    pub(super) fn api_query(&self, start: Option<&str>) -> String {
        self.for_api(start).map(|(name, value)| format!("{name}={}", pairs::encode(value))).collect::<Vec<_>>().join("&")
    }

    /// The value of `sort` for a click on a column: the other way round where it is sorted by already; else what is wanted first,
    /// which is the most or the newest, and for names the alphabet.
    pub(super) fn next_sort(&self, field: SortField) -> String {
        let now = self.sort();
        let descending = if now.field == field { !now.descending } else { field != SortField::SessionId };
        format!("{}{}", if descending { "-" } else { "" }, field.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_every_filter_and_begin_at_the_first_page() {
        let state = ListState::read(Some("offset=50&search=a%2Fb+c&sort=-total_cost&agent=&x=y"));
        assert_eq!(state.with("status", Some("error")), "/sessions?search=a%2Fb%20c&status=error&sort=-total_cost");
        assert_eq!(state.with("offset", Some("75")), "/sessions?search=a%2Fb%20c&sort=-total_cost&offset=75");
        assert_eq!(state.unfiltered(), "/sessions?sort=-total_cost");
        assert_eq!(ListState::read(None).with("sort", None), "/sessions");
    }

    #[test]
    fn a_search_is_the_same_with_and_without_the_rest_of_the_list() {
        for query in ["search=+a%2FB+", "search=", "search=+", "", "search=a&search=b", "search=%FF"] {
            let alone = searched(Some(query));
            assert_eq!(alone, ListState::read(Some(query)).query(UnixNanos::ZERO).map(|query| query.search), "{query}");
        }
        assert_eq!(searched(Some("a=x&search=+a%2FB+")), Ok(Some("a/B".to_owned())));
    }

    #[test]
    fn there_is_one_range_of_time_and_one_of_ones_own_goes_first() {
        let state = ListState::read(Some("last=1h&columns=cost&end="));
        let query = state.query(UnixNanos(7_200_000_000_000)).unwrap();
        assert_eq!((query.start, query.end), (Some(UnixNanos(3_600_000_000_000)), None));
        assert_eq!(state.api_query(Some("1970-01-01T01:00:00Z")), "start=1970-01-01T01%3A00%3A00Z");
        let state = ListState::read(Some("last=1h&start=1970-01-01T00:00:07Z"));
        let query = state.query(UnixNanos(7_200_000_000_000)).unwrap();
        assert_eq!((query.start, query.end), (Some(UnixNanos(7_000_000_000)), None));
        assert_eq!(state.with("offset", None), "/sessions?start=1970-01-01T00%3A00%3A07Z");
        assert_eq!(state.with_all(&[("last", Some("1h")), ("start", None)]), "/sessions?last=1h");
    }

    #[test]
    fn bad_values_are_named() {
        for (query, parameter) in [("last=2h", "last"), ("sort=cost", "sort"), ("start=yesterday", "start"), ("search=%FF", "search")] {
            assert_eq!(ListState::read(Some(query)).query(UnixNanos::ZERO).unwrap_err().parameter, parameter);
        }
    }

    #[test]
    fn a_second_click_on_a_column_turns_it_round() {
        let next = |query: &str, field| ListState::read(Some(query)).next_sort(field);
        assert_eq!(next("", SortField::LastActivity), "last_activity");
        assert_eq!(next("", SortField::TotalCost), "-total_cost");
        assert_eq!(next("sort=-total_cost", SortField::TotalCost), "total_cost");
        assert_eq!(next("", SortField::SessionId), "session_id");
        assert_eq!(next("sort=session_id", SortField::SessionId), "-session_id");
    }
}
