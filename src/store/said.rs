//! Looking for a phrase in what was said: in the spans as they were sent, and in what the SDK posted, as far as they are still held.

use bytes::Bytes;

use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::time::UnixNanos;

/// Something that may hold the phrase: its bytes do, in some notation, and whether anybody said it is for the caller to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Spans of one encoded `ExportTraceServiceRequest`, the last one first.
    Spans { request: Bytes, spans: Vec<(TraceId, SpanId)> },
    /// What the SDK posted of a run.
    Post(RunId),
}

/// How far was looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Looked {
    /// Bytes of spans and posts of the tenant.
    pub bytes: u64,
    /// When the oldest that was looked at came; `None` where there was nothing.
    pub since: Option<UnixNanos>,
    /// Nothing older is held.
    pub is_whole: bool,
}
