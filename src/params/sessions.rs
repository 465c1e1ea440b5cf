//! The parameters of the sessions list.

use super::include::{Include, Includes};
use super::pairs::Pairs;
use super::{BadParam, instant};
use crate::model::ids::{SESSION_ID_MAX_BYTES, SessionId};
use crate::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use crate::model::time::UnixNanos;

/// The largest page; a larger `limit` is clamped to it.
pub const LIMIT_MAX: u64 = 100;

const KNOWN: &[&str] =
    &["search", "session_id", "agent", "user", "start", "end", "status", "bookmarked", "sort", "include", "format", "limit", "offset"];

/// What a line of the list can be asked to add.
const AVAILABLE: &[Include] =
    &[Include::Usage, Include::Users, Include::Errors, Include::Scores, Include::Links, Include::Note, Include::Question];

/// What a list request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListParams {
    pub query: SessionQuery,
    pub include: Includes,
    pub format: ListFormat,
    /// For the links to other pages, and for what was ignored.
    pub pairs: Pairs,
}

/// How a list is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ListFormat {
    /// One page, with the count.
    #[default]
    Json,
    /// All that fits, a line of JSON each.
    Ndjson,
}

// === impl ListParams ===

impl ListParams {
    /// Reads the part of the address after `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let mut pairs = Pairs::read(query, KNOWN)?;
        let defaults = SessionQuery::default();
        let query = SessionQuery {
            search: pairs.get("search").map(str::to_owned),
            session_id: pairs.get("session_id").map(session_id).transpose()?,
            agent: pairs.get("agent").map(str::to_owned),
            user: pairs.get("user").map(str::to_owned),
            start: moment(&pairs, "start")?,
            end: moment(&pairs, "end")?,
            status: pairs.get("status").map(status).transpose()?,
            bookmarked: pairs.get("bookmarked").map(bookmarked).transpose()?,
            sort: pairs.get("sort").map(sort).transpose()?.unwrap_or(defaults.sort),
            limit: super::limit(&pairs, "a whole number from 1; more than 100 counts as 100")?
                .map_or(defaults.limit, |limit| limit.min(LIMIT_MAX) as usize),
            offset: usize::try_from(super::offset(&pairs)?).unwrap_or(usize::MAX),
        };
        let include = Includes::read(&mut pairs, AVAILABLE)?;
        let format = pairs.get("format").map(format).transpose()?.unwrap_or_default();
        Ok(Self { query, include, format, pairs })
    }
}

fn session_id(text: &str) -> Result<SessionId, BadParam> {
    SessionId::new(text).ok_or_else(|| BadParam::new("session_id", text, &format!("1 to {SESSION_ID_MAX_BYTES} bytes long")))
}

pub(super) fn moment(pairs: &Pairs, name: &'static str) -> Result<Option<UnixNanos>, BadParam> {
    let Some(text) = pairs.get(name) else { return Ok(None) };
    match instant::parse(text) {
        Some(moment) => Ok(Some(moment)),
        None => Err(BadParam::new(name, text, "an ISO 8601 date or time, such as 2026-02-07 or 2026-02-07T10:00:00Z")),
    }
}

fn status(text: &str) -> Result<StatusFilter, BadParam> {
    match text {
        "running" => Ok(StatusFilter::Running),
        "error" => Ok(StatusFilter::Error),
        "tool_error" => Ok(StatusFilter::ToolError),
        _ => Err(BadParam::new("status", text, "running, error or tool_error")),
    }
}

fn bookmarked(text: &str) -> Result<bool, BadParam> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(BadParam::new("bookmarked", text, "true or false")),
    }
}

fn format(text: &str) -> Result<ListFormat, BadParam> {
    match text {
        "json" => Ok(ListFormat::Json),
        "ndjson" => Ok(ListFormat::Ndjson),
        _ => Err(BadParam::new("format", text, "json or ndjson")),
    }
}

fn sort(text: &str) -> Result<Sort, BadParam> {
    let (descending, name) = match text.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, text),
    };
    match SortField::ALL.into_iter().find(|field| field.as_str() == name) {
        Some(field) => Ok(Sort { field, descending }),
        None => {
            let names = SortField::ALL.map(SortField::as_str).join(", ");
            Err(BadParam::new("sort", text, &format!("one of {names}, each with a leading - for descending order")))
        }
    }
}
