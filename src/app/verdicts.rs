//! The store as the stamps see it: what was decided of a trace, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use crate::fold::Decided;
use crate::journal::Position;
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};
use crate::store::StoreError;
use crate::store::local::LocalStore;
use crate::tempo::stamp::Verdicts;

/// A failure is said this often while it lasts.
const REPEAT: Duration = Duration::from_secs(30);

pub(super) struct StoreVerdicts {
    store: LocalStore,
    /// When a failure was last said.
    logged_at: Mutex<Option<Instant>>,
}

// === impl StoreVerdicts ===

impl StoreVerdicts {
    pub(super) fn new(store: LocalStore) -> Self {
        Self { store, logged_at: Mutex::default() }
    }

    /// A span that cannot be stamped is forwarded all the same; `verify` names the difference.
    fn known<T>(&self, decided: Result<T, StoreError>, unknown: impl FnOnce() -> T) -> T {
        decided.unwrap_or_else(|error| {
            let mut logged_at = self.logged_at.lock();
            if logged_at.is_none_or(|at| at.elapsed() >= REPEAT) {
                *logged_at = Some(Instant::now());
                tracing::warn!(%error, "a trace could not be read: its spans go to tempo without stamps");
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
