//! The table of sessions and the way to other pages of it.

use maud::{Markup, html};

use super::columns::Column;
use super::form::label;
use super::state::ListState;
use super::{Found, View, toolbar};
use crate::model::Str;
use crate::model::query::SortField;
use crate::model::question::Question;
use crate::model::reason::Reason;
use crate::model::scores::ScoreTotals;
use crate::model::session::SessionSummary;
use crate::params::links::PageWindow;
use crate::params::pairs;
use crate::ui::failed;
use crate::ui::icons;
use crate::ui::session::{note_on_the_line, scores_on_the_line};
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Agents that a line names.
const AGENTS_SHOWN: usize = 4;

pub(super) const DURATION_MEANS: &str = "The durations of all runs added up, nested ones included. Runs that go on add nothing yet; the session's page has the time from first to last, too.";

/// An id longer than this is cut in its middle: what tells ids apart is mostly at one of the ends.
const ID_MAX_CHARS: usize = 32;
const ID_HEAD_CHARS: usize = 15;
const ID_TAIL_CHARS: usize = 10;

pub(super) fn table(view: &View<'_>, found: &Found) -> Markup {
    let View { context, state, now, .. } = *view;
    let limits = state.query(now).unwrap_or_default();
    let window = PageWindow { offset: limits.offset as u64, limit: limits.limit as u64, count: found.page.count };
    html! {
        (toolbar::toolbar(view, window, found.page.items.len()))
        table.sessions {
            caption.for-readers { "Sessions" }
            thead {
                tr {
                    th.pick scope="col" { span.for-readers { "Compare" } }
                    (head(context, state, SortField::SessionId, ""))
                    @for column in shown(view, found.has_users()) {
                        @match field(column) {
                            Some(field) => (head(context, state, field, if is_number(column) { "number" } else { "" })),
                            None => th.users[column == Column::Users] scope="col" { (column.label()) },
                        }
                    }
                }
            }
            // Rows do not move under who reads them: `live.js` asks first.
            tbody data-hold {
                @for (at, ((session, error), users)) in found.page.items.iter().zip(&found.errors).zip(&found.users).enumerate() {
                    (line(view, found, &Row { session, error: error.as_ref(), users, scores: found.scores.get(at), question: found.questions[at].as_ref() }))
                }
            }
        }
        (pager(context, state, window))
        (curl(view))
    }
}

/// What a click on a column's head sorts by.
fn field(column: Column) -> Option<SortField> {
    match column {
        Column::Status | Column::Agents | Column::Users | Column::Scores => None,
        Column::Runs => Some(SortField::RunCount),
        Column::LastActivity => Some(SortField::LastActivity),
        Column::FirstRun => Some(SortField::FirstRun),
        Column::Duration => Some(SortField::TotalDuration),
        Column::Cost => Some(SortField::TotalCost),
        Column::Tokens => Some(SortField::TotalTokens),
    }
}

pub(super) fn is_number(column: Column) -> bool {
    matches!(column, Column::Runs | Column::Duration | Column::Cost | Column::Tokens)
}

fn head(context: &PageContext, state: &ListState, field: SortField, class: &str) -> Markup {
    let sort = state.sort();
    let (order, arrow) = match (sort.field == field, sort.descending) {
        (false, _) => (None, ""),
        (true, true) => (Some("descending"), "↓"),
        (true, false) => (Some("ascending"), "↑"),
    };
    let hint = (field == SortField::TotalDuration).then_some(DURATION_MEANS);
    html! {
        th scope="col" class=(class) aria-sort=[order] {
            a href=(context.to(&state.with("sort", Some(&state.next_sort(field))))) title=[hint] {
                (if field == SortField::TotalDuration { "Duration" } else { label(field) }) @if !arrow.is_empty() { " " span.arrow aria-hidden="true" { (arrow) } }
            }
        }
    }
}

/// What a line is made of.
pub(super) struct Row<'a> {
    pub(super) session: &'a SessionSummary,
    pub(super) error: Option<&'a Reason>,
    pub(super) users: &'a [Str],
    pub(super) scores: Option<&'a ScoreTotals>,
    pub(super) question: Option<&'a Question>,
}

/// The chosen columns. Who sends no users has no column for them.
pub(super) fn shown(view: &View<'_>, has_users: bool) -> impl Iterator<Item = Column> {
    let columns = view.columns;
    Column::ALL.into_iter().filter(move |column| columns.has(*column) && (has_users || *column != Column::Users))
}

fn line(view: &View<'_>, found: &Found, row: &Row<'_>) -> Markup {
    let id = row.session.id.as_str();
    html! {
        tr data-key=(id) {
            td.pick {
                input type="checkbox" name="a" value=(id) form=(toolbar::COMPARE) aria-label=(format!("Compare {}", words::visible(id)));
            }
            (id_cell(&view.context.to(&to_session(id)), row))
            @for column in shown(view, found.has_users()) { (cell(view, row, column)) }
        }
    }
}

/// The link of the whole row: the style sheet stretches it over all of it. `to` is where it leads.
pub(super) fn id_cell(to: &str, Row { session, question, .. }: &Row<'_>) -> Markup {
    let id = session.id.as_str();
    let whole = words::visible(id);
    let cut = cut_in_the_middle(&whole);
    html! {
        th scope="row" data-label=(label(SortField::SessionId)) {
            a.session href=(to) title=[cut.is_some().then_some(&whole)] {
                bdi { (cut.as_ref().unwrap_or(&whole)) }
            }
            @if cut.is_some() { " " button.copy.quiet type="button" data-copy-text=(id) title="Copy the session id" hidden { "Copy" } }
            (note_on_the_line(session.note.as_deref()))
            @if let Some(question) = question { " " span.asked title=(***question) { bdi { (***question) } } }
        }
    }
}

/// `None` for what is short enough.
fn cut_in_the_middle(text: &str) -> Option<String> {
    let n_chars = text.chars().count();
    (n_chars > ID_MAX_CHARS).then(|| {
        let head: String = text.chars().take(ID_HEAD_CHARS).collect();
        let tail: String = text.chars().skip(n_chars - ID_TAIL_CHARS).collect();
        format!("{head}…{tail}")
    })
}

pub(super) fn cell(view: &View<'_>, row: &Row<'_>, column: Column) -> Markup {
    let (session, name) = (row.session, column.label());
    html! {
        @match column {
            Column::Status => td.status data-label=(name) { (status_and_why(session, row.error)) },
            Column::Runs => td.number data-label=(name) { (words::count(session.run_count)) },
            Column::LastActivity => td.when data-label=(name) {
                (words::brief(session.last_activity, None, view.now)) " " (words::age_of(session.last_activity, view.now))
            },
            Column::FirstRun => td.when data-label=(name) { (words::brief(session.first_run, Some(session.last_activity), view.now)) },
            Column::Duration => td.number data-label=(name) { (words::length(session.total_duration)) },
            Column::Cost => td.number data-label=(name) { (words::cost_in_column(session.total_cost, session.unpriced_calls)) },
            Column::Tokens => td.number data-label=(name) { (words::count(session.total_tokens)) },
            Column::Agents => td.agents data-label=(name) { (agents(&session.agents)) },
            Column::Users => td.users data-label=(name) { (links_of_users(view, row.users)) },
            Column::Scores => td.scores data-label=(name) { @if let Some(scores) = row.scores { (scores_on_the_line(scores)) } },
        }
    }
}

/// The path of a session's page.
pub(in crate::ui) fn to_session(id: &str) -> String {
    format!("/sessions/{}", pairs::encode(id))
}

/// What is worth knowing before the session is opened.
pub(in crate::ui) fn status(session: &SessionSummary) -> Markup {
    html! { div.badges { (badges(session)) } }
}

fn badges(session: &SessionSummary) -> Markup {
    html! {
        @if session.running_count > 0 {
            (icons::badge("running", icons::RUNNING, &format!("{} running", words::count(session.running_count))))
        }
        @if session.error_count > 0 {
            (icons::badge("error", icons::ERROR, &words::counted(session.error_count, "error", "errors")))
        }
        @if session.running_count == 0 && session.error_count == 0 { (icons::badge("success", icons::SUCCESS, "done")) }
        (failed::tools(session.tool_errors))
    }
}

/// The reason stays on the line: what does not fit is in its title, and on the session's page.
fn status_and_why(session: &SessionSummary, error: Option<&Reason>) -> Markup {
    html! {
        div.badges {
            (badges(session))
            (failed::on_the_line(error))
        }
    }
}

fn agents(agents: &[Str]) -> Markup {
    // "1 more" would take the room of its name.
    let shown = if agents.len() <= AGENTS_SHOWN + 1 { agents.len() } else { AGENTS_SHOWN };
    html! {
        @for (at, agent) in agents.iter().take(shown).enumerate() {
            @if at > 0 { ", " }
            (words::name(agent))
        }
        @if agents.len() > shown { " and " (agents.len() - shown) " more" }
    }
}

/// Each leads to the sessions of that user.
fn links_of_users(View { context, state, .. }: &View<'_>, users: &[Str]) -> Markup {
    html! {
        @for (at, user) in users.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(context.to(&state.with("user", Some(user)))) { (words::name(user)) }
        }
    }
}

fn pager(context: &PageContext, state: &ListState, window: PageWindow) -> Markup {
    let n_pages = window.count.div_ceil(window.limit);
    let page = (window.offset / window.limit + 1).min(n_pages);
    let to = |offset: u64| context.to(&state.with("offset", (offset > 0).then(|| offset.to_string()).as_deref()));
    let last = n_pages.saturating_sub(1) * window.limit;
    html! {
        @if n_pages > 1 || window.offset > 0 {
            nav.pager aria-label="Pages" {
                @if let Some(previous) = window.previous() {
                    a href=(to(0)) { "First" }
                    a href=(to(previous)) rel="prev" { "Previous" }
                }
                span { "Page " (words::count(page)) " of " (words::count(n_pages)) }
                @if let Some(next) = window.next() {
                    a href=(to(next)) rel="next" { "Next" }
                    a href=(to(last)) { "Last" }
                }
            }
        }
    }
}

/// The same list from the API.
fn curl(view: &View<'_>) -> Markup {
    let query = view.state.api_query(view.fixed_start().as_deref());
    let separator = if query.is_empty() { "" } else { "?" };
    crate::ui::session::curl(view.context, &format!("/api/v1/observability/sessions/{separator}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_id_keeps_both_of_its_ends() {
        assert_eq!(cut_in_the_middle(&"x".repeat(32)), None);
        let cut = cut_in_the_middle("conversation-2026-02-07-customer-4711-é").unwrap();
        assert_eq!(cut, "conversation-20…mer-4711-é");
    }
}
