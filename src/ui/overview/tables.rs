//! By agent, by model, by user; and the runs that stand out.

use maud::{Markup, html};

use super::Found;
use super::figures::{quantile, rate};
use super::state::OverviewState;
use crate::model::Str;
use crate::model::run::{Run, RunStatus};
use crate::model::tally::Tally;
use crate::model::time::UnixNanos;
use crate::params::{format, pairs};
use crate::store::series::{Leading, Series};
use crate::ui::failed;
use crate::ui::icons::{self, bar};
use crate::ui::list::{self, to_session};
use crate::ui::table::{self, Columns};
use crate::ui::tool;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Rows of one table; the page of all agents or models has the rest.
const ROWS_MAX: usize = 10;

struct Row<'a> {
    name: Markup,
    /// Where its own overview is, and its sessions.
    to: Option<String>,
    sessions: Option<String>,
    tally: &'a Tally,
}

pub(super) fn groups(context: &PageContext, state: &OverviewState, found: &Found) -> Markup {
    let series = &found.series;
    let window = Some((series.since, series.until()));
    let narrowed = |name: &'static str, value: &Str| (!value.is_empty()).then(|| state.with(&[(name, Some(value))]));
    let agent = |(name, tally): (&Str, _)| {
        let sessions = (!name.is_empty()).then(|| sessions(Some(name), state.get("user"), window));
        Row { name: words::agent(name), to: narrowed("agent", name), sessions, tally }
    };
    let agents = series.agents_by_cost().into_iter().map(agent).collect();
    let models = series.models_by_cost().into_iter().map(|(name, model)| Row {
        name: html! { (words::agent(name)) @for provider in &model.providers { " " small { (words::name(provider)) } } },
        to: narrowed("model", name),
        sessions: None,
        tally: &model.tally,
    });
    let models = models.collect();
    html! {
        section.groups aria-label="By agent, model, tool and user" {
            (table(context, "By agent", "Agent", agents, Some(("/agents", series.agents.len()))))
            (table(context, "By model", "Model", models, Some(("/models", series.models.len()))))
            (tools(context, state, series))
            @match &found.leading.users {
                Some(users) if users.is_empty() => {},
                Some(users) => (table(context, "Top users", "User", users.iter().map(|share| Row {
                    name: words::name(&share.user),
                    to: narrowed("user", &share.user),
                    sessions: Some(sessions(state.get("agent"), Some(&share.user), window)),
                    tally: &share.tally,
                }).collect(), Some(("/users", users.len())))),
                None => div { h2 { "Top users" } p.note { "There are too many runs in this time to add them up by user: choose a shorter one, or see " a href=(context.to("/users")) { "all users" } "." } },
            }
            (failures(context, state, series))
        }
    }
}

fn table(context: &PageContext, title: &str, what: &str, rows: Vec<Row<'_>>, all: Option<(&str, usize)>) -> Markup {
    let most = rows.iter().map(|row| row.tally.usage.cost.0).max().unwrap_or(0);
    html! {
        @if !rows.is_empty() {
            div {
                (table::titled(title, "plot", &Columns(&[what], &["Runs", "Failed", "Cost", "Tokens", "Median", "95th"]), &html! {
                    @for row in rows.iter().take(ROWS_MAX) {
                        tr {
                            th scope="row" { @match &row.to { Some(to) => a href=(context.to(to)) { (row.name) }, None => (row.name) } }
                            td.number { @match &row.sessions { Some(to) => a href=(context.to(to)) title="Their sessions" { (words::tokens(row.tally.n_runs())) }, None => (words::tokens(row.tally.n_runs())) } }
                            td.number { (n_failed(row.tally)) }
                            td.number { (bar("cost", row.tally.usage.cost.0, most)) (words::cost(row.tally.usage.cost, row.tally.usage.unpriced_calls)) }
                            td.number { (words::tokens(row.tally.usage.tokens)) }
                            td.number { (quantile(row.tally, 500)) }
                            td.number { (quantile(row.tally, 950)) }
                        }
                    }
                }))
                @if let Some((to, n)) = all.filter(|(_, n)| *n >= ROWS_MAX) {
                    p.note { a href=(context.to(to)) { "All of them" } @if n > ROWS_MAX { " (" (words::count(n as u64)) " in this time)" } }
                }
            }
        }
    }
}

/// The tools that took most time. Of calls that a model asked for nobody knows.
fn tools(context: &PageContext, state: &OverviewState, series: &Series) -> Markup {
    let tools = series.tools_by_time();
    let most = tools.first().map_or(0, |(_, tool)| tool.calls.total.0);
    let (since, until) = (format::timestamp(series.since), format::timestamp(series.until()));
    let agent = state.get("agent").map(|agent| ("agent", agent));
    let window: Vec<(&str, &str)> = agent.into_iter().chain([("since", &*since), ("until", &*until)]).collect();
    html! {
        @if !tools.is_empty() {
            div {
                (table::titled("By tool", "plot", &Columns(&["Tool"], &["Calls", "Failed", "Time", "Median", "95th"]), &html! {
                    @for (name, share) in tools.iter().take(ROWS_MAX) {
                        tr {
                            th scope="row" { (tool::link(context, name, &window)) }
                            td.number { (words::tokens(share.calls.n_calls)) }
                            td.number { (tool::failed(&share.calls)) }
                            td.number { (bar("duration", share.calls.total.0, most)) (words::duration(Some(share.calls.total))) }
                            td.number { (tool::percentile(&share.calls, 500)) }
                            td.number { (tool::percentile(&share.calls, 950)) }
                        }
                    }
                }))
                @if tools.len() >= ROWS_MAX {
                    p.note { a href=(context.to(&tool::list(&window))) { "All of them" } @if tools.len() > ROWS_MAX { " (" (words::count(tools.len() as u64)) " in this time)" } }
                }
            }
        }
    }
}

fn n_failed(tally: &Tally) -> Markup {
    let n = tally.n_of(RunStatus::Error);
    html! { (words::tokens(n)) @if n > 0 { " " small { (rate(n, tally.n_runs())) } } }
}

/// Which agents fail most, by how often.
fn failures(context: &PageContext, state: &OverviewState, series: &Series) -> Markup {
    let mut agents: Vec<_> = series.agents.iter().filter(|(_, tally)| tally.n_of(RunStatus::Error) > 0).collect();
    agents.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.n_of(RunStatus::Error)));
    let window = Some((series.since, series.until()));
    html! {
        @if !agents.is_empty() {
            div {
                h2 { "What fails most" }
                (table::captioned("Agents by failed runs", "plot", &Columns(&["Agent"], &["Failed", "Of its runs"]), &html! {
                    @for (name, tally) in agents.into_iter().take(ROWS_MAX) {
                        @let to = format!("{}&status=error", sessions(Some(name), state.get("user"), window));
                        tr {
                            th scope="row" { @if name.is_empty() { (words::agent(name)) } @else { a href=(context.to(&to)) { (words::agent(name)) } } }
                            td.number { (words::tokens(tally.n_of(RunStatus::Error))) }
                            td.number { (bar("error", tally.n_of(RunStatus::Error), tally.n_runs())) (rate(tally.n_of(RunStatus::Error), tally.n_runs())) }
                        }
                    }
                }))
            }
        }
    }
}

pub(super) fn runs(context: &PageContext, leading: &Leading, now: UnixNanos) -> Markup {
    html! {
        section.groups aria-label="Runs that stand out" {
            (leaders(context, "Most expensive runs", &leading.dearest, now))
            (leaders(context, "Slowest runs", &leading.slowest, now))
            (leaders(context, "Latest failures", &leading.failed, now))
        }
        @if !leading.is_complete { p.note { "There are very many runs in a part of this time; not all of them were looked at for these lists." } }
    }
}

fn leaders(context: &PageContext, title: &str, runs: &[Run], now: UnixNanos) -> Markup {
    html! {
        @if !runs.is_empty() {
            div {
                (table::titled(title, "plain leaders", &Columns(&["Run", "Session", "Started"], &["Duration", "Cost"]), &html! {
                    @for run in runs {
                        (leader(context, run, &to_run(run), now, &[words::duration(run.duration()), words::cost(run.usage.cost, run.usage.unpriced_calls)]))
                    }
                }))
            }
        }
    }
}

/// One of them, with the way to it and to its session, and why it failed on a line of its own.
pub(in crate::ui) fn leader(context: &PageContext, run: &Run, to: &str, now: UnixNanos, figures: &[Markup]) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href=(context.to(to)) { (words::agent(&run.agent)) }
                @if run.status != RunStatus::Success && run.error.is_none() { " " (icons::status(run.status)) }
            }
            td { @match &run.session { Some(id) => a href=(context.to(&to_session(id.as_str()))) { (words::name(id.as_str())) }, None => span.unknown { "none" } } }
            td.when { (words::brief(run.started_at, None, now)) }
            @for figure in figures { td.number { (figure) } }
        }
        @if run.error.is_some() { tr.because { td colspan=(3 + figures.len()) { (icons::status(run.status)) " " (failed::on_the_line(run.error.as_ref())) } } }
    }
}

/// Where a run is looked at.
pub(in crate::ui) fn to_run(run: &Run) -> String {
    match run.trace_id() {
        Some(trace) => format!("/traces/{trace}?run={}", run.id.get()),
        None => format!("/runs/{}", run.id.get()),
    }
}

/// The list of sessions of an agent or a user with a run in a time.
pub(in crate::ui) fn sessions(agent: Option<&str>, user: Option<&str>, window: Option<(UnixNanos, UnixNanos)>) -> String {
    let mut query = String::new();
    let (start, end) = window.map(|(start, end)| (format::timestamp(start), format::timestamp(end))).unzip();
    for (name, value) in [("agent", agent), ("user", user), ("start", start.as_deref()), ("end", end.as_deref())] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.extend([name, "=", &pairs::encode(value)]);
        }
    }
    format!("{}{query}", list::PATH)
}
