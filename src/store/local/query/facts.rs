//! What an operator wants to know of the store.

use crate::model::ids::Tenant;
use crate::model::time::UnixNanos;
use crate::store::local::LocalStore;

/// The store at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StoreFacts {
    pub n_tenants: u64,
    /// Of all tenants.
    pub n_sessions: u64,
    /// The last activity of the session that has been idle longest, of all tenants.
    pub oldest_activity: Option<UnixNanos>,
    pub n_open_traces: u64,
    pub open_trace_bytes: u64,
    /// When this process last wrote a checkpoint.
    pub last_checkpoint: Option<UnixNanos>,
    /// Why the last checkpoint could not be written.
    pub checkpoint_problem: Option<String>,
    /// Why the fold has stopped.
    pub fold_problem: Option<String>,
}

/// What one tenant has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TenantFacts {
    pub n_sessions: u64,
    pub oldest_activity: Option<UnixNanos>,
}

impl LocalStore {
    /// Takes each tenant's lock for a moment.
    pub fn facts(&self) -> StoreFacts {
        let metrics = &self.shared.metrics;
        let mut facts = StoreFacts {
            n_open_traces: self.shared.traces.map.len() as u64,
            open_trace_bytes: metrics.open_trace_bytes(),
            last_checkpoint: metrics.last_checkpoint(),
            ..StoreFacts::default()
        };
        for cell in self.shared.tenants.all() {
            let index = &cell.read().index;
            let oldest = oldest_activity(index);
            facts.n_tenants += 1;
            facts.n_sessions += index.len() as u64;
            facts.oldest_activity = facts.oldest_activity.into_iter().chain(oldest).min();
        }
        let trouble = self.shared.trouble.lock();
        facts.checkpoint_problem = trouble.disk.clone();
        facts.fold_problem = trouble.fold.clone();
        facts
    }

    pub fn tenant_facts(&self, tenant: &Tenant) -> TenantFacts {
        let Some(cell) = self.shared.tenants.get(tenant) else { return TenantFacts::default() };
        let index = &cell.read().index;
        TenantFacts { n_sessions: index.len() as u64, oldest_activity: oldest_activity(index) }
    }
}

fn oldest_activity(index: &crate::index::SessionIndex) -> Option<UnixNanos> {
    let oldest = index.idle_since(UnixNanos::MAX, 1).into_iter().next()?;
    index.row(oldest).map(|row| row.summary.last_activity)
}
