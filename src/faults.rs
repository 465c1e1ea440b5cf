//! Layer 0: what a failed operation of the operating system or of SQLite means, decided here for every module.
//!
//! - A shortage ends by itself or by an operator's hand: whoever meets one gives up what it was doing, changes nothing, and tries again.
//!   It is never a reason to stop until a restart.
//! - Where storage itself fails, nobody knows what it holds. What was being *written* is not trusted any more until a restart has read it
//!   back (the journal stops acknowledging); a *read* changes nothing and may be repeated.
//! - It knows errors only: whether an operation may be repeated also depends on what it had done already, which its module knows.

use std::error::Error;
use std::io;

use rusqlite::ErrorCode;
use rustix::io::Errno;

/// What a failure means for whoever met it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A signal came in between (EINTR): the call had no effect and is repeated at once.
    Interrupted,
    /// This process (EMFILE) or the whole system (ENFILE) has as many files open as it may.
    Descriptors,
    /// No memory, or no buffers, in the kernel or in SQLite (ENOMEM, ENOBUFS).
    Memory,
    /// The file system, or the user's share of it, is full (ENOSPC, EDQUOT).
    Space,
    /// Somebody else holds what is needed (EAGAIN, EBUSY, ETXTBSY; SQLite's BUSY and LOCKED).
    Busy,
    /// The device failed, or the file system was shut down or made read-only because it did (EIO, EROFS, ENXIO, ESTALE).
    Storage,
    /// Anything else: a missing file, a refused permission, bytes that are not what they should be.
    Other,
}

// === impl Fault ===

impl Fault {
    /// The first error in the chain of sources that says anything about the system.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let fault = match (error.downcast_ref::<io::Error>(), error.downcast_ref::<rusqlite::Error>()) {
                (Some(error), _) => Self::of_io(error),
                (_, Some(error)) => Self::of_sqlite(error),
                _ => Self::Other,
            };
            if fault != Self::Other {
                return fault;
            }
            // An I/O error around another error gives that one's source, and not itself, as its own.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
        }
        Self::Other
    }

    pub fn of_io(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::INTR) => Self::Interrupted,
            Some(Errno::MFILE | Errno::NFILE) => Self::Descriptors,
            Some(Errno::NOMEM | Errno::NOBUFS) => Self::Memory,
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Space,
            Some(Errno::AGAIN | Errno::BUSY | Errno::TXTBSY) => Self::Busy,
            Some(Errno::IO | Errno::ROFS | Errno::NXIO | Errno::STALE) => Self::Storage,
            Some(_) => Self::Other,
            None => Self::of_kind(error.kind()),
        }
    }

    /// Of an error that the standard library made, without a number of the system's.
    fn of_kind(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::Interrupted => Self::Interrupted,
            io::ErrorKind::OutOfMemory => Self::Memory,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Space,
            io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => Self::Busy,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StaleNetworkFileHandle => Self::Storage,
            _ => Self::Other,
        }
    }

    pub fn of_sqlite(error: &rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, _) = error else { return Self::Other };
        match failure.code {
            // SQLite keeps the number of the system's to itself. A database that was there a moment ago and cannot be opened
            // is out of descriptors far more often than gone.
            ErrorCode::CannotOpen => Self::Descriptors,
            ErrorCode::OutOfMemory => Self::Memory,
            ErrorCode::SystemIoFailure if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_NOMEM => Self::Memory,
            ErrorCode::DiskFull => Self::Space,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => Self::Busy,
            ErrorCode::SystemIoFailure => Self::Storage,
            _ => Self::Other,
        }
    }

    /// A shortage: the same operation may succeed later, and nothing is known to be broken.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Interrupted | Self::Descriptors | Self::Memory | Self::Space | Self::Busy)
    }

    /// Whether a read that failed so is worth repeating: a device may come back too, and reading changes nothing.
    pub fn may_read_again(self) -> bool {
        self.is_transient() || self == Self::Storage
    }

    /// What is short, in words for an operator; `None` where nothing is.
    pub fn shortage(self) -> Option<&'static str> {
        match self {
            Self::Descriptors => Some("file descriptors"),
            Self::Memory => Some("memory"),
            Self::Space => Some("disk space"),
            Self::Interrupted | Self::Busy => Some("a resource that is in use"),
            Self::Storage | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read {what}")]
    struct Wrapped {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    }

    #[test]
    fn every_errno_that_can_pass_is_a_shortage_and_every_other_is_not() {
        use Fault::{Busy, Descriptors, Interrupted, Memory, Other, Space, Storage};
        let expected = [
            (Errno::MFILE, Descriptors, true),
            (Errno::NFILE, Descriptors, true),
            (Errno::INTR, Interrupted, true),
            (Errno::NOSPC, Space, true),
            (Errno::DQUOT, Space, true),
            (Errno::NOMEM, Memory, true),
            (Errno::NOBUFS, Memory, true),
            (Errno::AGAIN, Busy, true),
            (Errno::BUSY, Busy, true),
            (Errno::IO, Storage, false),
            (Errno::ROFS, Storage, false),
            (Errno::NOENT, Other, false),
            (Errno::ACCESS, Other, false),
            (Errno::INVAL, Other, false),
        ];
        for (errno, fault, is_transient) in expected {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!((Fault::of(&error), Fault::of(&error).is_transient()), (fault, is_transient), "{error}");
            assert_eq!(fault.shortage().is_some(), is_transient, "{error}");
        }
        assert!(Fault::Storage.may_read_again() && !Fault::Other.may_read_again());
    }

    #[test]
    fn it_is_found_behind_every_wrapping() {
        let error = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        let error = Wrapped { what: "a", source: Box::new(Wrapped { what: "b", source: Box::new(error) }) };
        assert_eq!(Fault::of(&error), Fault::Descriptors);
        assert_eq!(Fault::of(&io::Error::other(error)), Fault::Descriptors);
        assert_eq!(Fault::of(&Wrapped { what: "c", source: "words".into() }), Fault::Other);
    }

    #[test]
    fn sqlites_own_codes_are_told_apart() {
        use rusqlite::ffi;
        for (code, fault) in [
            (ffi::SQLITE_CANTOPEN, Fault::Descriptors),
            (ffi::SQLITE_CANTOPEN_FULLPATH, Fault::Descriptors),
            (ffi::SQLITE_FULL, Fault::Space),
            (ffi::SQLITE_BUSY, Fault::Busy),
            (ffi::SQLITE_LOCKED, Fault::Busy),
            (ffi::SQLITE_BUSY_SNAPSHOT, Fault::Busy),
            (ffi::SQLITE_NOMEM, Fault::Memory),
            (ffi::SQLITE_IOERR_NOMEM, Fault::Memory),
            (ffi::SQLITE_IOERR_READ, Fault::Storage),
            (ffi::SQLITE_IOERR_FSYNC, Fault::Storage),
            (ffi::SQLITE_CORRUPT, Fault::Other),
            (ffi::SQLITE_NOTADB, Fault::Other),
        ] {
            assert_eq!(Fault::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)), fault, "{code}");
        }
    }
}
