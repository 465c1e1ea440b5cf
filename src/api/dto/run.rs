//! One run whole, in JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use super::explain::Explain;
use super::score::ScoreLine;
use super::{ModelLine, Number, Usage, cost_source, format, trace_id};
use crate::model::facts::SpanKind;
use crate::model::report::{ReportedSpan, Step};
use crate::model::usage::UsageTotal;
use crate::store::view::{CallView, RunBrief, RunView, SpanView};

#[derive(Serialize)]
pub(in crate::api) struct RunDetail<'a> {
    id: u64,
    agent_name: &'a str,
    workflow_name: &'a str,
    session_id: Option<&'a str>,
    user_id: Option<&'a str>,
    user_group: Option<&'a str>,
    status: &'static str,
    started_at: String,
    completed_at: Option<String>,
    duration: Option<Number>,
    cost: Number,
    tokens: u64,
    trace_id: String,
    inputs: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<&'a str>,
    tool_errors: u32,
    parent: Option<BriefLine<'a>>,
    children: Vec<BriefLine<'a>>,
    usage: Usage,
    models: Vec<ModelLine<'a>>,
    llm_calls: Vec<CallLine<'a>>,
    steps: Vec<StepLine<'a>>,
    scores: Vec<ScoreLine<'a>>,
    spans: Vec<SpanLine<'a>>,
    /// With `include=explain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<Explain<'a>>,
}

/// Enough of a run to lead there.
#[derive(Serialize)]
struct BriefLine<'a> {
    id: u64,
    agent_name: &'a str,
    status: &'static str,
    started_at: String,
}

#[derive(Serialize)]
struct CallLine<'a> {
    model: &'a str,
    provider: &'a str,
    task: &'a str,
    status: &'static str,
    tokens_in: u64,
    tokens_out: u64,
    total_tokens: u64,
    cost: Option<Number>,
    cost_source: Option<&'static str>,
    started_at: String,
    span_id: Option<String>,
    prompt_preview: Option<&'a str>,
    response_preview: Option<&'a str>,
}

#[derive(Serialize)]
struct StepLine<'a> {
    step_name: &'a str,
    position: Option<u64>,
    output: Option<Box<RawValue>>,
    created_at: String,
}

/// A span with its ids, or one that was reported over HTTP, which has none.
#[derive(Serialize)]
struct SpanLine<'a> {
    span_id: Option<String>,
    parent_span_id: Option<String>,
    name: &'a str,
    kind: &'a str,
    status: &'static str,
    /// Why it failed.
    error: Option<&'a str>,
    started_at: Option<String>,
    duration: Option<Number>,
    position: Option<u64>,
    parent_position: Option<u64>,
}

impl<'a> RunDetail<'a> {
    pub(in crate::api) fn new(view: &'a RunView) -> Self {
        let run = &view.run;
        let mut spans: Vec<SpanLine<'_>> = view.spans.iter().map(SpanLine::of_span).collect();
        if spans.is_empty() {
            spans = view.reported_spans.iter().map(SpanLine::of_report).collect();
        }
        Self {
            id: run.id.get(),
            agent_name: &run.agent,
            workflow_name: &run.workflow,
            session_id: run.session.as_ref().map(|session| session.as_str()),
            user_id: run.user.as_deref(),
            user_group: run.user_group.as_deref(),
            status: run.status.as_str(),
            started_at: format::timestamp(run.started_at),
            completed_at: run.completed_at.map(format::timestamp),
            duration: run.duration().map(Number::seconds),
            cost: Number::dollars(run.usage.cost),
            tokens: run.usage.tokens,
            trace_id: trace_id(run),
            inputs: json(view.inputs.as_deref()),
            result: json(view.result.as_deref()),
            error: view.error.as_deref(),
            tool_errors: run.tool_errors,
            parent: view.parent.as_ref().map(BriefLine::new),
            children: view.children.iter().map(BriefLine::new).collect(),
            usage: Usage::new(&run.usage, &run.suppressed),
            models: run.models.iter().map(|usage| ModelLine::sourced(&usage.model, &usage.provider, &usage.total)).collect(),
            llm_calls: view.calls.iter().map(CallLine::new).collect(),
            steps: view.steps.iter().map(StepLine::new).collect(),
            scores: run.scores.iter().map(ScoreLine::new).collect(),
            spans,
            explain: None,
        }
    }

    /// The same with why.
    pub(in crate::api) fn explained(self, explain: Explain<'a>) -> Self {
        Self { explain: Some(explain), ..self }
    }
}

impl<'a> BriefLine<'a> {
    fn new(run: &'a RunBrief) -> Self {
        Self { id: run.id.get(), agent_name: &run.agent, status: run.status.as_str(), started_at: format::timestamp(run.started_at) }
    }
}

impl<'a> CallLine<'a> {
    fn new(call: &'a CallView) -> Self {
        let mut total = UsageTotal::default();
        total.add_call(&call.usage, call.cost);
        Self {
            model: &call.model,
            provider: &call.provider,
            task: &call.task,
            status: if call.is_error { "error" } else { "ok" },
            tokens_in: call.usage.input_tokens.unwrap_or(0),
            tokens_out: call.usage.output_tokens.unwrap_or(0),
            total_tokens: call.usage.tokens(),
            cost: call.cost.map(|cost| Number::dollars(cost.amount)),
            cost_source: cost_source(&total),
            started_at: format::timestamp(call.at),
            span_id: call.span.map(|span| span.to_string()),
            prompt_preview: call.prompt.as_deref(),
            response_preview: call.response.as_deref(),
        }
    }
}

impl<'a> StepLine<'a> {
    fn new(step: &'a Step) -> Self {
        let output = json(step.output.as_deref());
        Self { step_name: &step.name, position: step.position, output, created_at: format::timestamp(step.at) }
    }
}

impl<'a> SpanLine<'a> {
    fn of_span(span: &'a SpanView) -> Self {
        Self {
            span_id: Some(span.span.to_string()),
            parent_span_id: span.parent.map(|parent| parent.to_string()),
            name: &span.name,
            kind: kind(span.kind),
            status: if span.has_failed() { "error" } else { "ok" },
            error: span.failure.as_deref(),
            started_at: Some(format::timestamp(span.start)),
            duration: span.end.map(|end| Number::seconds(end.since(span.start))),
            position: None,
            parent_position: None,
        }
    }

    fn of_report(span: &'a ReportedSpan) -> Self {
        Self {
            span_id: None,
            parent_span_id: None,
            name: &span.name,
            kind: &span.kind,
            status: if span.is_error { "error" } else { "ok" },
            error: None,
            started_at: None,
            duration: span.duration.map(Number::seconds),
            position: (span.position != u64::MAX).then_some(span.position),
            parent_position: span.parent_position,
        }
    }
}

/// The kind of a span in Waxell's words.
pub(in crate::api) fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Other => "span",
        SpanKind::Agent => "agent",
        SpanKind::Workflow => "workflow",
        SpanKind::Llm => "llm",
        SpanKind::Embedding => "embedding",
        SpanKind::Tool => "tool",
        SpanKind::Step => "step",
    }
}

/// Kept texts are compact JSON, or plain text: cut ones and strings.
pub(in crate::api) fn json(text: Option<&str>) -> Option<Box<RawValue>> {
    let text = text?;
    RawValue::from_string(text.to_owned()).or_else(|_| serde_json::value::to_raw_value(text)).ok()
}
