//! The runs of a tenant that changed since the last finished checkpoint: what lies on disk is older.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::index::SessionNo;
use crate::model::ids::{RunId, RunKey};
use crate::model::run::Run;
use crate::model::time::UnixNanos;

/// The order of the runs of a session: by start, ties by the id that is shown, then by identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct RunOrder {
    pub(super) started_at: UnixNanos,
    pub(super) id: RunId,
    pub(super) key: RunKey,
}

/// Counts the checkpoints: what changed in a generation is on disk once its checkpoint is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Generation(pub(super) u64);

/// What a session's runs are now where that differs from disk; `None` is "gone".
pub(super) type Overlay = BTreeMap<RunOrder, Option<Arc<Run>>>;

#[derive(Default)]
pub(super) struct RecentRuns {
    /// Written by the fold, trimmed when a checkpoint is done, read by every look at a session.
    sessions: FxHashMap<SessionNo, BTreeMap<RunOrder, Change>>,
}

/// A run that is different from disk, or gone, since a generation.
type Change = (Generation, Option<Arc<Run>>);

impl RunOrder {
    pub(super) fn of(run: &Run) -> Self {
        Self { started_at: run.started_at, id: run.id, key: run.key }
    }
}

impl RecentRuns {
    pub(super) fn set(&mut self, session: SessionNo, order: RunOrder, run: Option<Arc<Run>>, generation: Generation) {
        self.sessions.entry(session).or_default().insert(order, (generation, run));
    }

    /// A copy of what is newer than disk in one session; the runs themselves are shared.
    pub(super) fn overlay(&self, session: SessionNo) -> Overlay {
        let Some(runs) = self.sessions.get(&session) else { return Overlay::new() };
        runs.iter().map(|(order, (_, run))| (*order, run.clone())).collect()
    }

    /// The same without a copy, for short looks.
    pub(super) fn iter(&self, session: SessionNo) -> impl Iterator<Item = (&RunOrder, Option<&Arc<Run>>)> {
        self.sessions.get(&session).into_iter().flatten().map(|(order, (_, run))| (order, run.as_ref()))
    }

    pub(super) fn contains(&self, session: SessionNo, order: &RunOrder) -> bool {
        self.sessions.get(&session).is_some_and(|runs| runs.contains_key(order))
    }

    /// The checkpoint of `done` has put this on disk.
    pub(super) fn forget(&mut self, session: SessionNo, order: &RunOrder, done: Generation) {
        let Some(runs) = self.sessions.get_mut(&session) else { return };
        if runs.get(order).is_some_and(|(generation, _)| *generation <= done) {
            runs.remove(order);
        }
        if runs.is_empty() {
            self.sessions.remove(&session);
        }
    }

    pub(super) fn forget_session(&mut self, session: SessionNo) {
        self.sessions.remove(&session);
    }
}
