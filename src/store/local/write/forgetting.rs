//! Deleting a session, and what was kept of its traces.
//!
//! - The session is gone for everybody at once. Its traces are opened one by one, which takes long for a session of many runs; they go in
//!   slices beside the other work of the fold.
//! - A deletion that is under way is noted in the database, with the rows of the session's runs still there: the next start goes on with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::fold_worker::{FoldError, FoldWorker};
use crate::index::SessionNo;
use crate::model::ids::{SessionId, TraceId};
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::recent::{Overlay, RunOrder};
use crate::store::local::state::tenant::TenantCell;

/// The time of the fold thread that one slice may take, while other work waits.
const SLICE_TIME: Duration = Duration::from_millis(10);
/// A trace of more spans than this is not folded anew for each slice of a deletion that has no run in it any more.
const REFOLDED_SPANS_MAX: usize = 2_000;
/// Runs read at a time.
const PAGE_RUNS: usize = 256;

/// A deletion that is under way.
pub(super) struct Deletion {
    tenant: TenantNo,
    session_no: SessionNo,
    session: SessionId,
    /// What was newer than disk when it began and is not dealt with yet.
    newer: VecDeque<(RunOrder, Option<Arc<Run>>)>,
    /// Places of `newer`: rows of them on disk are out of date, or were written since.
    replaced: Vec<RunOrder>,
    /// The last row that was read; `None` before the first.
    after: Option<RunOrder>,
    is_read: bool,
}

impl Deletion {
    /// One that the process before did not finish.
    pub(super) fn unfinished(tenant: TenantNo, session_no: SessionNo, session: SessionId) -> Self {
        Self { tenant, session_no, session, newer: VecDeque::new(), replaced: Vec::new(), after: None, is_read: false }
    }
}

impl FoldWorker {
    /// Removes what the session is now. Its runs that started before stay gone, whatever comes late or is replayed.
    pub(super) fn delete_session(&mut self, cell: &TenantCell, id: &SessionId, at: UnixNanos) -> Result<(), FoldError> {
        self.fold_dirty(true)?;
        let state = cell.read();
        let no = state.index.find(id);
        let newer = no.map(|no| state.recent.overlay(no)).unwrap_or_default();
        drop(state);
        let newest = match no {
            None => None,
            Some(no) => self.newest_start(cell, no, id, &newer)?,
        };
        // A clock that was far ahead must not make a deletion that hides what comes for years.
        let at = at.min(self.shared.clock.now());
        let deleted_at = newest.map_or(at, |newest| newest.max(at));
        let tombstone = self.tombstones.entry((cell.no, id.clone())).or_insert(deleted_at);
        *tombstone = deleted_at.max(*tombstone);
        self.pending.tombstone(cell.no, id.clone(), Some(*tombstone));

        self.pending.note(cell.no, &mut cell.write(), id, None);
        let Some(no) = no else { return Ok(()) };
        let in_sums = self.runs_in_sums(cell, &[no])?;
        let mut state = cell.write();
        in_sums.iter().for_each(|run| state.run_changed(Some(run), None));
        self.pending.hide_session(cell.no, &mut state, no, id.clone());
        drop(state);
        let left_out = self.traces_left_out(cell.no, id)?;
        self.untraced.forget(cell.no, id);
        left_out.into_iter().try_for_each(|trace| self.forget_in_trace(cell, trace, no))?;
        self.deletions.push_back(Deletion {
            tenant: cell.no,
            session_no: no,
            session: id.clone(),
            replaced: newer.orders().copied().collect(),
            newer: newer.into_iter().collect(),
            after: None,
            is_read: false,
        });
        self.shared.metrics.session_deleted();
        // A session of usual size is finished here.
        self.delete_further()
    }

    /// Goes on with the deletions for a moment.
    pub(super) fn delete_further(&mut self) -> Result<(), FoldError> {
        let began = Instant::now();
        while let Some(mut deletion) = self.deletions.pop_front() {
            while !self.delete_some(&mut deletion)? {
                if began.elapsed() >= SLICE_TIME {
                    self.deletions.push_front(deletion);
                    return Ok(());
                }
            }
            self.pending.clear_hidden_session(deletion.tenant, deletion.session_no);
            self.removed_in = self.pending.generation;
        }
        Ok(())
    }

    /// Deals with what only memory knows of the deletions under way: a checkpoint is about to be written, and after a crash the next start
    /// finds the rest in the rows.
    pub(super) fn finish_recent_deletions(&mut self) -> Result<(), FoldError> {
        let mut deletions = std::mem::take(&mut self.deletions);
        for deletion in &mut deletions {
            while !deletion.newer.is_empty() {
                self.delete_some(deletion)?;
            }
        }
        deletions.append(&mut self.deletions);
        self.deletions = deletions;
        Ok(())
    }

    /// The start of the session's newest run whose time is believable.
    fn newest_start(&self, cell: &TenantCell, no: SessionNo, id: &SessionId, newer: &Overlay) -> Result<Option<UnixNanos>, FoldError> {
        let in_memory = newer.runs().filter(|run| !run.is_future).map(|run| run.started_at).max();
        let on_disk = self.shared.patiently(|| self.disk.newest_believable_run(cell.no, no, id, |order| newer.contains(order)))?;
        Ok(in_memory.max(on_disk.map(|run| run.started_at)))
    }

    /// Some runs of a deletion; `true` when there are no more.
    fn delete_some(&mut self, deletion: &mut Deletion) -> Result<bool, FoldError> {
        let Some(cell) = self.tenants.get(&deletion.tenant).cloned() else { return Ok(true) };
        let mut runs: Vec<Run> = Vec::new();
        while runs.len() < PAGE_RUNS
            && let Some((_, newer)) = deletion.newer.pop_front()
        {
            runs.extend(newer.map(|run| Run::clone(&run)));
        }
        if runs.is_empty() && !deletion.is_read {
            let page = self
                .shared
                .patiently(|| self.disk.runs_after(deletion.tenant, deletion.session_no, &deletion.session, deletion.after, PAGE_RUNS))?;
            deletion.is_read = page.len() < PAGE_RUNS;
            deletion.after = page.last().map(RunOrder::of).or(deletion.after);
            runs.extend(page.into_iter().filter(|run| deletion.replaced.binary_search(&RunOrder::of(run)).is_err()));
        }
        for run in runs.iter().filter(|run| run.is_reported) {
            self.strip_report(&cell, run.id, &deletion.session)?;
        }
        self.forget_in_traces(&cell, deletion.session_no, &runs)?;
        Ok(deletion.newer.is_empty() && deletion.is_read)
    }

    pub(super) fn forget_in_traces(&mut self, cell: &TenantCell, session: SessionNo, runs: &[Run]) -> Result<(), FoldError> {
        let traces: FxHashSet<TraceId> = runs.iter().map(|run| run.key.trace).collect();
        traces.into_iter().try_for_each(|trace| self.forget_in_trace(cell, trace, session))
    }

    /// Takes a session that is gone out of one trace. Facts of a trace that was all of that session go too, once it has ended: before, they
    /// are what tells its late spans from a new run. The whole trace is asked: the runs at hand may be only a part of it.
    fn forget_in_trace(&mut self, cell: &TenantCell, trace: TraceId, session: SessionNo) -> Result<(), FoldError> {
        let key = (cell.no, trace);
        let was_open = self.shared.traces.map.contains_key(&key);
        if !was_open {
            self.open(cell, trace)?;
        }
        let Some(mut open) = self.shared.traces.map.get_mut(&key) else { return Ok(()) };
        let n_applied = open.applied.len();
        open.applied.retain(|applied| applied.session_no != session);
        // A session may have thousands of runs in one trace, which is not folded again for each slice of them.
        if was_open && open.applied.len() == n_applied && open.facts.len() > REFOLDED_SPANS_MAX {
            return Ok(());
        }
        self.pending.trace_changed(key, &mut open);
        // What is left of a report keeps late events from making a new run of it.
        let may_be_over = open.applied.is_empty() && open.report.is_none();
        drop(open);
        if may_be_over && self.is_over(key)? {
            self.forget_trace(key);
        }
        Ok(())
    }

    /// The runs of sessions that are about to go, as far as sums are kept of them.
    pub(super) fn runs_in_sums(&self, cell: &TenantCell, sessions: &[SessionNo]) -> Result<Vec<Arc<Run>>, FoldError> {
        let state = cell.read();
        let is_told = state.sums.lock().is_told() || state.users.lock().is_told();
        drop(state);
        if !is_told {
            return Ok(Vec::new());
        }
        let mut runs = Vec::new();
        for session in sessions {
            let read = self.shared.patiently(|| self.shared.session_runs(cell, *session))?;
            runs.extend(read.into_iter().flatten().map(Arc::new));
        }
        Ok(runs)
    }
}
