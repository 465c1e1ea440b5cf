//! Reads the figures where they are.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::StatusBoard;

use crate::bounds::memory::Standing;
use crate::config::UnknownVariable;
use crate::journal::Position;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::Store as _;
use crate::store::local::StoreFacts;
use crate::telemetry::process::{self, ProcessFacts};
use crate::wire::format::entry::Entry;

/// All figures of one moment.
pub(super) struct Facts {
    pub(super) at: UnixNanos,
    pub(super) started_at: UnixNanos,
    pub(super) uptime: Nanos,
    pub(super) not_ready: Option<String>,
    pub(super) addresses: [SocketAddr; 3],
    pub(super) misspelled: Vec<UnknownVariable>,
    pub(super) journal: JournalFacts,
    pub(super) fold: FoldFacts,
    pub(super) store: StoreFacts,
    pub(super) index_bytes: u64,
    pub(super) tempo: Option<TempoFacts>,
    pub(super) process: Option<ProcessFacts>,
    /// What the process can have of memory.
    pub(super) memory_available_bytes: u64,
    /// What is taken of each share of `limits.max_memory`.
    pub(super) memory: Vec<Standing>,
    pub(super) connections: [u64; 3],
    pub(super) inflight_bytes: u64,
    /// Free and all bytes of the file system of the data directory.
    pub(super) disk: Option<(u64, u64)>,
}

pub(super) struct JournalFacts {
    pub(super) used_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) start: Position,
    pub(super) end: Position,
    /// When the oldest record came.
    pub(super) oldest: Option<UnixNanos>,
    pub(super) is_poisoned: bool,
}

pub(super) struct FoldFacts {
    pub(super) position: Position,
    pub(super) lag_bytes: u64,
    /// How long the oldest of that has waited.
    pub(super) lag: Nanos,
    /// How long folding it will take.
    pub(super) catch_up: Nanos,
    pub(super) checkpointed: Position,
}

pub(super) struct TempoFacts {
    pub(super) address: String,
    pub(super) state: TempoState,
    pub(super) lag_bytes: u64,
    pub(super) held_bytes: u64,
    /// Journal bytes that it takes in a second, over the last ten.
    pub(super) rate_bytes_per_s: u64,
    /// How long the oldest entry has waited that it does not have; `None` where nothing waits.
    pub(super) oldest_waiting: Option<Nanos>,
    pub(super) dropped_spans: u64,
    /// When Tempo will have everything at the rate of now; `None` where that is not known or what waits grows.
    pub(super) drain: Option<Nanos>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TempoState {
    Up,
    Away,
    /// Nothing has been sent yet.
    Untried,
}

impl StatusBoard {
    pub(super) fn read(&self) -> Facts {
        let at = crate::clock::now();
        let (used_bytes, max_bytes) = self.sources.journal.usage();
        let (start, end) = (self.sources.journal.start(), self.sources.journal.end());
        let folded = self.sources.store.folded();
        let lag = self.sources.store.lag();
        let data_dir = &self.sources.config.server.data_dir;
        Facts {
            at,
            started_at: self.sources.started.1,
            uptime: nanos(self.sources.started.0.elapsed()),
            not_ready: self.sources.store.not_ready(),
            addresses: self.sources.addresses,
            misspelled: self.sources.misspelled.clone(),
            journal: JournalFacts {
                used_bytes,
                max_bytes,
                start,
                end,
                oldest: self.oldest_entry(start),
                is_poisoned: self.sources.journal.is_poisoned(),
            },
            fold: FoldFacts {
                position: folded,
                lag_bytes: lag.bytes,
                lag: nanos(lag.age),
                catch_up: nanos(lag.catch_up),
                checkpointed: self.sources.store.checkpointed(),
            },
            store: self.sources.store.facts(),
            index_bytes: index_bytes(&self.sources.database),
            tempo: self.tempo(),
            process: process::facts(),
            memory_available_bytes: crate::app::budget::available(),
            memory: self.sources.memory.standing().collect(),
            connections: std::array::from_fn(|at| self.sources.connections[at].open()),
            inflight_bytes: self.sources.receiver.admission().inflight_bytes(),
            disk: crate::telemetry::health::disk(data_dir),
        }
    }

    fn tempo(&self) -> Option<TempoFacts> {
        let (status, metrics) = self.sources.forwarding.as_ref()?;
        let lag_bytes = status.lag_bytes();
        let state = match status.is_tempo_up() {
            true => TempoState::Up,
            false if metrics.accepted_requests.get() == 0 && lag_bytes == 0 => TempoState::Untried,
            false => TempoState::Away,
        };
        Some(TempoFacts {
            address: self.sources.config.forward.tempo.clone(),
            state,
            lag_bytes,
            held_bytes: u64::try_from(metrics.held_bytes.get()).unwrap_or(0),
            dropped_spans: status.dropped_spans(),
            rate_bytes_per_s: status.rate_bytes_per_s(),
            oldest_waiting: status.oldest_waiting().map(nanos),
            drain: status.eta().map(nanos),
        })
    }

    /// When the record at the start of the journal came.
    fn oldest_entry(&self, start: Position) -> Option<UnixNanos> {
        let mut known = self.oldest_entry.lock();
        if let Some((at, received_at)) = *known
            && at == start
        {
            return Some(received_at);
        }
        let item = self.sources.journal.reader(start).try_next().ok()??;
        let received_at = Entry::decode(&item.record.head, item.record.body).ok()?.received_at;
        *known = Some((start, received_at));
        Some(received_at)
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The database with what SQLite has not merged into it yet.
fn index_bytes(database: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        std::fs::metadata(path).map_or(0, |file| file.len())
    };
    size("") + size("-wal")
}
