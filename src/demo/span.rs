//! Spans as the Waxell SDK shapes them: the same names, kinds, keys and types in the same order (`docs/conventions.md`).
//!
//! One liberty: every call of a model carries its prompt and its answer, so that there is something to read. The SDK writes them only on
//! the calls that a program reports by hand.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};

use super::tale::Model;

/// The sampled bit, and "the parent's locality is known".
const FLAGS: u32 = 0x100;

/// A span's ids and times.
pub(super) struct SpanOutline<'a> {
    pub trace_id: &'a [u8],
    pub span_id: Vec<u8>,
    pub parent: Option<&'a [u8]>,
    pub start: u64,
    pub end: u64,
}

/// A run's own words.
pub(super) struct Identity<'a> {
    pub agent: &'a str,
    pub workflow: &'a str,
    pub session_id: &'a str,
    pub user_id: &'a str,
    /// Calls of models, for the counts of the SDK's gates.
    pub n_calls: u64,
}

/// A call of a model.
pub(super) struct Called<'a> {
    pub model: &'a Model,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: f64,
    pub prompt: &'a str,
    pub answer: &'a str,
}

/// An error as Python programs have them.
pub(super) struct Failure {
    pub kind: &'static str,
    pub message: String,
}

pub(super) fn agent(outline: SpanOutline<'_>, who: &Identity<'_>, failure: Option<&Failure>) -> Span {
    let mut attributes = vec![
        text("gen_ai.operation.name", "invoke_agent"),
        text("gen_ai.agent.name", who.agent),
        text("openinference.span.kind", "AGENT"),
        text("waxell.agent_name", who.agent),
        text("waxell.workflow_name", who.workflow),
        text("waxell.span_type", "agent_execution"),
        text("waxell.session_id", who.session_id),
        text("gen_ai.conversation.id", who.session_id),
        text("waxell.user_id", who.user_id),
        double("waxell.governance.overhead_ms", 0.021 + 0.04 * who.n_calls as f64),
        int("waxell.governance.gate_calls", 1 + 2 * who.n_calls),
    ];
    for (surface, calls) in [("llm_before", who.n_calls), ("llm_after", who.n_calls), ("run_complete", 1)] {
        attributes.push(double(&format!("waxell.governance.surface.{surface}.ms"), 0.021 * calls as f64));
        attributes.push(int(&format!("waxell.governance.surface.{surface}.calls"), calls));
    }
    let mut span = span(outline, format!("invoke_agent {}", who.agent), SpanKind::Internal, attributes);
    match failure {
        Some(failure) => fail(&mut span, failure),
        None => span.status = Some(Status { code: StatusCode::Ok.into(), message: String::new() }),
    }
    span
}

/// A call as the instrumentation of the provider's library reports it.
pub(super) fn call(outline: SpanOutline<'_>, called: &Called<'_>, first_token_ms: Option<u64>) -> Span {
    let Called { model, input_tokens, output_tokens, .. } = *called;
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", model.name),
        text("openinference.span.kind", "LLM"),
        text("waxell.span_type", "llm_call"),
        text("gen_ai.provider.name", model.provider),
        int("gen_ai.usage.input_tokens", input_tokens),
        int("gen_ai.usage.output_tokens", output_tokens),
    ];
    // A stream names the model that was asked for, since no whole answer came.
    let model_name = if first_token_ms.is_some() { model.name } else { model.answers_as };
    attributes.push(text("gen_ai.response.model", model_name));
    if let Some(first_token_ms) = first_token_ms {
        attributes.push(attribute("gen_ai.is_streaming", Value::BoolValue(true)));
        attributes.push(int("gen_ai.server.time_to_first_token_ms", first_token_ms));
    }
    let stop = ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue("stop".into())) }] };
    attributes.push(attribute("gen_ai.response.finish_reasons", Value::ArrayValue(stop)));
    attributes.extend(usage(called, model_name));
    attributes.extend(content(called));
    span(outline, format!("chat {}", model.name), SpanKind::Client, attributes)
}

/// The same call once more, as the SDK's own hook reports it: nearly no length, no answering model.
pub(super) fn echo(outline: SpanOutline<'_>, called: &Called<'_>) -> Span {
    let Called { model, input_tokens, output_tokens, .. } = *called;
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", model.name),
        int("gen_ai.usage.input_tokens", input_tokens),
        int("gen_ai.usage.output_tokens", output_tokens),
        text("openinference.span.kind", "LLM"),
        text("waxell.span_type", "llm_call"),
    ];
    attributes.extend(usage(called, model.name));
    attributes.push(text("gen_ai.provider.name", if model.provider == "ollama" { "meta" } else { model.provider }));
    attributes.extend(content(called));
    span(outline, format!("chat {}", model.name), SpanKind::Client, attributes)
}

/// A call that the provider refused: no tokens, no money.
pub(super) fn refused_call(outline: SpanOutline<'_>, model: &Model, prompt: &str, failure: &Failure) -> Span {
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", model.name),
        int("gen_ai.usage.input_tokens", 0),
        int("gen_ai.usage.output_tokens", 0),
        text("openinference.span.kind", "LLM"),
        text("waxell.span_type", "llm_call"),
    ];
    let nothing = Called { model, input_tokens: 0, output_tokens: 0, cost_usd: 0.0, prompt, answer: "" };
    attributes.extend(usage(&nothing, model.name));
    attributes.push(text("gen_ai.provider.name", model.provider));
    attributes.push(text("gen_ai.input.messages", prompt));
    let mut span = span(outline, format!("chat {}", model.name), SpanKind::Client, attributes);
    fail(&mut span, failure);
    span
}

pub(super) fn embedding(outline: SpanOutline<'_>, called: &Called<'_>) -> Span {
    let attributes = vec![
        text("gen_ai.operation.name", "embed"),
        text("gen_ai.request.model", called.model.name),
        text("openinference.span.kind", "EMBEDDING"),
        text("waxell.span_type", "embedding"),
        text("gen_ai.provider.name", called.model.provider),
        text("waxell.embedding.model", called.model.answers_as),
        int("waxell.embedding.input_tokens", called.input_tokens),
        int("waxell.embedding.dimensions", 1536),
        int("waxell.embedding.input_count", 1),
        double("waxell.embedding.cost", called.cost_usd),
    ];
    span(outline, format!("embed {}", called.model.name), SpanKind::Client, attributes)
}

/// A tool. One that failed says so in `error.message` and nowhere else.
pub(super) fn tool(outline: SpanOutline<'_>, name: &str, error: Option<&str>) -> Span {
    let mut attributes = vec![
        text("gen_ai.tool.name", name),
        text("gen_ai.tool.type", "function"),
        text("openinference.span.kind", "TOOL"),
        text("waxell.tool", name),
        text("waxell.span_type", "tool_call"),
    ];
    attributes.extend(error.map(|error| text("error.message", error)));
    span(outline, format!("execute_tool {name}"), SpanKind::Internal, attributes)
}

pub(super) fn step(outline: SpanOutline<'_>, name: &str, position: u64) -> Span {
    let attributes = vec![text("waxell.step_name", name), int("waxell.step_position", position), text("waxell.span_type", "workflow_step")];
    span(outline, format!("step {name}"), SpanKind::Internal, attributes)
}

pub(super) fn decision(outline: SpanOutline<'_>, name: &str, options: &[&str]) -> Span {
    let attributes = vec![
        text("waxell.span_type", "decision"),
        text("waxell.decision.name", name),
        text("waxell.decision.options", &options.join(",")),
        text("waxell.decision.chosen", options.first().copied().unwrap_or_default()),
    ];
    span(outline, format!("decision {name}"), SpanKind::Internal, attributes)
}

pub(super) fn retrieval(outline: SpanOutline<'_>, source: &str, query: &str) -> Span {
    let attributes = vec![
        text("waxell.span_type", "retrieval"),
        text("openinference.span.kind", "RETRIEVER"),
        text("waxell.retrieval.query", query),
        text("waxell.retrieval.source", source),
    ];
    span(outline, format!("retrieval {source}"), SpanKind::Internal, attributes)
}

fn span(outline: SpanOutline<'_>, name: String, kind: SpanKind, attributes: Vec<KeyValue>) -> Span {
    Span {
        trace_id: outline.trace_id.to_vec(),
        span_id: outline.span_id,
        parent_span_id: outline.parent.unwrap_or_default().to_vec(),
        flags: FLAGS,
        name,
        kind: kind.into(),
        start_time_unix_nano: outline.start,
        end_time_unix_nano: outline.end,
        attributes,
        status: Some(Status::default()),
        ..Default::default()
    }
}

fn usage(called: &Called<'_>, model_name: &str) -> [KeyValue; 5] {
    [
        text("waxell.llm.model", model_name),
        int("waxell.llm.input_tokens", called.input_tokens),
        int("waxell.llm.output_tokens", called.output_tokens),
        int("waxell.llm.total_tokens", called.input_tokens + called.output_tokens),
        double("waxell.llm.cost", called.cost_usd),
    ]
}

fn content(called: &Called<'_>) -> [KeyValue; 2] {
    [text("gen_ai.input.messages", called.prompt), text("gen_ai.output.messages", called.answer)]
}

fn fail(span: &mut Span, failure: &Failure) {
    let Failure { kind, message } = failure;
    let trace = format!(
        "Traceback (most recent call last):\n  File \"/app/agent.py\", line 88, in answer\n    reply = client.chat.completions.create(**request)\n{kind}: {message}\n"
    );
    let said = [text("exception.type", kind), text("exception.message", message), text("exception.stacktrace", &trace)];
    span.attributes.extend(said.clone());
    let mut attributes = said.to_vec();
    attributes.push(text("exception.escaped", "False"));
    span.events = vec![Event { time_unix_nano: span.end_time_unix_nano, name: "exception".into(), attributes, ..Default::default() }];
    span.status = Some(Status { code: StatusCode::Error.into(), message: message.clone() });
}

pub(super) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(value as i64))
}

fn double(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}
