//! When what is remembered gets old: generations that turn once enough was remembered, over all tenants.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// When the generation turns.
#[derive(Debug)]
pub(super) struct Turns {
    generation: AtomicU64,
    /// What was remembered in this generation, all tenants together, in bytes.
    young_bytes: AtomicUsize,
    /// Half of the budget.
    generation_bytes: usize,
}

// === impl Turns ===

impl Turns {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self { generation: AtomicU64::new(0), young_bytes: AtomicUsize::new(0), generation_bytes: (budget_bytes / 2).max(1) }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn grow(&self, bytes: usize) {
        self.young_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A tenant that has not caught up with a turn may give back more than was counted since.
    pub(super) fn shrink(&self, bytes: usize) {
        let _ = self.young_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |young| Some(young.saturating_sub(bytes)));
    }

    #[cfg(test)]
    pub(super) fn young_bytes(&self) -> usize {
        self.young_bytes.load(Ordering::Relaxed)
    }

    /// Whether this call turned it.
    pub(super) fn turn_if_full(&self) -> bool {
        let young = self.young_bytes.load(Ordering::Relaxed);
        if young < self.generation_bytes || self.young_bytes.compare_exchange(young, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        self.generation.fetch_add(1, Ordering::Release);
        true
    }
}
