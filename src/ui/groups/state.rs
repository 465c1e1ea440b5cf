//! The state of a list of agents, models, tools or users, or of one tool, which is the page's address.

use crate::params::pairs::{self, Pairs};
use crate::params::{BadParam, offset};

/// In the order they stand in links.
pub(super) const NAMES: &[&str] = &["search", "agent", "last", "since", "until", "sort", "offset"];

/// Rows of a page.
pub(super) const LIMIT: usize = 50;

pub(in crate::ui) struct GroupState {
    path: String,
    pairs: Pairs,
    pub(super) offset: usize,
    /// What it is ordered by, and whether the greatest comes first.
    pub(super) sort: (&'static str, bool),
}

// === impl GroupState ===

impl GroupState {
    /// `sorts` are the names of the columns that can be sorted by; the first is the order of an address that names none, descending.
    pub(in crate::ui) fn read(path: &str, query: Option<&str>, sorts: &[&'static str]) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, NAMES)?;
        let offset = usize::try_from(offset(&pairs)?).unwrap_or(usize::MAX);
        let sort = match pairs.get("sort") {
            None => (sorts[0], true),
            Some(text) => {
                let (descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
                let allowed = || format!("one of {}, each with a leading - for descending order", sorts.join(", "));
                let known = sorts.iter().find(|known| **known == name).ok_or_else(|| BadParam::new("sort", text, &allowed()))?;
                (*known, descending)
            }
        };
        Ok(Self { path: path.to_owned(), pairs, offset, sort })
    }

    pub(in crate::ui) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name)
    }

    /// The text that names must contain, in small letters.
    pub(super) fn search(&self) -> Option<String> {
        self.get("search").map(str::to_ascii_lowercase)
    }

    /// The page with some parameters changed; it begins at the first rows unless that is what changes.
    pub(in crate::ui) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = String::new();
        for known in NAMES {
            let value = match changes.iter().find(|(name, _)| name == known) {
                Some((_, value)) => *value,
                None if *known == "offset" => None,
                None => self.get(known),
            };
            if let Some(value) = value {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.extend([known, "=", &pairs::encode(value)]);
            }
        }
        format!("{}{query}", self.path)
    }

    /// The value of `sort` for a click on a column: the other way round where it is sorted by already, else the most first, and for names
    /// the alphabet.
    pub(super) fn next_sort(&self, column: &str, is_name: bool) -> String {
        let descending = if self.sort.0 == column { !self.sort.1 } else { !is_name };
        format!("{}{column}", if descending { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_rest_and_begin_at_the_first_rows() {
        let read = |query| GroupState::read("/agents", Some(query), &["total_cost", "name"]);
        let state = read("offset=50&search=A+b&last=7d&x=1").unwrap();
        assert_eq!((state.offset, state.sort, state.search().as_deref()), (50, ("total_cost", true), Some("a b")));
        assert_eq!(state.with(&[("sort", Some("name"))]), "/agents?search=A%20b&last=7d&sort=name");
        assert_eq!(state.next_sort("total_cost", false), "total_cost");
        assert_eq!(state.next_sort("name", true), "name");
        assert_eq!(read("sort=-name").unwrap().next_sort("name", true), "name");
        for bad in ["sort=cost", "sort=-", "offset=-1", "search=%FF"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
