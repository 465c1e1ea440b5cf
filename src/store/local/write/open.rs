//! Starting the store from what is on disk, and stopping it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::RwLock;
use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::ambient_calls::RecentCalls;
use super::bounds::WideBounds;
use super::checkpoint;
use super::fold_worker::{FoldError, FoldWorker};
use super::forgetting::Deletion;
use super::pending::Pending;
use super::reports::{RecentStart, STARTS_MAX};
use super::saved;
use super::turns::OpenTurns;
use super::untraced::UntracedSessions;
use crate::conventions::Strings;
use crate::index::{RestoredNames, SessionNo};
use crate::journal::{Journal, Position};
use crate::log_limiter::LogLimiter;
use crate::model::ids::SessionId;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::StoreError;
use crate::store::local::disk::load::{self as disk, SomeSessions};
use crate::store::local::disk::places::n_traces;
use crate::store::local::disk::read::Readers;
use crate::store::local::disk::rows::{TenantNo, TraceNo};
use crate::store::local::disk::schema::{SchemaError, open_writer};
use crate::store::local::disk::traces::next_trace;
use crate::store::local::disk::write::put_position;
use crate::store::local::state::clock::TrustedClock;
use crate::store::local::state::known::{KnownTraces, Renewal};
use crate::store::local::state::lag::LagMeter;
use crate::store::local::state::recent::Generation;
use crate::store::local::state::tenant::{TenantCell, Tenants};
use crate::store::local::state::traces::{OpenTraces, TraceKey};
use crate::store::local::{LocalStore, Metrics, Options, Shared};

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
    /// Adds up runs whose sums are not on disk; ends by itself.
    sums: Option<JoinHandle<()>>,
}

/// What the database knew.
struct Loaded {
    position: Position,
    opened_at: Position,
    /// The time that was believed at the last checkpoint.
    clock: UnixNanos,
    untraced: Vec<((TenantNo, SessionId), u32)>,
    deletions: VecDeque<Deletion>,
    tenants: FxHashMap<TenantNo, Arc<TenantCell>>,
    tombstones: FxHashMap<(TenantNo, SessionId), UnixNanos>,
    /// Whether the run that has not ended is one without a root, and its last sign of life.
    unfinished: Vec<(TraceKey, bool, UnixNanos, SessionNo)>,
    starts: FxHashMap<(TenantNo, u64), RecentStart>,
    /// Those whose users were asked for lately.
    users_asked: Vec<Arc<TenantCell>>,
    n_sessions: usize,
    n_traces: u64,
    next_trace: TraceNo,
}

/// Users are kept from the start on where somebody has asked for them within this time.
const USERS_ASKED_LATELY: Nanos = Nanos::from_secs(30 * 24 * 3_600);

/// Sessions that are handed over at a time, and how many such pieces wait at most: what is read and not in the index takes a few MiB.
const SESSIONS_AT_ONCE: usize = 4_096;
const PIECES_MAX: usize = 4;

impl LocalStore {
    /// Loads the index, catches up with the journal, and starts the threads. When it returns, every acknowledged run is visible.
    pub fn open(journal: Journal, options: Options) -> Result<(Self, Running), OpenError> {
        let started = Instant::now();
        let db = open_writer(&options.database, &options.sqlite)?;
        let tenants = Tenants::default();
        let mut loaded = load(&db, &tenants)?;
        // Its pages are of no use to the checkpoints to come.
        db.release_memory()?;
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
            put_position(&db, "journal_position", loaded.position)?;
        }
        if loaded.position < journal.start() {
            return Err(OpenError::Gap { covered: loaded.position.0, start: journal.start().0 });
        }
        tracing::info!(sessions = loaded.n_sessions, millis = started.elapsed().as_millis() as u64, "index loaded");

        let readers = Readers::new(&options.database, options.sqlite);
        let disk = readers.take_own()?;
        let (folded, folded_seen) = watch::channel(loaded.position);
        // Where there never was anything on disk, there is nothing to read either.
        let was_used = loaded.next_trace > TraceNo::FIRST;
        let shared = Arc::new(Shared {
            tenants,
            traces: Arc::new(OpenTraces::new()),
            known: RwLock::new(if was_used { KnownTraces::unread() } else { KnownTraces::with_room_for(0) }),
            readers,
            metrics: Metrics::default(),
            clock: TrustedClock::new(options.clock.clone(), options.steady.clone(), loaded.clock),
            lag: LagMeter::default(),
            max_lag: options.max_lag,
            price: options.price.clone(),
            conventions: options.conventions.clone(),
            run_timeout: options.run_timeout,
            idle_after: options.idle_after,
            folded: folded_seen,
            trouble: parking_lot::Mutex::default(),
            is_draining: false.into(),
            stopping: false.into(),
            is_open: false.into(),
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
        let mut folder = FoldWorker {
            shared: shared.clone(),
            journal: journal.reader(loaded.position),
            folded,
            disk,
            strings: Strings::default(),
            renewal: was_used.then(|| Renewal::new(loaded.n_traces)),
            n_traces: loaded.n_traces,
            now: shared.clock.now(),
            round_began: Instant::now(),
            wide_bounds: WideBounds::default(),
            deletions: loaded.deletions,
            tenants: loaded.tenants,
            tombstones: loaded.tombstones,
            retelling_tenants: FxHashSet::default(),
            open_turns: OpenTurns::loaded(loaded.unfinished.iter().map(|&(key, _, last, session)| (key, session, last))),
            unfinished: loaded.unfinished.into_iter().map(|(key, rootless, last, _)| (key, options.runs_until(rootless, last))).collect(),
            untraced: UntracedSessions::loaded(loaded.untraced),
            recent_calls: RecentCalls::default(),
            starts: loaded.starts,
            forgotten: FxHashMap::default(),
            open_bytes: 0,
            log_limiter: LogLimiter::default(),
            dirty: Vec::new(),
            waiting: std::collections::BinaryHeap::new(),
            pending: Pending::starting_at(loaded.position, loaded.opened_at, loaded.next_trace),
            committed: Generation(0),
            checkpoints,
            finished,
            in_flight: false,
            last_checkpoint: Instant::now(),
            last_sweep: Instant::now(),
            notes_swept: Instant::now(),
            floor: UnixNanos::ZERO,
            cap_floor: UnixNanos::ZERO,
            removed_in: Generation(0),
            options,
        };
        folder.replay(journal.end())?;
        let fold = std::thread::Builder::new().name("fold".into()).spawn(move || supervise(folder)).map_err(OpenError::Thread)?;
        let sums = add_up_missing(&shared, loaded.users_asked).map_err(OpenError::Thread)?;
        let running = Running { shared: shared.clone(), fold, checkpoint, sums };
        Ok((Self { shared, journal }, running))
    }
}

impl Running {
    /// Folds what is in the journal, writes a last checkpoint and ends the threads. Blocks.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Release);
        let sums = self.sums.map(|thread| ("sums", thread));
        for (name, thread) in [("fold", self.fold), ("checkpoint", self.checkpoint)].into_iter().chain(sums) {
            if thread.join().is_err() {
                tracing::error!(thread = name, "a thread of the store panicked");
            }
        }
    }
}

/// Begins the sums over time of tenants that have none on disk, as an older version leaves them, and the users of those that were lately
/// asked for them. Nobody waits for it.
fn add_up_missing(shared: &Arc<Shared>, users_asked: Vec<Arc<TenantCell>>) -> std::io::Result<Option<JoinHandle<()>>> {
    let missing: Vec<_> = shared.tenants.all().into_iter().filter(|cell| cell.read().sums.lock().is_off()).collect();
    if missing.is_empty() && users_asked.is_empty() {
        return Ok(None);
    }
    let shared = shared.clone();
    let add_up = move || {
        let told = |what: &str, began: Instant, begun: Result<(), StoreError>| match begun {
            Ok(()) => tracing::info!(what, millis = began.elapsed().as_millis() as u64, "all runs of a tenant were added up"),
            Err(error) => tracing::warn!(what, %error, "runs could not be added up: the first question will try again"),
        };
        for cell in missing {
            let began = Instant::now();
            told("sums", began, shared.own_reader().and_then(|reader| shared.begin_keeping(&cell, &reader, |state| &state.sums)));
        }
        for cell in users_asked {
            let began = Instant::now();
            told("users", began, shared.own_reader().and_then(|reader| shared.begin_keeping(&cell, &reader, |state| &state.users)));
        }
    };
    std::thread::Builder::new().name("sums".into()).spawn(add_up).map(Some)
}

/// A fold that cannot go on says so where an operator looks; what is acknowledged stays in the journal.
fn supervise(mut folder: FoldWorker) {
    let shared = folder.shared.clone();
    shared.is_open.store(true, Ordering::Release);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| folder.run()));
    let reason = match outcome {
        Ok(Ok(())) => return,
        // The checkpoint thread gave up because it has to.
        Ok(Err(FoldError::Checkpointer)) if shared.is_stopping() => return,
        Ok(Err(error)) if shared.is_stopping() => {
            return tracing::warn!(%error, "the fold ended before the journal did: the next start reads the rest");
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it panicked".to_owned(),
    };
    tracing::error!(reason, "the fold stopped: spans are still journaled and forwarded, the session index is frozen until a restart");
    shared.trouble.lock().fold = Some(format!("the fold stopped: {reason}"));
    // Only now, because it wakes those who wait for the fold.
    drop(folder);
}

fn load(db: &Connection, tenants: &Tenants) -> Result<Loaded, OpenError> {
    let mut by_no = FxHashMap::default();
    for (no, name, next_session) in disk::tenants(db)? {
        let cell = tenants.add(no, &name, next_session);
        // Never more than there were numbers, whatever stands there.
        let n_sessions = disk::number(db, &disk::sessions_key(no))?.min(u64::from(next_session.0));
        cell.write().index.reserve(n_sessions as usize);
        by_no.insert(no, cell);
    }
    for sent in disk::sent(db)? {
        if let Some(cell) = by_no.get(&sent.tenant) {
            cell.ingest_stats.lock().restore(sent.service, sent.n_spans);
        }
    }
    // Before the sessions, which then know of their bookmarks.
    for ((tenant, session), note) in disk::notes(db)? {
        if let Some(cell) = by_no.get(&tenant) {
            cell.write().index.set_note(&session, Some(Arc::new(note)));
        }
    }
    let n_sessions = load_sessions(db, &by_no)?;
    let clock = UnixNanos(disk::number(db, "clock_ns")?);
    saved::restore(db, &by_no, clock)?;
    let is_lately = |(_, at): &(TenantNo, UnixNanos)| clock.since(*at) <= USERS_ASKED_LATELY;
    let users_asked = disk::users_asked(db)?.into_iter().filter(is_lately).filter_map(|(no, _)| by_no.get(&no).cloned()).collect();
    Ok(Loaded {
        users_asked,
        position: disk::position(db, "journal_position")?,
        opened_at: disk::position(db, "opened_at")?,
        clock,
        untraced: disk::untraced(db)?,
        deletions: disk::deletions(db)?.into_iter().map(|((tenant, id), no)| Deletion::unfinished(tenant, no, id)).collect(),
        tenants: by_no,
        tombstones: disk::tombstones(db)?.into_iter().collect(),
        unfinished: disk::unfinished(db)?,
        starts: load_starts(db)?,
        n_sessions,
        n_traces: n_traces(db)?,
        next_trace: next_trace(db)?,
    })
}

/// Reads the sessions while another thread puts those that were read into their indexes: each takes half of the time.
fn load_sessions(db: &Connection, cells: &FxHashMap<TenantNo, Arc<TenantCell>>) -> Result<usize, OpenError> {
    let (pieces, read) = sync_channel::<SomeSessions>(PIECES_MAX);
    std::thread::scope(move |scope| {
        let seat = move || {
            let mut restored = (TenantNo(0), RestoredNames::default());
            for SomeSessions { tenant, names, sessions } in read {
                if restored.0 != tenant {
                    restored = (tenant, RestoredNames::default());
                }
                restored.1.extend(names);
                if let Some(cell) = cells.get(&tenant) {
                    cell.write().index.restore_some(&mut restored.1, sessions);
                }
            }
            cells.values().for_each(|cell| cell.write().index.order_restored());
        };
        let seating = std::thread::Builder::new().name("load".into()).spawn_scoped(scope, seat).map_err(OpenError::Thread)?;
        let mut n_sessions = 0;
        disk::each_sessions(db, SESSIONS_AT_ONCE, |piece| {
            n_sessions += piece.sessions.len();
            // It ends early only if it panics, which the join below tells.
            let _ = pieces.send(piece);
        })?;
        drop(pieces);
        if let Err(panic) = seating.join() {
            std::panic::resume_unwind(panic);
        }
        Ok(n_sessions)
    })
}

/// The newest runs that were only started: whether a start comes again must not depend on when the last checkpoint was.
fn load_starts(db: &Connection) -> rusqlite::Result<FxHashMap<(TenantNo, u64), RecentStart>> {
    let mut starts: FxHashMap<(TenantNo, u64), RecentStart> = FxHashMap::default();
    for (tenant, report) in disk::started_only(db, (STARTS_MAX / 2) as u32)? {
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
