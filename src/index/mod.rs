//! Layer 3: the sessions of one tenant in memory: columns, orders for paging, search, filters. What is on disk: `store::local::disk`.
//!
//! - Not locked itself: the store wraps each tenant's index in one lock, written by one thread (`docs/decisions/001-one-lock-per-tenant.md`).
//! - A page and its count come from one borrow, so they always agree; the count is exact for every query.
//! - Holds no runs. What only the runs can tell, it says so: [`Applied::Recompute`], and the callback of [`SessionIndex::list`].
//! - At most 400 bytes a session beyond its id and its agents; a test measures it.
//! - Never reads a clock, never does I/O, never fails: numbers that are not known are ignored.

mod activity;
mod agents;
mod change;
mod chunks;
mod directory;
mod figures;
mod list;
mod notes;
mod numbers;
mod order;
mod pairs;
mod restore;
mod rowset;
mod text;
mod times;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use self::agents::Agents;
use self::directory::Directory;
use self::figures::{Figures, Fit, Interval, Share};
pub(crate) use self::list::HasRunIn;
use self::notes::Notes;
use self::order::{Direction, Order};
use self::pairs::Pairs;
pub use self::restore::{AgentNames, RestoredNames, RestoredSession};
use self::rowset::RowSet;
pub use self::text::Needle;
use self::text::Text;
pub use self::times::SessionTimes;
use crate::model::ids::SessionId;
use crate::model::query::{AgentQuery, SortField};
use crate::model::run::Run;
use crate::model::session::{AgentSummary, Page, SessionSummary};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;

/// The number of a session on disk: grows by one, never used again, so that new rows lie together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionNo(pub u32);

/// Whether a change could be applied as a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Applied {
    Exact,
    /// A minimum or maximum may have shrunk: the session must be computed again from all its runs, with [`SessionIndex::recompute`].
    /// Until then its sums are exact and its times are not narrower than its runs. A later `Exact` does not settle it.
    Recompute,
    /// The session has no runs any more and was removed, its number with it; or the number was not known.
    Removed,
}

/// A session as columns hold it and as it is stored: all that lists need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRow {
    pub no: SessionNo,
    pub summary: SessionSummary,
    /// Per agent, in the order of `summary.agents`.
    pub agents: Vec<AgentShare>,
    /// The latest activity of runs whose times are believable: what the list is ordered by. 0 if no run's times are.
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

/// Bytes that an index holds, as the sum of what its parts have allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryBytes {
    /// Columns, tables, orders and search text.
    pub lists: usize,
    /// The text of the ids, each with the two counters of a shared string.
    pub ids: usize,
    /// Names of agents, their parts in sessions, and which sessions each has.
    pub agents: usize,
    /// What people noted.
    pub notes: usize,
}

/// All sessions of one tenant.
#[derive(Debug, Default)]
pub struct SessionIndex {
    directory: Directory,
    text: Text,
    pairs: Pairs,
    agents: Agents,
    notes: Notes,
    /// By row.
    figures: Vec<Figures>,
    /// By row, ordered by the number of the agent.
    shares: Vec<Box<[Share]>>,
    /// Rows with a run. A session that was only minted is in no list.
    listed: RowSet,
    /// Rows with exactly one run, whose times are the session's.
    single: RowSet,
    /// Rows with a run that is running, with one that failed, and with one in which a tool did.
    running: RowSet,
    failed: RowSet,
    tool_failed: RowSet,
    /// Rows that are not ordered by their first run or their latest activity, because those are not believable.
    skewed: RowSet,
    /// By `SortField as usize`.
    orders: [Order; 7],
    /// Length of all ids.
    n_id_bytes: usize,
    /// Allocated parts of agents, over all sessions.
    n_shares: usize,
}

// === impl SessionIndex ===

impl SessionIndex {
    /// An empty index whose next session gets `next_no`.
    pub fn new(next_no: SessionNo) -> Self {
        Self { directory: Directory::new(next_no), ..Self::default() }
    }

    /// The number of a session that was minted, be it listed yet or not.
    pub fn find(&self, id: &SessionId) -> Option<SessionNo> {
        self.directory.row_of_id(id).map(|row| self.directory.number(row))
    }

    /// The number of a session, minted if it is new. A minted session is listed once it has a run.
    pub fn number(&mut self, id: &SessionId) -> SessionNo {
        let row = match self.directory.row_of_id(id) {
            Some(row) => row,
            None => {
                let row = self.directory.mint(id);
                self.occupy(row, id);
                row
            }
        };
        self.directory.number(row)
    }

    /// The id of a session that was minted.
    pub fn id_of(&self, no: SessionNo) -> Option<SessionId> {
        self.directory.id(self.directory.row_of(no)?).cloned()
    }

    pub fn next_no(&self) -> SessionNo {
        self.directory.next_no()
    }

    /// One run of the session changed: `before` leaves, `after` comes. Both belong to this session.
    pub fn apply(&mut self, no: SessionNo, before: Option<&Run>, after: Option<&Run>) -> Applied {
        let Some(row) = self.directory.row_of(no) else { return Applied::Removed };
        if before.is_none() && after.is_none() {
            return Applied::Exact;
        }
        let mut figures = self.figures(row);
        let fit = figures.change(before, after);
        if figures.run_count == 0 {
            self.remove_row(row);
            return Applied::Removed;
        }
        let fit = fit.and(self.change_shares(row, before, after));
        self.put(row, figures);
        match fit {
            Fit::Exact => Applied::Exact,
            Fit::Loose => Applied::Recompute,
        }
    }

    /// Sets a session to what all its runs say (no runs: removes it).
    pub fn recompute<'a>(&mut self, no: SessionNo, runs: impl Iterator<Item = &'a Run>) {
        let Some(row) = self.directory.row_of(no) else { return };
        let mut shares: FxHashMap<u32, Share> = FxHashMap::default();
        let agents = &mut self.agents;
        let figures = Figures::of(runs.inspect(|run| {
            if run.agent.is_empty() {
                return;
            }
            let (agent, interval) = (agents.intern(&run.agent), Interval::of(run));
            let share = match shares.get(&agent) {
                // Growing is always exact.
                Some(share) => share.changed(None, Some(interval)).0,
                None => Some(Share::new(agent, interval)),
            };
            shares.extend(share.map(|share| (agent, share)));
        }));
        if figures.run_count == 0 {
            return self.remove_row(row);
        }
        self.set_shares(row, shares.into_values().collect());
        self.put(row, figures);
    }

    /// Removes a session and forgets its number.
    pub fn remove(&mut self, no: SessionNo) {
        if let Some(row) = self.directory.row_of(no) {
            self.remove_row(row);
        }
    }

    /// `None` unless the session is listed.
    pub fn row(&self, no: SessionNo) -> Option<SessionRow> {
        let row = self.directory.row_of(no).filter(|row| self.listed.contains(*row))?;
        let figures = self.figures(row);
        let share = |share: &&Share| AgentShare {
            run_count: share.run_count,
            first_run: UnixNanos(share.first_run),
            last_activity: UnixNanos(share.last_activity),
        };
        Some(SessionRow {
            no,
            summary: self.summary(row)?,
            agents: self.ordered_shares(row).iter().map(share).collect(),
            sort_activity: UnixNanos(figures.sort_activity),
            sort_first_run: UnixNanos(figures.sort_first_run),
        })
    }

    /// Number of listed sessions.
    pub fn len(&self) -> usize {
        self.order(SortField::LastActivity).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every agent that has a run in a session, by name.
    pub fn agents(&self, query: &AgentQuery) -> Page<AgentSummary> {
        let last_activity = |agent, row| self.share(row, agent).map_or(0, |share| share.last_activity);
        Page { items: self.agents.summaries(query.offset, query.limit, last_activity), count: self.agents.len() as u64 }
    }

    /// Sessions whose `last_activity` lies before `floor`, oldest first, at most `limit`; ties by session id.
    pub fn idle_since(&self, floor: UnixNanos, limit: usize) -> Vec<SessionNo> {
        let is_idle = |row: &u32| self.figures[*row as usize].last_activity < floor.0;
        let believed = self
            .order(SortField::LastActivity)
            .walk(Direction::Ascending, 0)
            .filter(|row| !self.skewed.contains(*row))
            .take_while(is_idle)
            .take(limit);
        // These are few, and the order does not know when they really were active.
        let skewed = self.skewed.iter().filter(is_idle);
        let mut rows: Vec<u32> = believed.chain(skewed).collect();
        rows.sort_by_key(|row| (self.figures[*row as usize].last_activity, self.directory.id(*row)));
        rows.iter().take(limit).map(|row| self.directory.number(*row)).collect()
    }

    /// Sessions that began at `end` or before and were last active at `start` or later.
    pub fn active_between(&self, start: UnixNanos, end: UnixNanos) -> Vec<SessionNo> {
        self.rows_between(start.0, end.0).iter().map(|row| self.directory.number(row)).collect()
    }

    /// What the index has allocated.
    pub fn memory_bytes(&self) -> MemoryBytes {
        let columns = self.figures.capacity() * size_of::<Figures>() + self.shares.capacity() * size_of::<Box<[Share]>>();
        let sets: usize = [&self.listed, &self.single, &self.running, &self.failed, &self.tool_failed, &self.skewed]
            .map(RowSet::memory_bytes)
            .iter()
            .sum();
        let orders: usize = self.orders.iter().map(Order::memory_bytes).sum();
        let n_ids = self.directory.n_rows();
        MemoryBytes {
            lists: columns + sets + orders + self.directory.memory_bytes() + self.text.memory_bytes() + self.pairs.memory_bytes(),
            ids: self.n_id_bytes + n_ids * 2 * size_of::<usize>(),
            agents: self.n_shares * size_of::<Share>() + self.agents.memory_bytes(),
            notes: self.notes.memory_bytes(),
        }
    }

    fn order(&self, field: SortField) -> &Order {
        &self.orders[field as usize]
    }

    fn figures(&self, row: u32) -> Figures {
        self.figures[row as usize]
    }

    fn summary(&self, row: u32) -> Option<SessionSummary> {
        let figures = self.figures(row);
        let id = self.directory.id(row)?;
        Some(SessionSummary {
            id: id.clone(),
            note: self.note(id).cloned(),
            run_count: u64::from(figures.run_count),
            first_run: UnixNanos(figures.first_run),
            last_activity: UnixNanos(figures.last_activity),
            total_duration: Nanos(figures.total_duration),
            total_cost: NanoUsd(figures.total_cost),
            total_tokens: figures.total_tokens,
            agents: self.ordered_shares(row).iter().map(|share| self.agents.name(share.agent).clone()).collect(),
            error_count: u64::from(figures.error_count),
            running_count: u64::from(figures.running_count),
            tool_errors: u64::from(figures.tool_errors),
            unpriced_calls: figures.unpriced_calls,
        })
    }

    /// In the order of each agent's first run, ties by name.
    fn ordered_shares(&self, row: u32) -> Vec<&Share> {
        let mut shares: Vec<&Share> = self.shares[row as usize].iter().collect();
        shares.sort_unstable_by_key(|share| (share.first_run, self.agents.name(share.agent)));
        shares
    }

    fn share(&self, row: u32, agent: u32) -> Option<&Share> {
        let shares = self.shares.get(row as usize)?;
        shares.binary_search_by_key(&agent, |share| share.agent).ok().map(|at| &shares[at])
    }
}

// === impl MemoryBytes ===

impl MemoryBytes {
    pub fn total(self) -> usize {
        self.lists + self.ids + self.agents + self.notes
    }
}
