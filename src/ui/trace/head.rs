//! What a trace is: whose, when, what it came to, its runs, and where else it can be seen.

use maud::{Markup, html};

use super::tree::Tree;
use crate::model::ids::TraceId;
use crate::model::run::Run;
use crate::model::usage::UsageTotal;
use crate::params::explore::Elsewhere;
use crate::ui::table::scroll;
use crate::ui::visitor::PageContext;
use crate::ui::{Ui, copy, icons, list, words};

/// Runs that are listed; the others are in the tree.
const RUNS_MAX: usize = 100;
/// Names of agents at the top.
const AGENTS_MAX: usize = 4;

/// The name of the first root, which says what the trace was for.
pub(super) fn title(tree: &Tree) -> String {
    let name = tree.rows.first().map_or("", |root| &*root.name);
    if name.is_empty() { "no name".to_owned() } else { words::visible(name) }
}

pub(super) fn way(context: &PageContext, run: Option<&Run>) -> Markup {
    html! {
        nav.way aria-label="Way back" {
            a href=(context.to(list::PATH)) { "Sessions" }
            @if let Some(session) = run.and_then(|run| run.session.as_ref()) {
                " › " a href=(context.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) }
            }
        }
    }
}

pub(super) fn head(ui: &Ui, context: &PageContext, trace: TraceId, tree: &Tree, chosen: Option<&Run>) -> Markup {
    let mut usage = UsageTotal::default();
    for run in &tree.runs {
        usage.add(&run.usage);
    }
    let n_errors = tree.rows.iter().filter(|row| row.has_failed).count() as u64;
    html! {
        dl.figures-line {
            (agents(context, tree))
            @if let Some(session) = chosen.and_then(|run| run.session.as_ref()) {
                div { dt { "Session" } dd { a href=(context.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) } } }
            }
            div { dt { "Started" } dd { (words::moment(tree.start)) } }
            div { dt { "Duration" } dd { (words::duration(Some(tree.end.since(tree.start)))) } }
            @if !tree.runs.is_empty() {
                div { dt { "Cost" } dd { (words::cost(usage.cost, usage.unpriced_calls)) } }
                div { dt { "Tokens" } dd { (words::tokens(usage.tokens)) } }
                div { dt { "Model calls" } dd { (words::tokens(usage.calls)) } }
            }
            @if n_errors > 0 { div { dt { "Errors" } dd { (icons::badge("error", icons::ERROR, &words::count(n_errors))) } } }
            div { dt { "Trace id" } dd { (copy::id("trace-id", &trace.to_string(), "trace")) } }
        }
        @let (grafana, only) = (in_grafana(ui, trace, tree), tree.runs.first().filter(|_| tree.runs.len() == 1));
        @if grafana.is_some() || only.is_some() {
            nav.elsewhere aria-label="This trace elsewhere" {
                @if let Some(run) = only { a href=(context.to(&format!("/runs/{}/explain", run.id.get()))) { "Why this sum?" } }
                @if let Some(link) = grafana { a href=(link) rel="noreferrer" { "Grafana Explore" } }
            }
        }
        @if tree.runs.len() > 1 { (runs(context, trace, tree, chosen)) }
    }
}

/// The agent with the status of its run, or the names of the first of several.
fn agents(context: &PageContext, tree: &Tree) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for run in &tree.runs {
        if names.len() <= AGENTS_MAX && !names.contains(&&*run.agent) {
            names.push(&run.agent);
        }
    }
    html! {
        @match &tree.runs[..] {
            [] => {}
            [run] => div { dt { "Agent" } dd { a href=(context.to(&format!("/runs/{}", run.id.get()))) { (words::agent(&run.agent)) } " " (icons::status(run.status)) } },
            _ => div { dt { "Agents" } dd {
                @for (n, name) in names.iter().take(AGENTS_MAX).enumerate() { @if n > 0 { ", " } (words::agent(name)) }
                @if names.len() > AGENTS_MAX { " and others" }
            } },
        }
    }
}

/// The trace in Explore, over the time that it took.
fn in_grafana(ui: &Ui, trace: TraceId, tree: &Tree) -> Option<String> {
    let links = Elsewhere::trace(trace, tree.start, tree.end).searches(ui.grafana.as_ref()?);
    links.into_iter().next().map(|link| link.url)
}

/// The runs of the trace; the one it is opened at is marked.
fn runs(context: &PageContext, trace: TraceId, tree: &Tree, chosen: Option<&Run>) -> Markup {
    html! {
        details.runs data-key="runs" {
            summary { (words::counted(tree.runs.len() as u64, "run", "runs")) }
            (scroll("Runs of this trace", &html! {
                table.plain {
                    thead { tr {
                        th scope="col" { "Agent" } th scope="col" { "Status" } th scope="col" { "Started" }
                        th.number scope="col" { "Duration" } th.number scope="col" { "Cost" } th.number scope="col" { "Tokens" }
                        th scope="col" { span.for-readers { "More" } }
                    } }
                    tbody {
                        @for run in tree.runs.iter().take(RUNS_MAX) {
                            tr {
                                th scope="row" {
                                    a href=(context.to(&format!("/traces/{trace}?run={}", run.id.get())))
                                        aria-current=[chosen.is_some_and(|chosen| chosen.id == run.id).then_some("true")] { (words::agent(&run.agent)) }
                                }
                                td { (icons::status(run.status)) }
                                td { (words::moment(run.started_at)) }
                                td.number { (words::duration(run.duration())) }
                                td.number { (words::cost(run.usage.cost, run.usage.unpriced_calls)) }
                                td.number { (words::tokens(run.usage.tokens)) }
                                td {
                                    a href=(context.to(&format!("/runs/{}", run.id.get()))) { "this run alone" } " "
                                    a href=(context.to(&format!("/runs/{}/explain", run.id.get()))) { "why this sum?" }
                                }
                            }
                        }
                    }
                }
            }))
            @if tree.runs.len() > RUNS_MAX { p.quiet { "The first " (RUNS_MAX) " are listed; all of them are in the tree." } }
        }
    }
}
