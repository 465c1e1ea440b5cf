//! Traces of any dialect in a few words, as the structs of `opentelemetry_proto`.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// One span: number, parent's number, name, milliseconds from and to, attributes.
#[derive(Clone)]
pub(super) struct Told {
    scope: &'static str,
    number: u64,
    parent: u64,
    from_ms: u64,
    to_ms: u64,
    attributes: Vec<(&'static str, Attr)>,
    is_failed: bool,
}

/// The value of an attribute.
#[derive(Clone)]
pub(super) enum Attr {
    Text(&'static str),
    Int(i64),
    Double(f64),
}

impl From<&'static str> for Attr {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Attr {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Attr {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

/// A span of the instrumentation scope `scope`, below span `parent` (0 for a root). By its number it lies within those of lower ones.
pub(super) fn span(scope: &'static str, number: u64, parent: u64) -> Told {
    Told { scope, number, parent, from_ms: 10 * number, to_ms: 2000 - 10 * number, attributes: Vec::new(), is_failed: false }
}

impl Told {
    pub fn at(mut self, from_ms: u64, to_ms: u64) -> Self {
        (self.from_ms, self.to_ms) = (from_ms, to_ms);
        self
    }

    pub fn with(mut self, key: &'static str, value: impl Into<Attr>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    pub fn failed(mut self) -> Self {
        self.is_failed = true;
        self
    }

    fn proto(&self) -> Span {
        let nanos = |ms: u64| 1_790_000_000_000_000_000 + ms * 1_000_000;
        let parent = if self.parent == 0 { Vec::new() } else { self.parent.to_be_bytes().to_vec() };
        Span {
            trace_id: vec![9; 16],
            span_id: self.number.to_be_bytes().to_vec(),
            parent_span_id: parent,
            name: "span".to_owned(),
            kind: 1,
            start_time_unix_nano: nanos(self.from_ms),
            end_time_unix_nano: nanos(self.to_ms),
            attributes: self.attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
            status: self.is_failed.then(|| Status { message: String::new(), code: 2 }),
            ..Span::default()
        }
    }
}

fn attribute(key: &str, value: &Attr) -> KeyValue {
    let value = match value {
        Attr::Text(text) => any_value::Value::StringValue((*text).to_owned()),
        Attr::Int(number) => any_value::Value::IntValue(*number),
        Attr::Double(number) => any_value::Value::DoubleValue(*number),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// One request that holds all spans, children before parents, as exporters send them.
pub(super) fn encoded(spans: &[Told]) -> Vec<u8> {
    let mut by_end: Vec<&Told> = spans.iter().collect();
    by_end.sort_by_key(|span| span.to_ms);
    let scoped = |span: &Told| ScopeSpans {
        scope: Some(InstrumentationScope { name: span.scope.to_owned(), ..InstrumentationScope::default() }),
        spans: vec![span.proto()],
        ..ScopeSpans::default()
    };
    let scope_spans = by_end.into_iter().map(scoped).collect();
    let resource = Resource { attributes: vec![attribute("service.name", &Attr::Text("app"))], ..Resource::default() };
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
