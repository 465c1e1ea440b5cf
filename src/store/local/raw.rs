//! The raw requests of some traces, as far as the journal still has them.
//!
//! - Turns of coding agents are among them, though they are for the fold alone: without a Tempo they are nowhere else.
//! - The journal is read from its start: no index has to be kept for the few who look. A budget of time and of bytes bounds a look.
//! - What is released while it is being read ends the look; it was about to be gone.

use std::time::{Duration, Instant};

use super::LocalStore;
use crate::model::ids::{Tenant, TraceId};
use crate::model::logs::is_of_logs;
use crate::store::raw::RawSpans;
use crate::wire::format::entry::{Entry, Event};
use crate::wire::otlp;

/// A look takes no longer: about a gigabyte of journal on a small machine.
const TIME_MAX: Duration = Duration::from_millis(1_500);
/// Requests found are kept up to this.
const BYTES_MAX: usize = 32 << 20;

impl LocalStore {
    pub(super) fn find_raw(&self, tenant: &Tenant, traces: &[TraceId]) -> RawSpans {
        let began = Instant::now();
        let mut found = RawSpans::default();
        let mut n_bytes = 0;
        let mut reader = self.journal.reader(self.journal.start());
        while let Ok(Some(item)) = reader.try_next() {
            if began.elapsed() > TIME_MAX || n_bytes > BYTES_MAX {
                found.is_cut = true;
                break;
            }
            let Ok(Entry { tenant: owner, event, .. }) = Entry::decode(&item.record.head, item.record.body) else { continue };
            let (request, is_wanted): (_, fn(&str) -> bool) = match event {
                Event::Spans(request) => (request, |_| true),
                // What Tempo gave back has lost most of what it said.
                Event::UnforwardedSpans(request) => (request, is_of_logs),
                _ => continue,
            };
            if owner == *tenant && holds_any(&request, traces, is_wanted) {
                n_bytes += request.len();
                found.requests.push(request);
            }
        }
        found
    }
}

fn holds_any(request: &[u8], traces: &[TraceId], is_wanted: fn(&str) -> bool) -> bool {
    let scopes = otlp::resource_spans(request).filter_map(Result::ok).flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    let mut spans = scopes.filter(|scope| is_wanted(scope.scope_name)).flat_map(|scope| scope.spans().filter_map(Result::ok));
    spans.any(|span| traces.iter().any(|trace| trace.as_bytes() == span.trace_id))
}
