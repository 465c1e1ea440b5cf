//! `/sessions`: every session, sorted, searched and filtered.

mod columns;
mod csv;
mod empty;
mod form;
mod histogram;
mod offer;
mod state;
mod table;
mod toolbar;

pub(super) use self::offer::Offer;
pub(super) use self::state::{PATH, searched};
pub(super) use self::table::{status, to_session};

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, Uri, header};
use maud::{Markup, html};

use self::columns::{Column, Columns};
use self::state::ListState;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, assets, live, words};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant, TraceId};
use crate::model::query::{AgentQuery, SessionQuery};
use crate::model::question::Question;
use crate::model::reason::Reason;
use crate::model::scores::ScoreTotals;
use crate::model::session::{Activity, Page, SessionSummary};
use crate::model::time::UnixNanos;
use crate::params::format;
use crate::params::pairs::Pairs;
use crate::store::overview::{Overview, SESSIONLESS_MAX};

/// All that the part of the page shows that changes by itself.
struct Found {
    page: Page<SessionSummary>,
    /// Why each session of the page failed.
    errors: Vec<Option<Reason>>,
    /// What was asked first in each session.
    questions: Vec<Option<Question>>,
    /// Of each session on the page.
    users: Vec<Vec<Str>>,
    /// The same; none where their column is not shown.
    scores: Vec<ScoreTotals>,
    overview: Overview,
    activity: Option<Activity>,
    /// The page of the trace or run whose id is searched for.
    landing: Option<String>,
}

/// How the list is looked at.
struct View<'a> {
    context: &'a PageContext,
    state: &'a ListState,
    columns: Columns,
    now: UnixNanos,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let state = ListState::read(uri.query());
    let asked = state.query(ui.now()).and_then(|query| Ok((query, Columns::of(&state, &visitor.headers)?)));
    let (query, columns) = match asked {
        Ok(asked) => asked,
        Err(bad) => return Ok(refused(&visitor.context, &state, &bad.detail)),
    };
    let extra = Pairs::read(uri.query(), &["format", "keep"])?;
    if extra.get("keep").is_some() {
        return Ok(keep(&visitor.context, &state, columns));
    }
    match extra.get("format") {
        None => {}
        Some("csv") => return csv::answer(&ui, visitor.tenant, query).await,
        Some(other) => return Err(Refusal::BadParam(format!("Invalid format {other:?}: must be csv."))),
    }
    let tenant = visitor.tenant.clone();
    // A pasted id is looked up, and its trace may be large.
    let effort = if query.search.as_deref().is_some_and(is_id) { Effort::Trace } else { Effort::Short };
    if visitor.wants_events {
        let (of, context) = (tenant.clone(), visitor.context.clone());
        // A cookie makes another page of the same address.
        let shown = PageContext { here: format!("{}#{}", context.here, columns.text().unwrap_or_default()), ..context.clone() };
        let make = move |ui: &Ui| {
            // Of the state, not of the query: "the last hour" moves on.
            let query = state.query(ui.now())?;
            let view = View { context: &context, state: &state, columns, now: ui.now() };
            Ok(part(ui, &view, &find(ui, &of, &query, columns)?))
        };
        return live::respond(&ui, &tenant, &shown, visitor.headers, effort, Arc::new(make));
    }
    let context = visitor.context;
    ui.read(effort, move |ui| page(ui, &tenant, &View { context: &context, state: &state, columns, now: ui.now() }, &query)).await
}

/// The address with the columns that a form chose, which the browser is to remember.
fn keep(context: &PageContext, state: &ListState, columns: Columns) -> Response {
    let mut response = Redirect::to(&context.to(&state.with("columns", columns.text().as_deref()))).into_response();
    if let Some(cookie) = columns.remember(context) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn page(ui: &Ui, tenant: &Tenant, view: &View<'_>, query: &SessionQuery) -> Result<Response, Refusal> {
    let View { context, state, columns, .. } = *view;
    let found = find(ui, tenant, query, columns)?;
    if let Some(landing) = found.landing.as_ref().filter(|_| found.page.count == 0) {
        return Ok(Redirect::to(&context.to(landing)).into_response());
    }
    let agents = ui.store.agents(tenant, &AgentQuery { offset: 0, limit: form::AGENTS_OFFERED })?;
    let content = html! {
        h1 { "Sessions" }
        (form::form(context, state, &agents, None))
        p.quiet { "Session ids are searched here. " a href=(context.to("/search")) { "Search in what was said" } }
        (part(ui, view, &found))
        script src=(assets::path(context, "charts.js")) defer {}
    };
    Ok(Frame { context, title: "Sessions", is_live: true }.around(&content).into_response())
}

/// `/sessions/` is what people type.
pub(super) async fn move_here(context: PageContext, uri: Uri) -> Redirect {
    moved(&context, uri.query().unwrap_or_default())
}

/// To the list, with a query as it came.
pub(super) fn moved(context: &PageContext, query: &str) -> Redirect {
    let separator = if query.is_empty() { "" } else { "?" };
    Redirect::permanent(&context.to(&format!("{PATH}{separator}{query}")))
}

fn refused(context: &PageContext, state: &ListState, detail: &str) -> Response {
    let content = html! {
        h1 { "Sessions" }
        (form::form(context, state, &Page { items: Vec::new(), count: 0 }, Some(detail)))
    };
    (StatusCode::BAD_REQUEST, Frame { context, title: "Sessions", is_live: false }.around(&content)).into_response()
}

fn find(ui: &Ui, tenant: &Tenant, query: &SessionQuery, columns: Columns) -> Result<Found, Refusal> {
    let landing = query.search.as_deref().map(|search| landing(ui, tenant, search)).transpose()?.flatten();
    // A list that goes on into now has its last bar there.
    let until_now = SessionQuery { end: query.end.or(query.start.map(|_| ui.now())), ..query.clone() };
    let page = ui.store.sessions(tenant, query)?;
    let ids: Vec<_> = page.items.iter().map(|session| &session.id).collect();
    Ok(Found {
        errors: ui.store.last_errors(tenant, &page.items)?,
        questions: ui.store.first_questions(tenant, &ids)?,
        users: ui.store.users_of_sessions(tenant, &ids)?,
        scores: if columns.has(Column::Scores) { ui.store.scores_of_sessions(tenant, &ids)? } else { Vec::new() },
        page,
        overview: ui.store.overview(tenant)?,
        activity: ui.store.activity(tenant, &until_now, histogram::BARS_MAX)?,
        landing,
    })
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
fn part(ui: &Ui, view: &View<'_>, found: &Found) -> Markup {
    let View { context, state, .. } = *view;
    html! {
        section #list data-part aria-label="Sessions found" {
            @if let Some(landing) = &found.landing {
                p { "This is also the id of something else: " a href=(context.to(landing)) { "open it" } }
            }
            @if found.page.count > 0 {
                @if let Some(activity) = &found.activity { (histogram::histogram(context, state, activity)) }
                (table::table(view, found))
            } @else if state.is_filtered() {
                (empty::nothing_fits(context, state))
            } @else if found.overview.n_spans == 0 {
                (empty::nothing_received(ui, context))
            } @else {
                (empty::no_session_id(&found.overview))
            }
            (quiet_line(&found.overview, found.page.count))
        }
    }
}

// === impl Found ===

impl Found {
    fn has_users(&self) -> bool {
        self.users.iter().any(|users| !users.is_empty())
    }
}

// === impl View ===

impl View<'_> {
    /// The start of a range that moves with the clock, fixed at this minute, so that the part does not change by being looked at.
    fn fixed_start(&self) -> Option<String> {
        const MINUTE: u64 = 60_000_000_000;
        let start = self.state.query(self.now).ok()?.start?;
        self.state.get("last").map(|_| format::timestamp(UnixNanos(start.0 / MINUTE * MINUTE)))
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
