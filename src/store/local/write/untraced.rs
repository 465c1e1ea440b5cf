//! Runs that the SDK reported without naming a trace, and the spans that tell of the same work.
//!
//! LangChain's callback handler makes both: a report whose `complete/` names no trace, and spans without an agent. While a session has such
//! a report, its runs of spans without an agent are left out; as soon as no report is without a trace any more, they count again.
//!
//! Codex and Gemini CLI do the same with logs: turns that those tell of, and spans in traces that have nothing to do with them (decision 061).

use rustc_hash::FxHashMap;

use super::fold_worker::{FoldError, FoldWorker};
use crate::model::ids::{SessionId, TraceId};
use crate::model::run::Run;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::recent::Generation;
use crate::store::local::state::tenant::TenantCell;

type SessionKey = (TenantNo, SessionId);

#[derive(Default)]
pub(super) struct UntracedSessions {
    /// How many listed runs of a session were reported and name no trace; never 0.
    counts: FxHashMap<SessionKey, u32>,
    /// Traces of which a run was left out, until a checkpoint has them on disk.
    left_out: FxHashMap<SessionKey, FxHashMap<TraceId, Generation>>,
}

/// What the changes of one round come to, by session.
#[derive(Default)]
pub(super) struct UntracedChanges(FxHashMap<SessionKey, i64>);

impl UntracedChanges {
    pub(super) fn came(&mut self, tenant: TenantNo, run: &Run) {
        self.add(tenant, run, 1);
    }

    pub(super) fn left(&mut self, tenant: TenantNo, run: &Run) {
        self.add(tenant, run, -1);
    }

    fn add(&mut self, tenant: TenantNo, run: &Run, n: i64) {
        if let Some(session) = run.session.as_ref().filter(|_| run.is_untraced) {
            *self.0.entry((tenant, session.clone())).or_default() += n;
        }
    }
}

impl UntracedSessions {
    pub(super) fn loaded(counts: impl IntoIterator<Item = (SessionKey, u32)>) -> Self {
        Self { counts: counts.into_iter().filter(|(_, n)| *n > 0).collect(), left_out: FxHashMap::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn contains(&self, tenant: TenantNo, session: &SessionId) -> bool {
        !self.counts.is_empty() && self.counts.contains_key(&(tenant, session.clone()))
    }

    /// The session is gone.
    pub(super) fn forget(&mut self, tenant: TenantNo, session: &SessionId) {
        let key = (tenant, session.clone());
        self.counts.remove(&key);
        self.left_out.remove(&key);
    }

    pub(super) fn leave_out(&mut self, tenant: TenantNo, session: &SessionId, trace: TraceId, generation: Generation) {
        self.left_out.entry((tenant, session.clone())).or_default().insert(trace, generation);
    }

    /// What was left out in a generation, to be written with its checkpoint.
    pub(super) fn left_out_in(&self, generation: Generation) -> Vec<(TenantNo, SessionId, TraceId)> {
        let all = self.left_out.iter().flat_map(|(key, traces)| traces.iter().map(move |(trace, at)| (key, trace, at)));
        all.filter(|(_, _, at)| **at == generation).map(|((tenant, session), trace, _)| (*tenant, session.clone(), *trace)).collect()
    }

    /// The checkpoint of `done` has put it on disk.
    pub(super) fn written(&mut self, done: Generation) {
        self.left_out.retain(|_, traces| {
            traces.retain(|_, at| *at > done);
            !traces.is_empty()
        });
    }

    /// Applies what changed; gives the sessions that have such a run for the first time, and those that have none any more.
    fn apply(&mut self, changes: UntracedChanges) -> (Vec<SessionKey>, Vec<SessionKey>) {
        let (mut begun, mut ended) = (Vec::new(), Vec::new());
        for (key, n) in changes.0 {
            let before = self.counts.get(&key).copied().unwrap_or(0);
            let after = u32::try_from((i64::from(before) + n).max(0)).unwrap_or(u32::MAX);
            match (before, after) {
                (0, 0) => {}
                (0, _) => begun.push(key.clone()),
                (_, 0) => ended.push(key.clone()),
                _ => {}
            }
            if after == 0 {
                self.counts.remove(&key);
            } else {
                self.counts.insert(key, after);
            }
        }
        (begun, ended)
    }
}

impl FoldWorker {
    /// Folds again what the changes decide: runs of spans without an agent leave, or come back.
    pub(super) fn untraced_changed(&mut self, cell: &TenantCell, changes: UntracedChanges) -> Result<(), FoldError> {
        let (begun, ended) = self.untraced.apply(changes);
        for (_, session) in begun {
            self.fold_agentless_again(cell, &session)?;
        }
        for (tenant, session) in ended {
            for trace in self.traces_left_out(tenant, &session)? {
                if self.open_known(cell, trace)? {
                    self.touch((cell.no, trace));
                }
            }
        }
        Ok(())
    }

    /// Traces of which a run was left out of the session, since others tell of it.
    pub(super) fn traces_left_out(&self, tenant: TenantNo, session: &SessionId) -> Result<Vec<TraceId>, FoldError> {
        let mut traces = self.shared.patiently(|| self.disk.traces_left_out(tenant, session))?;
        traces.extend(self.untraced.left_out.get(&(tenant, session.clone())).into_iter().flat_map(|traces| traces.keys().copied()));
        Ok(traces)
    }

    /// A report without a trace came into this session: its runs of spans without an agent are perhaps the same.
    fn fold_agentless_again(&mut self, cell: &TenantCell, session: &SessionId) -> Result<(), FoldError> {
        let no = cell.read().index.find(session);
        let runs = no.map(|no| self.shared.patiently(|| self.shared.session_runs(cell, no))).transpose()?.flatten();
        for run in runs.unwrap_or_default().iter().filter(|run| run.is_agentless) {
            if self.open_known(cell, run.key.trace)? {
                self.touch((cell.no, run.key.trace));
            }
        }
        Ok(())
    }
}
