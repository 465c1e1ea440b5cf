//! Where rows are, by what they are looked up by: runs by their number, their last activity, their user; traces by their id.
//!
//! - A place is an entry of [`ENTRY_BYTES`] bytes, in segments that are sorted and never changed (`segments.rs`). A checkpoint adds one
//!   segment of each kind; four of about the same size are merged into one (`merge.rs`). So a new row costs a few copies of its entries,
//!   where an index of SQLite would search a leaf for each of them, and write that leaf anew where its keys are random
//!   (`docs/decisions/083-places-of-runs-are-sorted-segments.md`, `docs/decisions/085-traces-are-found-by-segments.md`).
//! - An entry only says where to look: it stays when its row changes or goes, until a merge leaves it out. Whoever looks compares the row
//!   that is there with what was looked for.
//! - Within one state of the database every run is found by its entry once.

mod merge;
mod segments;
#[cfg(test)]
mod tests;

use std::hash::Hasher;
use std::ops::RangeInclusive;

use siphasher::sip::SipHasher13;

pub use self::merge::{Gone, add, n_traces};
pub use self::segments::{Places, each_newest_first, entries_after};
use super::rows::{TenantNo, TraceNo};
use crate::index::SessionNo;
use crate::model::ids::TraceId;
use crate::model::time::UnixNanos;
use crate::store::local::state::recent::RunOrder;

/// Of a run: tenant 4, key 8, session 4, start 8, number 8. Of a trace: tenant 4, id 16, zero 4, number of its row 8. All big-endian, so
/// that entries are in order as bytes are.
pub const ENTRY_BYTES: usize = 32;

/// What runs and traces are looked up by. The numbers are those in the database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    Number = 0,
    Activity = 1,
    User = 2,
    Trace = 3,
}

/// One entry as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry([u8; ENTRY_BYTES]);

/// Which run an entry of one is of: all of it but the key.
type OfRun = ([u8; 4], [u8; 20]);

/// The entries of the runs and traces of one checkpoint, by kind.
#[derive(Default)]
pub struct NewPlaces([Vec<Entry>; 4]);

/// The key that a user's runs are found by. Frozen: it is on disk.
pub fn user_key(user: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(user.as_bytes());
    hasher.finish()
}

// === impl Kind ===

impl Kind {
    pub const ALL: [Self; 4] = [Self::Number, Self::Activity, Self::User, Self::Trace];
    pub const OF_RUNS: [Self; 3] = [Self::Number, Self::Activity, Self::User];
}

// === impl Entry ===

impl Entry {
    fn new(tenant: TenantNo, key: u64, session: SessionNo, started_at: UnixNanos, number: u64) -> Self {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&tenant.0.to_be_bytes());
        bytes[4..12].copy_from_slice(&key.to_be_bytes());
        bytes[12..16].copy_from_slice(&session.0.to_be_bytes());
        bytes[16..24].copy_from_slice(&started_at.0.to_be_bytes());
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    fn of_trace(tenant: TenantNo, trace: TraceId, no: TraceNo) -> Self {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&tenant.0.to_be_bytes());
        bytes[4..20].copy_from_slice(trace.as_bytes());
        bytes[24..].copy_from_slice(&no.0.to_be_bytes());
        Self(bytes)
    }

    /// The least and the greatest entry that a tenant can have for traces within a range.
    pub fn range_of_traces(tenant: TenantNo, from: TraceId, to: TraceId) -> RangeInclusive<Self> {
        Self::of_trace(tenant, from, TraceNo(0))..=Self::of_trace(tenant, to, TraceNo(u64::MAX))
    }

    /// The least and the greatest entry that a tenant can have for runs with keys within a range.
    pub fn range(tenant: TenantNo, keys: &RangeInclusive<u64>) -> RangeInclusive<Self> {
        let least = Self::new(tenant, *keys.start(), SessionNo(0), UnixNanos(0), 0);
        least..=Self::new(tenant, *keys.end(), SessionNo(u32::MAX), UnixNanos(u64::MAX), u64::MAX)
    }

    pub fn tenant(&self) -> TenantNo {
        TenantNo(self.read(0, 4) as u32)
    }

    pub fn key(&self) -> u64 {
        self.read(4, 8)
    }

    pub fn session(&self) -> SessionNo {
        SessionNo(self.read(12, 4) as u32)
    }

    pub fn started_at(&self) -> UnixNanos {
        UnixNanos(self.read(16, 8))
    }

    pub fn number(&self) -> u64 {
        self.read(24, 8)
    }

    /// Of an entry of a trace.
    pub fn trace(&self) -> Option<TraceId> {
        TraceId::from_bytes(&self.0[4..20])
    }

    /// Of an entry of a trace.
    pub fn trace_no(&self) -> TraceNo {
        TraceNo(self.read(24, 8))
    }

    /// About where it is in the order of entries: its first 16 bytes, as a number.
    fn rank(&self) -> f64 {
        let mut head = [0; 16];
        head.copy_from_slice(&self.0[..16]);
        u128::from_be_bytes(head) as f64
    }

    fn of_run(&self) -> OfRun {
        let mut run = ([0; 4], [0; 20]);
        run.0.copy_from_slice(&self.0[..4]);
        run.1.copy_from_slice(&self.0[12..]);
        run
    }

    fn read(&self, at: usize, len: usize) -> u64 {
        self.0[at..at + len].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

// === impl NewPlaces ===

impl NewPlaces {
    /// A run that is there, whatever there was of it before.
    pub fn add(&mut self, tenant: TenantNo, session: SessionNo, order: &RunOrder, last_activity: UnixNanos, user: Option<&str>) {
        let number = order.id.get();
        let entry = |key| Entry::new(tenant, key, session, order.started_at, number);
        let [numbers, activities, users, _] = &mut self.0;
        numbers.push(entry(number));
        activities.push(entry(last_activity.0));
        users.extend(user.map(|user| entry(user_key(user))));
    }

    /// A trace that has got its row.
    pub fn add_trace(&mut self, tenant: TenantNo, trace: TraceId, no: TraceNo) {
        self.0[Kind::Trace as usize].push(Entry::of_trace(tenant, trace, no));
    }

    /// Runs and traces in it.
    pub fn len(&self) -> usize {
        self.0[Kind::Number as usize].len() + self.0[Kind::Trace as usize].len()
    }
}
