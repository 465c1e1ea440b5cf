//! An allocation-free walk over an encoded OTLP `ExportTraceServiceRequest`.

/// Where and why bytes are not a protobuf message of the expected type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed protobuf at byte {offset}: {what}")]
pub struct Malformed {
    pub offset: usize,
    pub what: &'static str,
}

/// One `ResourceSpans`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ResourceSpans<'a> {
    bytes: &'a [u8],
}

/// One `ScopeSpans`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ScopeSpans<'a> {
    bytes: &'a [u8],
    /// `InstrumentationScope.name`; empty where there is none.
    pub scope_name: &'a str,
}

/// One `Span`: its scalar fields read, its attributes and events still encoded. Strings are valid UTF-8 after [`super::inspect`].
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The encoded `Span` message.
    pub bytes: &'a [u8],
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub parent_span_id: &'a [u8],
    pub name: &'a str,
    pub kind: i32,
    pub start_time_unix_nano: u64,
    pub end_time_unix_nano: u64,
    pub status_code: i32,
    pub status_message: &'a str,
}

/// A `KeyValue`.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    pub key: &'a str,
    pub value: Value<'a>,
}

/// An `AnyValue`; arrays and maps stay encoded until asked for.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Empty,
    Str(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    /// An encoded `ArrayValue`.
    Array(&'a [u8]),
    /// An encoded `KeyValueList`.
    Map(&'a [u8]),
}

/// The `ResourceSpans` of an encoded `ExportTraceServiceRequest` (equally `TracesData`).
pub fn resource_spans(request: &[u8]) -> impl Iterator<Item = Result<ResourceSpans<'_>, Malformed>> {
    let _ = request;
    std::iter::empty()
}

/// The values of an encoded `ArrayValue`.
pub fn array_values(array: &[u8]) -> impl Iterator<Item = Result<Value<'_>, Malformed>> {
    let _ = array;
    std::iter::empty()
}

impl<'a> ResourceSpans<'a> {
    /// The attributes of the resource.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        let _ = self.bytes;
        std::iter::empty()
    }

    pub fn scope_spans(&self) -> impl Iterator<Item = Result<ScopeSpans<'a>, Malformed>> + use<'a> {
        std::iter::empty()
    }
}

impl<'a> ScopeSpans<'a> {
    pub fn spans(&self) -> impl Iterator<Item = Result<Span<'a>, Malformed>> + use<'a> {
        let _ = self.bytes;
        std::iter::empty()
    }
}

impl<'a> Span<'a> {
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        std::iter::empty()
    }
}
