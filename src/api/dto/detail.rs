//! One run in the words of `wax`: its calls, scores, and its spans as a tree.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Number;
use super::query::RunItem;
use super::run::{json, kind};
use super::tree::{Nested, nest};
use crate::model::ids::SpanId;
use crate::model::report::ReportedSpan;
use crate::model::run::{Score, ScoreValue};
use crate::model::time::Nanos;
use crate::store::view::{RunView, SpanView};

#[derive(Serialize)]
pub(in crate::api) struct Detail<'a> {
    run: Option<DetailRun<'a>>,
    llm_calls: Vec<DetailCall<'a>>,
    scores: Vec<DetailScore<'a>>,
    span_tree: Vec<SpanNode<'a>>,
    span_count: usize,
}

#[derive(Serialize)]
struct DetailRun<'a> {
    #[serde(flatten)]
    item: RunItem<'a>,
    inputs: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct DetailCall<'a> {
    model: &'a str,
    provider: &'a str,
    task: &'a str,
    tokens_in: u64,
    tokens_out: u64,
    total_tokens: u64,
    cost: Option<Number>,
    status: &'static str,
    prompt_preview: Option<&'a str>,
    response_preview: Option<&'a str>,
}

#[derive(Serialize)]
struct DetailScore<'a> {
    name: &'a str,
    numeric_value: Option<f64>,
    string_value: Option<&'a str>,
    value: Box<RawValue>,
    comment: Option<&'a str>,
    source: &'a str,
}

#[derive(Serialize)]
struct SpanNode<'a> {
    name: &'a str,
    kind: &'a str,
    status: &'static str,
    duration_ms: Option<Number>,
    children: Vec<SpanNode<'a>>,
}

// === impl ===

impl<'a> Detail<'a> {
    pub(in crate::api) fn new(view: Option<&'a RunView>) -> Self {
        let Some(view) = view else {
            return Self { run: None, llm_calls: Vec::new(), scores: Vec::new(), span_tree: Vec::new(), span_count: 0 };
        };
        let run = DetailRun {
            item: RunItem::new(&view.run),
            inputs: json(view.inputs.as_deref()),
            result: json(view.result.as_deref()),
            error: view.error.as_deref(),
        };
        let calls = view.calls.iter().map(|call| DetailCall {
            model: &call.model,
            provider: &call.provider,
            task: &call.task,
            tokens_in: call.usage.input_tokens.unwrap_or(0),
            tokens_out: call.usage.output_tokens.unwrap_or(0),
            total_tokens: call.usage.tokens(),
            cost: call.cost.map(|cost| Number::dollars(cost.amount)),
            status: if call.is_error { "error" } else { "ok" },
            prompt_preview: call.prompt.as_deref(),
            response_preview: call.response.as_deref(),
        });
        let (span_tree, span_count) = if view.spans.is_empty() {
            (reported_tree(&view.reported_spans), view.reported_spans.len())
        } else {
            (tree(&view.spans), view.spans.len())
        };
        Self {
            run: Some(run),
            llm_calls: calls.collect(),
            scores: view.run.scores.iter().map(DetailScore::new).collect(),
            span_tree,
            span_count,
        }
    }
}

impl<'a> DetailScore<'a> {
    fn new(score: &'a Score) -> Self {
        let (numeric_value, string_value) = match &score.value {
            ScoreValue::Numeric(number) => (Some(*number), None),
            ScoreValue::Categorical(label) => (None, Some(&**label)),
            ScoreValue::Boolean(is) => (Some(f64::from(u8::from(*is))), Some(if *is { "true" } else { "false" })),
        };
        let value = match (numeric_value, string_value) {
            (_, Some(text)) => serde_json::value::to_raw_value(text),
            (number, None) => serde_json::value::to_raw_value(&number),
        };
        let value = value.expect("text and finite numbers are JSON");
        Self { name: &score.name, numeric_value, string_value, value, comment: score.comment.as_deref(), source: &score.source }
    }
}

fn millis(length: Nanos) -> Number {
    // Milliseconds are a thousandth of what the seconds of a thousand times the length are.
    Number::seconds(Nanos(length.0.saturating_mul(1_000)))
}

fn tree<'a>(spans: &'a [SpanView]) -> Vec<SpanNode<'a>> {
    let here: BTreeSet<SpanId> = spans.iter().map(|span| span.span).collect();
    let parent = |span: &SpanView| span.parent.filter(|parent| here.contains(parent) && *parent != span.span);
    let node = |span: &'a SpanView| SpanNode {
        name: &span.name,
        kind: kind(span.kind),
        status: if span.has_failed() { "error" } else { "ok" },
        duration_ms: span.end.map(|end| millis(end.since(span.start))),
        children: Vec::new(),
    };
    nest(spans, |span| span.span, parent, node)
}

fn reported_tree(spans: &[ReportedSpan]) -> Vec<SpanNode<'_>> {
    let here: BTreeSet<u64> = spans.iter().map(|span| span.position).collect();
    let parent = |span: &ReportedSpan| span.parent_position.filter(|parent| here.contains(parent) && *parent != span.position);
    nest(
        spans,
        |span| span.position,
        parent,
        |span| SpanNode {
            name: &span.name,
            kind: &span.kind,
            status: if span.is_error { "error" } else { "ok" },
            duration_ms: span.duration.map(millis),
            children: Vec::new(),
        },
    )
}

impl Nested for SpanNode<'_> {
    fn children(&mut self) -> &mut Vec<Self> {
        &mut self.children
    }
}
