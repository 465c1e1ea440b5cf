//! From a journaled request to the traces its spans belong to.
//!
//! Spans of one trace mostly come one after another: the trace is looked up once for all of them.

use rustc_hash::FxHashMap;

use super::fold_worker::{FoldError, FoldWorker};
use super::reports::claimed_run;
use crate::conventions::{self, Known};
use crate::fold::Joined;
use crate::journal::Position;
use crate::model::facts::SpanFact;
use crate::model::ids::{SpanKey, TraceId};
use crate::model::time::UnixNanos;
use crate::store::local::state::ingest_stats;
use crate::store::local::state::tenant::TenantCell;
use crate::wire::otlp;

/// Spans of one trace that came one after another and have not joined it yet.
struct Arrivals {
    position: Position,
    trace: Option<TraceId>,
    facts: Vec<SpanFact>,
}

impl FoldWorker {
    /// `position` is where the request is in the journal.
    pub(super) fn take_spans(
        &mut self,
        cell: &TenantCell,
        request: &[u8],
        received_at: UnixNanos,
        position: Position,
    ) -> Result<(), FoldError> {
        // A clock that is far ahead must not make everything old that its agents send.
        let oldest = self.options.max_age.map_or(UnixNanos::ZERO, |age| received_at.min(self.now).minus(age));
        let known = self.options.conventions.clone();
        let mut said = Known::default();
        let mut arrivals = Arrivals { position, trace: None, facts: Vec::new() };
        let mut old: FxHashMap<TraceId, u64> = FxHashMap::default();
        for resource_spans in otlp::resource_spans(request) {
            let Ok(resource_spans) = resource_spans else { return self.skip_rest(cell, arrivals, received_at) };
            let attributes: Vec<_> = resource_spans.attributes().filter_map(Result::ok).collect();
            let resource = known.resource(attributes.iter().copied());
            let mut n_spans = 0;
            for scope_spans in resource_spans.scope_spans() {
                let Ok(scope_spans) = scope_spans else { return self.skip_rest(cell, arrivals, received_at) };
                let scope = known.scope(scope_spans.scope_name, &mut self.strings);
                let mut spans = scope_spans.walk();
                while let Some(span) = said.next_span(&mut spans, &scope) {
                    let Ok(span) = span else { return self.skip_rest(cell, arrivals, received_at) };
                    n_spans += 1;
                    let extracted = conventions::extract_known(&span, &said, &scope, &resource, received_at, &mut self.strings);
                    let Some(extracted) = extracted else { continue };
                    if extracted.trace.is_reserved() {
                        self.warn_of(
                            "trace_id_reserved",
                            "spans bear a trace id that is kept for runs without one: they are in no session",
                        );
                        continue;
                    }
                    for oddity in &extracted.oddities {
                        self.shared.metrics.oddity(*oddity);
                        self.warn_of(oddity.as_str(), "spans held something that was not believed; the rest of each span counts");
                    }
                    let newest = extracted.fact.start.max(extracted.fact.end);
                    if newest > UnixNanos::ZERO && newest < oldest {
                        *old.entry(extracted.trace).or_default() += 1;
                    }
                    if arrivals.trace != Some(extracted.trace) {
                        self.join(cell, &mut arrivals)?;
                        arrivals.trace = Some(extracted.trace);
                    }
                    arrivals.facts.push(extracted.fact);
                }
            }
            cell.ingest_stats.lock().add(ingest_stats::service(&attributes), n_spans);
        }
        self.join(cell, &mut arrivals)?;
        self.note_old(cell, old, oldest);
        Ok(())
    }

    /// Requests are inspected before they are journaled, so this is a defect or damage that the checksum did not see. What came before it
    /// counts.
    fn skip_rest(&mut self, cell: &TenantCell, mut arrivals: Arrivals, received_at: UnixNanos) -> Result<(), FoldError> {
        self.shared.metrics.entry_unreadable();
        tracing::error!(received_at = received_at.0, "part of a journaled request is not readable: its spans are not in the index");
        self.join(cell, &mut arrivals)
    }

    fn join(&mut self, cell: &TenantCell, arrivals: &mut Arrivals) -> Result<(), FoldError> {
        let Some(trace) = arrivals.trace.take() else { return Ok(()) };
        let key = (cell.no, trace);
        let shared = self.shared.clone();
        let mut open = match shared.traces.map.get_mut(&key) {
            Some(open) => open,
            None => {
                self.open(cell, trace)?;
                let Some(open) = shared.traces.map.get_mut(&key) else { return Ok(()) };
                open
            }
        };
        let weight = open.weight();
        open.stretches.add(arrivals.position.0);
        open.facts.reserve(arrivals.facts.len());
        let (mut outcomes, mut claims) = ([0_u64; Joined::ALL.len()], Vec::new());
        for fact in arrivals.facts.drain(..) {
            let claimed = claimed_run(&fact);
            let joined = open.facts.join(fact, self.options.trace_limit);
            outcomes[joined as usize] += 1;
            if joined != Joined::Unchanged {
                claims.extend(claimed);
            }
        }
        self.open_bytes = (self.open_bytes + open.weight()).saturating_sub(weight);
        open.touched = self.round_began;
        drop(open);
        for (joined, n_spans) in Joined::ALL.into_iter().zip(outcomes).filter(|(_, n_spans)| *n_spans > 0) {
            shared.metrics.joined(joined, n_spans);
        }
        let n_spans: u64 = outcomes.iter().sum();
        if n_spans > outcomes[Joined::Unchanged as usize] {
            self.touch(key);
        }
        claims.into_iter().try_for_each(|(span, run)| self.claim(cell, SpanKey { trace, span }, run))
    }
}
