//! Spans as they were sent.

use bytes::Bytes;

/// Encoded `ExportTraceServiceRequest`s. They may hold spans of other traces of the same tenant, too, and a span twice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawSpans {
    pub requests: Vec<Bytes>,
    /// Looking for more would have taken too long.
    pub is_cut: bool,
}
