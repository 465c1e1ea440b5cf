//! The parameters of the list of tools, and of one tool: a window of time, of whose calls, and in which order.

use super::BadParam;
use super::overview::Window;
use super::pairs::Pairs;
use crate::model::Str;
use crate::model::query::ToolSort;
use crate::model::time::UnixNanos;
use crate::store::series::SeriesQuery;

/// In the order they stand in links.
pub const KNOWN: &[&str] = &["search", "agent", "last", "since", "until", "sort", "limit", "offset"];

/// The window of an address that names none: as long as sessions are kept, unless that was changed.
pub const RANGE_DEFAULT: &str = "30d";

/// Tools on a page.
const LIMIT_DEFAULT: u64 = 50;
const LIMIT_MAX: u64 = 1_000;

/// What a request for tools asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolsParams {
    window: Window,
    /// Calls of exactly this agent.
    pub agent: Option<Str>,
    /// Substring of the tool's name, in small letters.
    pub search: Option<String>,
    pub sort: ToolSort,
    pub descending: bool,
    pub limit: u64,
    pub offset: u64,
    pub pairs: Pairs,
}

// === impl ToolsParams ===

impl ToolsParams {
    /// Reads the part of the address after `?`. `last` goes before `since` and `until`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, KNOWN)?;
        let (sort, descending) = pairs.get("sort").map(sort).transpose()?.unwrap_or((ToolSort::TotalDuration, true));
        let limit = super::limit(&pairs, "a whole number from 1; more than 1000 counts as 1000")?;
        Ok(Self {
            window: Window::read(&pairs, RANGE_DEFAULT)?,
            agent: pairs.get("agent").map(Str::from),
            search: pairs.get("search").map(str::to_ascii_lowercase),
            sort,
            descending,
            limit: limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX),
            offset: super::offset(&pairs)?,
            pairs,
        })
    }

    /// What it asks of the store at this moment, of all tools or of one.
    pub fn query(&self, now: UnixNanos, tool: Option<Str>) -> SeriesQuery {
        SeriesQuery { agent: self.agent.clone(), tool, ..self.window.query(now) }
    }
}

fn sort(text: &str) -> Result<(ToolSort, bool), BadParam> {
    let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
    let found = ToolSort::ALL.into_iter().find(|sort| sort.as_str() == name);
    found.map(|sort| (sort, descending)).ok_or_else(|| {
        let names = ToolSort::ALL.map(ToolSort::as_str).join(", ");
        BadParam::new("sort", text, &format!("one of {names}, each with a leading - for descending order"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Nanos;

    #[test]
    fn a_list_of_tools_is_of_a_month_and_begins_with_what_took_most_time() {
        let read = |query| ToolsParams::parse(Some(query)).unwrap();
        let plain = read("");
        assert_eq!((plain.sort, plain.descending, plain.limit, plain.offset), (ToolSort::TotalDuration, true, 50, 0));
        let now = UnixNanos(1_770_458_400_000_000_000);
        assert_eq!(plain.query(now, None).since, now.minus(Nanos::from_secs(30 * 86_400)));
        let asked = read("sort=error_rate&search=Web&agent=a+b&last=1h&limit=5000&offset=3");
        assert_eq!((asked.sort, asked.descending, asked.limit, asked.offset), (ToolSort::ErrorRate, false, 1_000, 3));
        assert_eq!(asked.search.as_deref(), Some("web"));
        let query = asked.query(now, Some("t".into()));
        assert_eq!(
            (query.agent.as_deref(), query.tool.as_deref(), query.since),
            (Some("a b"), Some("t"), now.minus(Nanos::from_secs(3_600)))
        );
        for bad in ["sort=cost", "sort=-", "last=2h", "limit=0", "offset=-1", "since=2026-01-02&until=2026-01-01"] {
            assert!(ToolsParams::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
