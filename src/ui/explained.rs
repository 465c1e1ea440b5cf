//! Explained spans as lines of a table: what each is, whose, what of it counts, and which attributes said so.

use std::collections::HashSet;

use maud::{Markup, html};

use super::table::scroll;
use super::visitor::PageContext;
use super::{trace, words};
use crate::conventions::Sources;
use crate::fold::{Counting, SpanReason, WhyCost, WhyNot, WhyOverruled, WhyOwner};
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::usage::{NanoUsd, Usage};
use crate::store::explain::ExplainedSpan;

/// Deeper spans are indented no further.
const DEPTH_MAX: usize = 12;

/// Where the lines stand.
pub(super) struct Page<'a> {
    pub(super) context: &'a PageContext,
    /// The trace of the spans; `None` for what was reported over HTTP only.
    pub(super) trace: Option<TraceId>,
    pub(super) run: Option<RunId>,
    /// The spans that have a line on this page.
    pub(super) shown: HashSet<SpanId>,
}

// === impl Page ===

impl Page<'_> {
    /// The whole span, on the page of its trace.
    fn to_span(&self, span: SpanId, name: &Markup) -> Markup {
        let run = self.run.map_or_else(String::new, |run| format!("run={}&", run.get()));
        html! {
            @match self.trace {
                Some(trace) => a href=(self.context.to(&format!("/traces/{trace}?{run}span={span}#span"))) { (name) },
                None => (name),
            }
        }
    }
}

/// The lines of a table; `name` says what they are to those who do not see it.
pub(super) fn table(name: &str, page: &Page<'_>, spans: &[ExplainedSpan]) -> Markup {
    scroll(
        name,
        &html! {
            table.plain.explained {
                thead { tr {
                    th scope="col" { "Span" } th scope="col" { "What it is, and whose" } th scope="col" { "What counts" }
                    th scope="col" { "By which attributes" }
                } }
                tbody { @for span in spans { (line(page, span)) } }
            }
        },
    )
}

fn line(page: &Page<'_>, span: &ExplainedSpan) -> Markup {
    let (view, reason) = (&span.view, &span.reason);
    let is_of_table = !matches!(reason.owner, WhyOwner::Itself);
    html! {
        tr id=(format!("s-{}", view.span)) {
            th scope="row" class=(format!("indent-{}", span.depth.min(DEPTH_MAX))) {
                span.kind { (trace::kind(view.kind)) } " " (page.to_span(view.span, &words::name(&view.name)))
            }
            td {
                @if view.is_of_log { p { "From a log event of the agent." } }
                @if let Some(sources) = &span.sources { p { (words::capital(sources.kind_by.words())) "." } }
                @match reason.role {
                    Ok(why) => p { strong { "The run" } ": it is " (why.words()) "." },
                    Err(why) if !why.words().is_empty() => p { (words::capital(why.words())) "." },
                    Err(_) => {}
                }
                @if is_of_table { p.quiet { (words::capital(reason.owner.words())) "." } }
            }
            td {
                (counting(page, reason))
                @if let Some(from) = reason.cost_from { p { "Its cost is what " (to_reason(from, "this span")) " states." } }
                @if let Some(from) = reason.parts_from { p { "Parts of its tokens are what " (to_reason(from, "this span")) " states." } }
            }
            td { @if let Some(sources) = &span.sources { (attributes(sources, reason.overruled)) } @else { span.unknown { "not known" } } }
        }
    }
}

/// The line of another span on this page, if it is on it.
fn to_reason(span: SpanId, name: &str) -> Markup {
    html! { a href=(format!("#s-{span}")) { (name) } }
}

fn counting(page: &Page<'_>, reason: &SpanReason) -> Markup {
    let usage = reason.usage.as_ref();
    // What is of no run is in no session's sum either.
    let counts = if reason.owner == WhyOwner::Nobody { "In no sum" } else { "Counts" };
    html! {
        @match reason.counting {
            Counting::Counts(cost, why) => {
                p { strong { (counts) } ": " @if let Some(usage) = usage { (figures(usage)) } }
                p {
                    @if let Some(cost) = cost { (words::cost(cost.amount, 0)) ": " }
                    @if cost.is_none() && why == WhyCost::Unknown { span.unknown { "Unknown cost" } ": " }
                    (why.words()) @for (_, rates) in reason.counting.rates().told() { ", at the price " (rates) } "."
                }
            }
            Counting::LeftOut(cost, why) => {
                p {
                    strong { "Not counted" } ": " (why.words()) "."
                    @if let Some(by) = reason.told_by {
                        " " @if page.shown.contains(&by) { (to_reason(by, "It is this one")) } @else { (page.to_span(by, &html! { "It is this one" })) } "."
                    }
                }
                @if let Some(usage) = usage { p.quiet { (figures(usage)) @if cost > NanoUsd(0) { ", " (words::cost(cost, 0)) } } }
            }
            Counting::Nothing(WhyNot::NoCall) => span.unknown { "Nothing to count" },
            Counting::Nothing(why) => p { "Nothing to count: " (why.words()) "." },
        }
    }
}

pub(super) fn figures(usage: &Usage) -> Markup {
    let is_split = usage.input_tokens.or(usage.output_tokens).is_some();
    let of_input = [
        ("cached", usage.cache_read_tokens.unwrap_or(0)),
        ("written to the cache", usage.cache_write_tokens.unwrap_or(0)),
        ("written to the cache for an hour", usage.cache_write_1h_tokens),
    ];
    let of_output = [("reasoning", usage.reasoning_tokens.unwrap_or(0))];
    html! {
        @if is_split {
            (words::tokens(usage.input_tokens.unwrap_or(0))) " input" (parts(&of_input)) " + "
            (words::tokens(usage.output_tokens.unwrap_or(0))) " output" (parts(&of_output)) " tokens"
        } @else {
            (words::tokens(usage.tokens())) " tokens" (parts(&[&of_input[..], &of_output].concat()))
        }
    }
}

/// What a number of tokens holds, in brackets behind it.
fn parts(parts: &[(&str, u64)]) -> Markup {
    let mut parts = parts.iter().filter(|(_, n)| *n > 0).peekable();
    html! {
        @if parts.peek().is_some() {
            " (" @for (at, (name, n)) in parts.enumerate() { @if at > 0 { ", " } (words::tokens(*n)) " " (name) } ")"
        }
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
