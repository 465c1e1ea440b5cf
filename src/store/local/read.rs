//! Reading the runs of a session: what lies on disk, with what is newer in memory laid over it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::recent::{Overlay, OverlayRuns, RecentRuns, RunOrder};
use super::rows::{NO_SESSION, RUN_COLUMNS, TenantNo, read_run, signed, unsigned};
use super::schema::{SchemaError, open_reader};
use super::tenant::{TenantCell, TenantState};
use super::{SqliteLimits, lock, store_error};
use crate::index::SessionNo;
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::{ReadersBusy, StoreError};

/// Rows read at a time, so that a session of any size needs little memory.
const PAGE_ROWS: usize = 512;
/// Idle connections that are kept for the next reader.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// How long a reader waits for a connection when all are in use.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections for readers. Each reader has one to itself, and gives it back.
pub(super) struct Readers {
    path: PathBuf,
    limits: SqliteLimits,
    idle: Mutex<Vec<Connection>>,
    /// Connections that the doors have now; the fold's own and the forwarder's are not counted, since they never wait.
    lent: Mutex<usize>,
    returned: Condvar,
}

/// A connection that goes back to [`Readers`] when dropped, outside any transaction.
pub(super) struct Reader {
    db: Option<Connection>,
    home: Arc<Readers>,
    is_lent: bool,
}

/// The runs of one session in chronological order, from one state: the database's of the moment it was opened, and the overlay's.
pub(super) struct RunStream {
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
    pub(super) fn new(path: &Path, limits: SqliteLimits) -> Arc<Self> {
        let (idle, lent, returned) = (Mutex::default(), Mutex::default(), Condvar::new());
        Arc::new(Self { path: path.to_owned(), limits, idle, lent, returned })
    }

    /// For a door: waits while as many are lent as may be, and gives up after a while.
    pub(super) fn take(self: &Arc<Self>) -> Result<Reader, SchemaError> {
        let lent = lock(&self.lent);
        let is_full = |lent: &mut usize| *lent >= self.limits.max_readers;
        let (mut lent, waited) =
            self.returned.wait_timeout_while(lent, PATIENCE, is_full).unwrap_or_else(std::sync::PoisonError::into_inner);
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
    pub(super) fn take_own(self: &Arc<Self>) -> Result<Reader, SchemaError> {
        Ok(Reader { db: Some(self.connection()?), home: self.clone(), is_lent: false })
    }

    fn connection(&self) -> Result<Connection, SchemaError> {
        let idle = lock(&self.idle).pop();
        idle.map_or_else(|| open_reader(&self.path, self.limits.reader_cache_bytes), Ok)
    }
}

// === impl Reader ===

impl std::ops::Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.db.as_ref().expect("the connection is there until the reader is dropped")
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.is_lent {
            *lock(&self.home.lent) -= 1;
            self.home.returned.notify_one();
        }
        let Some(db) = self.db.take() else { return };
        if !db.is_autocommit() && db.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let mut idle = lock(&self.home.idle);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(db);
        }
    }
}

impl Reader {
    /// Whether a run of the session overlaps [start, end].
    pub(super) fn has_run_in(
        &self,
        recent: &RecentRuns,
        tenant: TenantNo,
        session: SessionNo,
        start: UnixNanos,
        end: UnixNanos,
    ) -> rusqlite::Result<bool> {
        let overlaps = |run: &Run| run.started_at <= end && run.last_activity >= start;
        if recent.iter(session).any(|(_, run)| run.is_some_and(|run| overlaps(run))) {
            return Ok(true);
        }
        let mut select = self.prepare_cached(
            "SELECT started_at_ns, run_id, trace_id, span_id FROM runs \
             WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns <= ?3 AND +last_activity_ns >= ?4 ORDER BY started_at_ns DESC",
        )?;
        let mut rows = select.query(params![tenant.0, session.0, signed(end.0), signed(start.0)])?;
        while let Some(row) = rows.next()? {
            let trace: [u8; 16] = row.get(2)?;
            let ids = (TraceId::from_bytes(&trace), SpanId::from_u64(unsigned(row.get(3)?)), RunId::new(unsigned(row.get(1)?)));
            let (Some(trace), Some(span), Some(id)) = ids else { continue };
            let order = RunOrder { started_at: UnixNanos(unsigned(row.get(0)?)), id, key: RunKey { trace, span } };
            if !recent.contains(session, &order) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One run by the number it is shown by; `state` is the tenant's, of the same moment.
    pub(super) fn run_by_id(&self, cell: &TenantCell, state: &TenantState, id: RunId) -> rusqlite::Result<Option<Run>> {
        if let Some(run) = state.recent.find(id) {
            return Ok(Some(Run::clone(run)));
        }
        let mut select = self.prepare_cached(&format!(
            "SELECT {RUN_COLUMNS}, session_no FROM runs INDEXED BY runs_by_id WHERE tenant_no = ?1 AND run_id = ?2 LIMIT 2"
        ))?;
        let mut rows = select.query(params![cell.no.0, signed(id.get())])?;
        while let Some(row) = rows.next()? {
            let session_no = SessionNo(row.get("session_no")?);
            let session = state.index.id_of(session_no);
            if session.is_none() && session_no != NO_SESSION {
                // Its session was removed, and the next checkpoint takes the row.
                continue;
            }
            let run = read_run(row, session.as_ref())?;
            if !state.recent.contains(session_no, &RunOrder::of(&run)) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// One run by its place.
    pub(super) fn run(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: Option<&SessionId>,
        order: &RunOrder,
    ) -> rusqlite::Result<Option<Run>> {
        let mut select = self.prepare_cached(&format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4 \
             AND trace_id = ?5 AND span_id = ?6"
        ))?;
        let RunOrder { started_at, id, key } = order;
        let values =
            params![tenant.0, session_no.0, signed(started_at.0), signed(id.get()), key.trace.as_bytes(), signed(key.span.to_u64())];
        select.query_row(values, |row| read_run(row, session)).optional()
    }
}

// === impl RunStream ===

impl RunStream {
    /// Call it under the tenant's lock: it fixes the state of the database that the overlay belongs to.
    pub(super) fn open(
        reader: Reader,
        tenant: TenantNo,
        session_no: SessionNo,
        session: SessionId,
        overlay: Overlay,
    ) -> Result<Self, StoreError> {
        reader.execute_batch("BEGIN").map_err(|error| store_error("begin reading runs", error))?;
        let overlay = overlay.into_iter().peekable();
        let mut stream = Self { reader, tenant, session_no, session, overlay, rows: VecDeque::new(), after: Some(None), failed: false };
        stream.read_ahead().map_err(|error| store_error("read runs", error))?;
        Ok(stream)
    }

    fn read_ahead(&mut self) -> rusqlite::Result<()> {
        let Some(after) = self.after else { return Ok(()) };
        let mut select = self.reader.prepare_cached(&format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
             AND (started_at_ns, run_id, trace_id, span_id) > (?3, ?4, ?5, ?6) \
             ORDER BY started_at_ns, run_id, trace_id, span_id LIMIT {PAGE_ROWS}"
        ))?;
        let (started_at, id, trace, span) = match &after {
            None => (i64::MIN, 0, &[0; 16], i64::MIN),
            Some(RunOrder { started_at, id, key }) => {
                (signed(started_at.0), signed(id.get()), key.trace.as_bytes(), signed(key.span.to_u64()))
            }
        };
        let values = params![self.tenant.0, self.session_no.0, started_at, id, trace, span];
        let session = &self.session;
        for run in select.query_map(values, |row| read_run(row, Some(session)))? {
            self.rows.push_back(run?);
        }
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
