//! `/traces/{trace_id}`: every span of a trace as a tree that can be searched, and one of them whole beside it.
//!
//! The tree stands on the page of a run, too, narrowed to it. However large a trace is, a page has so many lines of it (`lines`).

mod address;
mod detail;
pub(super) mod explain;
mod figures;
mod filter;
mod head;
mod lines;
mod toolbar;
mod tree;
mod waterfall;
mod whole;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Uri;
use maud::{Markup, html};
use rustc_hash::FxHashSet;

pub(super) use self::address::{Asked, Page};
use self::tree::{Row, Tree};
pub(super) use self::waterfall::kind;
use super::frame::Frame;
use super::messages::{self, Message};
use super::refusal::Refusal;
use super::spans::RawSpan;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, assets, source, spans, words};
use crate::bounds::memory::{Permit, Use};
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::model::logs::{ANSWERED_SPAN, ASKED_SPAN};
use crate::model::run::Run;
use crate::store::raw::Found;
use crate::store::view::TraceView;

/// About what a span takes while its trace is drawn: as the index has it, as a line, and as an outline.
const SPAN_BYTES: usize = 1024;

/// All that is known of a trace, and the memory that drawing it takes.
pub(super) struct Looked {
    view: TraceView,
    found: Found,
    _held: Permit,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(trace): Path<String>, uri: Uri) -> Result<Response, Refusal> {
    let trace = read_id(&trace)?;
    let asked = Asked::read(Page::Trace(trace), uri.query())?;
    let looked = look(&ui, &visitor.tenant, trace).await?.ok_or(Refusal::NotFound("trace"))?;
    let context = visitor.context;
    let draw = move |ui: &Ui| {
        let Looked { view, found, _held } = looked;
        let tree = tree(view, &found, None);
        if tree.rows.is_empty() {
            return Err(Refusal::NotFound("trace"));
        }
        let run = asked.run.and_then(|id| tree.runs.iter().find(|run| run.id == id));
        let chosen = run.or_else(|| tree.runs.first());
        let title = head::title(&tree);
        let content = html! {
            (head::way(&context, chosen))
            h1 { span.kind { "Trace" } " " bdi { (title) } }
            (head::head(ui, &context, trace, &tree, chosen))
            (panes(&context, &asked, &tree, &found, trace, run))
        };
        Ok(Frame { context: &context, title: &format!("{title} · Trace"), is_live: false }.around(&content).into_response())
    };
    ui.read(Effort::Trace, draw).await
}

fn read_id(trace: &str) -> Result<TraceId, Refusal> {
    TraceId::from_hex(trace).filter(|trace| !trace.is_reserved()).ok_or(Refusal::NotFound("trace"))
}

/// What the index does not have was deleted, has expired, or was never here: nobody else is asked for it then.
pub(super) async fn look(ui: &Arc<Ui>, tenant: &Tenant, trace: TraceId) -> Result<Option<Looked>, Refusal> {
    let of = tenant.clone();
    let view = move |ui: &Ui| {
        let Some(view) = ui.store.trace(&of, trace)? else { return Ok(None) };
        let held = ui.answers.memory.take(Use::Sums, view.spans.len() * SPAN_BYTES)?;
        Ok(Some((view, held)))
    };
    let Some((view, held)) = ui.read(Effort::Trace, view).await? else { return Ok(None) };
    let found = source::find(ui, tenant, trace).await?;
    Ok(Some(Looked { view, found, _held: held }))
}

/// The tree of one run with what the address asks for; nothing where no span of it is kept.
pub(super) fn of_run(context: &PageContext, asked: &Asked, looked: Looked, run: &Run) -> Markup {
    let Looked { view, found, _held } = looked;
    let trace = view.trace;
    let tree = tree(view, &found, Some(run.id));
    html! { @if !tree.rows.is_empty() { (panes(context, asked, &tree, &found, trace, Some(run))) } }
}

/// All of it, or what lies in and below one run.
fn tree(view: TraceView, found: &Found, only: Option<RunId>) -> Tree {
    let tools: FxHashSet<SpanId> = view.spans.iter().filter(|span| span.kind == SpanKind::Tool).map(|span| span.span).collect();
    let outlines = spans::outlines(&found.requests, view.trace, &|span| tools.contains(&span));
    Tree::new(view, &outlines, only)
}

/// The tree, what narrows it, and the chosen span beside it.
fn panes(context: &PageContext, asked: &Asked, tree: &Tree, found: &Found, trace: TraceId, run: Option<&Run>) -> Markup {
    let is_found = (!asked.filter.is_empty()).then(|| asked.filter.find(tree, trace, &found.requests));
    let first_found = is_found.as_ref().and_then(|is_found| is_found.iter().position(|is| *is)).filter(|_| asked.span.is_none());
    let chosen = first_found.or_else(|| tree.chosen(asked.span, run));
    let lines = match &is_found {
        Some(is_found) => lines::found(tree, is_found),
        None => lines::unfolded(tree, &asked.folds, chosen),
    };
    let n_found = is_found.map(|is_found| is_found.iter().filter(|is| **is).count());
    let whole = chosen.map(|at| {
        let row = &tree.rows[at];
        let raw = spans::whole(&found.requests, trace, row.span);
        let said = said(tree, at, raw.as_ref(), trace, &found.requests);
        detail::Whole { trace, row, raw, said }
    });
    html! {
        (remarks(context, tree, found, trace))
        div #panes {
            (toolbar::toolbar(context, asked, tree, chosen, n_found))
            div.panes {
                div.tree { (waterfall::waterfall(context, asked, tree, &lines, chosen)) }
                @if let Some(whole) = &whole { (detail::detail(context, asked, tree, whole)) }
            }
        }
        script src=(assets::path(context, "trace.js")) defer {}
    }
}

/// Where attributes are from, and what is not shown.
fn remarks(context: &PageContext, tree: &Tree, found: &Found, trace: TraceId) -> Markup {
    let n_orphans = tree.rows.iter().filter(|row| row.run.is_none()).count() as u64;
    html! {
        (source::line(&found.origin, tree.n_missing))
        @if tree.n_retold > 0 {
            p.quiet {
                (words::counted(tree.n_retold as u64, "log event that repeats a call is", "log events that repeat these calls are"))
                " not shown: the agent's own spans are."
            }
        }
        @if n_orphans > 0 {
            p { (words::counted(n_orphans, "span is", "spans are")) " of no run: " a href=(context.to(&format!("/traces/{trace}/explain"))) { "why?" } }
        }
    }
}

/// What was said in a span, or right below it where a coding agent's log events say it.
fn said(tree: &Tree, at: usize, raw: Option<&RawSpan>, trace: TraceId, requests: &[Bytes]) -> Vec<Message> {
    let row = &tree.rows[at];
    let said = raw.map(|raw| detail::messages(row, raw)).unwrap_or_default();
    if !said.is_empty() || row.kind != SpanKind::Agent {
        return said;
    }
    let says = |below: &&Row| below.is_of_log && [ASKED_SPAN, ANSWERED_SPAN].contains(&&*below.name);
    let below: Vec<SpanId> = tree.children(at).map(|at| &tree.rows[at]).filter(says).map(|below| below.span).collect();
    let attributes = spans::attributes_of(requests, trace, &|span| below.contains(&span));
    let all = |attributes| messages::said(attributes, &[]).all();
    below.iter().filter_map(|span| attributes.get(span)).flat_map(all).take(messages::MESSAGES_MAX).collect()
}
