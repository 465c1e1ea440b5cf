//! Search and filters: one GET form, whose fields are the parameters of the page.

use maud::{Markup, html};

use super::state::{ListState, PATH, RANGES};
use crate::model::query::SortField;
use crate::model::session::{AgentSummary, Page};
use crate::params::format;
use crate::params::instant;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Agents that the page offers to choose from.
pub(super) const AGENTS_OFFERED: usize = 200;
/// The order of an address that names none.
const DEFAULT_SORT: &str = "-last_activity";

const STATUSES: [(&str, &str); 3] = [("running", "Running"), ("error", "With errors"), ("tool_error", "Failed tools")];
const BOOKMARKS: [(&str, &str); 2] = [("true", "Bookmarked"), ("false", "Without")];

/// The words of a column or an order.
pub(super) fn label(field: SortField) -> &'static str {
    match field {
        SortField::LastActivity => "Last activity",
        SortField::FirstRun => "First run",
        SortField::RunCount => "Runs",
        SortField::TotalCost => "Cost",
        SortField::TotalTokens => "Tokens",
        SortField::TotalDuration => "Duration (sum)",
        SortField::SessionId => "Session ID",
    }
}

pub(super) fn form(context: &PageContext, state: &ListState, agents: &Page<AgentSummary>, problem: Option<&str>) -> Markup {
    html! {
        form.filters method="get" action=(context.to(PATH)) role="search" data-instant {
            div.field.search {
                label for="search" { "Search" }
                input #search type="search" name="search" value=[state.get("search")] autocomplete="off" spellcheck="false"
                    placeholder="session id, or paste a trace or run id";
            }
            (agent_field(state, agents))
            (user_field(state))
            (choice_field(state, "status", "Status", &STATUSES))
            (choice_field(state, "bookmarked", "Bookmark", &BOOKMARKS))
            (range_field(context, state))
            (order_field(state))
            @for name in ["session_id", "columns", "limit"] {
                @if let Some(value) = state.get(name) { input type="hidden" name=(name) value=(value); }
            }
            div.buttons {
                button type="submit" { "Apply" }
                a.button.quiet href=(context.to(&state.unfiltered())) { "Clear" }
            }
            @if let Some(problem) = problem { p.problem role="alert" { (words::visible(problem)) } }
        }
    }
}

/// A list to choose from; where there are more agents than it may have, a field to type a name into, with some of them as suggestions.
fn agent_field(state: &ListState, agents: &Page<AgentSummary>) -> Markup {
    let chosen = state.get("agent");
    let Page { items: agents, count } = agents;
    if *count > AGENTS_OFFERED as u64 {
        return html! {
            div.field {
                label for="agent" { "Agent" }
                input #agent type="text" name="agent" value=[chosen] list="agents" autocomplete="off" spellcheck="false"
                    placeholder=(format!("the name of one of {} agents", words::count(*count)));
                datalist #agents { @for agent in agents { option value=(agent.name) {} } }
            }
        };
    }
    let is_unknown = chosen.is_some_and(|chosen| !agents.iter().any(|agent| *agent.name == *chosen));
    html! {
        div.field {
            label for="agent" { "Agent" }
            select #agent name="agent" {
                option value="" { "All agents" }
                @if let Some(chosen) = chosen.filter(|_| is_unknown) { option value=(chosen) selected { (words::visible(chosen)) } }
                @for agent in agents {
                    option value=(agent.name) selected[chosen == Some(&*agent.name)] { (words::visible(&agent.name)) }
                }
            }
        }
    }
}

fn user_field(state: &ListState) -> Markup {
    html! {
        div.field {
            label for="user" { "User" }
            input #user type="text" name="user" value=[state.get("user")] autocomplete="off" spellcheck="false" placeholder="exact id";
        }
    }
}

/// One of a few values, or any.
fn choice_field(state: &ListState, name: &str, label: &str, values: &[(&str, &str)]) -> Markup {
    let chosen = state.get(name);
    html! {
        div.field {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { "Any" }
                @for (value, words) in values {
                    option value=(value) selected[chosen == Some(*value)] { (words) }
                }
            }
        }
    }
}

/// One filter of time: a link for each range that moves, and fields for one's own, which goes before what else the form sends.
fn range_field(context: &PageContext, state: &ListState) -> Markup {
    let last = state.get("last");
    let has_own = state.get("start").is_some() || state.get("end").is_some();
    let named = RANGES.into_iter().find(|(value, ..)| last == Some(value)).map(|(_, words, _)| words);
    let now = named.unwrap_or(if has_own { "Own range" } else { "Any time" });
    let to = |last| context.to(&state.with_all(&[("last", last), ("start", None), ("end", None)]));
    html! {
        div.field {
            span.label aria-hidden="true" { "Active in" }
            details.choice.range {
                summary { span.for-readers { "Active in: " } (now) }
                div.panel {
                    nav aria-label="Ranges of time" {
                        a href=(to(None)) aria-current=[(last.is_none() && !has_own).then_some("true")] { "Any time" }
                        @for (value, words, _) in RANGES { a href=(to(Some(value))) aria-current=[(last == Some(value)).then_some("true")] { (words) } }
                    }
                    div.fields {
                        @for (name, words) in [("start", "From (UTC)"), ("end", "To (UTC)")] {
                            div.field {
                                label for=(name) { (words) }
                                input id=(name) type="datetime-local" step="1" name=(name) value=[state.get(name).map(local)];
                            }
                        }
                        button type="submit" { "Apply" }
                    }
                }
            }
            @if let Some(last) = last { input type="hidden" name="last" value=(last); }
        }
    }
}

/// A moment as the browser's field for it wants it, to the second; what is none goes as it is.
fn local(text: &str) -> String {
    match instant::parse(text) {
        Some(moment) => format::timestamp(moment).get(..19).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

/// For narrow screens, which have no column heads.
fn order_field(state: &ListState) -> Markup {
    let now = state.sort();
    html! {
        div.field.order {
            label for="sort" { "Order" }
            select #sort name="sort" {
                @for field in SortField::ALL {
                    @for descending in [true, false] {
                        @let sort = format!("{}{}", if descending { "-" } else { "" }, field.as_str());
                        option value=(if sort == DEFAULT_SORT { "" } else { &sort }) selected[now.field == field && now.descending == descending] {
                            (label(field)) " " (if descending { "↓" } else { "↑" })
                        }
                    }
                }
            }
        }
    }
}
