//! The raw requests of some traces, as far as the journal still has them.
//!
//! - Turns of coding agents are among them, though they are for the fold alone: without a Tempo they are nowhere else.
//! - The index knows in which stretches of the journal the requests of a trace are; what was not folded yet is looked through as well.
//! - The newest is read first. A budget of time and of bytes bounds a look.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use super::look_back::{Bounds, look_back};
use crate::model::ids::{Tenant, TraceId};
use crate::model::logs::is_of_logs;
use crate::model::stretches::Stretch;
use crate::store::StoreError;
use crate::store::local::{LocalStore, store_error};
use crate::store::raw::RawSpans;
use crate::wire::format::entry::{Entry, Event};
use crate::wire::otlp;

/// A look takes no longer, and a segment.
const BOUNDS: Bounds = Bounds { time: Duration::from_millis(1_500), bytes: u64::MAX };
/// Requests found are kept up to this.
const BYTES_MAX: usize = 32 << 20;

/// Whether the spans of a scope are wanted.
pub(in crate::store::local) type Wanted = fn(&str) -> bool;

impl LocalStore {
    pub(in crate::store::local) fn find_raw(&self, tenant: &Tenant, traces: &[TraceId]) -> Result<RawSpans, StoreError> {
        let (mut pieces, mut n_bytes) = (Vec::new(), 0);
        let reach = look_back(&self.journal, self.where_held(tenant, traces)?, BOUNDS, |entries| {
            let mut found: Vec<Bytes> = Vec::new();
            for entry in entries.filter(|entry| entry.tenant == *tenant) {
                let Some((request, is_wanted)) = spans_of(entry) else { continue };
                if n_bytes <= BYTES_MAX && holds_any(&request, traces, is_wanted) {
                    n_bytes += request.len();
                    found.push(request);
                }
            }
            pieces.push(found);
            if n_bytes > BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // In the order in which they came: of two copies of a span the later one is shown.
        Ok(RawSpans { requests: pieces.into_iter().rev().flatten().collect(), is_cut: !reach.is_whole })
    }

    /// The stretches of the journal that may hold spans of these traces.
    fn where_held(&self, tenant: &Tenant, traces: &[TraceId]) -> Result<Vec<Stretch>, StoreError> {
        // Before the index is asked: what is folded meanwhile is in both, and nothing in neither.
        let mut held = vec![Stretch { first: self.folded().0, last: u64::MAX }];
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(held) };
        let mut on_disk = Vec::new();
        for trace in traces {
            match self.shared.traces.map.get(&(cell.no, *trace)) {
                Some(open) => held.extend(open.stretches.iter()),
                None => on_disk.push(*trace),
            }
        }
        if !on_disk.is_empty() {
            let reader = self.shared.reader()?;
            for trace in on_disk {
                let stretches = reader.stretches(cell.no, trace).map_err(|error| store_error("read where a trace is", error))?;
                held.extend(stretches.unwrap_or_default().iter());
            }
        }
        Ok(held)
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

fn holds_any(request: &[u8], traces: &[TraceId], is_wanted: Wanted) -> bool {
    let scopes = otlp::resource_spans(request).filter_map(Result::ok).flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    let mut spans = scopes.filter(|scope| is_wanted(scope.scope_name)).flat_map(|scope| scope.spans().filter_map(Result::ok));
    spans.any(|span| traces.iter().any(|trace| trace.as_bytes() == span.trace_id))
}
