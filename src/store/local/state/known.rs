//! Every trace id that was ever folded, give or take: saves the look on disk for nearly every new one.
//!
//! - Never forgets: "not known" is certain. "Known" is wrong for at most 2 traces in 100, however many there are.
//! - It grows by a filter of twice the size whenever the last one is full, each filter wrong half as often as the one before, so that the
//!   sum stays bounded (Almeida et al., "Scalable Bloom Filters", 2007).
//! - All bits of an id lie in one line of the cache, so that a look waits for memory once and not seven times (Putze, Sanders, Singler:
//!   "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).
//! - What expired leaves only when it is made anew, from what is on disk; that goes on in steps beside the work ([`Renewal`]).
//! - At start nothing of what is on disk was read: until the first renewal is done every trace may be known, and a new one costs a look.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::traces::TraceKey;
use crate::model::ids::TraceId;
use crate::store::local::disk::rows::TenantNo;

/// Room of the first filter: 1.2 MiB.
const ITEMS_MIN: usize = 1_000_000;

/// Bits in the first filter for each id it has room for: full, it is wrong for 1 in 100. Each further one has two more and is wrong less than
/// half as often.
const BITS_OF_ID: usize = 10;
const MORE_BITS: usize = 2;
/// So many of them an id sets.
const BITS_SET: usize = 7;

const LINE_BITS: usize = 512;
const LINE_WORDS: usize = LINE_BITS / 64;

pub struct KnownTraces {
    /// Each twice as large as the one before.
    filters: Vec<Filter>,
    /// How many ids the last filter has room for, and how many it holds.
    room: usize,
    n_in_last: usize,
    n_total: u64,
    /// `false` before what is on disk was read.
    is_complete: bool,
    /// With a random key: whoever sends traces chooses their ids, and could have each new one looked for on disk in vain.
    hasher: RandomState,
}

/// Lines of the cache: what is as large as this begins at one.
struct Filter(Vec<[u64; LINE_WORDS]>);

/// A filter that is being made from what is on disk, while the old one still answers.
pub struct Renewal {
    new: KnownTraces,
    began: Instant,
    /// The last page of their places that was read.
    pub after_page: i64,
}

// === impl KnownTraces ===

impl KnownTraces {
    /// Sized for what is known and as much again, at least a million: 1.2 bytes a trace.
    pub fn with_room_for(n_traces: u64) -> Self {
        let room = usize::try_from(n_traces).unwrap_or(usize::MAX / 4).saturating_mul(2).max(ITEMS_MIN);
        Self { filters: vec![Filter::new(room, 0)], room, n_in_last: 0, n_total: 0, is_complete: true, hasher: RandomState::new() }
    }

    /// Nothing was read of what is on disk. What comes must be added to a [`Renewal`] as well, which takes its place.
    pub fn unread() -> Self {
        Self { filters: Vec::new(), room: 0, n_in_last: 0, n_total: 0, is_complete: false, hasher: RandomState::new() }
    }

    /// `false` if it was certainly never seen.
    pub fn contains(&self, tenant: TenantNo, trace: TraceId) -> bool {
        !self.is_complete || self.holds(self.hasher.hash_one((tenant, trace)))
    }

    fn holds(&self, hash: u64) -> bool {
        // The last filters are the largest and hold what is asked for most.
        self.filters.iter().rev().any(|filter| filter.contains(hash))
    }

    /// Remembers the trace; `false` if it was certainly never seen.
    pub fn insert(&mut self, tenant: TenantNo, trace: TraceId) -> bool {
        let hash = self.hasher.hash_one((tenant, trace));
        if !self.is_complete || self.holds(hash) {
            return true;
        }
        if self.n_in_last >= self.room {
            self.room = self.room.saturating_mul(2);
            self.filters.push(Filter::new(self.room, self.filters.len()));
            self.n_in_last = 0;
        }
        if let Some(last) = self.filters.last_mut() {
            last.insert(hash);
        }
        self.n_in_last += 1;
        self.n_total += 1;
        false
    }

    /// How many ids it holds, those of expired traces too.
    pub fn len(&self) -> u64 {
        self.n_total
    }

    /// Whether it holds so much that is gone that making it anew is worth reading every key: more than half, and at least a million.
    pub fn is_stale(&self, n_traces: u64) -> bool {
        self.is_complete && self.n_total > n_traces.saturating_mul(2).saturating_add(ITEMS_MIN as u64)
    }
}

// === impl Renewal ===

impl Renewal {
    pub fn new(n_traces: u64) -> Self {
        Self { new: KnownTraces::with_room_for(n_traces), began: Instant::now(), after_page: 0 }
    }

    pub fn add(&mut self, keys: impl IntoIterator<Item = TraceKey>) {
        for (tenant, trace) in keys {
            self.new.insert(tenant, trace);
        }
    }

    /// The filter, and how long it took.
    pub fn finish(self) -> (KnownTraces, Duration) {
        (self.new, self.began.elapsed())
    }
}

// === impl Filter ===

impl Filter {
    fn new(room: usize, nth: usize) -> Self {
        let bits = room.saturating_mul(BITS_OF_ID + MORE_BITS * nth);
        Self(vec![[0; LINE_WORDS]; (bits / LINE_BITS).max(1)])
    }

    fn contains(&self, hash: u64) -> bool {
        let line = &self.0[self.line(hash)];
        bits(hash).all(|(word, bit)| line[word] & bit != 0)
    }

    fn insert(&mut self, hash: u64) {
        let at = self.line(hash);
        let line = &mut self.0[at];
        bits(hash).for_each(|(word, bit)| line[word] |= bit);
    }

    /// By the highest bits of the hash.
    fn line(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.0.len() as u128) >> 64) as usize
    }
}

/// The bits of an id in its line, each as a word and a bit of it: by the lowest bits of the hash before all others.
fn bits(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..BITS_SET).map(move |nth| {
        let bit = (mixed >> (nth as u32 * LINE_BITS.ilog2())) as usize % LINE_BITS;
        (bit / 64, 1 << (bit % 64))
    })
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
