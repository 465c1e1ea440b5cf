//! `/`: every session, sorted, searched and filtered.

mod empty;
mod form;
mod state;
mod table;

pub(super) use self::table::to_session;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, Uri};
use maud::{Markup, html};

use self::state::ListState;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{Place, Visitor};
use super::{Effort, Ui, live, words};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant, TraceId};
use crate::model::query::{AgentQuery, SessionQuery};
use crate::model::reason::Reason;
use crate::model::session::{Page, SessionSummary};
use crate::model::time::UnixNanos;
use crate::store::overview::{Overview, SESSIONLESS_MAX};

/// All that the part of the page shows that changes by itself.
struct Found {
    page: Page<SessionSummary>,
    /// Why each session of the page failed.
    errors: Vec<Option<Reason>>,
    /// Of each session on the page.
    users: Vec<Vec<Str>>,
    overview: Overview,
    now: UnixNanos,
    /// The page of the trace or run whose id is searched for.
    landing: Option<String>,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let state = ListState::read(uri.query());
    let query = match state.query(ui.now()) {
        Ok(query) => query,
        Err(bad) => return Ok(refused(&visitor.place, &state, &bad.detail)),
    };
    let tenant = visitor.tenant.clone();
    // A pasted id is looked up, and its trace may be large.
    let effort = if query.search.as_deref().is_some_and(is_id) { Effort::Trace } else { Effort::Short };
    if visitor.wants_events {
        let (of, place) = (tenant.clone(), visitor.place.clone());
        let make = move |ui: &Ui| {
            // Of the state, not of the query: "the last hour" moves on.
            let query = state.query(ui.now())?;
            Ok(part(ui, &place, &state, &find(ui, &of, &query)?))
        };
        return live::respond(&ui, &tenant, &visitor.place, visitor.headers, effort, Arc::new(make));
    }
    let place = visitor.place;
    ui.read(effort, move |ui| page(ui, &tenant, &place, &state, &query)).await
}

fn page(ui: &Ui, tenant: &Tenant, place: &Place, state: &ListState, query: &SessionQuery) -> Result<Response, Refusal> {
    let found = find(ui, tenant, query)?;
    if let Some(landing) = found.landing.as_ref().filter(|_| found.page.count == 0) {
        return Ok(Redirect::to(&place.to(landing)).into_response());
    }
    let agents = ui.store.agents(tenant, &AgentQuery { offset: 0, limit: form::AGENTS_OFFERED })?;
    let content = html! {
        h1 { "Sessions" }
        (form::form(place, state, &agents, None))
        p.quiet { "Session ids are searched here. " a href=(place.to("/search")) { "Search in what was said" } }
        (part(ui, place, state, &found))
    };
    Ok(Frame { place, title: "Sessions", is_live: true }.around(&content).into_response())
}

/// `/sessions` is what people type.
pub(super) async fn move_here(place: Place) -> Redirect {
    Redirect::permanent(&place.to("/"))
}

fn refused(place: &Place, state: &ListState, detail: &str) -> Response {
    let content = html! {
        h1 { "Sessions" }
        (form::form(place, state, &Page { items: Vec::new(), count: 0 }, Some(detail)))
    };
    (StatusCode::BAD_REQUEST, Frame { place, title: "Sessions", is_live: false }.around(&content)).into_response()
}

fn find(ui: &Ui, tenant: &Tenant, query: &SessionQuery) -> Result<Found, Refusal> {
    let landing = query.search.as_deref().map(|search| landing(ui, tenant, search)).transpose()?.flatten();
    let page = ui.store.sessions(tenant, query)?;
    let errors = ui.store.last_errors(tenant, &page.items)?;
    let users = ui.store.users_of_sessions(tenant, &page.items.iter().map(|session| &session.id).collect::<Vec<_>>())?;
    Ok(Found { page, errors, users, overview: ui.store.overview(tenant)?, now: ui.now(), landing })
}

fn is_id(search: &str) -> bool {
    TraceId::from_hex(search).is_some() || search.len() <= 16 && search.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where a pasted trace or run id leads, if there is one of it.
fn landing(ui: &Ui, tenant: &Tenant, search: &str) -> Result<Option<String>, Refusal> {
    if let Some(trace) = TraceId::from_hex(search).filter(|trace| !trace.is_reserved()) {
        return Ok(ui.store.trace(tenant, trace)?.map(|_| format!("/traces/{trace}")));
    }
    let is_number = search.len() <= 16 && search.bytes().all(|byte| byte.is_ascii_digit());
    let Some(id) = search.parse().ok().and_then(RunId::new).filter(|_| is_number) else { return Ok(None) };
    let view = ui.store.run(tenant, id)?;
    Ok(view.map(|view| match view.run.trace_id() {
        Some(trace) => format!("/traces/{trace}?run={}", id.get()),
        None => format!("/runs/{}", id.get()),
    }))
}

/// What is replaced as it changes.
fn part(ui: &Ui, place: &Place, state: &ListState, found: &Found) -> Markup {
    html! {
        section #list data-part aria-label="Sessions found" {
            @if let Some(landing) = &found.landing {
                p { "This is also the id of something else: " a href=(place.to(landing)) { "open it" } }
            }
            @if found.page.count > 0 {
                (table::table(place, state, found))
            } @else if state.is_filtered() {
                (empty::nothing_fits(place, state))
            } @else if found.overview.n_spans == 0 {
                (empty::nothing_received(ui, place))
            } @else {
                (empty::no_session_id(&found.overview))
            }
            (quiet_line(&found.overview, found.page.count))
        }
    }
}

/// Tells of runs that are in no session, without disturbing those who look for one.
fn quiet_line(overview: &Overview, n_sessions: u64) -> Markup {
    let n_runs = overview.n_sessionless_runs;
    let number =
        if n_runs >= SESSIONLESS_MAX { format!("{} runs or more", words::count(n_runs)) } else { words::counted(n_runs, "run", "runs") };
    html! {
        @if n_runs > 0 && n_sessions > 0 {
            p.quiet { (number) " without a session id " (if n_runs == 1 { "is" } else { "are" }) " in no session." }
        }
    }
}
