//! `/tools/NAME`: the calls of one tool over time, the agents that make them, and the runs that stand out by them.

mod runs;

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use super::frame::Frame;
use super::groups::{self, state::GroupState};
use super::icons::bar;
use super::overview::charts::{self, Chart};
use super::overview::{self, rate};
use super::refusal::Refusal;
use super::table::{self, Columns};
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, assets, words};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::ToolCalls;
use crate::params::tools::ToolsParams;
use crate::params::{format, pairs, path};
use crate::store::series::{Callers, Series, ToolShare};

const PATH: &str = "/tools/";

/// Runs in each list.
const RUNS: usize = 10;

const CHARTS: [Chart<ToolCalls>; 2] = [
    Chart {
        title: "Calls",
        class: "runs",
        legend: [("part", "failed"), ("whole", "others")],
        part: |calls| calls.n_errors,
        whole: |calls| calls.n_calls,
        label: |most| words::counted(most, "call", "calls"),
        words: |calls| format!("{}, {} failed", words::counted(calls.n_calls, "call", "calls"), words::count(calls.n_errors)),
    },
    Chart {
        title: "Duration",
        class: "duration",
        legend: [("part", "median"), ("whole", "95th percentile")],
        part: |calls| length(calls, 500),
        whole: |calls| length(calls, 950),
        label: |most| words::length(Nanos(most)),
        words: |calls| match calls.durations.quantile(500) {
            Some(median) => format!("median {}, 95th percentile {}", words::length(median), words::length(Nanos(length(calls, 950)))),
            None => "no call has ended".to_owned(),
        },
    },
];

/// A tool that was not called.
static NOT_CALLED: LazyLock<ToolShare> = LazyLock::new(ToolShare::default);

fn length(calls: &ToolCalls, of_thousand: u64) -> u64 {
    calls.durations.quantile(of_thousand).map_or(0, |length| length.0)
}

/// Where a tool is looked at in a window, which the parameters name.
pub(super) fn address(tool: &str, window: &[(&str, &str)]) -> String {
    with_window(format!("{PATH}{}", pairs::encode(tool)), window)
}

/// Where all tools are.
pub(super) fn list(window: &[(&str, &str)]) -> String {
    with_window("/tools".to_owned(), window)
}

fn with_window(mut address: String, window: &[(&str, &str)]) -> String {
    for (at, (name, value)) in window.iter().enumerate() {
        address.push(if at == 0 { '?' } else { '&' });
        address.extend([name, "=", &pairs::encode(value)]);
    }
    address
}

/// The name of a tool; of those that are not kept by their names a word.
pub(super) fn name(tool: &str) -> Markup {
    if tool.is_empty() {
        html! { span.unknown title="Tools that are not kept by their names" { "others" } }
    } else {
        words::name(tool)
    }
}

/// Its name, and the way to it where it has one.
pub(super) fn link(context: &PageContext, tool: &str, window: &[(&str, &str)]) -> Markup {
    html! { @if tool.is_empty() { (name(tool)) } @else { a href=(context.to(&address(tool, window))) { (name(tool)) } } }
}

/// How many calls failed, and how many of a hundred.
pub(super) fn failed(calls: &ToolCalls) -> Markup {
    html! { (words::tokens(calls.n_errors)) @if calls.n_errors > 0 { " " small { (rate(calls.n_errors, calls.n_calls)) } } }
}

pub(super) fn percentile(calls: &ToolCalls, of_thousand: u64) -> Markup {
    overview::percentile(&calls.durations, of_thousand, "No call has ended")
}

/// Says that calls of one agent alone are meant, and leads to those of all.
pub(super) fn narrowing(context: &PageContext, state: &GroupState) -> Markup {
    html! {
        @if let Some(agent) = state.get("agent") {
            p.note { "Calls of the agent " (words::agent(agent)) ". " a href=(context.to(&state.with(&[("agent", None)]))) { "Those of all agents" } }
        }
    }
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let tool = uri.path().strip_prefix(PATH).and_then(path::decoded).filter(|tool| !tool.is_empty()).ok_or(Refusal::NoPage)?;
    let state = GroupState::read(&address(&tool, &[]), uri.query(), &["total_duration"])?;
    let params = ToolsParams::parse(uri.query())?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    ui.read(Effort::Trace, move |ui| page(ui, &tenant, &context, &state, (&Str::from(tool), &params))).await
}

fn page(
    ui: &Ui,
    tenant: &Tenant,
    context: &PageContext,
    state: &GroupState,
    (tool, params): (&Str, &ToolsParams),
) -> Result<Response, Refusal> {
    let query = params.query(ui.now(), Some(tool.clone()));
    let series = ui.store.series(tenant, &query)?;
    let callers = ui.store.callers(tenant, &query, RUNS)?;
    let content = html! {
        p.note { a href=(context.to("/tools")) { "All tools" } }
        h1 { "Tool " (words::name(tool)) }
        (groups::ranges(context, state))
        @match &series {
            None => p.note { "All runs are being added up for the first time. Load this page again in some seconds." },
            Some(series) => {
                (narrowing(context, state))
                p.note { (words::moment(series.since)) " to " (words::moment(series.until())) }
                (figures(context, state, (tool, series), &callers, ui.now()))
            },
        }
        (super::session::curl(context, &format!("/api/v1/observability{}", to_api(&state.with(&[])))))
        script src=(assets::path(context, "charts.js")) defer {}
    };
    Ok(Frame { context, title: &format!("Tool {}", words::visible(tool)), is_live: false }.around(&content).into_response())
}

/// The path ends in a slash there.
fn to_api(address: &str) -> String {
    match address.split_once('?') {
        Some((path, query)) => format!("{path}/?{query}"),
        None => format!("{address}/"),
    }
}

fn figures(context: &PageContext, state: &GroupState, (tool, series): (&Str, &Series), callers: &Callers, now: UnixNanos) -> Markup {
    let share = series.tools.as_ref().and_then(|tools| tools.get(tool)).unwrap_or(&NOT_CALLED);
    let between = |since, until| {
        let (since, until) = (format::timestamp(since), format::timestamp(until));
        state.with(&[("last", None), ("since", Some(&since)), ("until", Some(&until))])
    };
    html! {
        @if !series.has_sessionless { p.note { "There are very many runs without a session; their calls are not counted here." } }
        @if share.calls.n_calls == 0 {
            div.empty {
                h2 { "It was not called in this time" }
                p { "Choose a longer time, or see " a href=(context.to("/tools")) { "all tools" } "." }
            }
        } @else {
            (cards(share))
            (charts::draw_all(context, &between, series, &series.calls, &CHARTS))
            (points(context, &between, series))
            (by_agent(context, state, share))
            (runs::runs(context, tool, callers, now))
        }
    }
}

fn cards(share: &ToolShare) -> Markup {
    let calls = &share.calls;
    let card = |name: &str, figure: Markup, note: Markup| html! { div.card { dt { (name) } dd.figure { (figure) } dd.note { (note) } } };
    let ended = calls.durations.count();
    html! {
        dl.cards.headline {
            (card("Calls", words::tokens(calls.n_calls), html! { "by " (words::counted(share.n_runs, "run", "runs")) }))
            (card("Failed", failed(calls), html! {}))
            (card("Time in all", words::duration(Some(calls.total)), html! {
                @if let Some(mean) = calls.mean() { (words::length(mean)) " a call" }
                @if ended < calls.n_calls { " · " (words::counted(calls.n_calls - ended, "call", "calls")) " of unknown length" }
            }))
            (card("Median duration", percentile(calls, 500), html! {}))
            (card("95th percentile", percentile(calls, 950), html! {
                @if let Some(slow) = calls.durations.quantile(990) { "99th: " (words::length(slow)) }
            }))
            (card("Last seen", words::moment(share.last_seen), html! {}))
        }
    }
}

/// The charts as a table.
fn points(context: &PageContext, between: charts::Between<'_>, series: &Series) -> Markup {
    let names = ["Calls", "Failed", "Time", "Median", "95th percentile"];
    charts::as_table(context, between, "Calls and their duration over time", &names, series, &|at| {
        let calls = &series.calls[at];
        html! {
            td.number { (words::tokens(calls.n_calls)) }
            td.number { (words::tokens(calls.n_errors)) }
            td.number { (words::duration(Some(calls.total))) }
            td.number { (percentile(calls, 500)) }
            td.number { (percentile(calls, 950)) }
        }
    })
}

fn by_agent(context: &PageContext, state: &GroupState, share: &ToolShare) -> Markup {
    let mut agents: Vec<(&Str, &ToolCalls)> = share.agents.iter().collect();
    agents.sort_by_key(|(_, calls)| std::cmp::Reverse((calls.total, calls.n_calls)));
    let most = agents.first().map_or(0, |(_, calls)| calls.total.0);
    html! {
        section.groups aria-label="Agents that call it" {
            div {
                (table::titled("By agent", "plot", &Columns(&["Agent"], &["Calls", "Failed", "Time", "Median", "95th"]), &html! {
                    @for (name, calls) in agents {
                        tr {
                            th scope="row" {
                                @if name.is_empty() { (words::agent(name)) }
                                @else { a href=(context.to(&state.with(&[("agent", Some(name))]))) { (words::agent(name)) } }
                            }
                            td.number { (words::tokens(calls.n_calls)) }
                            td.number { (failed(calls)) }
                            td.number { (bar("duration", calls.total.0, most)) (words::duration(Some(calls.total))) }
                            td.number { (percentile(calls, 500)) }
                            td.number { (percentile(calls, 950)) }
                        }
                    }
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_tool_is_the_apis_but_for_a_slash() {
        let odd = address("a/b?c \"d\"", &[("last", "7d"), ("since", "x&y")]);
        assert_eq!(odd, "/tools/a%2Fb%3Fc%20%22d%22?last=7d&since=x%26y");
        assert_eq!(to_api(&odd), "/tools/a%2Fb%3Fc%20%22d%22/?last=7d&since=x%26y");
        assert_eq!(to_api(&address("t", &[])), "/tools/t/");
        assert_eq!(path::decoded("a%2Fb%3Fc%20%22d%22").as_deref(), Some("a/b?c \"d\""));
    }
}
