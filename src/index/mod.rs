//! Layer 3: the sessions of one tenant in memory: columns, orders for paging, search, filters. Not locked itself; the store holds the lock.

use crate::model::ids::SessionId;
use crate::model::query::SessionQuery;
use crate::model::run::Run;
use crate::model::session::{AgentSummary, Page, SessionSummary};
use crate::model::time::UnixNanos;

/// The number of a session on disk: grows by one, never used again, so that new rows lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionNo(pub u32);

/// Whether a change could be applied as a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Applied {
    Exact,
    /// A minimum or maximum shrank: the session must be computed again from all its runs, with [`SessionIndex::put`].
    Recompute,
    /// The session has no runs any more and was removed.
    Removed,
}

/// A session as columns hold it and as it is stored: all that lists need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    pub no: SessionNo,
    pub summary: SessionSummary,
    /// Per agent, in the order of `summary.agents`.
    pub agents: Vec<AgentShare>,
    /// The latest activity of runs whose times are believable: what the list is ordered by.
    pub sort_activity: UnixNanos,
    pub sort_first_run: UnixNanos,
}

/// One agent's part in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AgentShare {
    pub run_count: u32,
    pub first_run: UnixNanos,
    pub last_activity: UnixNanos,
}

#[derive(Debug, Default)]
pub struct SessionIndex {}

impl SessionIndex {
    /// An empty index whose next session gets `next_no`.
    pub fn new(next_no: SessionNo) -> Self {
        let _ = next_no;
        Self::default()
    }

    pub fn find(&self, id: &SessionId) -> Option<SessionNo> {
        let _ = id;
        None
    }

    /// The number of a session, minted if it is new. A minted session is listed once it has a run.
    pub fn number(&mut self, id: &SessionId) -> SessionNo {
        let _ = id;
        SessionNo(0)
    }

    pub fn next_no(&self) -> SessionNo {
        SessionNo(0)
    }

    /// One run of the session changed: `before` leaves, `after` comes. Both belong to this session.
    pub fn apply(&mut self, no: SessionNo, before: Option<&Run>, after: Option<&Run>) -> Applied {
        let _ = (no, before, after);
        Applied::Exact
    }

    /// Sets a session to what all its runs say (no runs: removes it).
    pub fn recompute<'a>(&mut self, no: SessionNo, runs: impl Iterator<Item = &'a Run>) {
        let _ = (no, runs);
    }

    /// Puts a stored row back at start-up.
    pub fn restore(&mut self, row: SessionRow) {
        let _ = row;
    }

    pub fn row(&self, no: SessionNo) -> Option<SessionRow> {
        let _ = no;
        None
    }

    pub fn remove(&mut self, no: SessionNo) {
        let _ = no;
    }

    /// Number of listed sessions.
    pub fn len(&self) -> usize {
        0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One page and the exact count. `has_run_in(no, start, end)` answers for the few sessions whose runs lie on both sides of the
    /// window and none of whose ends lies inside it.
    pub fn list(&self, query: &SessionQuery, has_run_in: &mut dyn FnMut(SessionNo, UnixNanos, UnixNanos) -> bool) -> Page<SessionSummary> {
        let _ = (query, has_run_in);
        Page { items: Vec::new(), count: 0 }
    }

    /// Every agent that has a run in a session, by name.
    pub fn agents(&self) -> Vec<AgentSummary> {
        Vec::new()
    }

    /// Sessions whose `last_activity` lies before `floor`, oldest first, at most `limit`.
    pub fn idle_since(&self, floor: UnixNanos, limit: usize) -> Vec<SessionNo> {
        let _ = (floor, limit);
        Vec::new()
    }
}
