//! An entry that waits: where its spans are, and whose traces they belong to.

use bytes::Bytes;
use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::time::Instant;

use super::export_state::{ExportState, Seen};
use crate::journal::Position;
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::via::Via;
use crate::tempo::piece::{Doubted, Last};
use crate::wire::otlp::stamp::Layout;

/// More traces and smaller spans only make room when they come.
const TRACES_USUAL: usize = 48;
const SPAN_BYTES_USUAL: usize = 512;

/// An entry as it was read.
pub(in crate::tempo) struct Incoming {
    pub(in crate::tempo) what: What,
    pub(in crate::tempo) read_at: Instant,
    pub(in crate::tempo) end: Position,
    pub(in crate::tempo) via: Via,
    pub(in crate::tempo) doubt: Doubted,
    pub(in crate::tempo) last: Last,
}

pub(in crate::tempo) enum What {
    Spans(Bytes),
    Event(RunEvent),
}

/// One entry of the journal on its way.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) read_at: Instant,
    /// Where the next entry of the journal begins.
    pub(super) end: Position,
    pub(super) last: Last,
    pub(super) doubt: Doubted,
    pub(super) via: Via,
    /// An event of a run instead of spans.
    pub(super) event: Option<RunEvent>,
    /// `None` where the bytes cannot be walked: they go as they are.
    pub(super) layout: Option<Layout>,
    /// One for every span of the layout.
    pub(super) spans: Vec<HeldSpan>,
    /// The traces of its spans, each once.
    pub(super) traces: Vec<TraceId>,
    /// So many of the traces were found settled.
    pub(super) n_settled: usize,
}

/// The SDK posted something about a run that the run's sums may depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::tempo) struct RunEvent {
    pub(in crate::tempo) run: RunId,
    /// It said that the run is over.
    pub(in crate::tempo) is_end: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct HeldSpan {
    /// `None`: not a span that could be stamped.
    pub(super) id: Option<SpanId>,
    /// Index into the traces.
    pub(super) trace: u32,
    /// Of its bytes.
    checksum: u32,
    pub(super) seen: Seen,
}

// === impl What ===

impl What {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Spans(bytes) => bytes.len(),
            Self::Event(_) => 0,
        }
    }
}

// === impl Held ===

impl Held {
    /// Walks an entry and notes its spans. Gives also how many of them came before, byte for byte.
    pub(super) fn of(bytes: Bytes, read_at: Instant, end: Position, last: Last, exported: &mut ExportState) -> (Self, u64) {
        let mut traces: Vec<TraceId> = Vec::new();
        let mut index: FxHashMap<TraceId, u32> = FxHashMap::with_capacity_and_hasher(TRACES_USUAL, FxBuildHasher);
        let mut spans: Vec<HeldSpan> = Vec::with_capacity(bytes.len() / SPAN_BYTES_USUAL);
        let layout = Layout::of(&bytes, |span| {
            let checksum = span.checksum;
            let (Some(trace), Some(id)) = (TraceId::from_bytes(span.trace_id), SpanId::from_bytes(span.span_id)) else {
                spans.push(HeldSpan { id: None, trace: 0, checksum, seen: Seen::Never });
                return;
            };
            // Spans of one trace mostly come together.
            let at = match spans.last().filter(|last| traces.get(last.trace as usize) == Some(&trace)) {
                Some(last) => last.trace,
                None => *index.entry(trace).or_insert_with(|| {
                    traces.push(trace);
                    traces.len() as u32 - 1
                }),
            };
            spans.push(HeldSpan { id: Some(id), trace: at, checksum, seen: Seen::Never });
        });
        let n_duplicates = meet(&traces, &mut spans, exported);
        let layout = layout.ok();
        (
            Self { bytes, read_at, end, last, doubt: Doubted::No, via: Via::default(), event: None, layout, spans, traces, n_settled: 0 },
            n_duplicates,
        )
    }

    /// An event of a run.
    pub(super) fn of_event(event: RunEvent, read_at: Instant, end: Position, last: Last) -> Self {
        let (spans, traces) = (Vec::new(), Vec::new());
        Self {
            bytes: Bytes::new(),
            read_at,
            end,
            last,
            doubt: Doubted::No,
            via: Via::default(),
            event: Some(event),
            layout: None,
            spans,
            traces,
            n_settled: 0,
        }
    }
}

/// Compares the spans with those seen before, one trace after the other, and returns how many are repetitions.
fn meet(traces: &[TraceId], spans: &mut [HeldSpan], exported: &mut ExportState) -> u64 {
    let mut n_duplicates = 0;
    for stretch in spans.chunk_by_mut(|a, b| a.trace == b.trace && a.id.is_some() && b.id.is_some()) {
        let Some(HeldSpan { id: Some(_), trace, .. }) = stretch.first() else { continue };
        let Some(trace) = traces.get(*trace as usize) else { continue };
        exported.meet(*trace, stretch.iter_mut().filter_map(|span| Some((span.id?, span.checksum, &mut span.seen))));
        n_duplicates += stretch.iter().filter(|span| span.seen == Seen::Already).count() as u64;
    }
    n_duplicates
}
