//! `/agents`, `/models`, `/tools` and `/users`: all of them, sorted, searched, and each with the way to its overview and its sessions.

pub(super) mod state;
mod table;
mod tools;
mod users;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use self::state::{GroupState, LIMIT};
use self::table::{Column, Row};
pub(super) use self::tools::tools;
pub(super) use self::users::users;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, overview, words};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::run::RunStatus;
use crate::model::tally::Tally;
use crate::params::overview::{OverviewParams, RANGES};
use crate::params::pairs;
use crate::store::series::Series;

/// The range of time of an address that names none: as long as sessions are kept, unless that was changed.
const RANGE: &str = "30d";

/// What one page lists.
#[derive(Clone, Copy)]
struct Kind {
    path: &'static str,
    title: &'static str,
    /// The parameter that narrows an overview to one of them.
    parameter: &'static str,
    one: &'static str,
    many: &'static str,
}

const AGENTS: Kind = Kind { path: "/agents", title: "Agents", parameter: "agent", one: "agent", many: "agents" };
const MODELS: Kind = Kind { path: "/models", title: "Models", parameter: "model", one: "model", many: "models" };

const COLUMNS: [Column; 7] = [
    Column { sort: "name", words: "Name" },
    Column { sort: "run_count", words: "Runs" },
    Column { sort: "error_count", words: "Failed" },
    Column { sort: "total_cost", words: "Cost" },
    Column { sort: "total_tokens", words: "Tokens" },
    Column { sort: "duration_p50", words: "Median" },
    Column { sort: "duration_p95", words: "95th percentile" },
];
const SORTS: [&str; 7] = ["total_cost", "name", "run_count", "error_count", "total_tokens", "duration_p50", "duration_p95"];

pub(super) async fn agents(ui: State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    show(ui, visitor, uri, AGENTS).await
}

pub(super) async fn models(ui: State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    show(ui, visitor, uri, MODELS).await
}

async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri, kind: Kind) -> Result<Response, Refusal> {
    let state = GroupState::read(kind.path, uri.query(), &SORTS)?;
    let window = [("last", state.get("last")), ("since", state.get("since")), ("until", state.get("until"))];
    let mut query = String::new();
    for (name, value) in window {
        value.into_iter().for_each(|value| query.extend(["&", name, "=", &pairs::encode(value)]));
    }
    let params = OverviewParams::parse(Some(if query.is_empty() { "last=30d" } else { &query }))?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    ui.read(Effort::Short, move |ui| page(ui, &tenant, &context, &state, &params, kind)).await
}

fn page(
    ui: &Ui,
    tenant: &Tenant,
    context: &PageContext,
    state: &GroupState,
    params: &OverviewParams,
    kind: Kind,
) -> Result<Response, Refusal> {
    let series = ui.store.series(tenant, &params.query(ui.now()))?;
    let content = html! {
        h1 { (kind.title) }
        (ranges(context, state))
        (table::search(context, state, kind.path, kind.many))
        @match &series {
            None => p.note { "All runs are being added up for the first time. Load this page again in some seconds." },
            Some(series) => {
                p.note { (words::moment(series.since)) " to " (words::moment(series.until())) }
                (list(context, state, series, kind))
            },
        }
    };
    Ok(Frame { context, title: kind.title, is_live: false }.around(&content).into_response())
}

/// The ranges of time to choose from.
pub(super) fn ranges(context: &PageContext, state: &GroupState) -> Markup {
    let has_own = state.get("since").is_some() || state.get("until").is_some();
    let last = state.get("last").or((!has_own).then_some(RANGE));
    html! {
        nav.choices aria-label="Range of time" {
            @for (value, words, _) in RANGES {
                a href=(context.to(&state.with(&[("last", Some(value)), ("since", None), ("until", None)]))) title=(words)
                    aria-current=[(last == Some(value)).then_some("true")] { (value) }
            }
        }
    }
}

fn list(context: &PageContext, state: &GroupState, series: &Series, kind: Kind) -> Markup {
    let search = state.search();
    let is_meant = |name: &str| search.as_ref().is_none_or(|search| name.to_ascii_lowercase().contains(search));
    let mut found: Vec<(&Str, &Tally, Markup)> = match kind.parameter {
        "agent" => series.agents.iter().map(|(name, tally)| (name, tally, html! {})).collect(),
        _ => {
            let providers = |model: &crate::store::series::ModelTally| {
                html! { @for provider in &model.providers { " " small { (words::name(provider)) } } }
            };
            series.models.iter().map(|(name, model)| (name, &model.tally, providers(model))).collect()
        }
    };
    found.retain(|(name, ..)| is_meant(name));
    let key = |tally: &Tally| match state.sort.0 {
        "run_count" => tally.n_runs(),
        "error_count" => tally.n_of(RunStatus::Error),
        "total_tokens" => tally.usage.tokens,
        "duration_p50" => tally.durations.quantile(500).map_or(0, |length| length.0),
        "duration_p95" => tally.durations.quantile(950).map_or(0, |length| length.0),
        "total_cost" => tally.usage.cost.0,
        // They are in the order of their names, and so are ties.
        _ => 0,
    };
    match state.sort {
        ("name", true) => found.reverse(),
        (_, true) => found.sort_by_key(|(_, tally, _)| std::cmp::Reverse(key(tally))),
        (_, false) => found.sort_by_key(|(_, tally, _)| key(tally)),
    }
    let most = found.iter().map(|(_, tally, _)| tally.usage.cost.0).max().unwrap_or(0);
    let window = Some((series.since, series.until()));
    let range = |name: &'static str| state.get(name).map(|value| (name, value));
    let narrowed = |name: &str| {
        let mut query = format!("{}={}", kind.parameter, pairs::encode(name));
        let window: Vec<_> = ["last", "since", "until"].into_iter().filter_map(range).collect();
        for (name, value) in if window.is_empty() { vec![("last", RANGE)] } else { window } {
            query.extend(["&", name, "=", &pairs::encode(value)]);
        }
        format!("/overview?{query}")
    };
    let rows = found.iter().skip(state.offset).take(LIMIT).map(|(name, tally, more)| Row {
        name: html! { (words::agent(name)) (more) },
        to: (!name.is_empty()).then(|| narrowed(name)),
        sessions: (kind.parameter == "agent" && !name.is_empty()).then(|| overview::sessions(Some(name), None, window)),
        cells: table::figures(tally, most),
        n_runs: tally.n_runs(),
    });
    table::table(context, state, &COLUMNS, rows.collect(), found.len() as u64, (kind.one, kind.many))
}
