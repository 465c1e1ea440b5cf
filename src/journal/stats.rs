//! What the writer counted, for metrics. Written by the writer thread only, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the journal was opened.
#[derive(Debug, Default)]
pub struct Stats {
    appended_records: AtomicU64,
    appended_bytes: AtomicU64,
    syncs: AtomicU64,
    sync_total_ns: AtomicU64,
    sync_last_ns: AtomicU64,
    no_space: AtomicU64,
    shortages: AtomicU64,
}

impl Stats {
    /// Records made durable.
    pub fn appended_records(&self) -> u64 {
        self.appended_records.load(Ordering::Relaxed)
    }

    /// Their size as encoded, headers included.
    pub fn appended_bytes(&self) -> u64 {
        self.appended_bytes.load(Ordering::Relaxed)
    }

    /// Calls of `fdatasync` for groups that succeeded. Records over syncs is the mean size of a group.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub fn sync_total(&self) -> Duration {
        Duration::from_nanos(self.sync_total_ns.load(Ordering::Relaxed))
    }

    pub fn sync_last(&self) -> Duration {
        Duration::from_nanos(self.sync_last_ns.load(Ordering::Relaxed))
    }

    /// Groups refused because the file system was full.
    pub fn no_space(&self) -> u64 {
        self.no_space.load(Ordering::Relaxed)
    }

    /// Groups refused because the system had no file descriptor or no memory left.
    pub fn shortages(&self) -> u64 {
        self.shortages.load(Ordering::Relaxed)
    }

    pub(super) fn count_group(&self, records: u64, bytes: u64) {
        self.appended_records.fetch_add(records, Ordering::Relaxed);
        self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_sync(&self, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_total_ns.fetch_add(took_ns, Ordering::Relaxed);
        self.sync_last_ns.store(took_ns, Ordering::Relaxed);
    }

    pub(super) fn count_no_space(&self) {
        self.no_space.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_shortage(&self) {
        self.shortages.fetch_add(1, Ordering::Relaxed);
    }
}
