//! The parameters of one run.

use super::BadParam;
use super::include::{Include, Includes};
use super::pairs::Pairs;

const KNOWN: &[&str] = &["include", "limit", "offset"];
const AVAILABLE: &[Include] = &[Include::Explain];

/// Spans that are explained at a time, unless a smaller limit is given; and the largest.
const EXPLAINED: u64 = 500;
const EXPLAINED_MAX: u64 = 2_000;

/// What a request for one run asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunParams {
    pub include: Includes,
    /// Of the spans that are explained.
    pub limit: usize,
    pub offset: usize,
    /// For what was ignored.
    pub pairs: Pairs,
}

// === impl RunParams ===

impl RunParams {
    /// Reads the part of the address after `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, BadParam> {
        let mut pairs = Pairs::read(query, KNOWN)?;
        let limit = super::limit(&pairs, "a whole number from 1")?.unwrap_or(EXPLAINED).min(EXPLAINED_MAX);
        let offset = super::offset(&pairs)?;
        let include = Includes::read(&mut pairs, AVAILABLE)?;
        let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self { include, limit: index(limit), offset: index(offset), pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_cannot_add_is_ignored_and_what_nobody_knows_is_refused() {
        let read = |query| RunParams::parse(Some(query));
        let plain = read("include=usage&x=1").unwrap();
        assert_eq!((plain.include.is_empty(), plain.pairs.ignored().len(), plain.limit), (true, 2, 500));
        let explained = read("include=explain&limit=9999&offset=3").unwrap();
        assert!(explained.include.has(Include::Explain));
        assert_eq!((explained.limit, explained.offset), (2_000, 3));
        for bad in ["include=reasons", "limit=0", "offset=-1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
