//! The spans as lines of a table, each with its place in time drawn beside it.

use maud::{Markup, html};

use super::address::Asked;
use super::figures::Total;
use super::lines::{Branch, LINES_MAX, Line};
use super::tree::{Row, Tree};
use crate::model::facts::SpanKind;
use crate::params::links::PageWindow;
use crate::ui::failed;
use crate::ui::icons;
use crate::ui::pager;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Deeper spans are indented no further.
const DEPTH_MAX: usize = 12;
/// The width of a lane in its own units.
const WIDTH: u128 = 1000;

/// One page of the lines, the one that has what is chosen unless another is asked for.
pub(super) fn waterfall(context: &PageContext, asked: &Asked, tree: &Tree, lines: &[Line], chosen: Option<usize>) -> Markup {
    // What is folded away is there as what it is folded into.
    let at = lines.iter().rposition(|line| chosen.is_some_and(|chosen| line.at == chosen || tree.below(line.at).contains(&chosen)));
    let offset = asked.offset.unwrap_or((at.unwrap_or(0) / LINES_MAX * LINES_MAX) as u64);
    let window = PageWindow { offset, limit: LINES_MAX as u64, count: lines.len() as u64 };
    // Links keep the part of the list that is shown.
    let kept = (window.count > window.limit || offset > 0).then_some(offset);
    let shown: Vec<&Line> = lines.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(LINES_MAX).collect();
    html! {
        (pager::of_spans(window, |offset| context.to(&asked.paged(offset).address())))
        @if let Some(first) = shown.first() { (way(context, asked, tree, first.at, kept)) }
        table.waterfall {
            caption.for-readers { "Spans" }
            thead { tr {
                th.span scope="col" { (words::counted(tree.rows.len() as u64, "span", "spans")) }
                th.lane scope="col" { span.for-readers { "Time " } (words::length(tree.end.since(tree.start))) }
                th.number scope="col" { "Duration" }
                th.number.own-time scope="col" title="In which none of its children ran" { "Own" }
                th.number.extra scope="col" { "Tokens" }
                th.number scope="col" { "Cost" }
            } }
            tbody { @for line in shown { (self::line(context, asked, tree, *line, kept, Some(line.at) == chosen)) } }
        }
    }
}

/// What the first line of a later page lies in.
fn way(context: &PageContext, asked: &Asked, tree: &Tree, at: usize, offset: Option<u64>) -> Markup {
    let mut above: Vec<usize> = tree.ancestors(at).take(DEPTH_MAX).collect();
    above.reverse();
    html! {
        @if offset.is_some_and(|offset| offset > 0) && !above.is_empty() {
            p.quiet {
                "In "
                @for (n, row) in above.iter().map(|&at| &tree.rows[at]).enumerate() {
                    @if n > 0 { " › " }
                    a href=(context.to(&to(asked, row, None))) data-swap { (name(row)) }
                }
            }
        }
    }
}

fn line(context: &PageContext, asked: &Asked, tree: &Tree, line: Line, offset: Option<u64>, is_chosen: bool) -> Markup {
    let row = &tree.rows[line.at];
    let is_own = tree.runs.iter().any(|run| run.key.span == row.span);
    let mut class = String::new();
    for (is, name) in [(is_own, "own "), (row.figures.is_critical, "critical "), (line.branch == Branch::Context, "context ")] {
        class.push_str(if is { name } else { "" });
    }
    html! {
        tr id=(format!("r-{}", row.span)) class=[(!class.is_empty()).then_some(class.trim_end())] aria-current=[is_chosen.then_some("true")] {
            th scope="row" class=(format!("indent-{}", row.depth.min(DEPTH_MAX))) {
                (branch(context, asked, row, line.branch, offset))
                span.kind { (kind(row.kind)) } " "
                a.name href=(context.to(&to(asked, row, offset))) data-swap { (name(row)) }
                @if let Some(tool) = &row.tool { " " (words::name(tool)) }
                @if let Some(call) = &row.call && !row.name.contains(&*call.model) { " " small { (words::name(&call.model)) } }
                @if row.is_of_log && tree.has_spans { " " small.quiet title="From a log event of the agent" { "log" } }
                @if row.figures.is_critical { span.mark title="On the critical path" { span.for-readers { " on the critical path" } } }
                @if let Some(status) = status(row) { " " (status) }
                " " (failed::on_the_line(row.failure.as_ref()))
                @if line.branch == Branch::Folded && row.figures.n_errors_below > 0 {
                    " " small.errors { (words::counted(row.figures.n_errors_below as u64, "error", "errors")) " below" }
                }
            }
            td.lane { (lane(tree, row)) }
            td.number { (words::duration(row.end.map(|end| end.since(row.start)))) }
            td.number.own-time { (own_time(row)) }
            (figures(row))
        }
    }
}

/// Where a click on a span leads: to this page, with the span whole, its line still in sight.
fn to(asked: &Asked, row: &Row, offset: Option<u64>) -> String {
    format!("{}#r-{}", asked.at(row.span, offset).address(), row.span)
}

/// Opens or folds what is below.
fn branch(context: &PageContext, asked: &Asked, row: &Row, branch: Branch, offset: Option<u64>) -> Markup {
    let is_open = match branch {
        Branch::Leaf | Branch::Context | Branch::Found => return html! {},
        Branch::Open => true,
        Branch::Folded => false,
    };
    let to = format!("{}#r-{}", asked.folding(row.span, !is_open, offset).address(), row.span);
    let below = words::counted(row.n_below as u64, "span below", "spans below");
    html! {
        a.fold href=(context.to(&to)) data-swap="fold" aria-expanded=(is_open) aria-label=(below) {
            @if is_open { "▾" } @else { "▸ " (words::count(row.n_below as u64)) }
        }
        " "
    }
}

fn name(row: &Row) -> Markup {
    html! { @if row.name.is_empty() { span.unknown { "no name" } } @else { (words::name(&row.name)) } }
}

/// Nothing where it is all of its time.
fn own_time(row: &Row) -> Markup {
    let whole = row.end.map(|end| end.since(row.start));
    html! { @if row.figures.own_time != whole { (words::duration(row.figures.own_time)) } }
}

/// What counts of a span, else what counts below it, else what does not count.
fn figures(row: &Row) -> Markup {
    let (own, below) = (Total::of(row), &row.figures.total);
    html! {
        @match &row.call {
            _ if !own.is_nothing() => {
                td.number.extra { (words::tokens(own.tokens)) }
                td.number { (words::cost(own.cost, own.unpriced_calls)) }
            }
            _ if !below.is_nothing() => {
                td.number.extra.below title="Of the spans below it" { (words::tokens(below.tokens)) }
                td.number.below title="Of the spans below it" { (words::cost(below.cost, below.unpriced_calls)) }
            }
            Some(call) if call.usage.is_positive() => {
                td.number.extra { span.unknown title="Left out of all sums, so that nothing counts twice" { "(" (words::count(call.usage.tokens())) ")" } }
                td.number { span.unknown { "not counted" } }
            }
            _ => { td.number.extra {} td.number {} }
        }
    }
}

pub(in crate::ui) fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Other => "span",
        SpanKind::Agent => "agent",
        SpanKind::Workflow => "flow",
        SpanKind::Llm => "model",
        SpanKind::Embedding => "embed",
        SpanKind::Tool => "tool",
        SpanKind::Step => "step",
    }
}

/// Nothing where all is as it should be: most spans say no status, and few of the others say more than that they ended.
pub(super) fn status(row: &Row) -> Option<Markup> {
    match (row.has_failed, row.end) {
        (true, _) => Some(icons::badge("error", icons::ERROR, "error")),
        (false, None) => Some(icons::badge("running", icons::RUNNING, "open")),
        (false, Some(_)) => None,
    }
}

fn lane(tree: &Tree, row: &Row) -> Markup {
    let whole = u128::from(tree.end.since(tree.start).0).max(1);
    let x = (u128::from(row.start.since(tree.start).0) * WIDTH / whole).min(WIDTH - 4);
    let end = row.end.unwrap_or(tree.end);
    let width = (u128::from(end.since(row.start).0) * WIDTH / whole).clamp(4, WIDTH - x);
    let class = match (row.has_failed, row.kind) {
        (true, _) => "error",
        (_, SpanKind::Agent | SpanKind::Workflow) => "agent",
        (_, SpanKind::Llm | SpanKind::Embedding) => "llm",
        _ => "value",
    };
    html! {
        svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect class=(class) x=(x) y="1" width=(width) height="8" {}
        }
    }
}
