//! From memory to the index database: one transaction every few seconds, with the journal position it covers.
//!
//! - What a checkpoint holds is absolute (rows, not differences), so a replay after a crash changes nothing.
//! - A transaction that fails is tried again until it succeeds or the store stops; the journal keeps what it covers.
//! - Rows are written in the order of their keys: what is new lies together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::saved::ChangedBuckets;
use crate::index::{SessionNo, SessionRow};
use crate::journal::Position;
use crate::model::ids::{SessionId, TraceId};
use crate::model::note::Note;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::local::Shared;
use crate::store::local::disk::rows::{TenantNo, TraceNo};
use crate::store::local::disk::write::write;
use crate::store::local::state::ingest_stats::IngestStats;
use crate::store::local::state::recent::{Generation, RunOrder};
use crate::store::local::state::tenant::{HOLD_MAX, TenantCell, Tenants};
use crate::store::local::state::traces::TraceKey;

/// The wait before a failed transaction is tried again, and how often it is looked meanwhile whether the store stops.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const RETRY_STEP: Duration = Duration::from_millis(50);

/// Everything that changed since the last one, as it is now.
#[derive(Default)]
pub(in crate::store::local) struct Checkpoint {
    pub(in crate::store::local) generation: Generation,
    /// All that lies before this in the journal is in here or on disk.
    pub(in crate::store::local) position: Position,
    pub(in crate::store::local) tenants: Vec<TenantRow>,
    /// `None`: the session is gone.
    pub(in crate::store::local) sessions: Vec<(TenantNo, SessionNo, Option<SessionRow>)>,
    /// Sessions of which every run goes, whatever rows there are.
    pub(in crate::store::local) cleared: Vec<(TenantNo, SessionNo)>,
    pub(in crate::store::local) runs: ChangedRuns,
    pub(in crate::store::local) traces: Vec<(TraceKey, TraceRow)>,
    pub(in crate::store::local) forgotten_traces: Vec<TraceKey>,
    /// The number that the next trace gets.
    pub(in crate::store::local) next_trace: TraceNo,
    /// Traces that are kept although they are old, and until when at least.
    pub(in crate::store::local) kept: Vec<(TenantNo, TraceId, UnixNanos)>,
    pub(in crate::store::local) tombstones: Vec<(TenantNo, SessionId, Option<UnixNanos>)>,
    /// Deletions that began, and (`None`) those that are finished, in the order that this happened.
    pub(in crate::store::local) deletions: Vec<(TenantNo, SessionNo, Option<SessionId>)>,
    /// What is noted of sessions; `None`: nothing any more.
    pub(in crate::store::local) notes: Vec<(TenantNo, SessionId, Option<Arc<Note>>)>,
    /// Traces of which a run was left out of a session, and sessions of which nothing is left out any more because they are gone.
    pub(in crate::store::local) left_out: Vec<(TenantNo, SessionId, TraceId)>,
    pub(in crate::store::local) forgotten_left_out: Vec<(TenantNo, SessionId)>,
    /// What has changed of each tenant's sums over time; `None`: none are kept.
    pub(in crate::store::local) series: Vec<(TenantNo, Option<ChangedBuckets>)>,
    /// The time that was believed when it was sealed.
    pub(in crate::store::local) clock: UnixNanos,
    /// Runs without a session that started before this are forgotten.
    pub(in crate::store::local) sessionless_floor: UnixNanos,
    /// Where in the journal the process began that accepted what lies just before `position`.
    pub(in crate::store::local) opened_at: Position,
}

/// Runs by session and place; `None`: the run is no more.
pub(in crate::store::local) type ChangedRuns = FxHashMap<(TenantNo, SessionNo), FxHashMap<RunOrder, Option<Arc<Run>>>>;

pub(in crate::store::local) struct TenantRow {
    pub(in crate::store::local) cell: Arc<TenantCell>,
    pub(in crate::store::local) next_session: SessionNo,
    pub(in crate::store::local) n_sessions: usize,
    pub(in crate::store::local) ingest_stats: IngestStats,
}

pub(in crate::store::local) struct TraceRow {
    pub(in crate::store::local) no: TraceNo,
    /// No checkpoint has written it yet.
    pub(in crate::store::local) is_new: bool,
    /// The newest believable time of its spans; without one, when it was written.
    pub(in crate::store::local) last: UnixNanos,
    pub(in crate::store::local) facts: Vec<u8>,
}

/// The thread that writes checkpoints, one after another, until `queue` is closed. Each that is done is reported to `done`.
/// One that fails while the store stops is given up, and the thread ends: the next start reads the journal instead.
pub(super) fn run(mut db: Connection, shared: &Shared, queue: &Receiver<Checkpoint>, done: &Sender<Generation>) {
    while let Ok(checkpoint) = queue.recv() {
        let started = Instant::now();
        while let Err(error) = write(&mut db, &checkpoint) {
            shared.metrics.checkpoint_failed();
            tracing::error!(%error, "checkpoint failed, trying again: acknowledged data stays in the journal");
            shared.trouble.lock().disk = Some(format!("the index database cannot be written: {error}"));
            if !wait_to_retry(shared) {
                return;
            }
        }
        shared.trouble.lock().disk = None;
        forget_recent(&shared.tenants, &checkpoint);
        shared.checkpointed.store(checkpoint.position.0, Ordering::Release);
        shared.metrics.checkpoint_done(checkpoint.position, started.elapsed(), shared.clock.now());
        if done.send(checkpoint.generation).is_err() {
            return;
        }
    }
}

/// `false` if the store stops.
fn wait_to_retry(shared: &Shared) -> bool {
    let failed = Instant::now();
    while failed.elapsed() < RETRY_AFTER {
        if shared.is_stopping() {
            return false;
        }
        std::thread::sleep(RETRY_STEP);
    }
    true
}

/// What is on disk now need not be laid over it any more. Whoever waits for the lock is let in on the way.
fn forget_recent(tenants: &Tenants, checkpoint: &Checkpoint) {
    for cell in tenants.all() {
        let sessions = checkpoint.runs.iter().filter(|((tenant, _), _)| *tenant == cell.no);
        let mut places = sessions.flat_map(|((_, session), runs)| runs.keys().map(|order| (*session, order))).peekable();
        while places.peek().is_some() {
            let mut state = cell.write();
            let held_since = Instant::now();
            for (session, order) in places.by_ref() {
                state.recent.forget(session, order, checkpoint.generation);
                if held_since.elapsed() >= HOLD_MAX {
                    break;
                }
            }
        }
    }
}
