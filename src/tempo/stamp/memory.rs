//! What is remembered of forwarded spans, over all tenants, in one budget.
//!
//! - Two generations: once the young one has used half of the budget, the next one begins. What was young is old then, and what was old and
//!   not touched since is forgotten, whosever it is. So a tenant that is silent gives its memory to those that are not.
//! - What a tenant remembers outlives its queue, until it is forgotten.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rustc_hash::FxHashMap;

use super::export_state::ExportState;
use super::generations::Generations;
use crate::model::ids::Tenant;

/// Shared by the queues of all tenants.
#[derive(Debug)]
pub(in crate::tempo) struct Memory {
    tenants: Mutex<FxHashMap<Tenant, Arc<Mutex<ExportState>>>>,
    generations: Arc<Generations>,
}

// === impl Memory ===

impl Memory {
    pub(in crate::tempo) fn new(budget_bytes: usize) -> Self {
        Self { tenants: Mutex::default(), generations: Arc::new(Generations::new(budget_bytes)) }
    }

    /// What is remembered of a tenant's spans.
    pub(super) fn of(&self, tenant: &Tenant) -> Arc<Mutex<ExportState>> {
        let mut tenants = lock(&self.tenants);
        tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Mutex::new(ExportState::new(self.generations.clone())))).clone()
    }

    /// Has tenants that are silent forget what is due, and drops those of which nothing is left. A generation ends rarely, so it is
    /// mostly a look at two numbers.
    pub(super) fn forget_oldest(&self, own: &mut ExportState) {
        if !self.generations.advance_if_full() {
            return;
        }
        own.catch_up();
        lock(&self.tenants).retain(|_, exported| match exported.try_lock() {
            Ok(mut exported_now) => {
                exported_now.catch_up();
                !(exported_now.is_empty() && Arc::strong_count(exported) == 1)
            }
            // It is in use, and catches up before it is used again.
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Poisoned(_)) => false,
        });
    }

    /// Tenants of which something is remembered.
    #[cfg(test)]
    pub(super) fn n_tenants(&self) -> usize {
        lock(&self.tenants).len()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::export_state::Seen;
    use super::*;
    use crate::model::ids::{SpanId, TraceId};

    fn meet(memory: &Memory, tenant: usize, trace: u128) -> Seen {
        let exported = memory.of(&Tenant::new(&format!("t{tenant}")).unwrap());
        let mut exported = lock(&exported);
        exported.catch_up();
        let mut seen = Seen::Never;
        exported.meet(TraceId::from_bytes(&trace.to_be_bytes()).unwrap(), std::iter::once((SpanId::from_u64(1).unwrap(), 7, &mut seen)));
        memory.forget_oldest(&mut exported);
        seen
    }

    #[test]
    fn the_oldest_are_forgotten_over_all_tenants_and_silent_ones_give_their_memory_back() {
        let memory = Memory::new(256 << 10);
        for tenant in 0..600 {
            assert_eq!(meet(&memory, tenant, 1), Seen::Never);
        }
        let n_before = memory.n_tenants();
        assert!(n_before >= 300, "{n_before}: a few fit as long as nobody needs the room");
        for trace in 1..20_000 {
            meet(&memory, 1_000, trace);
            // One that is touched all the time stays.
            meet(&memory, 2_000, 1);
        }
        assert_eq!(memory.n_tenants(), 2, "the silent ones are gone");
        assert_eq!(meet(&memory, 1_000, 19_999), Seen::Already, "the newest is known");
        assert_eq!(meet(&memory, 2_000, 1), Seen::Already);
        assert_eq!(meet(&memory, 1_000, 1), Seen::Never, "the oldest is forgotten");
        assert_eq!(meet(&memory, 5, 1), Seen::Never);
    }
}
