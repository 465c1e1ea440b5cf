//! The fold thread: reads the journal from its own position and keeps the index.
//!
//! - The only writer of the index and of the open traces; it never touches the ack path.
//! - Works in rounds: take what is there, fold each changed trace once, apply the differences under one lock per tenant.
//! - Hands a checkpoint to its writer every few seconds; waits for that writer rather than let memory grow.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::ambient_calls::RecentCalls;
use super::bounds::WideBounds;
use super::checkpoint::Checkpoint;
use super::forgetting::Deletion;
use super::pending::Pending;
use super::reports::RecentStart;
use super::turns::OpenTurns;
use super::untraced::UntracedSessions;
use crate::conventions::Strings;
use crate::conventions::posts::Post;
use crate::journal::{self, Item, Position};
use crate::log_limiter::LogLimiter;
use crate::model::ids::{SessionId, TraceId};
use crate::model::report::EventKind;
use crate::model::time::UnixNanos;
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::known::Renewal;
use crate::store::local::state::recent::Generation;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::{OpenTrace, TraceKey, load};
use crate::store::local::{Options, Shared};
use crate::wire::format::entry::{Entry, Event};

/// A round ends after this many bytes of entries even when more are there, so that what came becomes visible.
const ROUND_BYTES: usize = 4 << 20;
/// How long the thread sleeps at most before it looks at its timers.
const TICK: Duration = Duration::from_millis(200);
/// How often a checkpoint is written early because open traces take more than they may: only what is on disk can leave memory.
const CROWDED_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct FoldWorker {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) journal: journal::Reader,
    /// Tells how far the fold has come.
    pub(super) folded: watch::Sender<Position>,
    /// Reads what left memory.
    pub(super) disk: Reader,
    pub(super) strings: Strings,
    /// The next filter, while it is being made.
    pub(super) renewal: Option<Renewal>,
    /// How many traces are on disk or in memory.
    pub(super) n_traces: u64,
    pub(super) tenants: FxHashMap<TenantNo, Arc<TenantCell>>,
    /// Deleted sessions: their runs that started before stay gone.
    pub(super) tombstones: FxHashMap<(TenantNo, SessionId), UnixNanos>,
    /// Sessions with a run that was reported and named no trace.
    pub(super) untraced: UntracedSessions,
    /// Long sessions whose bounds may be too wide.
    pub(super) wide_bounds: WideBounds,
    /// Deletions under way, oldest first.
    pub(super) deletions: VecDeque<Deletion>,
    /// Calls of the last minutes of runs that were reported.
    pub(super) recent_calls: RecentCalls,
    /// Starts of the last minute, by tenant and digest.
    pub(super) starts: FxHashMap<(TenantNo, u64), RecentStart>,
    /// Traces with a run that has no end yet, and until when that is so if nothing comes.
    pub(super) unfinished: FxHashMap<TraceKey, UnixNanos>,
    /// Tenants with runs that may tell of others, in traces of their own, since the start.
    pub(super) retelling_tenants: FxHashSet<TenantNo>,
    /// Turns of sessions that go on, as log events tell.
    pub(super) open_turns: OpenTurns,
    /// Traces that are gone although the disk still has them, until the checkpoint of this generation is done.
    pub(super) forgotten: FxHashMap<TraceKey, Generation>,
    /// What the facts of open traces take, in bytes.
    pub(super) open_bytes: usize,
    /// For what is odd about spans.
    pub(super) log_limiter: LogLimiter,
    /// Traces that are to be folded.
    pub(super) dirty: Vec<TraceKey>,
    /// Large traces that are to be folded again, and when: they are dirty too.
    pub(super) waiting: BinaryHeap<Reverse<(Instant, TraceKey)>>,
    pub(super) pending: Pending,
    /// What the last finished checkpoint covers.
    pub(super) committed: Generation,
    pub(super) checkpoints: SyncSender<Checkpoint>,
    pub(super) finished: Receiver<Generation>,
    pub(super) in_flight: bool,
    pub(super) last_checkpoint: Instant,
    pub(super) last_sweep: Instant,
    /// When notes without a session were last looked for, or the start.
    pub(super) notes_swept: Instant,
    /// The time that decides what is old, as of the last round.
    pub(super) now: UnixNanos,
    /// When that round began: near enough for when a trace was touched.
    pub(super) round_began: Instant,
    /// Sessions idle since before this are gone: by their age, as of the last sweep or of what came since, or because of the cap.
    pub(super) floor: UnixNanos,
    /// The part of `floor` that the cap on disk use has raised.
    pub(super) cap_floor: UnixNanos,
    /// The generation in which retention last removed anything: the disk shows the room only when its checkpoint is done.
    pub(super) removed_in: Generation,
}

#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error("cannot read the journal: {0}")]
    Journal(#[from] journal::ReadError),
    #[error("cannot read the index database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    Session(#[from] StoreError),
    #[error("the checkpoint thread is gone")]
    Checkpointer,
}

impl FoldWorker {
    /// Folds until the journal is closed and read, then writes a last checkpoint.
    pub(super) fn run(&mut self) -> Result<(), FoldError> {
        while !self.shared.is_stopping() {
            let patience = self.patience();
            let first = self.shared.patiently(|| self.journal.next_timeout(patience))?;
            self.round(first)?;
            self.delete_further()?;
            self.settle_wide_bounds(false)?;
            self.checkpoint_if_due()?;
            self.sweep_if_due()?;
            self.renew_further()?;
        }
        while let Some(item) = self.shared.patiently(|| self.journal.try_next())? {
            self.round(Some(item))?;
        }
        if self.last_checkpoint().is_err() {
            tracing::warn!("the last checkpoint could not be written: the next start reads more of the journal");
        }
        Ok(())
    }

    /// Catches up with `end` before the doors open, so that a restart shows every acknowledged run.
    pub(super) fn replay(&mut self, end: Position) -> Result<(), FoldError> {
        let from = self.journal.position();
        let (started, mut told) = (Instant::now(), Instant::now());
        while self.journal.position() < end {
            let Some(item) = self.journal.try_next()? else { break };
            self.round(Some(item))?;
            self.checkpoint_if_due()?;
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                let done = self.journal.position().0 - from.0;
                tracing::info!(bytes = done, of = end.0 - from.0, "reading what the journal holds beyond the last checkpoint");
            }
        }
        // Large traces do not wait for their turn here.
        self.fold_dirty(true)?;
        let bytes = self.journal.position().0.saturating_sub(from.0);
        if bytes > 0 {
            tracing::info!(bytes, millis = started.elapsed().as_millis() as u64, "caught up with the journal");
        }
        Ok(())
    }

    /// How long there is nothing to do if nothing comes.
    fn patience(&self) -> Duration {
        if !self.deletions.is_empty() || self.renewal.is_some() {
            return Duration::ZERO;
        }
        self.waiting.peek().map_or(TICK, |Reverse((due, _))| due.saturating_duration_since(Instant::now()).min(TICK))
    }

    fn round(&mut self, first: Option<Item>) -> Result<(), FoldError> {
        let has_come = first.is_some();
        let began = Instant::now();
        (self.round_began, self.now) = (began, self.shared.clock.now());
        let mut next = first;
        let mut bytes = 0;
        while let Some(item) = next {
            bytes += item.record.body.len() + item.record.head.len();
            self.take(item)?;
            next = if bytes < ROUND_BYTES { self.shared.patiently(|| self.journal.try_next())? } else { None };
        }
        self.fold_dirty(false)?;
        let took = began.elapsed();
        self.shared.lag.folded(bytes as u64, took);
        if has_come {
            self.shared.metrics.folded(took);
        }
        let position = self.journal.position();
        self.folded.send_if_modified(|folded| std::mem::replace(folded, position) != position);
        Ok(())
    }

    fn take(&mut self, item: Item) -> Result<(), FoldError> {
        let entry = match Entry::decode(&item.record.head, item.record.body) {
            Ok(entry) => entry,
            Err(error) => {
                self.shared.metrics.entry_unreadable();
                tracing::error!(%error, position = item.position.0, "a journal entry was skipped: what it holds is not in the index");
                return Ok(());
            }
        };
        if let Some(age) = self.options.max_age {
            // By the time of arrival, so that a replay decides as it was decided then; but never by a clock that is not believed.
            self.floor = self.floor.max(entry.received_at.min(self.now).minus(age));
        }
        let cell = self.shared.tenants.get_or_add(&entry.tenant, self.now);
        self.tenants.entry(cell.no).or_insert_with(|| cell.clone());
        match entry.event {
            Event::Spans(request) | Event::UnforwardedSpans(request) => self.take_spans(&cell, &request, entry.received_at, item.position),
            Event::DeleteSession(id) => self.delete_session(&cell, &id, entry.received_at),
            Event::ChangeNote { session, change } => {
                self.change_note(&cell, &session, &change, entry.received_at);
                Ok(())
            }
            Event::Run { kind: EventKind::Other, .. } | Event::Run { run: None, .. } => Ok(()),
            Event::Run { kind, run: Some(run), body } => {
                let post = Post { kind, body: &body, received_at: entry.received_at, position: item.position.0 };
                self.take_run_event(&cell, run, &post)
            }
            Event::Opened => {
                self.pending.opened_at = item.position;
                Ok(())
            }
        }
    }

    /// Says it once a minute for each reason; metrics have every one.
    pub(super) fn warn_of(&mut self, reason: &'static str, what: &str) {
        if let Some(n_spans) = self.log_limiter.due(reason, 1, Instant::now()) {
            tracing::warn!(reason, n_spans, "{what}");
        }
    }

    /// Brings a trace into memory: a new one, or what is stored of it.
    pub(super) fn open(&mut self, cell: &TenantCell, trace: TraceId) -> Result<(), FoldError> {
        let was_known = self.shared.known.write().insert(cell.no, trace);
        if let Some(renewal) = &mut self.renewal {
            renewal.add([(cell.no, trace)]);
        }
        let is_on_disk = was_known && !self.forgotten.contains_key(&(cell.no, trace));
        let stored = if is_on_disk { self.shared.patiently(|| load(&self.disk, cell, trace))? } else { None };
        let open = stored.unwrap_or_else(|| {
            self.n_traces += 1;
            OpenTrace::new(self.pending.new_trace())
        });
        self.insert_open((cell.no, trace), open);
        Ok(())
    }

    /// The trace is gone with the next checkpoint, and for whoever asks from now on.
    pub(super) fn forget_trace(&mut self, key: TraceKey) {
        if let Some((_, open)) = self.shared.traces.map.remove(&key) {
            self.open_bytes = self.open_bytes.saturating_sub(open.weight());
        }
        self.unfinished.remove(&key);
        self.n_traces = self.n_traces.saturating_sub(1);
        self.forgotten.insert(key, self.pending.generation);
        self.pending.trace_forgotten(key);
    }

    // --- checkpoints ---

    fn checkpoint_if_due(&mut self) -> Result<(), FoldError> {
        match self.finished.try_recv() {
            Ok(generation) => self.checkpoint_finished(generation),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err(FoldError::Checkpointer),
        }
        // Half may wait while the other half is being written.
        let is_full = self.pending.n_changes() >= self.options.max_changes.div_ceil(2);
        let is_crowded = self.is_crowded() && self.last_checkpoint.elapsed() >= CROWDED_INTERVAL;
        let is_time = is_crowded || self.last_checkpoint.elapsed() >= self.options.checkpoint_interval;
        let is_moved = self.journal.position() > self.pending.position;
        if !(is_full || is_time && (is_moved || self.pending.n_changes() > 0)) {
            return Ok(());
        }
        if self.in_flight {
            if !is_full {
                return Ok(());
            }
            // The disk is slower than the agents: the journal holds the rest.
            let generation = self.finished.recv().map_err(|_| FoldError::Checkpointer)?;
            self.checkpoint_finished(generation);
        }
        self.start_checkpoint()
    }

    fn checkpoint_finished(&mut self, generation: Generation) {
        self.in_flight = false;
        self.committed = generation;
        self.forgotten.retain(|_, forgotten_in| *forgotten_in > generation);
        self.untraced.written(generation);
        if self.is_crowded() {
            self.evict_idle();
        }
    }

    fn is_crowded(&self) -> bool {
        self.open_bytes > self.options.open_trace_bytes
    }

    pub(super) fn start_checkpoint(&mut self) -> Result<(), FoldError> {
        self.fold_dirty(true)?;
        // What is written is exact, and what only memory knows of a deletion is dealt with.
        self.settle_wide_bounds(true)?;
        self.finish_recent_deletions()?;
        self.last_checkpoint = Instant::now();
        self.pending.left_out(self.untraced.left_out_in(self.pending.generation));
        let checkpoint = self.pending.seal(self.journal.position(), &self.tenants, &self.shared.traces, self.now, self.kept_until());
        self.checkpoints.send(checkpoint).map_err(|_| FoldError::Checkpointer)?;
        self.in_flight = true;
        Ok(())
    }

    fn last_checkpoint(&mut self) -> Result<(), FoldError> {
        if self.in_flight {
            let generation = self.finished.recv().map_err(|_| FoldError::Checkpointer)?;
            self.checkpoint_finished(generation);
        }
        self.start_checkpoint()?;
        self.finished.recv().map_err(|_| FoldError::Checkpointer)?;
        Ok(())
    }
}
