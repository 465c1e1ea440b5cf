//! A few sessions that another page offers to choose one from: lines of the list, each of which leads where that page says.

use maud::{Markup, html};

use super::View;
use super::columns::Columns;
use super::state::ListState;
use super::table::{self, Row};
use crate::model::ids::{SessionId, Tenant};
use crate::model::query::SessionQuery;
use crate::model::question::Question;
use crate::model::session::SessionSummary;
use crate::model::time::UnixNanos;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::PageContext;
use crate::ui::{Ui, words};

/// Sessions that are offered at once: a page of the list.
const SESSIONS_MAX: usize = 25;

/// The sessions, the last active first.
pub(in crate::ui) struct Offer {
    sessions: Vec<SessionSummary>,
    /// What was asked first in each of them.
    questions: Vec<Option<Question>>,
    /// Whether there are more that fit.
    has_more: bool,
}

// === impl Offer ===

impl Offer {
    /// All sessions but one, or those of them in whose id `search` stands.
    pub(in crate::ui) fn read(ui: &Ui, tenant: &Tenant, search: Option<&str>, but: &SessionId) -> Result<Self, Refusal> {
        // One more for the session that is left out, and one that tells whether there are more.
        let query = SessionQuery { search: search.map(str::to_owned), limit: SESSIONS_MAX + 2, ..SessionQuery::default() };
        let mut sessions = ui.store.sessions(tenant, &query)?.items;
        sessions.retain(|session| session.id != *but);
        let has_more = sessions.len() > SESSIONS_MAX;
        sessions.truncate(SESSIONS_MAX);
        let ids: Vec<_> = sessions.iter().map(|session| &session.id).collect();
        let questions = ui.store.first_questions(tenant, &ids)?;
        Ok(Self { sessions, questions, has_more })
    }

    pub(in crate::ui) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// `to` makes the path that a session's line leads to, from its id.
    pub(in crate::ui) fn table(&self, context: &PageContext, now: UnixNanos, to: impl Fn(&str) -> String) -> Markup {
        let state = ListState::read(None);
        let view = View { context, state: &state, columns: Columns::OFFERED, now };
        html! {
            p.found {
                @if self.has_more { "The " (SESSIONS_MAX) " sessions that were active last; search for others" }
                @else { (words::counted(self.sessions.len() as u64, "session", "sessions")) ", the last active first" }
            }
            table.sessions {
                caption.for-readers { "Sessions to choose from" }
                thead {
                    tr {
                        th scope="col" { "Session ID" }
                        @for column in table::shown(&view, false) { th.number[table::is_number(column)] scope="col" { (column.label()) } }
                    }
                }
                tbody {
                    @for (session, question) in self.sessions.iter().zip(&self.questions) {
                        @let row = Row { session, error: None, users: &[], scores: None, question: question.as_ref() };
                        tr {
                            (table::id_cell(&context.to(&to(session.id.as_str())), &row))
                            @for column in table::shown(&view, false) { (table::cell(&view, &row, column)) }
                        }
                    }
                }
            }
        }
    }
}
