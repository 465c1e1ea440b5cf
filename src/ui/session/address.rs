//! What the address of a session's timeline asks for, and the addresses that its links lead to.

use super::PATH;
use crate::model::ids::{RunId, SessionId};
use crate::params::BadParam;
use crate::params::pairs::{self, Pairs};
use crate::ui::folds::Folds;

/// The parameters of the timeline beside `limit` and `offset`.
pub(super) const KNOWN: [&str; 4] = ["sort", "runs", "open", "fold"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SortField {
    Start,
    /// Of a run with all below it, as the others.
    Cost,
    Tokens,
    Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sort {
    pub(super) field: SortField,
    pub(super) is_descending: bool,
}

/// Which runs of a session are shown, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub(super) sort: Sort,
    /// All runs, or those that no other started; by itself a session shows all if they are few.
    pub(super) is_open: Option<bool>,
    pub(super) folds: Folds<RunId>,
}

// === impl Sort ===

impl Sort {
    pub(super) const START: Self = Self { field: SortField::Start, is_descending: false };
    pub(super) const DEAREST: Self = Self { field: SortField::Cost, is_descending: true };
    pub(super) const LONGEST: Self = Self { field: SortField::Duration, is_descending: true };

    fn read(text: &str) -> Option<Self> {
        let (is_descending, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let field = match name {
            "started_at" => SortField::Start,
            "cost" => SortField::Cost,
            "tokens" => SortField::Tokens,
            "duration" => SortField::Duration,
            _ => return None,
        };
        Some(Self { field, is_descending })
    }

    fn text(self) -> String {
        let name = match self.field {
            SortField::Start => "started_at",
            SortField::Cost => "cost",
            SortField::Tokens => "tokens",
            SortField::Duration => "duration",
        };
        format!("{}{name}", if self.is_descending { "-" } else { "" })
    }
}

// === impl Shown ===

impl Shown {
    pub(super) fn read(pairs: &Pairs) -> Result<Self, BadParam> {
        let sort = match pairs.get("sort") {
            Some(text) => Sort::read(text)
                .ok_or_else(|| BadParam::new("sort", text, "started_at, cost, tokens or duration, or one of them behind a minus sign"))?,
            None => Sort::START,
        };
        let is_open = match pairs.get("runs") {
            None => None,
            Some("all") => Some(true),
            Some("outer") => Some(false),
            Some(other) => return Err(BadParam::new("runs", other, "all or outer")),
        };
        let run = |text: &str| text.parse().ok().and_then(RunId::new);
        Ok(Self { sort, is_open, folds: Folds::read(pairs, "numbers of runs, separated by commas", run)? })
    }

    pub(super) fn sorted(&self, sort: Sort) -> Self {
        Self { sort, ..self.clone() }
    }

    /// With all branches open or folded, whatever was said of single ones.
    pub(super) fn with_all(&self, is_open: bool) -> Self {
        Self { is_open: Some(is_open), folds: Folds::default(), ..self.clone() }
    }

    pub(super) fn folding(&self, run: RunId, is_open: bool) -> Self {
        Self { folds: self.folds.with(run, is_open), ..self.clone() }
    }

    /// The timeline of a session shown so, from a run on. `limit` is given where it is not the usual one.
    pub(super) fn address(&self, id: &SessionId, limit: Option<u64>, offset: u64) -> String {
        let sort = (self.sort != Sort::START).then(|| ("sort", self.sort.text()));
        let runs = self.is_open.map(|is_open| ("runs", if is_open { "all" } else { "outer" }.to_owned()));
        let limit = limit.map(|limit| ("limit", limit.to_string()));
        let offset = (offset > 0).then(|| ("offset", offset.to_string()));
        let parameters = sort.into_iter().chain(runs).chain(self.folds.parameters()).chain(limit).chain(offset);
        let query: Vec<String> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
        let separator = if query.is_empty() { "" } else { "?" };
        format!("{PATH}{}{separator}{}", pairs::encode(id.as_str()), query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all_that_was_asked_and_nothing_that_is_usual() {
        let id = SessionId::new("a/b").unwrap();
        let address = |query: &str| Shown::read(&Pairs::read(Some(query), &KNOWN).unwrap()).map(|shown| shown.address(&id, None, 0));
        for query in ["", "?sort=-cost", "?sort=duration&runs=outer&open=5,6&fold=7"] {
            assert_eq!(address(query.trim_start_matches('?')).unwrap(), format!("/sessions/a%2Fb{query}"));
        }
        assert_eq!(address("sort=started_at").unwrap(), "/sessions/a%2Fb");
        for (query, name) in [("sort=price", "sort"), ("runs=some", "runs"), ("open=0", "open"), ("fold=x", "fold")] {
            assert_eq!(address(query).unwrap_err().parameter, name);
        }
    }
}
