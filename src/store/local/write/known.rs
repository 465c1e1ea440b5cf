//! Every trace id that was ever folded, give or take: saves the look on disk for nearly every new one.
//!
//! - Never forgets: "not known" is certain. "Known" is wrong for at most 2 traces in 100, however many there are.
//! - It grows by a filter of twice the size whenever the last one is full, each filter wrong half as often as the one before, so that the
//!   sum stays bounded (Almeida et al., "Scalable Bloom Filters", 2007).
//! - What expired leaves only when it is made anew, from what is on disk; that goes on in steps beside the work ([`Renewal`]).
//! - At start nothing of what is on disk was read: until the first renewal is done every trace may be known, and a new one costs a look.

use std::time::{Duration, Instant};

use fastbloom::BloomFilter;

use crate::model::ids::TraceId;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::traces::TraceKey;

/// The share of wrong answers of the first filter; all together give at most twice that.
const FALSE_POSITIVES: f64 = 0.01;
/// Room of the first filter: 1.2 MiB.
const ITEMS_MIN: usize = 1_000_000;

pub(super) struct KnownTraces {
    /// Each twice as large as the one before.
    filters: Vec<BloomFilter>,
    /// How many ids the last filter has room for, and how many it holds.
    room: usize,
    n_in_last: usize,
    n_total: u64,
    /// `false` before what is on disk was read.
    is_complete: bool,
}

/// A filter that is being made from what is on disk, while the old one still answers.
pub(super) struct Renewal {
    new: KnownTraces,
    began: Instant,
    /// The last page of their places that was read.
    pub(super) after_page: i64,
}

// === impl KnownTraces ===

impl KnownTraces {
    /// Sized for what is known and as much again, at least a million: 1.2 bytes a trace.
    pub(super) fn with_room_for(n_traces: u64) -> Self {
        let room = usize::try_from(n_traces).unwrap_or(usize::MAX / 4).saturating_mul(2).max(ITEMS_MIN);
        Self { filters: vec![filter(room, 0)], room, n_in_last: 0, n_total: 0, is_complete: true }
    }

    /// Nothing was read of what is on disk. What comes must be added to a [`Renewal`] as well, which takes its place.
    pub(super) fn unread() -> Self {
        Self { filters: Vec::new(), room: 0, n_in_last: 0, n_total: 0, is_complete: false }
    }

    /// `false` if it was certainly never seen.
    pub(super) fn contains(&self, tenant: TenantNo, trace: TraceId) -> bool {
        // The last filters are the largest and hold what is asked for most.
        !self.is_complete || self.filters.iter().rev().any(|filter| filter.contains(&(tenant, trace)))
    }

    /// Remembers the trace; `false` if it was certainly never seen.
    pub(super) fn insert(&mut self, tenant: TenantNo, trace: TraceId) -> bool {
        if self.contains(tenant, trace) {
            return true;
        }
        if self.n_in_last >= self.room {
            self.room = self.room.saturating_mul(2);
            self.filters.push(filter(self.room, self.filters.len()));
            self.n_in_last = 0;
        }
        if let Some(last) = self.filters.last_mut() {
            last.insert(&(tenant, trace));
        }
        self.n_in_last += 1;
        self.n_total += 1;
        false
    }

    /// How many ids it holds, those of expired traces too.
    pub(super) fn len(&self) -> u64 {
        self.n_total
    }

    /// Whether it holds so much that is gone that making it anew is worth reading every key: more than half, and at least a million.
    pub(super) fn is_stale(&self, n_traces: u64) -> bool {
        self.is_complete && self.n_total > n_traces.saturating_mul(2).saturating_add(ITEMS_MIN as u64)
    }
}

// === impl Renewal ===

impl Renewal {
    pub(super) fn new(n_traces: u64) -> Self {
        Self { new: KnownTraces::with_room_for(n_traces), began: Instant::now(), after_page: 0 }
    }

    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = TraceKey>) {
        for (tenant, trace) in keys {
            self.new.insert(tenant, trace);
        }
    }

    /// The filter, and how long it took.
    pub(super) fn finish(self) -> (KnownTraces, Duration) {
        (self.new, self.began.elapsed())
    }
}

fn filter(room: usize, nth: usize) -> BloomFilter {
    let halvings = i32::try_from(nth).unwrap_or(i32::MAX);
    BloomFilter::with_false_pos(FALSE_POSITIVES * 0.5_f64.powi(halvings)).expected_items(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(n: u64) -> TraceId {
        let mut bytes = [7; 16];
        // Spread as random ids are.
        bytes[..8].copy_from_slice(&n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        TraceId::from_bytes(&bytes).unwrap()
    }

    /// It was once sized at start and never again: after ten million traces it took nearly every new one for known.
    #[test]
    fn however_many_traces_come_nearly_no_new_one_is_taken_for_known() {
        let mut known = KnownTraces::with_room_for(0);
        let mut n = 0;
        for million in 1..=3_u64 {
            let n_wrong = (0..1_000_000)
                .filter(|_| {
                    n += 1;
                    known.insert(TenantNo(1), trace(n))
                })
                .count();
            assert!(n_wrong < 20_000, "{n_wrong} wrong answers in million {million}");
        }
        assert!((1..=n).step_by(997).all(|n| known.contains(TenantNo(1), trace(n))), "it forgot one");
        assert!(known.filters.len() <= 2, "it grows by doubling");
    }

    #[test]
    fn every_trace_may_be_known_until_what_is_on_disk_was_read() {
        let mut known = KnownTraces::unread();
        assert!(known.contains(TenantNo(1), trace(1)) && known.insert(TenantNo(1), trace(2)) && !known.is_stale(0));
        let mut renewal = Renewal::new(0);
        renewal.add([(TenantNo(1), trace(2))]);
        let (known, _) = renewal.finish();
        assert!(known.is_complete && known.contains(TenantNo(1), trace(2)) && !known.contains(TenantNo(1), trace(1)));
    }

    #[test]
    fn what_expired_leaves_with_a_renewal() {
        let mut known = KnownTraces::with_room_for(0);
        for n in 0..1_100_000 {
            known.insert(TenantNo(1), trace(n));
        }
        assert!(!known.is_stale(1_000_000) && known.is_stale(10));
        let mut renewal = Renewal::new(10);
        renewal.add((0..10).map(|n| (TenantNo(1), trace(n))));
        let (known, _) = renewal.finish();
        assert_eq!(known.len(), 10);
        assert!((0..10).all(|n| known.contains(TenantNo(1), trace(n))));
    }
}
