//! The raw requests of some traces, as far as the journal still has them.
//!
//! - Turns of coding agents are among them, though they are for the fold alone: without a Tempo they are nowhere else.
//! - A trace's spans mostly came when they were made: the segments of that time are read first, and if all spans that the index knows are in
//!   them, nothing else is.
//! - Else the journal is read from its newest end: no index has to be kept for the few who look. A budget of time and of bytes bounds a look.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use memchr::memmem::Finder;
use rustc_hash::{FxHashMap, FxHashSet};

use super::look_back::{Bounds, look_back, look_between};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::model::logs::is_of_logs;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::raw::RawSpans;
use crate::wire::format::entry::{Entry, Event};
use crate::wire::otlp;

/// A look takes no longer, and a segment: about a gigabyte of journal on a small machine.
const BOUNDS: Bounds = Bounds { time: Duration::from_millis(1_500), bytes: u64::MAX };
/// Requests found are kept up to this.
const BYTES_MAX: usize = 32 << 20;
/// Exporters send what they have every few seconds, and clocks differ by less.
const SLACK: Nanos = Nanos::from_secs(45);
/// Segments that the time of a trace may take, before the look from the newest end costs little more.
const SEGMENTS_MAX: usize = 4;
/// Up to so many traces the bytes of a request are searched for their ids before it is taken apart.
const FINDERS_MAX: usize = 4;

/// Whether the spans of a scope are wanted.
pub(in crate::store::local) type Wanted = fn(&str) -> bool;

impl LocalStore {
    pub(in crate::store::local) fn find_raw(&self, tenant: &Tenant, traces: &[TraceId]) -> RawSpans {
        let sought = Sought::new(traces);
        if let Some(requests) = self.find_at_their_time(tenant, &sought) {
            return RawSpans { requests, is_cut: false };
        }
        let (mut segments, mut n_bytes) = (Vec::new(), 0);
        let reach = look_back(&self.journal, BOUNDS, |entries| {
            let mut found: Vec<Bytes> = Vec::new();
            for entry in entries.filter(|entry| entry.tenant == *tenant) {
                let Some((request, is_wanted)) = spans_of(entry) else { continue };
                if n_bytes <= BYTES_MAX && sought.is_in(&request, is_wanted) {
                    n_bytes += request.len();
                    found.push(request);
                }
            }
            segments.push(found);
            if n_bytes > BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // In the order in which they came: of two copies of a span the later one is shown.
        RawSpans { requests: segments.into_iter().rev().flatten().collect(), is_cut: !reach.is_whole }
    }

    /// The requests that came at the time of the traces, if all spans that the index knows of are in them.
    fn find_at_their_time(&self, tenant: &Tenant, sought: &Sought) -> Option<Vec<Bytes>> {
        let mut missing: FxHashMap<TraceId, FxHashSet<SpanId>> = FxHashMap::default();
        let (mut from, mut until) = (UnixNanos::MAX, UnixNanos::ZERO);
        for trace in &sought.traces {
            let view = self.trace(tenant, *trace).ok().flatten()?;
            if view.runs.iter().any(|run| run.is_truncated) {
                return None;
            }
            for span in &view.spans {
                from = from.min(span.start);
                until = until.max(span.end.unwrap_or(span.start)).max(span.start);
            }
            missing.insert(*trace, view.spans.iter().map(|span| span.span).collect());
        }
        let (mut found, mut n_bytes) = (Vec::new(), 0);
        look_between(&self.journal, (from.minus(SLACK), until.plus(SLACK)), SEGMENTS_MAX, |entries| {
            for entry in entries.filter(|entry| entry.tenant == *tenant) {
                let Some((request, is_wanted)) = spans_of(entry) else { continue };
                if n_bytes > BYTES_MAX || !sought.is_in(&request, is_wanted) {
                    continue;
                }
                for span in spans(&request, is_wanted) {
                    let of_trace = TraceId::from_bytes(span.trace_id).and_then(|trace| missing.get_mut(&trace));
                    if let (Some(missing), Some(span)) = (of_trace, SpanId::from_bytes(span.span_id)) {
                        missing.remove(&span);
                    }
                }
                n_bytes += request.len();
                found.push(request);
            }
        })?;
        let is_whole = n_bytes <= BYTES_MAX && missing.values().all(FxHashSet::is_empty);
        is_whole.then_some(found)
    }
}

/// The traces that are looked for, prepared once.
struct Sought {
    traces: FxHashSet<TraceId>,
    /// None where they are many.
    finders: Vec<Finder<'static>>,
}

// === impl Sought ===

impl Sought {
    fn new(traces: &[TraceId]) -> Self {
        let finders = traces.iter().map(|trace| Finder::new(&trace.as_bytes()[..]).into_owned());
        Self { traces: traces.iter().copied().collect(), finders: if traces.len() > FINDERS_MAX { Vec::new() } else { finders.collect() } }
    }

    /// Whether a request holds a wanted span of one of them.
    fn is_in(&self, request: &[u8], is_wanted: Wanted) -> bool {
        let may_be = self.finders.is_empty() || self.finders.iter().any(|finder| finder.find(request).is_some());
        may_be && spans(request, is_wanted).any(|span| TraceId::from_bytes(span.trace_id).is_some_and(|trace| self.traces.contains(&trace)))
    }
}

/// The spans that an entry holds as they were sent.
pub(in crate::store::local) fn spans_of(entry: Entry) -> Option<(Bytes, Wanted)> {
    match entry.event {
        Event::Spans(request) => Some((request, |_| true)),
        // What Tempo gave back has lost most of what it said.
        Event::UnforwardedSpans(request) => Some((request, is_of_logs)),
        _ => None,
    }
}

fn spans(request: &[u8], is_wanted: Wanted) -> impl Iterator<Item = otlp::Span<'_>> {
    let scopes = otlp::resource_spans(request).filter_map(Result::ok).flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    scopes.filter(move |scope| is_wanted(scope.scope_name)).flat_map(|scope| scope.spans().filter_map(Result::ok))
}
