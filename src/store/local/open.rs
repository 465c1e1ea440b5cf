//! Starting the store from what is on disk, and stopping it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::checkpoint;
use super::folder::{FoldError, Folder};
use super::notices::Notices;
use super::pending::Pending;
use super::read::Readers;
use super::recent::Generation;
use super::reports::{RecentStart, STARTS_MAX};
use super::rows::{self, TenantNo, signed, unreadable, unsigned};
use super::schema::{SchemaError, open_writer};
use super::seen;
use super::strays::RecentCalls;
use super::tenant::{TenantCell, Tenants};
use super::traces::{KnownTraces, OpenTraces, TraceKey};
use super::{LocalStore, Metrics, Options, Shared, lock};
use crate::conventions::Strings;
use crate::index::{SessionNo, SessionRow};
use crate::journal::{Journal, Position};
use crate::model::ids::{SessionId, Tenant, TraceId};
use crate::model::time::UnixNanos;
use crate::wire::stored;

/// Why the store cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error("cannot read the index database: {0}")]
    Read(#[from] rusqlite::Error),
    #[error("cannot fold what the journal holds beyond the index: {0}")]
    Replay(#[from] FoldError),
    #[error(
        "the index database covers the journal up to position {covered}, but the journal begins at {start}: what lay between is in neither. \
         Fill a new one from Tempo with `sessionfold rebuild --from-tempo URL`, put index.sqlite back from a backup, or move the journal's \
         directory away to go on without what is in it"
    )]
    Gap { covered: u64, start: u64 },
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// The threads of an open store. Call [`Running::stop`] once nothing is accepted any more.
pub struct Running {
    shared: Arc<Shared>,
    fold: JoinHandle<()>,
    checkpoint: JoinHandle<()>,
}

/// What the database knew.
struct Loaded {
    position: Position,
    opened_at: Position,
    untraced: FxHashSet<(TenantNo, SessionId)>,
    tenants: FxHashMap<TenantNo, Arc<TenantCell>>,
    tombstones: FxHashMap<(TenantNo, SessionId), UnixNanos>,
    unfinished: FxHashMap<TraceKey, UnixNanos>,
    starts: FxHashMap<(TenantNo, u64), RecentStart>,
    known: KnownTraces,
    n_sessions: usize,
}

impl LocalStore {
    /// Loads the index, catches up with the journal, and starts the threads. When it returns, every acknowledged run is visible.
    pub fn open(journal: Journal, options: Options) -> Result<(Self, Running), OpenError> {
        let started = Instant::now();
        let db = open_writer(&options.database, &options.sqlite)?;
        let tenants = Tenants::default();
        let mut loaded = load(&db, &tenants)?;
        if loaded.position > journal.end() {
            // Another journal, then: all of it is new. What it should repeat changes nothing.
            tracing::warn!(
                covered = loaded.position.0,
                journal_end = journal.end().0,
                "the index database is ahead of the journal, which must have been replaced: all of the journal is read"
            );
            loaded.position = journal.start();
            // Positions of the other journal say nothing about this one.
            loaded.opened_at = journal.start();
            db.execute("UPDATE meta SET value = ?1 WHERE key = 'journal_position'", [signed(loaded.position.0)])?;
        }
        if loaded.position < journal.start() {
            return Err(OpenError::Gap { covered: loaded.position.0, start: journal.start().0 });
        }
        tracing::info!(sessions = loaded.n_sessions, millis = started.elapsed().as_millis() as u64, "index loaded");

        let readers = Readers::new(&options.database, options.sqlite);
        let disk = readers.take()?;
        let (folded, folded_seen) = watch::channel(loaded.position);
        let shared = Arc::new(Shared {
            tenants,
            traces: OpenTraces::new(),
            readers,
            metrics: Metrics::default(),
            clock: options.clock.clone(),
            price: options.price.clone(),
            run_timeout: options.run_timeout,
            folded: folded_seen,
            trouble: std::sync::Mutex::default(),
            stopping: false.into(),
            checkpointed: loaded.position.0.into(),
        });
        let (checkpoints, queue) = sync_channel(1);
        let (done, finished) = channel();
        let checkpoint = std::thread::Builder::new()
            .name("checkpoint".into())
            .spawn({
                let shared = shared.clone();
                move || checkpoint::run(db, &shared, &queue, &done)
            })
            .map_err(OpenError::Thread)?;
        let mut folder = Folder {
            shared: shared.clone(),
            journal: journal.reader(loaded.position),
            folded,
            disk,
            strings: Strings::default(),
            known: loaded.known,
            tenants: loaded.tenants,
            tombstones: loaded.tombstones,
            unfinished: loaded.unfinished,
            untraced: loaded.untraced,
            recent_calls: RecentCalls::default(),
            starts: loaded.starts,
            forgotten: FxHashMap::default(),
            open_bytes: 0,
            notices: Notices::default(),
            dirty: Vec::new(),
            pending: Pending::starting_at(loaded.position, loaded.opened_at),
            committed: Generation(0),
            checkpoints,
            finished,
            in_flight: false,
            last_checkpoint: Instant::now(),
            last_sweep: Instant::now(),
            floor: UnixNanos::ZERO,
            removed_in: Generation(0),
            options,
        };
        folder.replay(journal.end())?;
        let fold = std::thread::Builder::new().name("fold".into()).spawn(move || supervise(folder)).map_err(OpenError::Thread)?;
        let running = Running { shared: shared.clone(), fold, checkpoint };
        Ok((Self { shared, journal }, running))
    }
}

impl Running {
    /// Folds what is in the journal, writes a last checkpoint and ends the threads. Blocks.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Release);
        for (name, thread) in [("fold", self.fold), ("checkpoint", self.checkpoint)] {
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread of the store panicked");
            }
        }
    }
}

/// A fold that cannot go on says so where an operator looks; what is acknowledged stays in the journal.
fn supervise(mut folder: Folder) {
    let shared = folder.shared.clone();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| folder.run()));
    let reason = match outcome {
        Ok(Ok(())) => return,
        // The checkpoint thread gave up because it has to.
        Ok(Err(FoldError::Checkpointer)) if shared.is_stopping() => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it panicked".to_owned(),
    };
    tracing::error!(reason, "the fold stopped: spans are still journaled and forwarded, sessions stand still until a restart");
    lock(&shared.trouble).fold = Some(format!("the fold stopped: {reason}"));
    // Only now, because it wakes those who wait for the fold.
    drop(folder);
}

fn load(db: &Connection, tenants: &Tenants) -> Result<Loaded, OpenError> {
    let meta = |key: &str| -> rusqlite::Result<Position> {
        let value: Option<i64> = db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?;
        Ok(Position(value.map_or(0, unsigned)))
    };
    let by_no = load_tenants(db, tenants)?;
    for (tenant, seen) in seen::load(db)? {
        if let Some(cell) = by_no.get(&tenant) {
            *lock(&cell.seen) = seen;
        }
    }
    let n_sessions = load_sessions(db, &by_no)?;
    Ok(Loaded {
        position: meta("journal_position")?,
        opened_at: meta("opened_at")?,
        untraced: load_untraced(db)?,
        tenants: by_no,
        tombstones: load_tombstones(db)?,
        unfinished: load_unfinished(db)?,
        starts: load_starts(db)?,
        known: load_known(db)?,
        n_sessions,
    })
}

fn load_tenants(db: &Connection, tenants: &Tenants) -> Result<FxHashMap<TenantNo, Arc<TenantCell>>, OpenError> {
    let mut by_no = FxHashMap::default();
    let mut select = db.prepare("SELECT tenant_no, name, next_session_no FROM tenants")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let Some(name) = Tenant::new(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?) else { continue };
        let no = TenantNo(row.get(0)?);
        by_no.insert(no, tenants.add(no, &name, SessionNo(row.get(2)?)));
    }
    Ok(by_no)
}

fn load_sessions(db: &Connection, tenants: &FxHashMap<TenantNo, Arc<TenantCell>>) -> Result<usize, OpenError> {
    let mut by_tenant: FxHashMap<TenantNo, Vec<SessionRow>> = FxHashMap::default();
    let mut select = db.prepare(rows::SELECT_SESSIONS)?;
    for found in select.query_map([], rows::read_session)? {
        let (tenant, row) = found?;
        by_tenant.entry(tenant).or_default().push(row);
    }
    let n_sessions = by_tenant.values().map(Vec::len).sum();
    for (tenant, rows) in by_tenant {
        if let Some(cell) = tenants.get(&tenant) {
            cell.write().index.restore_all(rows);
        }
    }
    Ok(n_sessions)
}

fn load_tombstones(db: &Connection) -> Result<FxHashMap<(TenantNo, SessionId), UnixNanos>, OpenError> {
    let mut tombstones = FxHashMap::default();
    let mut select = db.prepare("SELECT tenant_no, session_id, deleted_at_ns FROM tombstones")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let Some(session) = SessionId::new(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?) else { continue };
        tombstones.insert((TenantNo(row.get(0)?), session), UnixNanos(unsigned(row.get(2)?)));
    }
    Ok(tombstones)
}

fn load_untraced(db: &Connection) -> Result<FxHashSet<(TenantNo, SessionId)>, OpenError> {
    let mut untraced = FxHashSet::default();
    let mut select = db.prepare(
        "SELECT DISTINCT runs.tenant_no, session_id FROM runs JOIN sessions USING (tenant_no, session_no) WHERE runs.is_untraced",
    )?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let Some(session) = SessionId::new(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?) else { continue };
        untraced.insert((TenantNo(row.get(0)?), session));
    }
    Ok(untraced)
}

fn load_known(db: &Connection) -> Result<KnownTraces, OpenError> {
    let n_traces: i64 = db.query_row("SELECT count(*) FROM traces", [], |row| row.get(0))?;
    let mut known = KnownTraces::with_room_for(usize::try_from(n_traces).unwrap_or(0));
    for (tenant, trace) in load_traces(db, "SELECT tenant_no, trace_id FROM traces")? {
        known.insert(tenant, trace);
    }
    Ok(known)
}

fn load_unfinished(db: &Connection) -> Result<FxHashMap<TraceKey, UnixNanos>, OpenError> {
    let mut unfinished = FxHashMap::default();
    let mut select =
        db.prepare("SELECT tenant_no, trace_id, min(last_activity_ns) FROM runs WHERE status = 0 GROUP BY tenant_no, trace_id")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let trace: [u8; 16] = row.get(1)?;
        if let Some(trace) = TraceId::from_bytes(&trace) {
            unfinished.insert((TenantNo(row.get(0)?), trace), UnixNanos(unsigned(row.get(2)?)));
        }
    }
    Ok(unfinished)
}

/// The newest runs that were only started: whether a start comes again must not depend on when the last checkpoint was.
fn load_starts(db: &Connection) -> Result<FxHashMap<(TenantNo, u64), RecentStart>, OpenError> {
    let mut starts: FxHashMap<(TenantNo, u64), RecentStart> = FxHashMap::default();
    let mut select = db.prepare(
        "SELECT traces.tenant_no, facts FROM runs JOIN traces USING (tenant_no, trace_id) \
         WHERE status = 0 AND trace_id BETWEEN ?1 AND ?2 ORDER BY started_at_ns DESC LIMIT ?3",
    )?;
    let (first, last) = TraceId::reports();
    let mut found = select.query(rusqlite::params![first.as_bytes(), last.as_bytes(), (STARTS_MAX / 2) as u32])?;
    while let Some(row) = found.next()? {
        let tenant = TenantNo(row.get(0)?);
        let stored =
            stored::decode_trace(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?).map_err(|error| unreadable(1, error))?;
        let Some(report) = stored.report.filter(|report| !report.tells_more()) else { continue };
        for seen in &report.seen {
            let start = RecentStart { run: report.id, at: seen.at, position: seen.position };
            let known = starts.entry((tenant, seen.digest)).or_insert(start);
            if known.position < start.position {
                *known = start;
            }
        }
    }
    Ok(starts)
}

fn load_traces(db: &Connection, query: &str) -> Result<Vec<TraceKey>, OpenError> {
    let mut keys = Vec::new();
    let mut select = db.prepare(query)?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let trace: [u8; 16] = row.get(1)?;
        if let Some(trace) = TraceId::from_bytes(&trace) {
            keys.push((TenantNo(row.get(0)?), trace));
        }
    }
    Ok(keys)
}
