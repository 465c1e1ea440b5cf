//! The parameters of the agents list.

use super::BadParam;
use super::pairs::Pairs;
use crate::model::query::AgentQuery;

const KNOWN: &[&str] = &["limit", "offset"];

/// What a request for agents asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentsParams {
    pub query: AgentQuery,
    pub pairs: Pairs,
}

// === impl AgentsParams ===

impl AgentsParams {
    /// Reads the part of the address after `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, KNOWN)?;
        let limit = super::limit(&pairs, "a whole number from 1; more than 1000 counts as 1000")?;
        let limit = limit.map_or(AgentQuery::LIMIT_MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX).min(AgentQuery::LIMIT_MAX));
        let offset = usize::try_from(super::offset(&pairs)?).unwrap_or(usize::MAX);
        Ok(Self { query: AgentQuery { offset, limit }, pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_thousand_agents_at_most() {
        let page = |query| AgentsParams::parse(Some(query)).map(|params| (params.query.limit, params.query.offset));
        assert_eq!(page(""), Ok((1_000, 0)));
        assert_eq!(page("limit=20&offset=40"), Ok((20, 40)));
        assert_eq!(page("limit=5000"), Ok((1_000, 0)));
        for bad in ["limit=0", "limit=x", "offset=-1"] {
            assert!(page(bad).is_err(), "{bad}");
        }
    }
}
