//! `/runs/{id}/explain?offset=..`: why a run comes to what it comes to, span by span.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use crate::conventions::Sources;
use crate::fold::{Counting, WhyCost, WhyNot, WhyOverruled, WhyOwner};
use crate::model::ids::{RunId, SpanId};
use crate::model::usage::{NanoUsd, Usage, UsageTotal};
use crate::params;
use crate::params::links::Place as Window;
use crate::params::pairs::Pairs;
use crate::store::explain::{ExplainQuery, ExplainedCall, ExplainedSpan, Explanation};
use crate::store::raw::{Found, Origin};
use crate::ui::frame::Frame;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::{Place, Visitor};
use crate::ui::{Effort, Ui, list, pager, source, trace, words};

/// Spans on one page.
const LIMIT: usize = 200;
/// Deeper spans are indented no further.
const DEPTH_MAX: usize = 12;

pub(in crate::ui) async fn show(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let id = id.parse().ok().and_then(RunId::new).ok_or(Refusal::NotFound("run"))?;
    let pairs = Pairs::read(uri.query(), &["offset"])?;
    let offset = params::offset(&pairs)?;
    let (tenant, place) = (visitor.tenant, visitor.place);
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
        let content = page(&place, &explanation, &found.origin, offset);
        Ok(Frame { place: &place, title: &title, is_live: false }.around(&content).into_response())
    };
    ui.read(Effort::Trace, draw).await
}

fn page(place: &Place, explanation: &Explanation, origin: &Origin, offset: u64) -> Markup {
    let run = &explanation.run;
    html! {
        nav.way aria-label="Way back" {
            a href=(place.to("/")) { "Sessions" }
            @if let Some(session) = &run.session { " › " a href=(place.to(&list::to_session(session.as_str()))) { (words::name(session.as_str())) } }
            " › " a href=(place.to(&format!("/runs/{}", run.id.get()))) { "Run of " (words::agent(&run.agent)) }
        }
        h1 { span.kind { "Why this sum" } " " (words::agent(&run.agent)) }
        @match &explanation.reason {
            Some(reason) => ul {
                li { "It is " (reason.why.words()) "." }
                li { @match reason.session {
                    Some(why) => { "Its session: " (why.words()) "." }
                    None => "It is of no session: nothing of its trace names one.",
                } }
            },
            None => p { "Its spans are not kept any more: there is nothing to explain it by." },
        }
        p.source { (origin.words()) }
        (sums(explanation))
        @if explanation.n_spans > 0 {
            h2 { "Spans" }
            (pager::of_spans(Window { offset, limit: LIMIT as u64, count: explanation.n_spans as u64 }, |offset| {
                place.to(&format!("/runs/{}/explain?offset={offset}", run.id.get()))
            }))
            @if !explanation.spans.is_empty() { (table("Spans", place, explanation, &explanation.spans)) }
        }
        (reported(&explanation.calls))
        @if !explanation.orphans.is_empty() {
            h2 { "Spans of its trace that are of no run" }
            @if explanation.orphans.len() < explanation.n_orphans {
                p.quiet { (words::counted(explanation.n_orphans as u64, "span", "spans")) "; the first " (words::count(explanation.orphans.len() as u64)) " are shown." }
            }
            (table("Spans of no run", place, explanation, &explanation.orphans))
        }
        @if !explanation.others.is_empty() {
            h2 { "Other runs of its trace" }
            ul {
                @for other in &explanation.others {
                    li { a href=(place.to(&format!("/runs/{}/explain", other.id.get()))) { (words::agent(&other.agent)) } }
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
        (super::tables::scroll("Sums", &html! {
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
                "Shown of the run are " (words::tokens(run.usage.tokens)) " tokens and " (words::cost(run.usage.cost, run.usage.unpriced_calls))
                ": its spans or the prices have changed since it was folded."
            }
        }
    }
}

fn table(name: &str, place: &Place, explanation: &Explanation, spans: &[ExplainedSpan]) -> Markup {
    super::tables::scroll(
        name,
        &html! {
            table.plain.explained {
                thead { tr {
                    th scope="col" { "Span" } th scope="col" { "What it is, and whose" } th scope="col" { "What counts" }
                    th scope="col" { "By which attributes" }
                } }
                tbody { @for span in spans { (line(place, explanation, span)) } }
            }
        },
    )
}

fn line(place: &Place, explanation: &Explanation, span: &ExplainedSpan) -> Markup {
    let (view, reason) = (&span.view, &span.reason);
    let is_of_table = !matches!(reason.owner, WhyOwner::Itself);
    html! {
        tr id=(format!("s-{}", view.span)) {
            th scope="row" class=(format!("indent-{}", span.depth.min(DEPTH_MAX))) {
                span.kind { (trace::kind(view.kind)) } " " (to_span(place, explanation, view.span, &words::name(&view.name)))
            }
            td {
                @if let Some(sources) = &span.sources { p { (words::capital(sources.kind_by.words())) "." } }
                @match reason.role {
                    Ok(why) => p { strong { "The run" } ": it is " (why.words()) "." },
                    Err(why) if !why.words().is_empty() => p { (words::capital(why.words())) "." },
                    Err(_) => {}
                }
                @if is_of_table { p.quiet { (words::capital(reason.owner.words())) "." } }
            }
            td {
                (counting(place, explanation, reason.usage.as_ref(), reason.counting, reason.told_by))
                @if let Some(from) = reason.cost_from { p { "Its cost is what " (to_reason(from, "this span")) " states." } }
                @if let Some(from) = reason.parts_from { p { "Parts of its tokens are what " (to_reason(from, "this span")) " states." } }
            }
            td { @if let Some(sources) = &span.sources { (attributes(sources, reason.overruled)) } @else { span.unknown { "not known" } } }
        }
    }
}

/// The whole span, on the page of its trace.
fn to_span(place: &Place, explanation: &Explanation, span: SpanId, name: &Markup) -> Markup {
    let run = &explanation.run;
    html! {
        @match run.trace_id() {
            Some(trace) => a href=(place.to(&format!("/traces/{trace}?run={}&span={span}#span", run.id.get()))) { (name) },
            None => (name),
        }
    }
}

/// The line of another span on this page, if it is on it.
fn to_reason(span: SpanId, name: &str) -> Markup {
    html! { a href=(format!("#s-{span}")) { (name) } }
}

fn counting(place: &Place, explanation: &Explanation, usage: Option<&Usage>, counting: Counting, told_by: Option<SpanId>) -> Markup {
    html! {
        @match counting {
            Counting::Counts(cost, why) => {
                p { strong { "Counts" } ": " @if let Some(usage) = usage { (figures(usage)) } }
                p {
                    @if let Some(cost) = cost { (words::cost(cost.amount, 0)) ": " }
                    @if cost.is_none() && why == WhyCost::Unknown { span.unknown { "Unknown cost" } ": " }
                    (why.words()) "."
                }
            }
            Counting::LeftOut(cost, why) => {
                p {
                    strong { "Not counted" } ": " (why.words()) "."
                    @if let Some(by) = told_by {
                        " " @if explanation.spans.iter().any(|span| span.view.span == by) { (to_reason(by, "It is this one")) } @else { (to_span(place, explanation, by, &html! { "It is this one" })) } "."
                    }
                }
                @if let Some(usage) = usage { p.quiet { (figures(usage)) @if cost > NanoUsd(0) { ", " (words::cost(cost, 0)) } } }
            }
            Counting::Nothing(WhyNot::NoCall) => span.unknown { "Nothing to count" },
            Counting::Nothing(why) => p { "Nothing to count: " (why.words()) "." },
        }
    }
}

fn figures(usage: &Usage) -> Markup {
    let is_split = usage.input_tokens.or(usage.output_tokens).is_some();
    let parts =
        [("cached", usage.cache_read_tokens), ("written to the cache", usage.cache_write_tokens), ("reasoning", usage.reasoning_tokens)];
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, part.filter(|&part| part > 0)?)));
    html! {
        @if is_split {
            (words::tokens(usage.input_tokens.unwrap_or(0))) " input + " (words::tokens(usage.output_tokens.unwrap_or(0))) " output tokens"
        } @else {
            (words::tokens(usage.tokens())) " tokens"
        }
        @for (name, part) in parts { ", of these " (words::tokens(part)) " " (name) }
    }
}

fn attributes(sources: &Sources, overruled: Option<WhyOverruled>) -> Markup {
    let does_not_hold = |question: &str| overruled.filter(|_| question == "session");
    html! {
        @if !sources.answers.is_empty() {
            ul.answers {
                @for answer in &sources.answers {
                    li {
                        (answer.question) @if answer.is_of_resource { " (of the resource)" } ": "
                        code { (words::name(&answer.key)) } " = " (words::name(&answer.value))
                        @if let Some(why) = does_not_hold(answer.question) { " – does not hold: " (why.words()) }
                    }
                }
            }
        }
        @for change in &sources.changes { p { (words::capital(change)) "." } }
        @for oddity in &sources.oddities { p { "Not believed: " code { (oddity.as_str()) } } }
    }
}

/// Calls that the SDK told of over HTTP, and no span.
fn reported(calls: &[ExplainedCall]) -> Markup {
    html! {
        @if !calls.is_empty() {
            h2 { "Calls that only the SDK's report tells of" }
            (super::tables::scroll("Reported calls", &html! {
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
