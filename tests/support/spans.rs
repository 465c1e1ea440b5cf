//! Spans of agents in a few words, as OTLP requests.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// 2026-02-07T10:00:00Z in nanoseconds.
pub const TEN: u64 = 1_770_458_400_000_000_000;
pub const MILLI: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MILLI;

/// One span of the trace `trace`; a parent of 0 makes it a root.
pub fn span(trace: u128, number: u64, parent: u64) -> Span {
    let parent_span_id = if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() };
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id,
        name: "work".into(),
        start_time_unix_nano: TEN,
        end_time_unix_nano: TEN + SECOND,
        ..Span::default()
    }
}

/// An agent span: the run of `agent`.
pub fn agent(trace: u128, number: u64, parent: u64, agent: &str) -> Span {
    span(trace, number, parent).with("gen_ai.operation.name", "invoke_agent").with("gen_ai.agent.name", agent)
}

/// A call of a model without a list price, that used tokens and states its cost in millionths of a dollar.
pub fn chat(trace: u128, number: u64, parent: u64, tokens: (i64, i64), micro_dollars: u32) -> Span {
    span(trace, number, parent)
        .with("gen_ai.operation.name", "chat")
        .with("gen_ai.request.model", "house-model")
        .with("gen_ai.provider.name", "house")
        .with("gen_ai.usage.input_tokens", tokens.0)
        .with("gen_ai.usage.output_tokens", tokens.1)
        .with("gen_ai.usage.cost", f64::from(micro_dollars) / 1e6)
}

/// A call of a tool.
pub fn tool(trace: u128, number: u64, parent: u64, name: &str) -> Span {
    span(trace, number, parent).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", name)
}

/// One encoded `ExportTraceServiceRequest`.
pub fn request(spans: impl IntoIterator<Item = Span>) -> Bytes {
    request_of("test", spans)
}

/// The same, of an instrumentation scope.
pub fn request_of(scope: &str, spans: impl IntoIterator<Item = Span>) -> Bytes {
    let scope = InstrumentationScope { name: scope.into(), ..InstrumentationScope::default() };
    let spans = spans.into_iter().collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    let resource_spans = vec![ResourceSpans { resource: None, scope_spans, schema_url: String::new() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

/// What one says of a span.
pub trait Tell: Sized {
    fn with(self, key: &str, value: impl Into<Value>) -> Self;
    fn between(self, start: u64, end: u64) -> Self;
    fn failed(self) -> Self;

    fn session(self, id: &str) -> Self {
        self.with("session.id", id)
    }
}

/// The value of an attribute.
pub struct Value(any_value::Value);

// === impl Span ===

impl Tell for Span {
    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = AnyValue { value: Some(value.into().0) };
        self.attributes.push(KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() });
        self
    }

    /// Nanoseconds since the epoch; an end of 0 is a span that has not ended.
    fn between(mut self, start: u64, end: u64) -> Self {
        (self.start_time_unix_nano, self.end_time_unix_nano) = (start, end);
        self
    }

    fn failed(mut self) -> Self {
        self.status = Some(Status { code: 2, message: String::new() });
        self
    }
}

// === impl Value ===

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(any_value::Value::StringValue(text.to_owned()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self(any_value::Value::IntValue(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self(any_value::Value::DoubleValue(number))
    }
}
