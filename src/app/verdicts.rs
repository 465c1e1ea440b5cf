//! The store as the stamps see it: what was decided of a trace, and nothing else.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::fold::Decided;
use crate::journal::Position;
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::store::StoreError;
use crate::store::local::LocalStore;
use crate::tempo::stamp::Verdicts;

pub(super) struct StoreVerdicts {
    store: LocalStore,
}

// === impl StoreVerdicts ===

impl StoreVerdicts {
    pub(super) fn new(store: LocalStore) -> Self {
        Self { store }
    }
}

impl Verdicts for StoreVerdicts {
    fn folded(&self) -> Position {
        self.store.folded()
    }

    fn decided(&self, tenant: &Tenant, trace: TraceId) -> Option<Arc<Decided>> {
        known(self.store.decided(tenant, trace))
    }

    fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool {
        self.store.is_settled(tenant, trace)
    }

    fn trace_of_reported(&self, tenant: &Tenant, run: RunId) -> Option<TraceId> {
        known(self.store.trace_of_reported(tenant, run))
    }

    fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Option<Arc<Decided>> {
        known(self.store.decided_without(tenant, trace, spans))
    }
}

/// A span that cannot be stamped is forwarded all the same; `verify` names the difference.
fn known<T>(decided: Result<Option<T>, StoreError>) -> Option<T> {
    decided.unwrap_or_else(|error| {
        tracing::warn!(%error, "a trace could not be read: its spans go to tempo without stamps");
        None
    })
}
