//! The index database: one SQLite file that an operator can open with the `sqlite3` they know (`docs/format.md`).
//!
//! - Written only by checkpoints, each one transaction with the journal position it covers.
//! - Rows of sessions and runs are led by numbers that only grow, so that what is new lies together: that made the writes three times
//!   cheaper than random keys when the engines were compared (`docs/performance.md`).
//! - Times are nanoseconds since the Unix epoch, at most `i64::MAX` (the year 2262), so that SQLite orders them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use super::super::SqliteLimits;
use super::places::{self, Gone, NewPlaces};
use super::rows::{TenantNo, TraceNo, unsigned};
use super::session_runs::read_order;
use super::statements::PREPARED_MAX;
use crate::index::SessionNo;
use crate::model::ids::TraceId;
use crate::model::time::UnixNanos;
use crate::store::ReadersBusy;

/// Written to `PRAGMA user_version`; raised whenever an older binary could misread the file.
pub const FORMAT_VERSION: i64 = 4;
/// `PRAGMA application_id`: the letters "SFLD".
const APPLICATION_ID: i64 = 0x5346_4c44;

const TABLES: &str = "
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE tenants (
  tenant_no INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  next_session_no INTEGER NOT NULL
);

CREATE TABLE sessions (
  tenant_no INTEGER NOT NULL,
  session_no INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  run_count INTEGER NOT NULL,
  first_run_ns INTEGER NOT NULL,
  last_activity_ns INTEGER NOT NULL,
  total_duration_ns INTEGER NOT NULL,
  total_cost_nano_usd INTEGER NOT NULL,
  total_tokens INTEGER NOT NULL,
  error_count INTEGER NOT NULL,
  running_count INTEGER NOT NULL,
  unpriced_calls INTEGER NOT NULL,
  sort_activity_ns INTEGER NOT NULL,
  sort_first_run_ns INTEGER NOT NULL,
  agents BLOB NOT NULL,
  tool_errors INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_no, session_no)
) WITHOUT ROWID;

-- session_no 0: runs without a session.
CREATE TABLE runs (
  tenant_no INTEGER NOT NULL,
  session_no INTEGER NOT NULL,
  started_at_ns INTEGER NOT NULL,
  run_id INTEGER NOT NULL,
  trace_id BLOB NOT NULL,
  span_id INTEGER NOT NULL,
  agent_name TEXT NOT NULL,
  workflow_name TEXT NOT NULL,
  user_id TEXT,
  status INTEGER NOT NULL,
  completed_at_ns INTEGER,
  last_activity_ns INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  detail BLOB NOT NULL,
  is_untraced INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_no, session_no, started_at_ns, run_id, trace_id, span_id)
) WITHOUT ROWID;

-- Few at any time; found again after a restart so that they can time out.
CREATE INDEX runs_running ON runs (tenant_no, trace_id) WHERE status = 0;

CREATE TABLE traces (
  trace_no INTEGER PRIMARY KEY,
  tenant_no INTEGER NOT NULL,
  trace_id BLOB NOT NULL,
  last_ns INTEGER NOT NULL,
  facts BLOB NOT NULL
);
-- What is old is found without looking at the rest.
CREATE INDEX traces_by_age ON traces (last_ns);

CREATE TABLE tombstones (
  tenant_no INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  deleted_at_ns INTEGER NOT NULL,
  PRIMARY KEY (tenant_no, session_id)
) WITHOUT ROWID;
";

/// Sessions with a run that was reported and named no trace.
const RUN_INDEXES: &str = "
CREATE INDEX runs_untraced ON runs (tenant_no, session_no) WHERE is_untraced;
";

/// Where runs are by their number, activity and user, and traces by their id (`places/`).
const PLACE_TABLES: &str = "
CREATE TABLE place_segments (
  kind INTEGER NOT NULL,
  first_page INTEGER NOT NULL,
  n_entries INTEGER NOT NULL,
  least BLOB NOT NULL,
  greatest BLOB NOT NULL,
  PRIMARY KEY (kind, first_page)
) WITHOUT ROWID;
CREATE TABLE place_pages (
  page_no INTEGER PRIMARY KEY,
  entries BLOB NOT NULL
);
";

/// Came later without a new format: who does not know of them loses nothing but their purpose.
///
/// `traces_left_out`: traces of which a run was left out of a session, because a report that names no trace tells of it too.
/// `deletions`: sessions whose traces are still being forgotten.
/// `notes`: what people noted of sessions.
/// `series`: sums over runs by time; whether they are of this state of the index, `meta` says.
const ADDED_TABLES: &str = "
CREATE TABLE IF NOT EXISTS traces_left_out (
  tenant_no INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  trace_id BLOB NOT NULL,
  PRIMARY KEY (tenant_no, session_id, trace_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deletions (
  tenant_no INTEGER NOT NULL,
  session_no INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  PRIMARY KEY (tenant_no, session_no)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (
  tenant_no INTEGER NOT NULL,
  session_id TEXT NOT NULL,
  is_bookmarked INTEGER NOT NULL,
  text TEXT NOT NULL,
  changed_at_ns INTEGER NOT NULL,
  PRIMARY KEY (tenant_no, session_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
  tenant_no INTEGER NOT NULL,
  begin_ns INTEGER NOT NULL,
  length_ns INTEGER NOT NULL,
  tallies BLOB NOT NULL,
  PRIMARY KEY (tenant_no, begin_ns)
) WITHOUT ROWID;
";

/// Calls of tools that failed: also without a new format, since who does not know of it leaves it at 0.
const ADDED_TO_SESSIONS: &str = "ALTER TABLE sessions ADD COLUMN tool_errors INTEGER NOT NULL DEFAULT 0;";

/// From format 1, which knew nothing of reports.
const FROM_VERSION_1: &str = "ALTER TABLE runs ADD COLUMN is_untraced INTEGER NOT NULL DEFAULT 0;";

/// From format 2, in which runs were looked up by indexes of SQLite.
const FROM_VERSION_2: &str = "
DROP INDEX IF EXISTS runs_by_id;
DROP INDEX IF EXISTS runs_by_activity;
DROP INDEX IF EXISTS runs_by_user;
";
const PLACES_OF_RUNS: &str = "SELECT started_at_ns, run_id, trace_id, span_id, last_activity_ns, user_id, tenant_no, session_no FROM runs";

/// From format 3, in which traces were looked up by an index of SQLite.
const FROM_VERSION_3: &str = "DROP INDEX traces_by_id;";
const PLACES_OF_TRACES: &str = "SELECT tenant_no, trace_id, trace_no FROM traces INDEXED BY traces_by_id ORDER BY trace_id, tenant_no";

/// Rows whose places are added at once by an upgrade: 150 MB.
const UPGRADED_AT_ONCE: usize = 1_000_000;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("cannot open the index database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the file is not an index database of sessionfold (application id {0:#x})")]
    Foreign(i64),
    #[error("the index database has format {found}, this version reads {FORMAT_VERSION}: use the version that wrote it, or a newer one")]
    Version { found: i64 },
    #[error("cannot read the index database now")]
    Busy(#[source] ReadersBusy),
    #[error("cannot put {} aside: {source}", .path.display())]
    PutAside { path: PathBuf, source: std::io::Error },
}

/// Opens the database for checkpoints, creating it if it is not there.
pub fn open_writer(path: &Path, limits: &SqliteLimits) -> Result<Connection, SchemaError> {
    let mut db = Connection::open(path)?;
    let application_id: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let is_empty: bool = db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
    if is_empty {
        configure(&db, limits)?;
        let create = db.transaction()?;
        create.execute_batch(TABLES)?;
        create.execute_batch(RUN_INDEXES)?;
        create.execute_batch(PLACE_TABLES)?;
        create.execute_batch(ADDED_TABLES)?;
        create.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION};"))?;
        create.commit()?;
        return Ok(db);
    }
    if application_id != APPLICATION_ID {
        return Err(SchemaError::Foreign(application_id));
    }
    match version {
        FORMAT_VERSION => configure(&db, limits)?,
        1..FORMAT_VERSION => {
            configure(&db, limits)?;
            upgrade(&mut db, version)?;
        }
        found => return Err(SchemaError::Version { found }),
    }
    add_what_came_later(&mut db)?;
    Ok(db)
}

/// All or nothing: a crash in between leaves the old format.
fn upgrade(db: &mut Connection, from: i64) -> Result<(), SchemaError> {
    tracing::info!(from, to = FORMAT_VERSION, "the index database is brought to a new format: seconds for a million runs");
    let upgrade = db.transaction()?;
    if from == 1 {
        upgrade.execute_batch(FROM_VERSION_1)?;
        upgrade.execute_batch(RUN_INDEXES)?;
    }
    if from <= 2 {
        upgrade.execute_batch(FROM_VERSION_2)?;
        upgrade.execute_batch(PLACE_TABLES)?;
        add_places(&upgrade, PLACES_OF_RUNS, |row, places| {
            if let Some(order) = read_order(row)? {
                let user = row.get_ref(5)?.as_str_or_null()?;
                places.add(TenantNo(row.get(6)?), SessionNo(row.get(7)?), &order, UnixNanos(unsigned(row.get(4)?)), user);
            }
            Ok(())
        })?;
    }
    add_places(&upgrade, PLACES_OF_TRACES, |row, places| {
        if let Some(trace) = TraceId::from_bytes(&row.get::<_, [u8; 16]>(1)?) {
            places.add_trace(TenantNo(row.get(0)?), trace, TraceNo(unsigned(row.get(2)?)));
        }
        Ok(())
    })?;
    upgrade.execute_batch(FROM_VERSION_3)?;
    upgrade.pragma_update(None, "user_version", FORMAT_VERSION)?;
    upgrade.commit()?;
    Ok(())
}

/// Of the rows that are there, a piece at a time.
fn add_places(db: &Connection, of: &str, add: impl Fn(&Row<'_>, &mut NewPlaces) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let mut select = db.prepare(of)?;
    let mut rows = select.query([])?;
    let mut places = NewPlaces::default();
    while let Some(row) = rows.next()? {
        add(row, &mut places)?;
        if places.len() >= UPGRADED_AT_ONCE {
            places::add(db, std::mem::take(&mut places), Gone::default(), UnixNanos::ZERO)?;
        }
    }
    places::add(db, places, Gone::default(), UnixNanos::ZERO)
}

/// To a database of this format that an earlier version made. It costs nothing, however large the database is.
fn add_what_came_later(db: &mut Connection) -> Result<(), SchemaError> {
    let add = db.transaction()?;
    add.execute_batch(ADDED_TABLES)?;
    let is_there: bool =
        add.query_row("SELECT count(*) > 0 FROM pragma_table_info('sessions') WHERE name = 'tool_errors'", [], |row| row.get(0))?;
    if !is_there {
        add.execute_batch(ADDED_TO_SESSIONS)?;
    }
    add.commit()?;
    Ok(())
}

/// Opens the database for reading beside the writer.
pub fn open_reader(path: &Path, cache_bytes: usize) -> Result<Connection, SchemaError> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(Duration::from_secs(10))?;
    db.pragma_update(None, "cache_size", kib(cache_bytes))?;
    prepare_once(&db)?;
    Ok(db)
}

/// WAL so that readers never wait for a checkpoint; FULL so that a committed one survives a power loss.
fn configure(db: &Connection, limits: &SqliteLimits) -> Result<(), rusqlite::Error> {
    db.busy_timeout(Duration::from_secs(10))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", kib(limits.writer_cache_bytes))?;
    // Of the whole process: beyond it SQLite gives pages back before it asks for more.
    db.pragma_update(None, "soft_heap_limit", limits.heap_bytes as i64)?;
    prepare_once(db)
}

/// Keeps every statement prepared, and its plan whatever values it gets. Without that SQLite prepares many of them again each time a value
/// is bound, since it could change the plan: that took several times what a look takes.
fn prepare_once(db: &Connection) -> Result<(), rusqlite::Error> {
    db.set_prepared_statement_cache_capacity(PREPARED_MAX);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// The size of a page cache in the form of `PRAGMA cache_size`: negative numbers are KiB.
fn kib(bytes: usize) -> i64 {
    -((bytes >> 10).max(64) as i64)
}
