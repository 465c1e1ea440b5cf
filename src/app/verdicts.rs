//! The store as the stamps see it: what was decided of a trace, and nothing else.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashSet;

use crate::fold::Decided;
use crate::journal::Position;
use crate::log_limiter::LogLimiter;
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::store::StoreError;
use crate::store::local::LocalStore;
use crate::tempo::stamp::Verdicts;

pub(super) struct StoreVerdicts {
    store: LocalStore,
    log_limiter: LogLimiter,
}

// === impl StoreVerdicts ===

impl StoreVerdicts {
    pub(super) fn new(store: LocalStore) -> Self {
        Self { store, log_limiter: LogLimiter::default() }
    }

    /// A span that cannot be stamped is forwarded all the same; `verify` names the difference.
    fn known<T>(&self, decided: Result<T, StoreError>, unknown: impl FnOnce() -> T) -> T {
        decided.unwrap_or_else(|error| {
            if let Some(n_traces) = self.log_limiter.due("unreadable", 1, Instant::now()) {
                tracing::warn!(n_traces, %error, "a trace could not be read: its spans go to tempo without stamps");
            }
            unknown()
        })
    }
}

impl Verdicts for StoreVerdicts {
    fn folded(&self) -> Position {
        self.store.folded()
    }

    fn decided(&self, tenant: &Tenant, traces: &[TraceId]) -> Vec<Option<Arc<Decided>>> {
        self.known(self.store.decided(tenant, traces), || vec![None; traces.len()])
    }

    fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool {
        self.store.is_settled(tenant, trace)
    }

    fn trace_of_reported(&self, tenant: &Tenant, run: RunId) -> Option<TraceId> {
        self.known(self.store.trace_of_reported(tenant, run), || None)
    }

    fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Option<Arc<Decided>> {
        self.known(self.store.decided_without(tenant, trace, spans), || None)
    }
}
