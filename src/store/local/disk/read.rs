//! Connections to read with, and the runs of a session: what lies on disk, with what is newer in memory laid over it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::super::{SqliteLimits, store_error};
use super::rows::TenantNo;
use super::schema::{SchemaError, open_reader};
use super::statements::{self, Ready, Statement};
use crate::index::SessionNo;
use crate::model::ids::SessionId;
use crate::model::run::Run;
use crate::store::local::state::recent::{Overlay, OverlayRuns, RunOrder};
use crate::store::{ReadersBusy, StoreError};

/// Rows read at a time, so that a session of any size needs little memory.
const PAGE_ROWS: usize = 512;
/// Idle connections that are kept for the next reader.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// How long a reader waits for a connection when all are in use.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections for readers. Each reader has one to itself, and gives it back.
pub struct Readers {
    path: PathBuf,
    limits: SqliteLimits,
    idle: Mutex<Vec<Connection>>,
    /// Connections that the doors have now; the fold's own and the forwarder's are not counted, since they never wait.
    lent: Mutex<usize>,
    returned: Condvar,
}

/// A connection that goes back to [`Readers`] when dropped, outside any transaction.
pub struct Reader {
    db: Option<Connection>,
    home: Arc<Readers>,
    is_lent: bool,
}

/// The runs of one session in chronological order, from one state: the database's of the moment it was opened, and the overlay's.
pub struct RunStream {
    reader: Reader,
    tenant: TenantNo,
    session_no: SessionNo,
    session: SessionId,
    /// What differs from disk and was not given yet.
    overlay: std::iter::Peekable<OverlayRuns>,
    /// Rows read ahead.
    rows: VecDeque<Run>,
    /// Where the next page of rows begins; `None` once all are read.
    after: Option<Option<RunOrder>>,
    failed: bool,
}

// === impl Readers ===

impl Readers {
    pub fn new(path: &Path, limits: SqliteLimits) -> Arc<Self> {
        let (idle, lent, returned) = (Mutex::default(), Mutex::default(), Condvar::new());
        Arc::new(Self { path: path.to_owned(), limits, idle, lent, returned })
    }

    /// For a door: waits while as many are lent as may be, and gives up after a while.
    pub fn take(self: &Arc<Self>) -> Result<Reader, SchemaError> {
        let mut lent = self.lent.lock();
        let is_full = |lent: &mut usize| *lent >= self.limits.max_readers;
        let waited = self.returned.wait_while_for(&mut lent, is_full, PATIENCE);
        if waited.timed_out() {
            return Err(SchemaError::Busy(ReadersBusy));
        }
        *lent += 1;
        drop(lent);
        // From here on its drop gives it back, whatever fails.
        let mut reader = Reader { db: None, home: self.clone(), is_lent: true };
        reader.db = Some(self.connection()?);
        Ok(reader)
    }

    /// For the fold and the forwarder, which are few: never waits.
    pub fn take_own(self: &Arc<Self>) -> Result<Reader, SchemaError> {
        Ok(Reader { db: Some(self.connection()?), home: self.clone(), is_lent: false })
    }

    fn connection(&self) -> Result<Connection, SchemaError> {
        let idle = self.idle.lock().pop();
        idle.map_or_else(|| open_reader(&self.path, self.limits.reader_cache_bytes), Ok)
    }
}

// === impl Reader ===

impl Reader {
    /// Bytes of the database that hold something.
    pub fn used_bytes(&self) -> rusqlite::Result<u64> {
        let number = |statement: &Statement| self.query_row(statement.sql, [], |row| row.get::<_, i64>(0));
        let n_pages = number(&statements::PAGE_COUNT)? - number(&statements::FREE_PAGE_COUNT)?;
        Ok((n_pages * number(&statements::PAGE_SIZE)?).cast_unsigned())
    }

    /// Reads within one state of the database.
    pub fn within_snapshot<T>(&self, read: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        if !self.is_autocommit() {
            return read();
        }
        // What is read first decides which state that is.
        self.ready(&statements::BEGIN)?.execute([])?;
        let found = read();
        // An error of the disk may have ended it; no other does.
        let ended = if self.is_autocommit() { Ok(()) } else { self.end_snapshot() };
        found.and_then(|found| ended.map(|()| found))
    }

    /// Reads from one state of the database from here on, until [`Self::end_snapshot`] or the drop.
    pub fn begin_snapshot(&self) -> rusqlite::Result<()> {
        self.ready(&statements::BEGIN)?.execute([])?;
        let fixed = self.ready(&statements::FIX_SNAPSHOT).and_then(|mut fix| fix.query_row([], |_| Ok(())));
        // Whoever tries again must not find it begun.
        fixed.inspect_err(|_| _ = self.end_snapshot())
    }

    pub fn end_snapshot(&self) -> rusqlite::Result<()> {
        self.ready(&statements::ROLLBACK)?.execute([]).map(drop)
    }
}

impl std::ops::Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.db.as_ref().expect("the connection is there until the reader is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.is_lent {
            *self.home.lent.lock() -= 1;
            self.home.returned.notify_one();
        }
        let Some(db) = self.db.take() else { return };
        if !db.is_autocommit() && db.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut idle = self.home.idle.lock();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(db);
        }
    }
}

// === impl RunStream ===

impl RunStream {
    /// Call it under the tenant's lock: it fixes the state of the database that the overlay belongs to.
    pub fn open(reader: Reader, tenant: TenantNo, session_no: SessionNo, session: SessionId, overlay: Overlay) -> Result<Self, StoreError> {
        reader.execute_batch("BEGIN").map_err(|error| store_error("begin reading runs", error))?;
        let overlay = overlay.into_iter().peekable();
        let mut stream = Self { reader, tenant, session_no, session, overlay, rows: VecDeque::new(), after: Some(None), failed: false };
        stream.read_ahead().map_err(|error| store_error("read runs", error))?;
        Ok(stream)
    }

    fn read_ahead(&mut self) -> rusqlite::Result<()> {
        let Some(after) = self.after else { return Ok(()) };
        self.rows.extend(self.reader.runs_after(self.tenant, self.session_no, &self.session, after, PAGE_ROWS)?);
        self.after = if self.rows.len() < PAGE_ROWS { None } else { self.rows.back().map(|run| Some(RunOrder::of(run))) };
        Ok(())
    }

    fn next_run(&mut self) -> rusqlite::Result<Option<Run>> {
        loop {
            if self.rows.is_empty() {
                self.read_ahead()?;
            }
            let row = self.rows.front().map(RunOrder::of);
            let newer = self.overlay.peek().map(|(order, _)| *order);
            let takes_newer = match (row, newer) {
                (None, None) => return Ok(None),
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(row), Some(newer)) => newer <= row,
            };
            if !takes_newer {
                return Ok(self.rows.pop_front());
            }
            if row == newer {
                self.rows.pop_front();
            }
            if let Some((_, Some(run))) = self.overlay.next() {
                return Ok(Some(Run::clone(&run)));
            }
        }
    }
}

impl Iterator for RunStream {
    type Item = Result<Run, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_run();
        self.failed = next.is_err();
        next.map_err(|error| store_error("read runs", error)).transpose()
    }
}
