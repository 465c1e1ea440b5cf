//! Layer 1: the append log. What is in it is durable; what it carries is opaque to it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

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
    /// Segments are closed at this size (default 64 MiB).
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

/// A handle; clones share one log.
#[derive(Clone, Debug)]
pub struct Journal {}

/// Reads records in order, each once, none before it is durable.
#[derive(Debug)]
pub struct Reader {}

/// What opening found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovery {
    /// Bytes of a torn last write that were cut off; they were never acknowledged.
    pub torn_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("journal placeholder")]
    Placeholder,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The cap on disk use is reached until a reader passes more.
    #[error("the journal is full ({used_bytes} of {max_bytes} bytes)")]
    Full { used_bytes: u64, max_bytes: u64 },
    /// A write or an fsync failed; nothing is acknowledged any more until a restart.
    #[error("the journal stopped after a failed write")]
    Poisoned,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("placeholder")]
    Placeholder,
}

impl Journal {
    /// Opens or creates the log in `dir`, heals a torn tail, refuses a corrupt middle.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let _ = (dir, options);
        Err(OpenError::Placeholder)
    }

    /// Returns once the record is on disk; what follows it in the log is then a later position.
    pub async fn append(&self, record: Record, class: Class) -> Result<Position, AppendError> {
        let _ = (record, class);
        Err(AppendError::Poisoned)
    }

    /// The first position still held.
    pub fn start(&self) -> Position {
        Position(0)
    }

    /// The end of what is durable.
    pub fn end(&self) -> Position {
        Position(0)
    }

    /// Bytes on disk, and the cap.
    pub fn usage(&self) -> (u64, u64) {
        (0, 0)
    }

    /// A reader that begins at `from` (clamped to what is held).
    pub fn reader(&self, from: Position) -> Reader {
        let _ = from;
        Reader {}
    }

    /// Whole segments below `keep` are deleted: every reader has passed them.
    pub fn release(&self, keep: Position) {
        let _ = keep;
    }

    pub fn is_poisoned(&self) -> bool {
        false
    }

    /// Finishes what was queued and stops the writer.
    pub fn close(&self) {}
}

impl Reader {
    /// The next record, waiting until there is one. `Ok(None)` once the journal is closed and all is read.
    pub async fn next(&mut self) -> Result<Option<Item>, ReadError> {
        Ok(None)
    }

    /// The same for a plain thread; `Ok(None)` also after `timeout` without one.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Item>, ReadError> {
        let _ = timeout;
        Ok(None)
    }

    /// The next record if it is there.
    pub fn try_next(&mut self) -> Result<Option<Item>, ReadError> {
        Ok(None)
    }

    /// The position of the record that `next` would give.
    pub fn position(&self) -> Position {
        Position(0)
    }
}
