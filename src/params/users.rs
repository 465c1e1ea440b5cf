//! The parameters of the users list.

use super::pairs::Pairs;
use super::{BadParam, sessions};
use crate::model::query::UserSort;
use crate::model::time::UnixNanos;

const KNOWN: &[&str] = &["search", "agent", "start", "end", "sort", "limit", "offset"];

const LIMIT_DEFAULT: u64 = 25;

/// What a request for users asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsersParams {
    /// Substring of the user id, ASCII case-insensitive.
    pub search: Option<String>,
    /// Has a run of exactly this agent among those looked at.
    pub agent: Option<String>,
    /// Which runs are looked at: those that overlap the time between them.
    pub start: Option<UnixNanos>,
    pub end: Option<UnixNanos>,
    pub sort: UserSort,
    pub descending: bool,
    /// 1 to 100.
    pub limit: u64,
    pub offset: u64,
    pub pairs: Pairs,
}

// === impl UsersParams ===

impl UsersParams {
    /// Reads the part of the address after `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, KNOWN)?;
        let (sort, descending) = pairs.get("sort").map(sort).transpose()?.unwrap_or((UserSort::LastSeen, true));
        let limit = super::limit(&pairs, "a whole number from 1; more than 100 counts as 100")?;
        Ok(Self {
            search: pairs.get("search").map(str::to_owned),
            agent: pairs.get("agent").map(str::to_owned),
            start: sessions::moment(&pairs, "start")?,
            end: sessions::moment(&pairs, "end")?,
            sort,
            descending,
            limit: limit.map_or(LIMIT_DEFAULT, |limit| limit.min(sessions::LIMIT_MAX)),
            offset: super::offset(&pairs)?,
            pairs,
        })
    }
}

fn sort(text: &str) -> Result<(UserSort, bool), BadParam> {
    let (descending, name) = match text.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, text),
    };
    match UserSort::ALL.into_iter().find(|field| field.as_str() == name) {
        Some(field) => Ok((field, descending)),
        None => {
            let names = UserSort::ALL.map(UserSort::as_str).join(", ");
            Err(BadParam::new("sort", text, &format!("one of {names}, each with a leading - for descending order")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_asked_for_as_sessions_are() {
        let params = UsersParams::parse(Some("search=u&sort=total_cost&limit=1000&offset=3&x=1")).unwrap();
        assert_eq!((params.sort, params.descending, params.limit, params.offset), (UserSort::TotalCost, false, 100, 3));
        assert_eq!(params.pairs.ignored(), ["x"]);
        assert_eq!(UsersParams::parse(None).unwrap().limit, 25);
        for bad in ["sort=cost", "limit=0", "start=soon", "offset=-1"] {
            assert!(UsersParams::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
