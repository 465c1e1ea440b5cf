//! From changed traces to the index: each is folded once, and the differences of each are applied under one hold of the tenant's lock.
//!
//! - A trace's runs are computed from all its facts; what leaves and what comes is the difference to what the index was told before.
//! - Deleted and expired runs are left out here, so that no way leads around it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use super::ambient_calls::calls_of;
use super::bounds::UnsettledBounds;
use super::fold_worker::{FoldError, FoldWorker};
use super::pending::is_listed;
use super::turns::{next_turn, open_turn};
use super::untraced::UntracedChanges;
use crate::fold::{Decided, Folded, Rules, Telling, fold, may_be_retold};
use crate::index::SessionNo;
use crate::model::ids::SpanId;
use crate::model::report::RunReport;
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::store::local::disk::rows::{NO_SESSION, TenantNo};
use crate::store::local::state::tenant::{HOLD_MAX, TenantCell, TenantState};
use crate::store::local::state::traces::{AppliedRun, TraceKey};

/// A trace of more spans than this is not folded again at once each time it grows: it takes a tenth of a millisecond.
const LARGE_TRACE_SPANS: usize = 128;
/// How long a large trace is left alone after it was folded, for each of its spans: seventy times what folding it takes. So a trace that
/// grows by a few spans at a time costs what one that comes at once does, and the newest of 50,000 spans are shown after 2.5 s.
const WAIT_PER_SPAN: Duration = Duration::from_micros(50);

/// What one trace changes in the index.
struct TraceChange {
    key: TraceKey,
    gone: Vec<AppliedRun>,
    /// The run as it was, if it was, and as it is.
    come: Vec<(Option<AppliedRun>, Arc<Run>)>,
    same: Vec<AppliedRun>,
    decided: Option<Arc<Decided>>,
}

/// What changes of the index lead to outside it.
#[derive(Default)]
struct Effects {
    untraced: UntracedChanges,
    unsettled: UnsettledBounds,
    /// Traces with a turn that another one has ended.
    interrupted: Vec<TraceKey>,
    /// Runs that may tell of others once more.
    telling: Vec<Arc<Run>>,
}

impl FoldWorker {
    /// Folds the traces that changed; large ones wait their turn unless `all`.
    pub(super) fn fold_dirty(&mut self, all: bool) -> Result<(), FoldError> {
        self.fold_changed(all)?;
        // What came into a session can change other traces of it.
        while all && !self.dirty.is_empty() {
            self.fold_changed(all)?;
        }
        Ok(())
    }

    fn fold_changed(&mut self, all: bool) -> Result<(), FoldError> {
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse((due, _))| all || *due <= now) {
            self.dirty.extend(self.waiting.pop().map(|Reverse((_, key))| key));
        }
        if self.dirty.is_empty() {
            return Ok(());
        }
        let mut changes: FxHashMap<TenantNo, Vec<TraceChange>> = FxHashMap::default();
        for key in std::mem::take(&mut self.dirty) {
            // A trace that was forgotten and came again stands here twice.
            let dirty = self.shared.traces.map.get(&key).filter(|open| open.is_dirty);
            let Some(fold_after) = dirty.map(|open| open.fold_after) else { continue };
            match fold_after.filter(|due| !all && now < *due) {
                Some(due) => self.waiting.push(Reverse((due, key))),
                None => {
                    let change = self.fold_trace(key)?;
                    changes.entry(key.0).or_default().push(change);
                }
            }
        }
        for (tenant, changes) in changes {
            let Some(cell) = self.tenants.get(&tenant).cloned() else { continue };
            self.apply(&cell, changes)?;
        }
        self.shared.metrics.waiting(self.waiting.len());
        Ok(())
    }

    fn fold_trace(&mut self, key: TraceKey) -> Result<TraceChange, FoldError> {
        let mut change = TraceChange { key, gone: Vec::new(), come: Vec::new(), same: Vec::new(), decided: None };
        let reports = self.reports_of(key)?;
        let Some(folded) = self.folded(key, &reports)? else { return Ok(change) };
        let Some(mut open) = self.shared.traces.map.get_mut(&key) else { return Ok(change) };
        open.is_dirty = false;
        let n_calls: usize = reports.iter().map(|report| report.calls.len()).sum();
        let n_spans = open.facts.len() + n_calls;
        if n_spans > LARGE_TRACE_SPANS {
            open.fold_after = Some(Instant::now() + WAIT_PER_SPAN * n_spans as u32);
        }
        let before = std::mem::take(&mut open.applied);
        let calls = calls_of(key.1, &open.facts, &reports, &folded);
        let alone = match &folded.runs[..] {
            [run] if self.retelling_tenants.contains(&key.0) && may_be_retold(run) => Telling::all_of(run, &open.facts, &folded),
            _ => Vec::new(),
        };
        drop(open);
        self.note_calls(key.0, calls)?;

        let mut before: FxHashMap<SpanId, AppliedRun> = before.into_iter().map(|applied| (applied.run.key.span, applied)).collect();
        let mut decided = Decided { runs: Vec::with_capacity(folded.runs.len()), verdicts: folded.verdicts, has_deleted: false };
        for run in folded.runs {
            let is_deleted = self.is_deleted(key.0, &run);
            if is_deleted || self.leave_out_if_told_elsewhere(key, &run) || self.is_retold(key, &run, &alone)? {
                decided.runs.push(None);
                decided.has_deleted |= is_deleted;
                continue;
            }
            match before.remove(&run.key.span) {
                Some(applied) if *applied.run == run => {
                    decided.runs.push(Some(applied.run.clone()));
                    change.same.push(applied);
                }
                known => {
                    let run = Arc::new(run);
                    decided.runs.push(Some(run.clone()));
                    change.come.push((known, run));
                }
            }
        }
        change.decided = self.options.keep_verdicts.then(|| Arc::new(decided));
        change.gone = before.into_values().collect();
        Ok(change)
    }

    /// An open trace as it is now; `None` if it is not open.
    pub(super) fn folded(&self, key: TraceKey, reports: &[Arc<RunReport>]) -> Result<Option<Folded>, FoldError> {
        let (silent_since, idle_since) = (self.now.minus(self.options.run_timeout), self.now.minus(self.options.idle_after));
        let told: Vec<&RunReport> = reports.iter().map(|report| &**report).collect();
        let folded = |next_turn: UnixNanos| {
            let rules = Rules { price: &*self.options.price, silent_since, idle_since, next_turn };
            self.shared.traces.map.get(&key).map(|open| fold(key.1, &open.facts, &told, &rules))
        };
        let Some(as_it_tells) = folded(UnixNanos::ZERO) else { return Ok(None) };
        let (Some(turn), Some(cell)) = (open_turn(&as_it_tells.runs), self.tenants.get(&key.0)) else { return Ok(Some(as_it_tells)) };
        match self.shared.patiently(|| next_turn(&self.disk, cell, turn))? {
            Some(next) => Ok(folded(next)),
            None => Ok(Some(as_it_tells)),
        }
    }

    /// Whether every run of an open trace has ended, those that are not shown included.
    pub(super) fn is_over(&mut self, key: TraceKey) -> Result<bool, FoldError> {
        let reports = self.reports_of(key)?;
        let runs = self.folded(key, &reports)?.map_or_else(Vec::new, |folded| folded.runs);
        Ok(runs.iter().all(|run| run.completed_at.is_some() && !run.is_provisional))
    }

    /// Whether a report without a trace tells of the run that these spans without an agent are of: LangChain's callback handler makes both.
    fn leave_out_if_told_elsewhere(&mut self, key: TraceKey, run: &Run) -> bool {
        if !run.is_agentless || self.untraced.is_empty() {
            return false;
        }
        let Some(session) = run.session.as_ref().filter(|session| self.untraced.contains(key.0, session)) else { return false };
        self.untraced.leave_out(key.0, session, key.1, self.pending.generation);
        true
    }

    /// Whether the run belongs to what a deleted session was. Times in the far future cannot be told apart from it.
    fn is_deleted(&self, tenant: TenantNo, run: &Run) -> bool {
        let Some(session) = &run.session else { return false };
        if self.tombstones.is_empty() {
            return false;
        }
        self.tombstones.get(&(tenant, session.clone())).is_some_and(|deleted_at| run.started_at <= *deleted_at || run.is_future)
    }

    /// Puts the differences of one tenant's traces into its index, those of a trace at once. Whoever waits for the lock is let in between
    /// two traces, once it was held for long enough.
    fn apply(&mut self, cell: &TenantCell, changes: Vec<TraceChange>) -> Result<(), FoldError> {
        let mut effects = Effects::default();
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let mut state = cell.write();
            let held_since = Instant::now();
            let mut recompute = FxHashSet::default();
            for change in changes.by_ref() {
                self.apply_trace(cell.no, &mut state, change, &mut recompute, &mut effects);
                // What must be read back first takes as long as many traces.
                if !recompute.is_empty() || held_since.elapsed() >= HOLD_MAX {
                    break;
                }
            }
            self.settle_bounds(cell, &mut state, recompute, &mut effects.unsettled)?;
        }
        self.settle_rest(cell, effects.unsettled)?;
        for key in effects.interrupted {
            if self.open_known(cell, key.1)? {
                self.touch(key);
            }
        }
        effects.telling.iter().try_for_each(|run| self.fold_retold_again(cell, run))?;
        self.untraced_changed(cell, effects.untraced)
    }

    fn apply_trace(
        &mut self,
        tenant: TenantNo,
        state: &mut TenantState,
        change: TraceChange,
        recompute: &mut FxHashSet<SessionNo>,
        effects: &mut Effects,
    ) {
        let TraceChange { key, gone, mut come, same, decided } = change;
        let is_applied = |applied: &AppliedRun| applied.session_no == NO_SESSION || is_listed(state, applied);
        let (mut applied, unlisted): (Vec<_>, Vec<_>) = same.into_iter().partition(is_applied);
        come.extend(unlisted.into_iter().map(|applied| (Some(applied.clone()), applied.run)));
        for (before, run) in come {
            if let Some(before) = before.as_ref().filter(|before| is_listed(state, before)) {
                effects.untraced.left(tenant, &before.run);
            }
            if self.has_expired(state, before.as_ref(), &run) {
                before.iter().for_each(|before| self.pending.leave(tenant, state, before, recompute));
                continue;
            }
            effects.untraced.came(tenant, &run);
            effects.telling.extend(run.is_retelling.then(|| run.clone()));
            applied.push(self.pending.come(tenant, state, before, run, recompute));
        }
        // After what came: a provisional run mostly lies within the run that takes its place, so that no boundary shrinks.
        for before in gone {
            if is_listed(state, &before) {
                effects.untraced.left(tenant, &before.run);
            }
            self.pending.leave(tenant, state, &before, recompute);
        }
        let running = applied.iter().filter(|applied| applied.run.status == RunStatus::Running);
        match running.map(|applied| self.options.runs_until(applied.run.is_provisional, applied.run.last_activity)).min() {
            Some(until) => self.unfinished.insert(key, until),
            None => self.unfinished.remove(&key),
        };
        effects.interrupted.extend(self.open_turns.applied(key, &applied));
        if let Some(mut open) = self.shared.traces.map.get_mut(&key) {
            open.applied = applied;
            open.decided = decided;
        }
    }

    /// Whether retention has removed this run, with its session if it has one, or would have: a trace that is still used must not bring it
    /// back.
    fn has_expired(&self, state: &TenantState, before: Option<&AppliedRun>, run: &Run) -> bool {
        run.last_activity < self.floor && !before.is_some_and(|before| run.session.is_none() || is_listed(state, before))
    }
}
