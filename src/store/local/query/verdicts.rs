//! What was decided of the spans of one trace, for those who mark spans by it.
//!
//! - A trace in memory gives the last fold's own decision, shared; one on disk is read and folded on demand.
//! - It changes nothing, and blocks on disk for a trace that left memory.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::fold::{Decided, TraceFacts, delivery};
use crate::index::SessionNo;
use crate::model::facts::{Delivery, SpanFact};
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::load;
use crate::store::local::{LocalStore, store_error};
use crate::wire::format::stored::RunRef;

/// A larger trace is never called settled: looking at every parent each time would cost more than waiting.
const SETTLED_SPANS_MAX: usize = 2_000;

impl LocalStore {
    /// The last decision on each of these traces; `None` where nothing is known of it. Many at once cost less than one after the other.
    pub fn decided(&self, tenant: &Tenant, traces: &[TraceId]) -> Result<Vec<Option<Arc<Decided>>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(vec![None; traces.len()]) };
        let mut reader = None;
        let mut all = Vec::with_capacity(traces.len());
        for trace in traces {
            let in_memory = self.shared.traces.map.get(&(cell.no, *trace)).and_then(|open| open.decided.clone());
            all.push(match (in_memory, &mut reader) {
                (Some(decided), _) => Some(decided),
                // One that is sent before it was folded: most of what comes while the fold is behind.
                (None, _) if !self.shared.known.read().contains(cell.no, *trace) => None,
                (None, Some(reader)) => self.decide(&cell, reader, *trace, |_| true)?,
                (None, none) => self.decide(&cell, none.insert(self.shared.own_reader()?), *trace, |_| true)?,
            });
        }
        Ok(all)
    }

    /// What would be decided of a trace if these spans had not come; `None` if nothing is known of it at all.
    pub fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Result<Option<Arc<Decided>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.decide(&cell, &self.shared.own_reader()?, trace, |span| !spans.contains(&span))
    }

    /// Whether nothing more is to be expected of a trace: it holds no turn that log events tell of, no span's parent is missing, every run has
    /// ended and has its span, and all that came is folded. One that is not in memory has been idle for long, or is unknown: there is nothing
    /// to wait for.
    pub fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool {
        let Some(cell) = self.shared.tenants.get(tenant) else { return true };
        let Some(open) = self.shared.traces.map.get(&(cell.no, trace)) else { return true };
        // Its next call may come at any moment.
        let is_turn = |fact: &SpanFact| delivery(fact) == Delivery::WhenOver;
        let is_over = |run: &Run| {
            let is_span_missing = run.is_reported && !run.key.trace.is_reserved() && !open.facts.contains(run.key.span);
            run.status != RunStatus::Running && !run.is_provisional && !is_span_missing
        };
        !open.is_dirty
            && open.facts.len() <= SETTLED_SPANS_MAX
            && open.applied.iter().all(|applied| is_over(&applied.run))
            && open.facts.iter().all(|fact| fact.parent.is_none_or(|parent| open.facts.contains(parent)) && !is_turn(fact))
    }

    /// The trace that a run the SDK told of is folded in: the one it names, or its own reserved one. `None` if nothing was told of it.
    pub fn trace_of_reported(&self, tenant: &Tenant, run: RunId) -> Result<Option<TraceId>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        let unit = TraceId::of_report(run);
        if let Some(open) = self.shared.traces.map.get(&(cell.no, unit)) {
            return Ok(open.report.as_ref().map(|report| report.own_span().map_or(unit, |key| key.trace)));
        }
        if !self.shared.known.read().contains(cell.no, unit) {
            return Ok(None);
        }
        let reader = self.shared.own_reader()?;
        let stored = load(&reader, &cell, unit).map_err(|error| store_error("read what was told of a run", error))?;
        let report = stored.and_then(|open| open.report);
        Ok(report.map(|report| report.own_span().map_or(unit, |key| key.trace)))
    }

    fn decide(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        trace: TraceId,
        keep: impl Fn(SpanId) -> bool,
    ) -> Result<Option<Arc<Decided>>, StoreError> {
        let failed = |error| store_error("read a trace", error);
        let Some(mut unit) = self.unit(cell, reader, trace).map_err(failed)? else { return Ok(None) };
        let is_whole = unit.facts.iter().all(|fact| keep(fact.span));
        if !is_whole {
            let kept = unit.facts.iter().filter(|fact| keep(fact.span)).cloned().collect();
            unit.facts = TraceFacts::restore(kept, unit.facts.n_refused());
        }
        let mut decided = Decided::from(self.fold_unit(cell, reader, trace, &unit).map_err(failed)?);
        if is_whole {
            for place in &mut decided.runs {
                let Some(run) = place.as_ref().filter(|run| !is_shown(cell, &unit.places, run)) else { continue };
                decided.has_deleted |= is_deleted(cell, reader, run).map_err(failed)?;
                *place = None;
            }
        }
        Ok(Some(Arc::new(decided)))
    }
}

/// Whether the index shows the run. It was told of the runs of `places`; those of a session that was removed went with it.
fn is_shown(cell: &TenantCell, places: &[RunRef], run: &Run) -> bool {
    let state = cell.read();
    if state.recent.find(run.id).is_some() {
        return true;
    }
    let mut places = places.iter().filter(|place| place.id == run.id).map(|place| SessionNo(place.session_no));
    places.any(|session| session == NO_SESSION || state.index.id_of(session).is_some())
}

/// Whether a run is not shown because its session was deleted, and not for its age or because it is told of elsewhere.
fn is_deleted(cell: &TenantCell, reader: &Reader, run: &Run) -> rusqlite::Result<bool> {
    let Some(session) = &run.session else { return Ok(false) };
    let deleted_at = reader.deleted_at(cell.no, session)?;
    Ok(deleted_at.is_some_and(|deleted_at| run.started_at <= deleted_at || run.is_future))
}
