//! When what is remembered gets old: a new generation begins once enough was remembered, over all tenants.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The generation that there is now, and when the next one begins.
#[derive(Debug)]
pub(super) struct Generations {
    current: AtomicU64,
    /// What was remembered in this generation, all tenants together, in bytes.
    young_bytes: AtomicUsize,
    /// Half of the budget.
    generation_bytes: usize,
}

// === impl Generations ===

impl Generations {
    pub(super) fn new(budget_bytes: usize) -> Self {
        Self { current: AtomicU64::new(0), young_bytes: AtomicUsize::new(0), generation_bytes: (budget_bytes / 2).max(1) }
    }

    pub(super) fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    pub(super) fn grow(&self, bytes: usize) {
        self.young_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A tenant that has not caught up with the current generation may give back more than was counted since.
    pub(super) fn shrink(&self, bytes: usize) {
        let _ = self.young_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |young| Some(young.saturating_sub(bytes)));
    }

    #[cfg(test)]
    pub(super) fn young_bytes(&self) -> usize {
        self.young_bytes.load(Ordering::Relaxed)
    }

    /// Begins the next generation if this one is full, and says whether this call did.
    pub(super) fn advance_if_full(&self) -> bool {
        let young = self.young_bytes.load(Ordering::Relaxed);
        if young < self.generation_bytes || self.young_bytes.compare_exchange(young, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return false;
        }
        self.current.fetch_add(1, Ordering::Release);
        true
    }
}
