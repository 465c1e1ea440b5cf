//! `/runs/{id}`: one run: its figures, its spans as a tree with one of them whole, and what was reported of it over HTTP.
//!
//! What is in the tree is not in a table, too. The figures and the tables update themselves; the tree is as it was when it was asked for.

pub(super) mod explain;
pub(super) mod tables;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use super::frame::Frame;
use super::messages::{self, Role, Show};
use super::refusal::Refusal;
use super::session::{copyable, in_grafana, same_failure};
use super::trace::{self, Asked, Looked, Page};
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, copy, icons, list, live, words};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant};
use crate::model::run::Run;
use crate::params::explore::Elsewhere;
use crate::store::view::{RunBrief, RunView};

/// Runs started in this one that are listed.
const CHILDREN_MAX: usize = 100;

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(id): Path<String>, uri: Uri) -> Result<Response, Refusal> {
    let id = id.parse().ok().and_then(RunId::new).ok_or(Refusal::NotFound("run"))?;
    let asked = Asked::read(Page::Run(id), uri.query())?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    if visitor.wants_events {
        let (of, at) = (tenant.clone(), context.clone());
        let make = move |ui: &Ui| {
            let view = find(ui, &of, id)?;
            Ok(html! { (head(ui, &at, &view)) (more(&at, &view)) })
        };
        return live::respond(&ui, &tenant, &context, visitor.headers, Effort::Trace, Arc::new(make));
    }
    let of = tenant.clone();
    let view = ui.read(Effort::Trace, move |ui| find(ui, &of, id)).await?;
    let looked = match view.run.trace_id() {
        Some(trace) => trace::look(&ui, &tenant, trace).await?,
        None => None,
    };
    ui.read(Effort::Trace, move |ui| Ok(page(ui, &context, &asked, &view, looked))).await
}

fn page(ui: &Ui, context: &PageContext, asked: &Asked, view: &RunView, looked: Option<Looked>) -> Response {
    let agent = if view.run.agent.is_empty() { "no name" } else { &*view.run.agent };
    let title = words::visible(agent);
    let content = html! {
        nav.way aria-label="Way back" {
            a href=(context.to(list::PATH)) { "Sessions" }
            @if let Some(session) = &view.run.session { " › " a href=(context.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) } }
        }
        h1 { span.kind { "Run of" } " " bdi { (title) } }
        (head(ui, context, view))
        @if let Some(looked) = looked { (trace::of_run(context, asked, looked, &view.run)) }
        (more(context, view))
    };
    Frame { context, title: &format!("Run of {title}"), is_live: true }.around(&content).into_response()
}

fn find(ui: &Ui, tenant: &Tenant, id: RunId) -> Result<RunView, Refusal> {
    ui.store.run(tenant, id)?.ok_or(Refusal::NotFound("run"))
}

/// What it came to, and where it stands.
fn head(ui: &Ui, context: &PageContext, view: &RunView) -> Markup {
    let run = &view.run;
    let elsewhere = Elsewhere::run(run);
    html! {
        div #run data-part {
            (figures(run))
            nav.elsewhere aria-label="This run elsewhere" {
                @if let Some(trace) = run.trace_id() { a href=(context.to(&format!("/traces/{trace}?run={}", run.id.get()))) { "Its trace" } }
                @else { span.quiet { "No trace of this run is known: it was reported over HTTP only." } }
                a href=(context.to(&format!("/runs/{}/explain", run.id.get()))) { "Why this sum?" }
                (in_grafana(ui, &elsewhere))
                (copyable("traceql", "TraceQL", &elsewhere.traceql))
                (same_failure(ui, run.error.as_ref(), run.last_activity))
            }
            (relatives(context, view))
            @if let Some(error) = &view.error { p.problem { (words::visible_lines(error)) } }
        }
    }
}

/// What was reported of it, and sums; of its spans what is not in the tree.
fn more(context: &PageContext, view: &RunView) -> Markup {
    html! {
        div #run-more data-part {
            (said(view))
            (tables::models(&view.run))
            (tables::calls(context, view))
            (tables::steps(view))
            (tables::scores(&view.run))
            (tables::reported_spans(view))
        }
    }
}

fn figures(run: &Run) -> Markup {
    html! {
        dl.figures-line {
            (figure("Status", &icons::status(run.status)))
            (figure("Duration", &words::duration(run.duration())))
            (figure("Cost", &words::cost(run.usage.cost, run.usage.unpriced_calls)))
            (figure("Tokens", &words::tokens(run.usage.tokens)))
            (figure("Model calls", &words::tokens(run.usage.calls)))
            @if run.tool_errors > 0 { (figure("Failed tools", &words::tokens(run.tool_errors.into()))) }
            (figure("Started", &words::moment(run.started_at)))
            @if let Some(ended) = run.completed_at { (figure("Ended", &words::moment(ended))) }
            @if !run.workflow.is_empty() { (figure("Workflow", &words::name(&run.workflow))) }
            @if let Some(user) = &run.user { (figure("User", &words::name(user))) }
            (figure("Run id", &copy::id("run-id", &run.id.get().to_string(), "run")))
            @if let Some(trace) = run.trace_id() { (figure("Trace id", &copy::id("trace-id", &trace.to_string(), "trace"))) }
        }
    }
}

fn figure(name: &str, figure: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (figure) } } }
}

fn relatives(context: &PageContext, view: &RunView) -> Markup {
    let link = |run: &RunBrief| html! { a href=(context.to(&format!("/runs/{}", run.id.get()))) { (words::agent(&run.agent)) } " " (icons::status(run.status)) };
    html! {
        @if let Some(parent) = &view.parent { p { "Started in " (link(parent)) } }
        @if !view.children.is_empty() {
            details.runs {
                summary { (words::counted(view.children.len() as u64, "run", "runs")) " started here" }
                ul { @for child in view.children.iter().take(CHILDREN_MAX) { li { (link(child)) } } }
                @if view.children.len() > CHILDREN_MAX { p.quiet { "The first " (CHILDREN_MAX) " are listed." } }
            }
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
