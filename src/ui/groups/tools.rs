//! `/tools`: which tools were called, how often, how often they failed, and how long that took.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use super::ranges;
use super::state::{GroupState, LIMIT};
use super::table::{self, Column, Row};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::query::ToolSort;
use crate::params::tools::ToolsParams;
use crate::store::series::{Series, ToolShare};
use crate::ui::frame::Frame;
use crate::ui::icons::bar;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::{PageContext, Visitor};
use crate::ui::{Effort, Ui, tool, words};

const PATH: &str = "/tools";

/// Agents that are named of one tool.
const AGENTS_MAX: usize = 3;

const COLUMNS: [Column; 8] = [
    Column { sort: "tool_name", words: "Tool" },
    Column { sort: "call_count", words: "Calls" },
    Column { sort: "error_count", words: "Failed" },
    Column { sort: "total_duration", words: "Time" },
    Column { sort: "duration_p50", words: "Median" },
    Column { sort: "duration_p95", words: "95th percentile" },
    Column { sort: "last_seen", words: "Last seen" },
    Column { sort: "", words: "Agents" },
];
const SORTS: [&str; 8] =
    ["total_duration", "tool_name", "call_count", "error_count", "error_rate", "duration_p50", "duration_p95", "last_seen"];

pub(in crate::ui) async fn tools(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let state = GroupState::read(PATH, uri.query(), &SORTS)?;
    let params = ToolsParams::parse(uri.query())?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    ui.read(Effort::Short, move |ui| page(ui, &tenant, &context, &state, &params)).await
}

fn page(ui: &Ui, tenant: &Tenant, context: &PageContext, state: &GroupState, params: &ToolsParams) -> Result<Response, Refusal> {
    let series = ui.store.series(tenant, &params.query(ui.now(), None))?;
    let content = html! {
        h1 { "Tools" }
        (ranges(context, state))
        (table::search(context, state, PATH, "tools"))
        @match &series {
            None => p.note { "All runs are being added up for the first time. Load this page again in some seconds." },
            Some(series) => {
                (tool::narrowing(context, state))
                p.note { (words::moment(series.since)) " to " (words::moment(series.until())) }
                (list(context, state, params, series))
            },
        }
        (crate::ui::session::curl(context, &format!("/api/v1/observability{}", state.with(&[]).replacen(PATH, "/tools/", 1))))
    };
    Ok(Frame { context, title: "Tools", is_live: false }.around(&content).into_response())
}

fn list(context: &PageContext, state: &GroupState, params: &ToolsParams, series: &Series) -> Markup {
    let sort = ToolSort::ALL.into_iter().find(|sort| sort.as_str() == state.sort.0).unwrap_or(params.sort);
    let tools = series.tools_sorted(state.search().as_deref(), sort, state.sort.1);
    let most = tools.iter().map(|(_, tool)| tool.calls.total.0).max().unwrap_or(0);
    let window: Vec<(&str, &str)> =
        ["agent", "last", "since", "until"].into_iter().filter_map(|name| Some((name, state.get(name)?))).collect();
    let row = |(name, share): &(&Str, &ToolShare)| Row {
        name: tool::name(name),
        to: (!name.is_empty()).then(|| tool::address(name, &window)),
        sessions: None,
        n_runs: share.calls.n_calls,
        cells: vec![
            tool::failed(&share.calls),
            html! { (bar("duration", share.calls.total.0, most)) (words::duration(Some(share.calls.total))) },
            tool::percentile(&share.calls, 500),
            tool::percentile(&share.calls, 950),
            words::moment(share.last_seen),
            agents(share),
        ],
    };
    let rows: Vec<Row> = tools.iter().skip(state.offset).take(LIMIT).map(row).collect();
    html! {
        @if tools.is_empty() && state.search().is_none() {
            div.empty {
                h2 { "No tool was called in this time" }
                p { "A span of a tool makes it appear here: " code { "gen_ai.operation.name" } " is " code { "execute_tool" } ", or what other instrumentations have for that." }
            }
        } @else {
            (table::table(context, state, &COLUMNS, rows, tools.len() as u64, ("tool", "tools")))
        }
    }
}

/// Those that called it most often, and how many others.
fn agents(share: &ToolShare) -> Markup {
    let mut agents: Vec<_> = share.agents.iter().collect();
    agents.sort_by_key(|(_, calls)| std::cmp::Reverse(calls.n_calls));
    html! {
        @for (at, (name, _)) in agents.iter().take(AGENTS_MAX).enumerate() { @if at > 0 { ", " } (words::agent(name)) }
        @if agents.len() > AGENTS_MAX { " and " (words::count((agents.len() - AGENTS_MAX) as u64)) " more" }
    }
}
