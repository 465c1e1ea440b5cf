//! What was decided of the spans of one trace, for those who mark spans by it.
//!
//! - A trace in memory gives the last fold's own decision, shared; one on disk is read and folded on demand.
//! - It changes nothing, and blocks on disk for a trace that left memory.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::tenant::TenantCell;
use super::traces::load;
use super::{LocalStore, store_error};
use crate::fold::{Decided, TraceFacts};
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::store::StoreError;

/// A larger trace is never called settled: looking at every parent each time would cost more than waiting.
const SETTLED_SPANS_MAX: usize = 2_000;

impl LocalStore {
    /// The last decision on a trace; `None` if nothing is known of it.
    pub fn decided(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Arc<Decided>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        if let Some(open) = self.shared.traces.map.get(&(cell.no, trace))
            && let Some(decided) = &open.decided
        {
            return Ok(Some(decided.clone()));
        }
        self.decide(&cell, trace, |_| true)
    }

    /// What would be decided of a trace if these spans had not come; `None` if nothing is known of it at all.
    pub fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Result<Option<Arc<Decided>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.decide(&cell, trace, |span| !spans.contains(&span))
    }

    /// Whether nothing more is to be expected of a trace: no span's parent is missing, every run has ended and has its span, and all that
    /// came is folded. One that is not in memory has been idle for long, or is unknown: there is nothing to wait for.
    pub fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool {
        let Some(cell) = self.shared.tenants.get(tenant) else { return true };
        let Some(open) = self.shared.traces.map.get(&(cell.no, trace)) else { return true };
        let is_over = |run: &Run| {
            let is_span_missing = run.is_reported && !run.key.trace.is_reserved() && !open.facts.contains(run.key.span);
            run.status != RunStatus::Running && !run.is_provisional && !is_span_missing
        };
        !open.is_dirty
            && open.facts.len() <= SETTLED_SPANS_MAX
            && open.applied.iter().all(|applied| is_over(&applied.run))
            && open.facts.iter().all(|fact| fact.parent.is_none_or(|parent| open.facts.contains(parent)))
    }

    /// The trace that a run the SDK told of is folded in: the one it names, or its own reserved one. `None` if nothing was told of it.
    pub fn trace_of_reported(&self, tenant: &Tenant, run: RunId) -> Result<Option<TraceId>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        let unit = TraceId::of_report(run);
        if let Some(open) = self.shared.traces.map.get(&(cell.no, unit)) {
            return Ok(open.report.as_ref().map(|report| report.place().map_or(unit, |place| place.trace)));
        }
        let reader = self.shared.own_reader()?;
        let stored = load(&reader, &cell, unit).map_err(|error| store_error("read what was told of a run", error))?;
        let report = stored.and_then(|open| open.report);
        Ok(report.map(|report| report.place().map_or(unit, |place| place.trace)))
    }

    fn decide(&self, cell: &TenantCell, trace: TraceId, keep: impl Fn(SpanId) -> bool) -> Result<Option<Arc<Decided>>, StoreError> {
        let failed = |error| store_error("read a trace", error);
        let reader = self.shared.own_reader()?;
        let Some(mut unit) = self.unit(cell, &reader, trace).map_err(failed)? else { return Ok(None) };
        let kept: Vec<_> = unit.facts.iter().filter(|fact| keep(fact.span)).cloned().collect();
        let is_whole = kept.len() == unit.facts.len();
        if !is_whole {
            unit.facts = TraceFacts::restore(kept, unit.facts.n_refused());
        }
        let mut decided = Decided::from(self.fold_unit(trace, &unit));
        if is_whole {
            for run in &mut decided.runs {
                let Some(id) = run.as_ref().map(|run| run.id) else { continue };
                if reader.run_by_id(cell, &cell.read(), id).map_err(failed)?.is_none() {
                    *run = None;
                    decided.has_deleted = true;
                }
            }
        }
        Ok(Some(Arc::new(decided)))
    }
}
