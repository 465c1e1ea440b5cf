//! `/runs/{id}`: one run: its calls, steps and scores, what it was given and what it gave back.

pub(super) mod explain;
pub(super) mod tables;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame::Frame;
use super::messages::{self, Role, Show};
use super::refusal::Refusal;
use super::session::{copyable, in_grafana};
use super::visitor::{Place, Visitor};
use super::{Effort, Ui, icons, list, live, words};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant};
use crate::model::run::Run;
use crate::params::explore::Elsewhere;
use crate::store::view::{RunBrief, RunView};

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = id.parse().ok().and_then(RunId::new).ok_or(Refusal::NotFound("run"))?;
    let (tenant, place) = (visitor.tenant, visitor.place);
    if visitor.wants_events {
        let (of, at) = (tenant.clone(), place.clone());
        let make = move |ui: &Ui| Ok(part(ui, &at, &find(ui, &of, id)?));
        return live::respond(&ui, &tenant, &place, visitor.headers, Effort::Trace, Arc::new(make));
    }
    let work = move |ui: &Ui| Ok(page(ui, &place, &find(ui, &tenant, id)?));
    ui.read(Effort::Trace, work).await
}

fn page(ui: &Ui, place: &Place, view: &RunView) -> Response {
    let agent = if view.run.agent.is_empty() { "no name" } else { &*view.run.agent };
    let title = words::visible(agent);
    let content = html! {
        nav.way aria-label="Way back" {
            a href=(place.to("/")) { "Sessions" }
            @if let Some(session) = &view.run.session { " › " a href=(place.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) } }
        }
        h1 { span.kind { "Run of" } " " bdi { (title) } }
        (part(ui, place, view))
    };
    Frame { place, title: &format!("Run of {title}"), is_live: true }.around(&content).into_response()
}

fn find(ui: &Ui, tenant: &Tenant, id: RunId) -> Result<RunView, Refusal> {
    ui.store.run(tenant, id)?.ok_or(Refusal::NotFound("run"))
}

fn part(ui: &Ui, place: &Place, view: &RunView) -> Markup {
    let run = &view.run;
    let elsewhere = Elsewhere::run(run);
    html! {
        div #run data-part {
            (cards(run))
            nav.elsewhere aria-label="This run elsewhere" {
                @if let Some(trace) = run.trace_id() { a href=(place.to(&format!("/traces/{trace}?run={}", run.id.get()))) { "Its trace" } }
                @else { span.quiet { "No trace of this run is known: it was reported over HTTP only." } }
                a href=(place.to(&format!("/runs/{}/explain", run.id.get()))) { "Why this sum?" }
                (in_grafana(ui, &elsewhere))
                (copyable("traceql", "TraceQL", &elsewhere.traceql))
            }
            (relatives(place, view))
            @if let Some(error) = &view.error { p.problem { (words::visible_lines(error)) } }
            (said(view))
            (tables::models(run))
            (tables::calls(place, view))
            (tables::tools(place, view))
            (tables::steps(view))
            (tables::scores(run))
            (tables::reported_spans(view))
        }
    }
}

fn cards(run: &Run) -> Markup {
    html! {
        dl.cards {
            (card("Status", &icons::status(run.status)))
            (card("Duration", &words::duration(run.duration())))
            (card("Cost", &words::cost(run.usage.cost, run.usage.unpriced_calls)))
            (card("Tokens", &words::tokens(run.usage.tokens)))
            (card("Model calls", &words::tokens(run.usage.calls)))
            @if run.tool_errors > 0 { (card("Failed tools", &words::tokens(run.tool_errors.into()))) }
            (card("Started", &words::moment(run.started_at)))
            @if let Some(ended) = run.completed_at { (card("Ended", &words::moment(ended))) }
            @if !run.workflow.is_empty() { (card("Workflow", &words::name(&run.workflow))) }
            @if let Some(user) = &run.user { (card("User", &words::name(user))) }
            (card("Id", &html! { span.mono { (run.id.get()) } }))
        }
    }
}

fn card(name: &str, figure: &Markup) -> Markup {
    html! { div.card { dt { (name) } dd.figure { (figure) } } }
}

fn relatives(place: &Place, view: &RunView) -> Markup {
    let link = |run: &RunBrief| html! { a href=(place.to(&format!("/runs/{}", run.id.get()))) { (words::agent(&run.agent)) } " " (icons::status(run.status)) };
    html! {
        @if let Some(parent) = &view.parent { p { "Started in " (link(parent)) } }
        @if !view.children.is_empty() {
            p { "Started here:" }
            ul { @for child in &view.children { li { (link(child)) } } }
        }
    }
}

/// What it was given and what it gave back, where that was captured.
fn said(view: &RunView) -> Markup {
    let given = |text: &Option<Str>, role: Role| text.as_deref().map(|text| messages::reported(text, &role)).unwrap_or_default();
    let mut said = given(&view.inputs, Role::Other("input".to_owned()));
    said.extend(given(&view.result, Role::Other("result".to_owned())));
    html! { @if !said.is_empty() { h2 { "Input and result" } (Show::new().list(&said)) } }
}
