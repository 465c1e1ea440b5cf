//! `/traces/{trace_id}?run=..&span=..`: every span of a trace, and one of them whole.

mod detail;
pub(super) mod explain;
mod tree;
mod waterfall;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Uri;
use maud::{Markup, html};

use self::tree::{Row, Tree};
pub(super) use self::waterfall::kind;
use super::frame::Frame;
use super::messages::{self, Message};
use super::refusal::Refusal;
use super::spans::RawSpan;
use super::visitor::{Place, Visitor};
use super::{Effort, Ui, icons, list, source, spans, words};
use crate::bounds::memory::Use;
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::logs::{ANSWERED_SPAN, ASKED_SPAN};
use crate::model::run::Run;
use crate::params::pairs::Pairs;
use crate::params::{self, BadParam};
use crate::store::raw::Found;

/// About what a span takes while its trace is drawn: as the index has it, as a line, and as an outline.
const SPAN_BYTES: usize = 768;
/// Spans on one page.
const LIMIT: usize = 500;

/// What the address asks for.
struct Asked {
    trace: TraceId,
    run: Option<RunId>,
    span: Option<SpanId>,
    offset: Option<u64>,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, Path(trace): Path<String>, uri: Uri) -> Result<Response, Refusal> {
    let asked = Asked::read(&trace, uri.query())?;
    let (tenant, trace) = (visitor.tenant.clone(), asked.trace);
    // What the index does not have was deleted, has expired, or was never here: nobody else is asked for it then.
    let look = move |ui: &Ui| {
        let view = ui.store.trace(&tenant, trace)?.ok_or(Refusal::NotFound("trace"))?;
        let held = ui.answers.memory.take(Use::Sums, view.spans.len() * SPAN_BYTES)?;
        Ok((view, held))
    };
    let (view, held) = ui.read(Effort::Trace, look).await?;
    let found = source::find(&ui, &visitor.tenant, trace).await?;
    let place = visitor.place;
    let draw = move |_: &Ui| {
        let tree = Tree::new(view, &spans::outlines(&found.requests, trace));
        if tree.rows.is_empty() {
            return Err(Refusal::NotFound("trace"));
        }
        let content = page(&place, &asked, &tree, &found);
        let page = Frame { place: &place, title: &format!("Trace {trace}"), is_live: false }.around(&content);
        drop((tree, found, held));
        Ok(page.into_response())
    };
    ui.read(Effort::Trace, draw).await
}

fn read_id(trace: &str) -> Result<TraceId, Refusal> {
    TraceId::from_hex(trace).filter(|trace| !trace.is_reserved()).ok_or(Refusal::NotFound("trace"))
}

fn page(place: &Place, asked: &Asked, tree: &Tree, found: &Found) -> Markup {
    let run = asked.run.and_then(|id| tree.runs.iter().find(|run| run.id == id)).or_else(|| tree.runs.first());
    let chosen = tree.chosen(asked.span, run);
    let raw = chosen.and_then(|row| spans::whole(&found.requests, asked.trace, row.span));
    let said = chosen.map(|row| said(tree, row, raw.as_ref(), asked.trace, &found.requests)).unwrap_or_default();
    html! {
        (way(place, run))
        h1 { span.kind { "Trace" } " " span.mono { (asked.trace.to_string()) } }
        (runs(place, asked, tree, run))
        (source::line(&found.origin, tree.n_missing))
        @if tree.n_retold > 0 {
            p.quiet {
                (words::counted(tree.n_retold as u64, "log event that repeats a call is", "log events that repeat these calls are"))
                " not shown: the agent's own spans are."
            }
        }
        @let n_orphans = tree.rows.iter().filter(|row| row.run.is_none()).count() as u64;
        @if n_orphans > 0 {
            p { (words::counted(n_orphans, "span is", "spans are")) " of no run: " a href=(place.to(&format!("/traces/{}/explain", asked.trace))) { "why?" } }
        }
        (waterfall::waterfall(place, asked, tree, run, chosen))
        @if let Some(row) = chosen { (detail::detail(row, raw.as_ref(), &said)) }
    }
}

/// What was said in a span, or right below it where a coding agent's log events say it.
fn said(tree: &Tree, row: &Row, raw: Option<&RawSpan>, trace: TraceId, requests: &[Bytes]) -> Vec<Message> {
    let said = raw.map(|raw| detail::messages(row, raw)).unwrap_or_default();
    if !said.is_empty() || row.kind != SpanKind::Agent {
        return said;
    }
    let says = |below: &&Row| below.parent == Some(row.span) && below.is_of_log && [ASKED_SPAN, ANSWERED_SPAN].contains(&&*below.name);
    let below: Vec<SpanId> = tree.rows.iter().filter(says).map(|below| below.span).collect();
    let attributes = spans::attributes_of(requests, trace, &|span| below.contains(&span));
    let all = |attributes| messages::said(attributes, &[]).all();
    below.iter().filter_map(|span| attributes.get(span)).flat_map(all).take(messages::MESSAGES_MAX).collect()
}

fn way(place: &Place, run: Option<&Run>) -> Markup {
    html! {
        nav.way aria-label="Way back" {
            a href=(place.to("/")) { "Sessions" }
            @if let Some(session) = run.and_then(|run| run.session.as_ref()) {
                " › " a href=(place.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) }
            }
        }
    }
}

/// The runs of the trace; the chosen one is marked.
fn runs(place: &Place, asked: &Asked, tree: &Tree, chosen: Option<&Run>) -> Markup {
    html! {
        @if !tree.runs.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Runs of this trace" {
                table.plain {
                    caption { (words::counted(tree.runs.len() as u64, "run", "runs")) }
                    thead { tr {
                        th scope="col" { "Agent" } th scope="col" { "Status" } th scope="col" { "Started" }
                        th.number scope="col" { "Duration" } th.number scope="col" { "Cost" } th.number scope="col" { "Tokens" }
                        th scope="col" { span.for-readers { "More" } }
                    } }
                    tbody {
                        @for run in &tree.runs {
                            tr {
                                th scope="row" {
                                    a href=(place.to(&format!("/traces/{}?run={}", asked.trace, run.id.get())))
                                        aria-current=[chosen.is_some_and(|chosen| chosen.id == run.id).then_some("true")] { (words::agent(&run.agent)) }
                                }
                                td { (icons::status(run.status)) }
                                td { (words::moment(run.started_at)) }
                                td.number { (words::duration(run.duration())) }
                                td.number { (words::cost(run.usage.cost, run.usage.unpriced_calls)) }
                                td.number { (words::tokens(run.usage.tokens)) }
                                td {
                                    a href=(place.to(&format!("/runs/{}", run.id.get()))) { "calls and steps" } " "
                                    a href=(place.to(&format!("/runs/{}/explain", run.id.get()))) { "why this sum?" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

// === impl Asked ===

impl Asked {
    fn read(trace: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let pairs = Pairs::read(query, &["run", "span", "offset"])?;
        let trace = read_id(trace)?;
        let offset = pairs.get("offset").map(|_| params::offset(&pairs)).transpose()?;
        let run = match pairs.get("run") {
            Some(number) => Some(number.parse().ok().and_then(RunId::new).ok_or_else(|| BadParam::new("run", number, "a run's number"))?),
            None => None,
        };
        let span = match pairs.get("span") {
            Some(hex) => Some(SpanId::from_hex(hex).ok_or_else(|| BadParam::new("span", hex, "16 hexadecimal digits"))?),
            None => None,
        };
        Ok(Self { trace, run, span, offset })
    }

    /// This page with another span or another part of the list.
    fn with(&self, run: Option<&Run>, span: Option<SpanId>, offset: Option<u64>) -> String {
        let mut query = Vec::new();
        if let Some(run) = run {
            query.push(format!("run={}", run.id.get()));
        }
        if let Some(span) = span {
            query.push(format!("span={span}"));
        }
        if let Some(offset) = offset {
            query.push(format!("offset={offset}"));
        }
        let separator = if query.is_empty() { "" } else { "?" };
        format!("/traces/{}{separator}{}", self.trace, query.join("&"))
    }
}
