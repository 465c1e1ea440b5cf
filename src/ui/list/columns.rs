//! Which columns the list has: chosen in the address, and remembered by a cookie for addresses that choose none.

use http::{HeaderMap, HeaderValue};
use maud::{Markup, html};

use super::state::{ListState, PATH};
use crate::params::BadParam;
use crate::ui::visitor::{PageContext, cookie};

const COOKIE: &str = "sessionfold_columns";

/// The columns beside the session's id, in the order in which they stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    Status,
    Runs,
    LastActivity,
    FirstRun,
    Duration,
    Cost,
    Tokens,
    Agents,
    Users,
    /// Of the newest runs; only where it is asked for, since the runs have to be read for it.
    Scores,
}

/// Those that are shown: one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Columns(u16);

// === impl Column ===

impl Column {
    pub(super) const ALL: [Self; 10] = [
        Self::Status,
        Self::Runs,
        Self::LastActivity,
        Self::FirstRun,
        Self::Duration,
        Self::Cost,
        Self::Tokens,
        Self::Agents,
        Self::Users,
        Self::Scores,
    ];

    /// Its name in `columns=`.
    fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Runs => "runs",
            Self::LastActivity => "last_activity",
            Self::FirstRun => "first_run",
            Self::Duration => "duration",
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Agents => "agents",
            Self::Users => "users",
            Self::Scores => "scores",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Runs => "Runs",
            Self::LastActivity => "Last activity",
            Self::FirstRun => "First run",
            Self::Duration => "Duration",
            Self::Cost => "Cost",
            Self::Tokens => "Tokens",
            Self::Agents => "Agents",
            Self::Users => "Users",
            Self::Scores => "Scores",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

// === impl Columns ===

impl Columns {
    /// All but the scores.
    const USUAL: Self = Self((1 << Column::Scores as u16) - 1);
    /// What tells sessions apart for whoever is to choose one.
    pub(super) const OFFERED: Self = Self(Column::Runs.bit() | Column::LastActivity.bit() | Column::Cost.bit() | Column::Tokens.bit());

    /// What the address says, else the cookie, else the usual ones.
    pub(super) fn of(state: &ListState, headers: &HeaderMap) -> Result<Self, BadParam> {
        if let Some(text) = state.get("columns") {
            return Self::parse(text).ok_or_else(|| {
                let names = Column::ALL.map(Column::name).join(", ");
                BadParam::new("columns", text, &format!("some of {names}, separated by commas"))
            });
        }
        // A cookie of another version may name what there is not.
        Ok(cookie(headers, COOKIE).and_then(|value| Self::parse(&value.replace('.', ","))).unwrap_or(Self::USUAL))
    }

    pub(super) fn has(self, column: Column) -> bool {
        self.0 & column.bit() != 0
    }

    /// The value of `columns=`; `None` for the usual ones.
    pub(super) fn text(self) -> Option<String> {
        (self != Self::USUAL).then(|| self.names().join(","))
    }

    /// Has the browser remember these; or forget, where they are the usual ones.
    pub(super) fn remember(self, context: &PageContext) -> Option<HeaderValue> {
        let seconds = if self == Self::USUAL { 0 } else { 31_536_000 };
        // A comma is no part of a cookie's value (RFC 6265, section 4.1.1).
        context.cookie(COOKIE, &self.names().join("."), seconds)
    }

    fn names(self) -> Vec<&'static str> {
        Column::ALL.into_iter().filter(|column| self.has(*column)).map(Column::name).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let named = |name: &str| Column::ALL.into_iter().find(|column| column.name() == name);
        text.split(',').map(str::trim).try_fold(0, |bits, name| Some(bits | named(name)?.bit())).map(Self)
    }
}

/// Where to choose: a form of its own, since it changes no filter.
pub(super) fn choice(context: &PageContext, state: &ListState, columns: Columns) -> Markup {
    html! {
        details.choice {
            summary { "Columns" }
            form method="get" action=(context.to(PATH)) {
                @for (name, value) in state.without_columns() { input type="hidden" name=(name) value=(value); }
                input type="hidden" name="keep" value="columns";
                fieldset {
                    legend.for-readers { "Columns that are shown" }
                    @for column in Column::ALL {
                        label { input type="checkbox" name="columns" value=(column.name()) checked[columns.has(column)]; " " (column.label()) }
                    }
                }
                button type="submit" { "Show these" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str, cookie: &str) -> Result<Columns, BadParam> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::COOKIE, cookie.parse().unwrap());
        Columns::of(&ListState::read(Some(query)), &headers)
    }

    #[test]
    fn the_address_goes_before_the_cookie_and_the_cookie_before_the_usual_ones() {
        let both = "sessionfold_columns=cost.runs";
        assert_eq!(of("columns=agents&columns=cost", both).unwrap().text().as_deref(), Some("cost,agents"));
        assert_eq!(of("", both).unwrap().text().as_deref(), Some("runs,cost"));
        assert_eq!(of("", "sessionfold_columns=gone; x=y").unwrap().text(), None);
        assert_eq!(of("columns=scores&columns=runs", both).unwrap().text().as_deref(), Some("runs,scores"));
        assert!(!of("", "").unwrap().has(Column::Scores));
        assert_eq!(of("columns=runs,price", both).unwrap_err().parameter, "columns");
    }
}
