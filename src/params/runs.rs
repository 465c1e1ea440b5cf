//! The parameters of a session's runs.

use super::BadParam;
use super::include::{Include, Includes};
use super::pairs::Pairs;
use crate::store::RunPage;

const KNOWN: &[&str] = &["include", "limit", "offset"];

/// What a session and its runs can be asked to add.
const AVAILABLE: &[Include] = &[
    Include::Usage,
    Include::Users,
    Include::Models,
    Include::Errors,
    Include::Scores,
    Include::Links,
    Include::Parents,
    Include::Note,
    Include::Question,
];

/// What a detail request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunsParams {
    /// All runs unless a limit is given, which can be any number: the answer is streamed.
    pub page: RunPage,
    pub include: Includes,
    /// For the links to other pages, and for what was ignored.
    pub pairs: Pairs,
}

// === impl RunsParams ===

impl RunsParams {
    /// Reads the part of the address after `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let mut pairs = Pairs::read(query, KNOWN)?;
        let page = RunPage { limit: super::limit(&pairs, "a whole number from 1")?, offset: super::offset(&pairs)? };
        let include = Includes::read(&mut pairs, AVAILABLE)?;
        Ok(Self { page, include, pairs })
    }
}
