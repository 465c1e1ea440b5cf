//! From memory to the index database: one transaction every few seconds, with the journal position it covers.
//!
//! - What a checkpoint holds is absolute (rows, not differences), so a replay after a crash changes nothing.
//! - A transaction that fails is tried again until it succeeds or the store stops; the journal keeps what it covers.
//! - Rows are written in the order of their keys: what is new lies together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::recent::{Generation, RunOrder};
use super::rows::{self, TenantNo, signed};
use super::seen::Seen;
use super::tenant::{TenantCell, Tenants};
use super::{Shared, lock};
use crate::index::{SessionNo, SessionRow};
use crate::journal::Position;
use crate::model::ids::{SessionId, TraceId};
use crate::model::run::Run;
use crate::model::time::UnixNanos;

/// The wait before a failed transaction is tried again, and how often it is looked meanwhile whether the store stops.
const RETRY_AFTER: Duration = Duration::from_secs(2);
const RETRY_STEP: Duration = Duration::from_millis(50);

/// Runs forgotten under one hold of a tenant's lock: well under a millisecond.
const SLICE_RUNS: usize = 1024;

/// Everything that changed since the last one, as it is now.
#[derive(Default)]
pub(super) struct Checkpoint {
    pub(super) generation: Generation,
    /// All that lies before this in the journal is in here or on disk.
    pub(super) position: Position,
    pub(super) tenants: Vec<(Arc<TenantCell>, SessionNo, Seen)>,
    /// `None`: the session is gone.
    pub(super) sessions: Vec<(TenantNo, SessionNo, Option<SessionRow>)>,
    /// Sessions of which every run goes, whatever rows there are.
    pub(super) cleared: Vec<(TenantNo, SessionNo)>,
    pub(super) runs: ChangedRuns,
    /// `None`: the trace is forgotten.
    pub(super) traces: Vec<(TenantNo, TraceId, Option<TraceRow>)>,
    /// Traces that are kept although they are old, and until when at least.
    pub(super) kept: Vec<(TenantNo, TraceId, UnixNanos)>,
    pub(super) tombstones: Vec<(TenantNo, SessionId, Option<UnixNanos>)>,
    /// Runs without a session that started before this are forgotten.
    pub(super) sessionless_floor: UnixNanos,
    /// Where in the journal the process began that accepted what lies just before `position`.
    pub(super) opened_at: Position,
}

/// Runs by session and place; `None`: the run is no more.
pub(super) type ChangedRuns = FxHashMap<(TenantNo, SessionNo), FxHashMap<RunOrder, Option<Arc<Run>>>>;

pub(super) struct TraceRow {
    /// The newest believable time of its spans; without one, when it was written.
    pub(super) last: UnixNanos,
    pub(super) facts: Vec<u8>,
}

/// The thread that writes checkpoints, one after another, until `queue` is closed. Each that is done is reported to `done`.
/// One that fails while the store stops is given up, and the thread ends: the next start reads the journal instead.
pub(super) fn run(mut db: Connection, shared: &Shared, queue: &Receiver<Checkpoint>, done: &Sender<Generation>) {
    while let Ok(checkpoint) = queue.recv() {
        let started = Instant::now();
        while let Err(error) = write(&mut db, &checkpoint) {
            tracing::error!(%error, "checkpoint failed, trying again: acknowledged data stays in the journal");
            lock(&shared.trouble).disk = Some(format!("the index database cannot be written: {error}"));
            if !wait_to_retry(shared) {
                return;
            }
        }
        lock(&shared.trouble).disk = None;
        forget_recent(&shared.tenants, &checkpoint);
        shared.checkpointed.store(checkpoint.position.0, Ordering::Release);
        shared.metrics.checkpoint_done(checkpoint.position, started.elapsed());
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

/// Writes one checkpoint; on an error nothing of it is there.
pub(super) fn write(db: &mut Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    write_tenants(&transaction, checkpoint)?;
    write_sessions(&transaction, checkpoint)?;
    write_runs(&transaction, checkpoint)?;
    write_traces(&transaction, checkpoint)?;
    for (tenant, session, deleted_at) in &checkpoint.tombstones {
        match deleted_at {
            Some(at) => transaction
                .prepare_cached("INSERT OR REPLACE INTO tombstones (tenant_no, session_id, deleted_at_ns) VALUES (?1, ?2, ?3)")?
                .execute(params![tenant.0, session.as_str(), signed(at.0)])?,
            None => transaction
                .prepare_cached("DELETE FROM tombstones WHERE tenant_no = ?1 AND session_id = ?2")?
                .execute(params![tenant.0, session.as_str()])?,
        };
    }
    for (key, value) in [("journal_position", checkpoint.position), ("opened_at", checkpoint.opened_at)] {
        transaction.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, signed(value.0)])?;
    }
    transaction.commit()
}

fn write_tenants(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut upsert = db.prepare_cached("INSERT OR REPLACE INTO tenants (tenant_no, name, next_session_no) VALUES (?1, ?2, ?3)")?;
    for (cell, next_session, seen) in &checkpoint.tenants {
        upsert.execute(params![cell.no.0, cell.name.as_str(), next_session.0])?;
        seen.write(db, cell.no)?;
    }
    Ok(())
}

fn write_sessions(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut clear = db.prepare_cached("DELETE FROM runs WHERE tenant_no = ?1 AND session_no = ?2")?;
    for (tenant, session) in &checkpoint.cleared {
        clear.execute(params![tenant.0, session.0])?;
    }
    if checkpoint.sessionless_floor > UnixNanos::ZERO {
        let mut expire = db.prepare_cached("DELETE FROM runs WHERE tenant_no = ?1 AND session_no = 0 AND started_at_ns < ?2")?;
        for (cell, ..) in &checkpoint.tenants {
            expire.execute(params![cell.no.0, signed(checkpoint.sessionless_floor.0)])?;
        }
    }
    let mut upsert = db.prepare_cached(rows::UPSERT_SESSION)?;
    let mut delete = db.prepare_cached("DELETE FROM sessions WHERE tenant_no = ?1 AND session_no = ?2")?;
    for (tenant, no, row) in &checkpoint.sessions {
        match row {
            Some(row) => rows::write_session(&mut upsert, *tenant, row)?,
            None => _ = delete.execute(params![tenant.0, no.0])?,
        }
    }
    Ok(())
}

fn write_runs(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut upsert = db.prepare_cached(rows::UPSERT_RUN)?;
    let mut delete = db.prepare_cached(rows::DELETE_RUN)?;
    let mut sessions: Vec<_> = checkpoint.runs.iter().collect();
    sessions.sort_unstable_by_key(|(session, _)| **session);
    for ((tenant, session), runs) in sessions {
        let mut runs: Vec<_> = runs.iter().collect();
        runs.sort_unstable_by_key(|(order, _)| **order);
        for (order, run) in runs {
            match run {
                Some(run) => rows::write_run(&mut upsert, *tenant, *session, run)?,
                None => rows::delete_run(&mut delete, *tenant, *session, order)?,
            }
        }
    }
    Ok(())
}

fn write_traces(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO traces (tenant_no, trace_id, last_ns, facts) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (trace_id, tenant_no) DO UPDATE SET last_ns = excluded.last_ns, facts = excluded.facts",
    )?;
    let mut delete = db.prepare_cached("DELETE FROM traces WHERE tenant_no = ?1 AND trace_id = ?2")?;
    for (tenant, trace, row) in &checkpoint.traces {
        match row {
            Some(row) => upsert.execute(params![tenant.0, trace.as_bytes(), signed(row.last.0), row.facts])?,
            None => delete.execute(params![tenant.0, trace.as_bytes()])?,
        };
    }
    let mut keep = db.prepare_cached("UPDATE traces SET last_ns = max(last_ns, ?3) WHERE tenant_no = ?1 AND trace_id = ?2")?;
    for (tenant, trace, until) in &checkpoint.kept {
        keep.execute(params![tenant.0, trace.as_bytes(), signed(until.0)])?;
    }
    Ok(())
}

/// What is on disk now need not be laid over it any more. In slices, so that no query waits long for the lock.
fn forget_recent(tenants: &Tenants, checkpoint: &Checkpoint) {
    for cell in tenants.all() {
        let sessions = checkpoint.runs.iter().filter(|((tenant, _), _)| *tenant == cell.no);
        let places: Vec<_> = sessions.flat_map(|((_, session), runs)| runs.keys().map(|order| (*session, order))).collect();
        for slice in places.chunks(SLICE_RUNS) {
            let mut state = cell.write();
            for (session, order) in slice {
                state.recent.forget(*session, order, checkpoint.generation);
            }
        }
    }
}
