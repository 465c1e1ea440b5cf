//! Sessions of which a boundary shrank: only the times of all their runs can say where it is now.
//!
//! - Sums are exact without this; until it is done a boundary is never narrower than the runs.
//! - A session of usual size is read under the lock, so that nobody sees it before. A long one is read outside it, and not more often than a
//!   small share of the time allows; checkpoints wait for it.

use std::time::Instant;

use rustc_hash::FxHashSet;

use super::fold_worker::{FoldError, FoldWorker};
use crate::faults::Fault;
use crate::index::{SessionNo, SessionTimes};
use crate::store::StoreError;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::tenant::{TenantCell, TenantState};
use crate::store::local::store_error;

/// A session of more runs than this is not read back under the lock: about a millisecond.
const LONG_SESSION_RUNS: u64 = 1_000;
/// The share of time that long sessions may take: one part in this many.
const LONG_SESSION_SHARE: u32 = 20;

/// Long sessions whose bounds may be too wide.
#[derive(Default)]
pub(super) struct WideBounds {
    sessions: FxHashSet<(TenantNo, SessionNo)>,
    /// Not before this.
    next: Option<Instant>,
}

/// Sessions whose bounds could not be settled under the lock.
#[derive(Default)]
pub(super) struct UnsettledBounds {
    /// They did not count the runs they have.
    uncounted: Vec<SessionNo>,
    unread: Vec<SessionNo>,
}

impl FoldWorker {
    /// Makes the bounds of these sessions exact: at once for those of usual size, soon for long ones. What must be done without the lock is
    /// left to [`Self::settle_rest`].
    pub(super) fn settle_bounds(
        &mut self,
        cell: &TenantCell,
        state: &mut TenantState,
        sessions: FxHashSet<SessionNo>,
        rest: &mut UnsettledBounds,
    ) -> Result<(), FoldError> {
        for no in sessions {
            let Some(row) = state.index.row(no) else { continue };
            if row.summary.run_count > LONG_SESSION_RUNS {
                self.wide_bounds.sessions.insert((cell.no, no));
                continue;
            }
            self.shared.metrics.session_recomputed();
            let newer = state.recent.overlay(no);
            match self.disk.session_times(cell.no, no, &newer) {
                Ok(times) if state.index.set_times(no, &times) => {}
                Ok(_) => rest.uncounted.push(no),
                // Waited for without the lock.
                Err(error) if Fault::of(&error).may_read_again() => rest.unread.push(no),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn settle_rest(&mut self, cell: &TenantCell, rest: UnsettledBounds) -> Result<(), FoldError> {
        rest.uncounted.into_iter().try_for_each(|no| self.count_anew(cell, no))?;
        rest.unread.into_iter().try_for_each(|no| self.settle_bounds_of(cell, no))?;
        self.settle_wide_bounds(false)
    }

    /// The long sessions, if it is time or if they `must` be exact now.
    pub(super) fn settle_wide_bounds(&mut self, must: bool) -> Result<(), FoldError> {
        let began = Instant::now();
        if self.wide_bounds.sessions.is_empty() || !must && self.wide_bounds.next.is_some_and(|next| began < next) {
            return Ok(());
        }
        for (tenant, no) in std::mem::take(&mut self.wide_bounds.sessions) {
            let Some(cell) = self.tenants.get(&tenant).cloned() else { continue };
            self.shared.metrics.session_recomputed();
            self.settle_bounds_of(&cell, no)?;
        }
        let done = Instant::now();
        self.wide_bounds.next = Some(done + (done - began) * LONG_SESSION_SHARE);
        Ok(())
    }

    /// Reads the times outside the lock.
    fn settle_bounds_of(&self, cell: &TenantCell, no: SessionNo) -> Result<(), FoldError> {
        let times = self.shared.patiently(|| self.read_times(cell, no))?;
        if !cell.write().index.set_times(no, &times) {
            self.count_anew(cell, no)?;
        }
        Ok(())
    }

    fn read_times(&self, cell: &TenantCell, no: SessionNo) -> Result<SessionTimes, FoldError> {
        let failed = |error| store_error("read the times of a session", error);
        let reader = self.shared.own_reader()?;
        let state = cell.read();
        let newer = state.recent.overlay(no);
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        drop(state);
        Ok(reader.session_times(cell.no, no, &newer).map_err(failed)?)
    }

    fn count_anew(&self, cell: &TenantCell, no: SessionNo) -> Result<(), StoreError> {
        tracing::warn!(session_no = no.0, "a session did not count the runs it has and was counted anew");
        if let Some(runs) = self.shared.patiently(|| self.shared.session_runs(cell, no))? {
            cell.write().index.recompute(no, runs.iter());
        }
        Ok(())
    }
}
