//! What was decided of the spans of one trace, for those who mark spans by it.
//!
//! - A trace in memory gives the last fold's own decision, shared; one on disk is read and folded on demand.
//! - It changes nothing, and blocks on disk for a trace that left memory.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::tenant::TenantCell;
use super::traces::{OpenTrace, load};
use super::{LocalStore, store_error};
use crate::fold::{Decided, Rules, TraceFacts, fold};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::model::run::RunStatus;
use crate::store::StoreError;

/// A larger trace is never called settled: looking at every parent each time would cost more than waiting.
const SETTLED_SPANS_MAX: usize = 2_000;

impl LocalStore {
    /// The last decision on a trace; `None` if nothing is known of it.
    pub fn decided(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Arc<Decided>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        if let Some(open) = self.shared.traces.map.get(&(cell.no, trace)) {
            if let Some(decided) = &open.decided {
                return Ok(Some(decided.clone()));
            }
            if !open.facts.is_empty() {
                return Ok(Some(self.decide(trace, &open, &|_| true)));
            }
        }
        Ok(self.load(&cell, trace)?.map(|stored| self.decide(trace, &stored, &|_| true)))
    }

    /// Whether nothing more is to be expected of a trace: no span's parent is missing, every run has ended, and all that came is folded.
    /// One that is not in memory has been idle for long, or is unknown: there is nothing to wait for.
    pub fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool {
        let Some(cell) = self.shared.tenants.get(tenant) else { return true };
        let Some(open) = self.shared.traces.map.get(&(cell.no, trace)) else { return true };
        let is_over = |run: &Arc<crate::model::run::Run>| run.status != RunStatus::Running && !run.is_provisional;
        !open.is_dirty
            && open.facts.len() <= SETTLED_SPANS_MAX
            && open.applied.iter().all(|applied| is_over(&applied.run))
            && open.facts.iter().all(|fact| fact.parent.is_none_or(|parent| open.facts.contains(parent)))
    }

    /// What would be decided of a trace if these spans had not come; `None` if then nothing were known of it.
    pub fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Result<Option<Arc<Decided>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        let keep = |span: SpanId| !spans.contains(&span);
        if let Some(open) = self.shared.traces.map.get(&(cell.no, trace)).filter(|open| !open.facts.is_empty()) {
            return Ok(Some(self.decide(trace, &open, &keep)));
        }
        Ok(self.load(&cell, trace)?.map(|stored| self.decide(trace, &stored, &keep)))
    }

    fn load(&self, cell: &TenantCell, trace: TraceId) -> Result<Option<OpenTrace>, StoreError> {
        let reader = self.shared.reader()?;
        load(&reader, cell, trace).map_err(|error| store_error("read a trace", error))
    }

    fn decide(&self, trace: TraceId, open: &OpenTrace, keep: &dyn Fn(SpanId) -> bool) -> Arc<Decided> {
        let kept: Vec<_> = open.facts.iter().filter(|fact| keep(fact.span)).cloned().collect();
        let is_whole = kept.len() == open.facts.len();
        let facts = TraceFacts::restore(kept, open.facts.n_refused());
        let silent_since = (self.shared.clock)().minus(self.shared.run_timeout);
        let mut decided = Decided::from(fold(trace, &facts, &Rules { price: &*self.shared.price, silent_since }));
        if is_whole {
            // What the index does not show was deleted or has expired.
            for run in &mut decided.runs {
                let is_shown = |span| open.applied.iter().any(|applied| applied.run.key.span == span);
                if run.as_ref().is_some_and(|run| !is_shown(run.key.span)) {
                    *run = None;
                }
            }
        }
        Arc::new(decided)
    }
}
