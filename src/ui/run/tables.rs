//! What a run did, as tables. Each shows so many rows and says how many there are.

use maud::{Markup, html};

use crate::model::run::{Run, ScoreValue};
use crate::store::view::{CallView, RunView};
use crate::ui::messages::{self, Message, Role, Show};
use crate::ui::table::scroll;
use crate::ui::visitor::PageContext;
use crate::ui::{icons, words};

const ROWS_MAX: usize = 500;

pub(super) fn models(run: &Run) -> Markup {
    html! {
        @if !run.models.is_empty() {
            h2 { "Calls by model" }
            (scroll("Calls by model", &html! {
                table.plain {
                    thead { tr {
                        th scope="col" { "Model" } th scope="col" { "Provider" } th.number scope="col" { "Calls" } th.number scope="col" { "Input" }
                        th.number scope="col" { "Output" } th.number scope="col" { "Tokens" } th.number scope="col" { "Cost" }
                    } }
                    tbody {
                        @for usage in &run.models {
                            tr {
                                th scope="row" { @if usage.model.is_empty() { span.unknown { "no name" } } @else { (words::name(&usage.model)) } }
                                td { (words::name(&usage.provider)) }
                                td.number { (words::tokens(usage.total.calls)) }
                                td.number { (words::tokens(usage.total.input_tokens)) }
                                td.number { (words::tokens(usage.total.output_tokens)) }
                                td.number { (words::tokens(usage.total.tokens)) }
                                td.number { (words::cost(usage.total.cost, usage.total.unpriced_calls)) }
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// The calls that no span tells of: the others are lines of the tree. What was said to the models, as far as it was posted.
pub(super) fn calls(context: &PageContext, view: &RunView) -> Markup {
    let has_tree = view.run.trace_id().is_some() && !view.spans.is_empty();
    let shown: Vec<&CallView> = view.calls.iter().filter(|call| !has_tree || call.span.is_none()).collect();
    let with_text: Vec<_> = view.calls.iter().filter(|call| call.prompt.is_some() || call.response.is_some()).take(ROWS_MAX).collect();
    html! {
        @if !shown.is_empty() {
            h2 { @if has_tree { "Calls that no span tells of" } @else { "Calls" } }
            (scroll("Calls", &html! {
                table.plain {
                    thead { tr {
                        th scope="col" { "At" } th scope="col" { "Model" } th scope="col" { "Task" } th.number scope="col" { "Input" }
                        th.number scope="col" { "Output" } th.number scope="col" { "Cost" } th scope="col" { "Outcome" } th scope="col" { "Span" }
                    } }
                    tbody { @for call in shown.iter().take(ROWS_MAX) { (self::call(context, view, call)) } }
                }
            }))
            (more(shown.len()))
        }
        @if !with_text.is_empty() {
            h2 { "What was said to the models" }
            @let show = Show::new();
            ol.talk {
                @for call in with_text {
                    @let beside = html! { (words::time_of_day(call.at)) " " (words::name(&call.model)) };
                    @if let Some(prompt) = &call.prompt { (show.message(&Message::text(Role::User, &**prompt), &beside)) }
                    @if let Some(response) = &call.response { (show.message(&Message::text(Role::Assistant, &**response), &beside)) }
                }
            }
        }
    }
}

fn call(context: &PageContext, view: &RunView, call: &CallView) -> Markup {
    let unpriced = u64::from(call.cost.is_none() && call.usage.tokens() > 0);
    html! {
        tr {
            th scope="row" { (words::moment(call.at)) }
            td { @if call.model.is_empty() { span.unknown { "no name" } } @else { (words::name(&call.model)) } }
            td { (words::name(&call.task)) }
            td.number { (words::tokens(call.usage.input_tokens.unwrap_or(0))) }
            td.number { (words::tokens(call.usage.output_tokens.unwrap_or(0))) }
            td.number { (words::cost(call.cost.map(|cost| cost.amount).unwrap_or_default(), unpriced)) }
            td { @if call.is_error { (icons::badge("error", icons::ERROR, "error")) } @else { (icons::badge("success", icons::SUCCESS, "ok")) } }
            td {
                @if let (Some(trace), Some(span)) = (view.run.trace_id(), call.span) {
                    a href=(context.to(&format!("/traces/{trace}?run={}&span={span}#span", view.run.id.get()))) { "span" }
                }
            }
        }
    }
}

pub(super) fn steps(view: &RunView) -> Markup {
    html! {
        @if !view.steps.is_empty() {
            h2 { "Steps" }
            (scroll("Steps", &html! {
                table.plain {
                    thead { tr { th scope="col" { "At" } th scope="col" { "Step" } th scope="col" { "Output" } } }
                    tbody {
                        @for step in view.steps.iter().take(ROWS_MAX) {
                            tr {
                                th scope="row" { (words::moment(step.at)) }
                                td { (words::name(&step.name)) }
                                td { @if let Some(output) = &step.output { (step_output(output)) } }
                            }
                        }
                    }
                }
            }))
            (more(view.steps.len()))
        }
    }
}

/// The text in a step's output, else the JSON that it is.
fn step_output(output: &str) -> Markup {
    let said = messages::reported(output, &Role::Assistant);
    let text: Vec<String> = said.iter().map(Message::said).filter(|text| !text.is_empty()).collect();
    html! { bdi { (words::visible_lines(&if text.is_empty() { output.to_owned() } else { text.join("\n") })) } }
}

pub(super) fn scores(run: &Run) -> Markup {
    html! {
        @if !run.scores.is_empty() {
            h2 { "Scores" }
            (scroll("Scores", &html! {
                table.plain {
                    thead { tr { th scope="col" { "Score" } th.number scope="col" { "Value" } th scope="col" { "Comment" } th scope="col" { "From" } th scope="col" { "At" } } }
                    tbody {
                        @for score in run.scores.iter().take(ROWS_MAX) {
                            tr {
                                th scope="row" { (words::name(&score.name)) }
                                td.number {
                                    @match &score.value {
                                        ScoreValue::Numeric(number) => (number),
                                        ScoreValue::Boolean(is) => @if *is { "yes" } @else { "no" },
                                        ScoreValue::Categorical(text) => (words::name(text)),
                                    }
                                }
                                td { @if let Some(comment) = &score.comment { (words::name(comment)) } }
                                td { (words::name(&score.source)) }
                                td { (words::moment(score.at)) }
                            }
                        }
                    }
                }
            }))
            (more(run.scores.len()))
        }
    }
}

/// For a run without a trace this is what there is of one.
pub(super) fn reported_spans(view: &RunView) -> Markup {
    html! {
        @if !view.reported_spans.is_empty() && view.run.trace_id().is_none() {
            h2 { "Spans reported over HTTP" }
            (scroll("Spans reported over HTTP", &html! {
                table.plain {
                    thead { tr { th scope="col" { "Span" } th scope="col" { "Kind" } th.number scope="col" { "After" } th.number scope="col" { "Duration" } th scope="col" { "Outcome" } } }
                    tbody {
                        @for span in view.reported_spans.iter().take(ROWS_MAX) {
                            tr {
                                th scope="row" { (words::name(&span.name)) }
                                td { (words::name(&span.kind)) }
                                td.number { @if let Some(offset) = span.offset { (words::duration(Some(offset))) } }
                                td.number { (words::duration(span.duration)) }
                                td { @if span.is_error { (icons::badge("error", icons::ERROR, "error")) } @else { (icons::badge("success", icons::SUCCESS, "ok")) } }
                            }
                        }
                    }
                }
            }))
            (more(view.reported_spans.len()))
        }
    }
}

fn more(n: usize) -> Markup {
    html! { @if n > ROWS_MAX { p.quiet { "The first " (words::count(ROWS_MAX as u64)) " of " (words::count(n as u64)) " are shown." } } }
}
