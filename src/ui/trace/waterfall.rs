//! The spans as lines of a table, each with its place in time drawn beside it.

use maud::{Markup, html};

use super::tree::{Row, Tree};
use super::{Asked, LIMIT};
use crate::model::facts::{SpanKind, SpanStatus};
use crate::model::run::Run;
use crate::params::links::Place as Window;
use crate::ui::icons;
use crate::ui::pager;
use crate::ui::visitor::Place;
use crate::ui::words;

/// Deeper spans are indented no further.
const DEPTH_MAX: usize = 12;
/// The width of a lane in its own units.
const WIDTH: u128 = 1000;

pub(super) fn waterfall(place: &Place, asked: &Asked, tree: &Tree, run: Option<&Run>, chosen: Option<&Row>) -> Markup {
    let chosen = chosen.map(|row| row.span);
    // The page that has the chosen span, unless another is asked for.
    let at = tree.rows.iter().position(|row| Some(row.span) == chosen).unwrap_or(0);
    let offset = asked.offset.unwrap_or((at / LIMIT * LIMIT) as u64);
    let window = Window { offset, limit: LIMIT as u64, count: tree.rows.len() as u64 };
    html! {
        (pager::of_spans(window, |offset| place.to(&asked.with(run, asked.span, Some(offset)))))
        table.waterfall {
            caption.for-readers { "Spans" }
            thead { tr {
                th.span scope="col" { (words::counted(tree.rows.len() as u64, "span", "spans")) }
                th.lane scope="col" { span.for-readers { "Time " } (words::length(tree.end.since(tree.start))) }
                th.number scope="col" { "Duration" }
                th.model scope="col" { "Model" }
                th.number.extra scope="col" { "Tokens" }
                th.number.extra scope="col" { "Cost" }
                th scope="col" { "Status" }
            } }
            tbody {
                @for row in tree.rows.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX)).take(LIMIT) {
                    (line(place, asked, tree, run, row, Some(row.span) == chosen))
                }
            }
        }
    }
}

fn line(place: &Place, asked: &Asked, tree: &Tree, run: Option<&Run>, row: &Row, is_chosen: bool) -> Markup {
    let is_own = tree.runs.iter().any(|run| run.key.span == row.span);
    let to = format!("{}#span", asked.with(run, Some(row.span), None));
    html! {
        tr class=[is_own.then_some("own")] aria-current=[is_chosen.then_some("true")] {
            th scope="row" class=(format!("indent-{}", row.depth.min(DEPTH_MAX))) {
                span.kind { (kind(row.kind)) } " "
                a href=(place.to(&to)) { @if row.name.is_empty() { span.unknown { "no name" } } @else { (words::name(&row.name)) } }
                @if let Some(tool) = &row.tool { " " (words::name(tool)) }
                @if row.is_of_log && tree.has_spans { " " small.quiet title="From a log event of the agent" { "log" } }
            }
            td.lane { (lane(tree, row)) }
            td.number { (words::duration(row.end.map(|end| end.since(row.start)))) }
            td.model { @if let Some(call) = &row.call { (words::name(&call.model)) } }
            (figures(row))
            td { (status(row)) }
        }
    }
}

fn figures(row: &Row) -> Markup {
    html! {
        @match (&row.counted, &row.call) {
            (Some((tokens, cost)), _) => {
                td.number.extra { (words::tokens(*tokens)) }
                td.number.extra { (words::cost(cost.unwrap_or_default(), u64::from(cost.is_none() && *tokens > 0))) }
            }
            (None, Some(call)) if call.usage.is_positive() => {
                td.number.extra { span.unknown title="Left out of all sums, so that nothing counts twice" { "(" (words::count(call.usage.tokens())) ")" } }
                td.number.extra { span.unknown { "not counted" } }
            }
            _ => { td.number.extra {} td.number.extra {} }
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

pub(super) fn status(row: &Row) -> Markup {
    match (row.status, row.end) {
        (SpanStatus::Error, _) => icons::badge("error", icons::ERROR, "error"),
        (_, None) => icons::badge("running", icons::RUNNING, "open"),
        (SpanStatus::Ok, _) => icons::badge("success", icons::SUCCESS, "ok"),
        (SpanStatus::Unset, _) => html! { span.unknown { "unset" } },
    }
}

fn lane(tree: &Tree, row: &Row) -> Markup {
    let whole = u128::from(tree.end.since(tree.start).0).max(1);
    let x = (u128::from(row.start.since(tree.start).0) * WIDTH / whole).min(WIDTH - 4);
    let end = row.end.unwrap_or(tree.end);
    let width = (u128::from(end.since(row.start).0) * WIDTH / whole).clamp(4, WIDTH - x);
    let class = match (row.status, row.kind) {
        (SpanStatus::Error, _) => "error",
        (_, SpanKind::Agent | SpanKind::Workflow) => "agent",
        (_, SpanKind::Llm | SpanKind::Embedding) => "llm",
        _ => "value",
    };
    html! {
        svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.track y="4" width="1000" height="2" {}
            rect class=(class) x=(x) y="1" width=(width) height="8" {}
        }
    }
}
