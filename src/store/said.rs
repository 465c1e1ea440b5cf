//! Looking for a phrase in what was said: in the spans as they were sent, and in what the SDK posted, as far as they are still held; and in
//! a Tempo that they were passed on to.

use std::collections::BTreeMap;

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

/// A part of time, in seconds since 1970; the end is not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds {
    pub from: u64,
    pub until: u64,
}

/// The names of attributes that Tempo has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub of_spans: Vec<String>,
    pub of_events: Vec<String>,
}

/// What Tempo is to look for, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub phrase: String,
    pub time: Seconds,
    /// Attributes of spans, and of their events, in which it may stand.
    pub in_spans: Vec<String>,
    pub in_events: Vec<String>,
    /// Attributes of the spans that are found which are wanted.
    pub shown: Vec<String>,
    /// The newest so many.
    pub max_traces: usize,
}

/// A span that has the phrase in one of the attributes that were looked at. Beside those that were wanted it has those that were found,
/// of events under their bare names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpanTexts {
    pub trace: TraceId,
    pub span: SpanId,
    pub texts: BTreeMap<String, String>,
}

/// Why Tempo did not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// It may answer for a shorter time.
    TooMuch,
    Slow,
    /// In words.
    Failed(String),
}
