//! Layer 1: the append log. What is in it is durable; what it carries is opaque to it.
//!
//! ```text
//! append ─► line (fair, in order) ─► writer thread: one vectored write, one fdatasync ─► ack to everyone in the group
//!                                        │
//!                                        └─► tail (memory) ─► Reader that keeps up
//!            segments on disk ───────────────────────────────► Reader that lags (1 MiB at a time, checksums checked)
//! ```
//!
//! Constraints
//! - A record is acknowledged, and shown to readers, only after `fdatasync` of its bytes returned.
//! - Appends of one caller keep their order; every reader sees every record once, in the order of positions.
//! - The bytes on disk never exceed [`Options::max_bytes`]; the last 5 % are for [`Class::Events`].
//! - The format is drawn byte by byte in `docs/format.md`.
//!
//! It never skips over damage: a torn last write is cut off when the log is opened, any other damage is refused with the file and the
//! offset, and so is an end that is missing. It never acknowledges anything after a failed write or fsync: what the disk then holds is
//! unknown until a restart reads it. A shortage (of disk space, file descriptors, memory) refuses what needs it, and ends by itself.

mod end_note;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod line;
mod one_bit;
mod positions;
mod reader;
mod record;
mod recovery;
mod retention;
mod segment;
mod segment_reader;
mod state;
mod stats;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

pub use error::{AppendError, OpenError, ReadError};
use files::{Files, RealFiles};
pub use positions::{PositionError, PositionFile};
pub use reader::Reader;
pub use record::{Flaw, MAX_RECORD_BYTES};
use state::Shared;
pub use stats::Stats;

/// A byte offset in the endless log: the place of a record's first byte. Grows by the records' encoded size; survives restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

/// What is appended: two parts so that a request's body need not be copied to put a head before it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    pub head: Bytes,
    pub body: Bytes,
}

/// Who may use the last of the space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Refused at `max_bytes` less the reserve: the sender can retry.
    Spans,
    /// May use the reserve of 5 %: SDK events and commands.
    Events,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Segments are closed at this size. At most an eighth of `max_bytes` is used, because only whole segments can be given back.
    pub segment_bytes: u64,
    /// The journal never holds more on disk.
    pub max_bytes: u64,
    /// Recent records kept in memory for readers that keep up, in bytes.
    pub tail_bytes: usize,
}

/// A record as a reader sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    pub position: Position,
    /// Where the next record begins: what a reader stores when it is done with this one.
    pub end: Position,
    pub record: Record,
}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Bytes of a torn last write that were cut off. Nothing notes that they were acknowledged.
    pub torn_bytes: u64,
}

/// A handle; clones share one log. The last clone that is dropped closes the log.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// The writer thread until someone joins it. The lock is held while joining, so that a second `close` waits for the first.
    writer: Mutex<Option<JoinHandle<()>>>,
}

// === impl Journal ===

impl Journal {
    /// Opens or creates the log in `dir`, heals a torn tail, refuses a corrupt middle. Reads and checks every byte held: blocking.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(dir, options, Arc::new(RealFiles))
    }

    /// Whether some process has the journal in `dir` open. Changes nothing, and takes nothing: the answer may be old when it arrives.
    pub fn is_in_use(dir: &Path) -> bool {
        recovery::is_locked(dir)
    }

    fn open_with(dir: &Path, mut options: Options, files: Arc<dyn Files>) -> Result<(Self, Recovery), OpenError> {
        options.segment_bytes = options.segment_bytes.min(options.max_bytes / 8);
        let directory_lock = recovery::lock_directory(dir, &*files)?;
        let recovered = recovery::recover(dir, &*files)?;
        let shared = Arc::new(Shared::new(dir, options, files, recovered.directory, recovered.segments, directory_lock));
        let writer = writer::spawn(Arc::clone(&shared), recovered.active, recovered.note).map_err(|source| OpenError::Io {
            action: "starting the writer thread for",
            path: dir.to_owned(),
            source,
        })?;
        let inner = Inner { shared, writer: Mutex::new(Some(writer)) };
        Ok((Self { inner: Arc::new(inner) }, Recovery { torn_bytes: recovered.torn_bytes }))
    }

    /// Returns once the record is on disk; what follows it in the log is then a later position.
    ///
    /// Waits its turn while others are written. A future that is dropped before its record was taken by the writer withdraws it;
    /// one dropped later may or may not have been written, as with any append whose answer is lost.
    pub async fn append(&self, record: Record, class: Class) -> Result<Position, AppendError> {
        // The checksum of the payload is the caller's work, so that the one writer thread has little of it.
        let payload = record::Payload::new(record)?;
        let pending = self.inner.shared.enqueue(payload, class)?;
        pending.acknowledged().await
    }

    /// The first position still held.
    pub fn start(&self) -> Position {
        self.inner.shared.lock().start()
    }

    /// The end of what is durable.
    pub fn end(&self) -> Position {
        self.inner.shared.lock().end()
    }

    /// Where each segment that is held begins, oldest first.
    pub fn segment_starts(&self) -> Vec<Position> {
        self.inner.shared.lock().segments.iter().map(|segment| segment.base).collect()
    }

    /// Bytes on disk, and the cap. Segment headers are included; the lock file and position files are not.
    pub fn usage(&self) -> (u64, u64) {
        (self.inner.shared.lock().used_bytes, self.inner.shared.options.max_bytes)
    }

    /// A write or an fsync failed: appends are refused until a restart, readers go on to what was durable.
    pub fn is_poisoned(&self) -> bool {
        self.inner.shared.lock().poisoned
    }

    /// Why nothing, or not everything, can be appended now, in words for an operator; `None` when all is well.
    pub fn trouble(&self) -> Option<String> {
        let state = self.inner.shared.lock();
        if state.poisoned {
            return Some("the journal stopped after a failed write; restart once the disk is well".to_owned());
        }
        state.stalled.clone()
    }

    /// Counters for metrics, updated by the writer.
    pub fn stats(&self) -> &Stats {
        &self.inner.shared.stats
    }

    /// A reader that begins at `from` (clamped to what is held).
    pub fn reader(&self, from: Position) -> Reader {
        Reader::new(Arc::clone(&self.inner.shared), from)
    }

    /// Whole segments below `keep` are deleted: every reader has passed them. The one that is written to stays, unless it has
    /// reached its size or its age and is passed entirely: then the writer starts a new one and deletes it. Blocking file work.
    pub fn release(&self, keep: Position) {
        self.inner.shared.release(keep);
    }

    /// Finishes what was queued and stops the writer; blocks until that is done. Appends are refused from now on, readers end with
    /// `Ok(None)` when they have read everything, and the directory may be opened again.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("dir", &self.inner.shared.dir).finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn close(&self) {
        self.shared.begin_close();
        let mut writer = self.writer.lock();
        if let Some(writer) = writer.take() {
            // A panicked writer has poisoned the log on its way out; there is nothing to add here.
            let _ = writer.join();
        }
        self.shared.finish_close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Options ===

impl Default for Options {
    /// 64 MiB segments (a deletion frees that much, a recovery searches that much at worst), 8 GiB on disk, 32 MiB in memory.
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_bytes: 8 << 30, tail_bytes: 32 << 20 }
    }
}

// === impl Position ===

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
