//! Runs of which another run of the session, in another trace, tells every call ([`crate::fold::Telling`]): they are left out.
//!
//! - Found from either side: when such a run is folded, and when one that retells comes into its session.
//! - Looked for only where a run that retells has come since the start: other tenants pay nothing. A fuller copy of a span that was left
//!   out before a restart counts again until one has.

use std::sync::Arc;

use super::fold_worker::{FoldError, FoldWorker};
use crate::fold::{Telling, may_be_retold};
use crate::index::SessionNo;
use crate::model::ids::SessionId;
use crate::model::run::Run;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::TraceKey;

/// A call is looked for in runs that began at most so long before it.
const BEFORE: Nanos = Nanos::from_secs(600);
/// Runs that are looked into, on disk and newer than that.
const RUNS_MAX: u32 = 64;

impl FoldWorker {
    /// Whether a run that names no agent only repeats what others of its session tell.
    pub(super) fn is_retold(&mut self, key: TraceKey, run: &Run, calls: &[Telling]) -> Result<bool, FoldError> {
        if calls.is_empty() || !self.retelling_tenants.contains(&key.0) {
            return Ok(false);
        }
        let (Some(session), Some(cell)) = (run.session.clone(), self.tenants.get(&key.0).cloned()) else { return Ok(false) };
        let Some(no) = cell.read().index.find(&session) else { return Ok(false) };
        let during = (run.started_at.minus(BEFORE), run.last_activity);
        let is_telling = |other: &Run| other.is_retelling && other.key.trace != key.1 && other.last_activity >= run.started_at;
        let mut left: Vec<&Telling> = calls.iter().collect();
        for other in self.runs_during(&cell, no, &session, during)?.iter().filter(|other| is_telling(other)) {
            let outer = self.tellings_of(&cell, other)?;
            left.retain(|call| !outer.iter().any(|outer| call.is_retold_by(outer)));
        }
        if left.is_empty() {
            self.untraced.leave_out(key.0, &session, key.1, self.pending.generation);
        }
        Ok(left.is_empty())
    }

    /// A run that tells of others came into its session: looks again at those without an agent that went on meanwhile.
    pub(super) fn fold_retold_again(&mut self, cell: &TenantCell, telling: &Run) -> Result<(), FoldError> {
        self.retelling_tenants.insert(cell.no);
        let Some(session) = &telling.session else { return Ok(()) };
        let Some(no) = cell.read().index.find(session) else { return Ok(()) };
        for run in self.runs_during(cell, no, session, (telling.started_at, telling.last_activity))? {
            if may_be_retold(&run) && run.key.trace != telling.key.trace && self.open_known(cell, run.key.trace)? {
                self.touch((cell.no, run.key.trace));
            }
        }
        Ok(())
    }

    /// The runs of a session that began in a stretch of time.
    fn runs_during(
        &self,
        cell: &TenantCell,
        no: SessionNo,
        session: &SessionId,
        (from, to): (UnixNanos, UnixNanos),
    ) -> Result<Vec<Run>, FoldError> {
        let newer = cell.read().recent.overlay(no);
        let stored = self.shared.patiently(|| self.disk.runs_started_between(cell.no, no, session, (from, to), RUNS_MAX))?;
        let stored = stored.into_iter().filter(|run| !newer.contains(&crate::store::local::state::recent::RunOrder::of(run)));
        let began = |run: &&Arc<Run>| run.started_at >= from && run.started_at <= to;
        Ok(stored.chain(newer.runs().filter(began).map(|run| Run::clone(run))).collect())
    }

    fn tellings_of(&mut self, cell: &TenantCell, run: &Run) -> Result<Vec<Telling>, FoldError> {
        let key = (cell.no, run.key.trace);
        if !self.open_known(cell, key.1)? {
            return Ok(Vec::new());
        }
        let reports = self.reports_of(key)?;
        let Some(folded) = self.folded(key, &reports)? else { return Ok(Vec::new()) };
        let Some(open) = self.shared.traces.map.get(&key) else { return Ok(Vec::new()) };
        Ok(Telling::all_of(run, &open.facts, &folded))
    }
}
