//! What can go wrong, one enum for each way into the journal.

use std::io;
use std::path::PathBuf;

use super::Position;
use super::record::Flaw;
use crate::faults::Fault;

/// The log cannot be opened. Nothing was changed on disk, except that a missing directory may have been created.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another handle of this one) has this journal open.
    #[error("the journal in {dir} is in use by another process")]
    Locked { dir: PathBuf },
    /// Written by a later version of this program.
    #[error("{file} has journal format version {found}, this program reads version {supported}")]
    UnsupportedVersion { file: PathBuf, found: u32, supported: u32 },
    /// Bytes that were once durable are damaged. They are never skipped over: a person must decide.
    #[error("{file} is damaged at offset {offset}: {flaw}")]
    Corrupt { file: PathBuf, offset: u64, flaw: Flaw },
    /// A whole segment is missing between two that are there.
    #[error("{file} begins at position {found}, but the segment before it ends at {expected}: a segment is missing")]
    Gap { file: PathBuf, expected: Position, found: Position },
    /// Records that were acknowledged are not there: the last segment is gone, or was cut.
    #[error(
        "{file} is {}: the journal ends at position {end}, but everything up to {acknowledged} was acknowledged. Put the whole directory back \
         from a backup, or, to go on without the {} bytes that are lost, delete {note}",
        if *is_there { "cut short" } else { "missing" },
        acknowledged.0.saturating_sub(end.0)
    )]
    Missing { file: PathBuf, is_there: bool, end: Position, acknowledged: Position, note: PathBuf },
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// The record was not appended, or (with `Poisoned`) it is unknown whether a restart will find it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The cap on disk use is reached until a reader passes more. Transient.
    #[error("the journal is full ({used_bytes} of {max_bytes} bytes)")]
    Full { used_bytes: u64, max_bytes: u64 },
    /// The file system has no room although the cap is not reached. Transient: nothing is broken, the partial write was taken back.
    #[error("the disk under the journal is full")]
    NoSpace,
    /// The system has no more of something (file descriptors, memory) that the journal needs to go on. Transient: nothing is broken.
    #[error("the journal waits for {0}, of which the system has none left")]
    Shortage(&'static str),
    /// Larger than any record may be. Permanent.
    #[error("a record of {bytes} bytes is larger than the journal's limit of {max_bytes}")]
    TooLarge { bytes: u64, max_bytes: u64 },
    /// A write or an fsync failed; nothing is acknowledged any more until a restart.
    #[error("the journal stopped after a failed write")]
    Poisoned,
    /// The journal was closed: the process is stopping.
    #[error("the journal is closed")]
    Closed,
}

/// The next record cannot be read. The reader stays where it is; asking again reads the disk again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes on disk are not what was written, or no record begins at the position the reader was given.
    #[error("{file} is damaged at offset {offset}: {flaw}")]
    Corrupt { file: PathBuf, offset: u64, flaw: Flaw },
    /// The reader was overtaken by `release`: records from `position` up to `start` are gone.
    #[error("the journal no longer holds position {position}, it begins at {start}")]
    Released { position: Position, start: Position },
    /// Waiting and asking again may help ([`ReadError::may_pass`]).
    #[error("reading {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl ReadError {
    /// Whether the same read may succeed later: for want of a file descriptor, or from a device that comes back. Nothing was lost or
    /// changed by the attempt.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Io { source, .. } => Fault::of(source).may_read_again(),
            Self::Corrupt { .. } | Self::Released { .. } => false,
        }
    }
}
