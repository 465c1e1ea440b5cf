//! The table of sessions and the way to other pages of it.

use maud::{Markup, html};

use super::Found;
use super::form::label;
use super::state::ListState;
use crate::model::Str;
use crate::model::query::SortField;
use crate::model::reason::Reason;
use crate::model::session::SessionSummary;
use crate::model::time::UnixNanos;
use crate::params::format;
use crate::params::links::Place as Window;
use crate::params::pairs;
use crate::ui::failed;
use crate::ui::icons;
use crate::ui::visitor::Place;
use crate::ui::words;

/// Agents that a line names.
const AGENTS_SHOWN: usize = 4;

pub(super) const DURATION_MEANS: &str = "The durations of all runs added up, nested ones included. Runs that go on add nothing yet; the session's page has the time from first to last, too.";

pub(super) fn table(place: &Place, state: &ListState, found: &Found) -> Markup {
    let limits = state.query(found.now).unwrap_or_default();
    let window = Window { offset: limits.offset as u64, limit: limits.limit as u64, count: found.page.count };
    // Who sends no users has no column for them.
    let has_users = found.users.iter().any(|users| !users.is_empty());
    html! {
        (summary(window, found.page.items.len()))
        table.sessions {
            caption.for-readers { "Sessions" }
            thead {
                tr {
                    (head(place, state, SortField::SessionId, ""))
                    th scope="col" { "Status" }
                    (head(place, state, SortField::RunCount, "number"))
                    (head(place, state, SortField::FirstRun, ""))
                    (head(place, state, SortField::LastActivity, ""))
                    (head(place, state, SortField::TotalDuration, "number"))
                    (head(place, state, SortField::TotalCost, "number"))
                    (head(place, state, SortField::TotalTokens, "number"))
                    th scope="col" { "Agents" }
                    @if has_users { th scope="col" { "Users" } }
                }
            }
            tbody {
                @for ((session, error), users) in found.page.items.iter().zip(&found.errors).zip(&found.users) {
                    (line(place, state, session, error.as_ref(), has_users.then_some(users), found.now))
                }
            }
        }
        (pager(place, state, window))
        (curl(place, state, found.now))
    }
}

fn summary(window: Window, n_shown: usize) -> Markup {
    let all = words::counted(window.count, "session", "sessions");
    html! {
        p.found data-say {
            @if n_shown == 0 {
                (all) ", none this far down"
            } @else if n_shown as u64 == window.count {
                (all)
            } @else {
                (words::count(window.offset + 1)) "–" (words::count(window.offset + n_shown as u64)) " of " (all)
            }
        }
    }
}

fn head(place: &Place, state: &ListState, field: SortField, class: &str) -> Markup {
    let sort = state.sort();
    let (order, arrow) = match (sort.field == field, sort.descending) {
        (false, _) => (None, ""),
        (true, true) => (Some("descending"), "↓"),
        (true, false) => (Some("ascending"), "↑"),
    };
    let hint = (field == SortField::TotalDuration).then_some(DURATION_MEANS);
    html! {
        th scope="col" class=(class) aria-sort=[order] {
            a href=(place.to(&state.with("sort", Some(&state.next_sort(field))))) title=[hint] {
                (label(field)) @if !arrow.is_empty() { " " span.arrow aria-hidden="true" { (arrow) } }
            }
        }
    }
}

fn line(
    place: &Place,
    state: &ListState,
    session: &SessionSummary,
    error: Option<&Reason>,
    users: Option<&Vec<Str>>,
    now: UnixNanos,
) -> Markup {
    let id = session.id.as_str();
    html! {
        tr data-key=(id) {
            th scope="row" data-label=(label(SortField::SessionId)) {
                a.session href=(place.to(&to_session(id))) { (words::name(id)) }
                (failed::reason(error))
            }
            td data-label="Status" { (status(session)) }
            td.number data-label=(label(SortField::RunCount)) { (words::tokens(session.run_count)) }
            td.when data-label=(label(SortField::FirstRun)) { (words::moment(session.first_run)) }
            td.when data-label=(label(SortField::LastActivity)) { (words::moment_and_age(session.last_activity, now)) }
            td.number data-label=(label(SortField::TotalDuration)) { (words::duration(Some(session.total_duration))) }
            td.number data-label=(label(SortField::TotalCost)) { (words::cost(session.total_cost, session.unpriced_calls)) }
            td.number data-label=(label(SortField::TotalTokens)) { (words::tokens(session.total_tokens)) }
            td.agents data-label="Agents" { (agents(&session.agents)) }
            @if let Some(users) = users { td.users data-label="Users" { (links_of_users(place, state, users)) } }
        }
    }
}

/// The path of a session's page.
pub(in crate::ui) fn to_session(id: &str) -> String {
    format!("/sessions/{}", pairs::encode(id))
}

/// What is worth knowing before the session is opened.
fn status(session: &SessionSummary) -> Markup {
    html! {
        div.badges {
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
fn links_of_users(place: &Place, state: &ListState, users: &[Str]) -> Markup {
    html! {
        @for (at, user) in users.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(place.to(&state.with("user", Some(user)))) { (words::name(user)) }
        }
    }
}

fn pager(place: &Place, state: &ListState, window: Window) -> Markup {
    let n_pages = window.count.div_ceil(window.limit);
    let page = (window.offset / window.limit + 1).min(n_pages);
    let to = |offset: u64| place.to(&state.with("offset", (offset > 0).then(|| offset.to_string()).as_deref()));
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

/// The same list from the API. What moves with the clock is fixed at this minute, so that the part does not change by being looked at.
fn curl(place: &Place, state: &ListState, now: UnixNanos) -> Markup {
    let start = state
        .query(now)
        .ok()
        .and_then(|query| query.start)
        .map(|start| format::timestamp(UnixNanos(start.0 / 60_000_000_000 * 60_000_000_000)));
    let query = state.api_query(start.as_deref());
    let separator = if query.is_empty() { "" } else { "?" };
    crate::ui::session::curl(place, &format!("/api/v1/observability/sessions/{separator}{query}"))
}
