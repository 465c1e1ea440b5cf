//! `/overview`: what runs came to over time, by agent, model and user, and which of them stand out.

pub(super) mod charts;
mod figures;
mod form;
mod news;
mod state;
mod tables;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use maud::{Markup, html};

pub(super) use self::figures::{percentile, quantile, rate};
use self::state::OverviewState;
pub(super) use self::state::PATH;
pub(super) use self::tables::{leader, sessions, to_run};
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, assets, list, live, words};
use crate::model::ids::Tenant;
use crate::params::overview::OverviewParams;
use crate::store::series::{Leading, Series};

/// All that the page shows.
struct Found {
    series: Series,
    before: Series,
    leading: Leading,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let state = OverviewState::read(uri.query());
    let (tenant, context) = (visitor.tenant, visitor.context.clone());
    let params = match &state.params {
        Ok(params) => params.clone(),
        Err(bad) => {
            let content = html! { h1 { "Overview" } (form::form(&context, &state, None, Some(&bad.detail))) };
            let page = Frame { context: &context, title: "Overview", is_live: false }.around(&content);
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
    };
    // With a user all their runs are read.
    let effort = if params.user.is_some() { Effort::Long } else { Effort::Trace };
    if visitor.wants_events {
        let (of, here) = (tenant.clone(), context.clone());
        // Of the parameters, not of their query: "the last hour" moves on.
        let make = move |ui: &Ui| {
            let found = find(ui, &of, &params)?;
            Ok(html! { (form::moving(&context, &state, found.as_ref())) (part(ui, &context, &state, found.as_ref())) })
        };
        return live::respond(&ui, &tenant, &here, visitor.headers, effort, Arc::new(make));
    }
    ui.read(effort, move |ui| page(ui, &tenant, &context, &state, &params)).await
}

fn page(ui: &Ui, tenant: &Tenant, context: &PageContext, state: &OverviewState, params: &OverviewParams) -> Result<Response, Refusal> {
    let found = find(ui, tenant, params)?;
    let content = html! {
        h1 { "Overview" }
        (form::form(context, state, found.as_ref(), None))
        (part(ui, context, state, found.as_ref()))
        script src=(assets::path(context, "charts.js")) defer {}
    };
    Ok(Frame { context, title: "Overview", is_live: true }.around(&content).into_response())
}

/// What is sent again when it changes; the form is not, so that nobody's choice is lost.
fn part(ui: &Ui, context: &PageContext, state: &OverviewState, found: Option<&Found>) -> Markup {
    html! {
        div #overview data-part {
            @match found {
                None => p.note { "All runs are being added up for the first time: some seconds." },
                Some(found) => (figures_of(ui, context, state, found)),
            }
        }
    }
}

/// `None` while the runs are being added up.
fn find(ui: &Ui, tenant: &Tenant, params: &OverviewParams) -> Result<Option<Found>, Refusal> {
    let query = params.query(ui.now());
    let Some(series) = ui.store.series(tenant, &query)? else { return Ok(None) };
    let before = OverviewParams::before(&query, series.since, series.until(), series.step);
    let Some(before) = ui.store.series(tenant, &before)? else { return Ok(None) };
    let leading = ui.store.leading(tenant, &query, params.limit)?;
    Ok(Some(Found { series, before, leading }))
}

fn figures_of(ui: &Ui, context: &PageContext, state: &OverviewState, found: &Found) -> Markup {
    let Found { series, before, leading } = found;
    html! {
        @if !series.has_sessionless {
            p.note { "There are very many runs without a session; they are not counted here." }
        }
        @if series.total.n_runs() == 0 {
            (nothing(ui, context, state, before))
        } @else {
            (figures::cards(series, before))
            (charts::charts(context, state, series))
            (news::news(context, state, found))
            (tables::groups(context, state, found))
            (tables::runs(context, leading, ui.now()))
        }
        (super::session::curl(context, &state.api()))
    }
}

fn nothing(ui: &Ui, context: &PageContext, state: &OverviewState, before: &Series) -> Markup {
    let is_narrowed = state::NARROWINGS.iter().any(|(name, _)| state.get(name).is_some());
    let n_before = before.total.n_runs();
    html! {
        div.empty {
            h2 { "No run in this time" }
            @if n_before > 0 { p { (words::counted(n_before, "run was", "runs were")) " active in the same time before." } }
            @if is_narrowed {
                p { a href=(context.to(&state.with(&state::NARROWINGS.map(|(name, _)| (name, None))))) { "Look at all agents, models and users" } }
            }
            @if state.last() != Some("30d") {
                p { a href=(context.to(&state.with(&[("last", Some("30d")), ("since", None), ("until", None)]))) { "Look at the last 30 days" } }
            }
            p { "Agents send their spans to " code { (ui.otlp_url) } "; " a href=(context.to(list::PATH)) { "the list of sessions" } " says how, until the first has come." }
        }
    }
}
