//! `/runs/{id}/explain?offset=..`: why a run has the figures it has, span by span.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use crate::fold::Counting;
use crate::model::ids::RunId;
use crate::model::usage::UsageTotal;
use crate::params;
use crate::params::links::PageWindow;
use crate::params::pairs::Pairs;
use crate::store::explain::{ExplainQuery, ExplainedCall, Explanation};
use crate::store::raw::{Found, Origin};
use crate::ui::explained::{self, figures, table};
use crate::ui::frame::Frame;
use crate::ui::refusal::Refusal;
use crate::ui::table::scroll;
use crate::ui::visitor::{PageContext, Visitor};
use crate::ui::{Effort, Ui, list, pager, source, words};

/// Spans on one page.
const LIMIT: usize = 200;

pub(in crate::ui) async fn show(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let id = id.parse().ok().and_then(RunId::new).ok_or(Refusal::NotFound("run"))?;
    let pairs = Pairs::read(uri.query(), &["offset"])?;
    let offset = params::offset(&pairs)?;
    let (tenant, context) = (visitor.tenant, visitor.context);
    let of = tenant.clone();
    let run = ui.read(Effort::Trace, move |ui| super::find(ui, &of, id)).await?.run;
    let found = match run.trace_id() {
        Some(trace) => source::find(&ui, &tenant, trace).await?,
        None => Found { origin: Origin::NoTrace, ..Found::default() },
    };
    let draw = move |ui: &Ui| {
        let query = ExplainQuery { run: id, limit: LIMIT, offset: usize::try_from(offset).unwrap_or(usize::MAX), raw: &found.requests };
        let explanation = ui.store.explain(&tenant, &query)?.ok_or(Refusal::NotFound("run"))?;
        let agent = if explanation.run.agent.is_empty() { "no name" } else { &*explanation.run.agent };
        let title = format!("Why the run of {} comes to this", words::visible(agent));
        let content = page(&context, &explanation, &found.origin, offset);
        Ok(Frame { context: &context, title: &title, is_live: false }.around(&content).into_response())
    };
    ui.read(Effort::Trace, draw).await
}

fn page(context: &PageContext, explanation: &Explanation, origin: &Origin, offset: u64) -> Markup {
    let run = &explanation.run;
    let shown = explanation.spans.iter().chain(&explanation.orphans).map(|span| span.view.span).collect();
    let shown = explained::Page { context, trace: run.trace_id(), run: Some(run.id), shown };
    html! {
        nav.way aria-label="Way back" {
            a href=(context.to(list::PATH)) { "Sessions" }
            @if let Some(session) = &run.session { " › " a href=(context.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) } }
            " › " a href=(context.to(&format!("/runs/{}", run.id.get()))) { "Run of " (words::agent(&run.agent)) }
        }
        h1 { span.kind { "Why this sum" } " " (words::agent(&run.agent)) }
        @match &explanation.reason {
            Some(reason) => ul {
                li { "It is " (reason.why.words()) "." }
                li { @match reason.session {
                    Some(why) => { "Its session: " (why.words()) "." }
                    None => "It belongs to no session: nothing in its trace names one.",
                } }
            },
            None => p { "Nothing can be explained: its spans are no longer kept, or have just become another run. Then look again." },
        }
        p.source { (origin.words()) }
        (sums(explanation))
        @if let Some(told) = &explanation.told_elsewhere {
            p { "Perhaps twice: " (words::visible(&told.words())) ": " a href=(context.to(&format!("/runs/{}/explain", told.run.id.get()))) { (words::agent(&told.run.agent)) } "." }
        }
        @if explanation.n_spans > 0 {
            h2 { "Spans" }
            (pager::of_spans(PageWindow { offset, limit: LIMIT as u64, count: explanation.n_spans as u64 }, |offset| {
                context.to(&format!("/runs/{}/explain?offset={offset}", run.id.get()))
            }))
            @if !explanation.spans.is_empty() { (table("Spans", &shown, &explanation.spans)) }
        }
        (reported(&explanation.calls))
        @if !explanation.orphans.is_empty() {
            h2 { "Spans of its trace that are of no run" }
            @if explanation.orphans.len() < explanation.n_orphans && let Some(trace) = run.trace_id() {
                p.quiet {
                    "The first " (words::count(explanation.orphans.len() as u64)) " of "
                    a href=(context.to(&format!("/traces/{trace}/explain"))) { (words::counted(explanation.n_orphans as u64, "span", "spans")) }
                }
            }
            (table("Spans of no run", &shown, &explanation.orphans))
        }
        @if !explanation.others.is_empty() {
            h2 { "Other runs of its trace" }
            ul {
                @for other in &explanation.others {
                    li { a href=(context.to(&format!("/runs/{}/explain", other.id.get()))) { (words::agent(&other.agent)) } }
                }
            }
        }
    }
}

/// What counts, and what was left out, by rule.
fn sums(explanation: &Explanation) -> Markup {
    let (sums, run) = (&explanation.sums, &explanation.run);
    let row = |name: &Markup, total: &UsageTotal, n_unpriced: u64| {
        html! {
            tr {
                th scope="row" { (name) }
                td.number { (words::tokens(total.calls)) }
                td.number { (words::tokens(total.input_tokens)) }
                td.number { (words::tokens(total.output_tokens)) }
                td.number { (words::tokens(total.tokens)) }
                td.number { (words::cost(total.cost, n_unpriced)) }
            }
        }
    };
    html! {
        h2 { "Sums" }
        (scroll("Sums", &html! {
            table.plain {
                thead { tr {
                    th scope="col" { "What" } th.number scope="col" { "Calls" } th.number scope="col" { "Input" }
                    th.number scope="col" { "Output" } th.number scope="col" { "Tokens" } th.number scope="col" { "Cost" }
                } }
                tbody {
                    (row(&html! { strong { "Counted" } }, &sums.counted, run.usage.unpriced_calls))
                    @for (why, total) in &sums.left_out { (row(&html! { "Left out: " (why.words()) }, total, 0)) }
                }
            }
        }))
        @if explanation.reason.is_some() && !explanation.adds_up() {
            p.problem {
                "The run is shown with " (words::tokens(run.usage.tokens)) " tokens and " (words::cost(run.usage.cost, run.usage.unpriced_calls))
                ": its spans or the prices have changed since it was folded."
            }
        }
    }
}

/// Calls that only the SDK reported.
fn reported(calls: &[ExplainedCall]) -> Markup {
    html! {
        @if !calls.is_empty() {
            h2 { "Calls that only the SDK reported" }
            (scroll("Reported calls", &html! {
                table.plain {
                    thead { tr { th scope="col" { "Model" } th scope="col" { "Tokens" } th scope="col" { "What counts" } } }
                    tbody {
                        @for call in calls.iter().take(LIMIT) {
                            tr {
                                th scope="row" { (words::name(&call.model)) }
                                td { (figures(&call.usage)) }
                                td {
                                    @match call.counting {
                                        Counting::Counts(cost, why) => { "Counts" @if let Some(cost) = cost { ", " (words::cost(cost.amount, 0)) } ": " (why.words()) "." }
                                        Counting::LeftOut(_, why) | Counting::Nothing(why) => { "Not counted: " (why.words()) "." }
                                    }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }
}
