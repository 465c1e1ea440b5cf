//! Spans as the semantic conventions for agents have them.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::load::random::mix;
use super::load::shape::{int, text};

/// A run of an agent, as its root span tells it.
pub struct Root<'a> {
    pub session: &'a str,
    pub agent: &'a str,
    pub user: Option<&'a str>,
    pub is_error: bool,
    /// What the agent says that it used.
    pub tokens: u64,
}

pub fn request(spans: impl Iterator<Item = Span>) -> Bytes {
    let scope = InstrumentationScope { name: "benchmark".into(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: spans.collect(), ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

/// The span `nth` of a trace, of a microsecond's length.
pub fn span(trace: u64, nth: usize, start: u64) -> Span {
    let mut trace_id = mix(11, trace).to_be_bytes().to_vec();
    trace_id.extend(trace.to_be_bytes());
    Span { trace_id, span_id: span_id(nth), start_time_unix_nano: start, end_time_unix_nano: start + 1_000, ..Default::default() }
}

pub fn span_id(nth: usize) -> Vec<u8> {
    (nth as u64 + 1).to_be_bytes().to_vec()
}

pub fn call(tokens: u64) -> Vec<KeyValue> {
    vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", "gpt-4o"),
        int("gen_ai.usage.input_tokens", (tokens - tokens / 10) as i64),
        int("gen_ai.usage.output_tokens", (tokens / 10) as i64),
    ]
}

pub fn tool(name: &str) -> Vec<KeyValue> {
    vec![text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", name)]
}

// === impl Root ===

impl Root<'_> {
    pub fn span(&self, trace: u64, nth: usize, start: u64) -> Span {
        let mut attributes = vec![
            text("gen_ai.operation.name", "invoke_agent"),
            text("gen_ai.agent.name", self.agent),
            text("gen_ai.conversation.id", self.session),
        ];
        attributes.extend(self.user.map(|user| text("user.id", user)));
        if self.tokens > 0 {
            attributes.extend(call(self.tokens).into_iter().skip(1));
        }
        let status = Some(Status { code: if self.is_error { 2 } else { 0 }, message: String::new() });
        Span { name: format!("invoke_agent {}", self.agent), attributes, status, ..span(trace, nth, start) }
    }
}
