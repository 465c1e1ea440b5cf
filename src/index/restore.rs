//! Putting stored sessions back at start-up.
//!
//! Two threads share the work: one that reads rows, and one that has the index. Names of agents pass between them as numbers: a name that
//! both hold would be counted by both for each session that it is in.

use std::convert::Infallible;

use hashbrown::HashMap;

use super::agents::Agents;
use super::figures::{Figures, Share};
use super::order::Order;
use super::{AgentShare, SessionIndex, SessionRow};
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::query::SortField;

/// Numbers the agents of one tenant while its sessions are read.
#[derive(Debug, Default)]
pub struct AgentNames {
    numbers: HashMap<Str, u32>,
    new: Vec<Str>,
    /// Of the session that is being read.
    shares: Vec<Share>,
}

/// The agents of one tenant, by those numbers.
#[derive(Debug, Default)]
pub struct RestoredNames {
    names: Vec<RestoredName>,
}

#[derive(Debug)]
struct RestoredName {
    name: Str,
    /// Its number in the index, once it has one.
    agent: Option<u32>,
}

/// A stored session whose agents have numbers of [`AgentNames`].
#[derive(Debug)]
pub struct RestoredSession {
    /// Without agents.
    row: SessionRow,
    /// By those numbers, ascending, each once.
    shares: Box<[Share]>,
}

impl SessionIndex {
    /// Makes room for so many sessions more, so that no table and no column grows step by step while they come.
    pub fn reserve(&mut self, n: usize) {
        self.directory.reserve(n);
        self.text.reserve(n);
        self.figures.reserve_exact(n);
        self.shares.reserve_exact(n);
    }

    /// Puts a stored row back. What had its id or its number before is replaced.
    pub fn restore(&mut self, row: SessionRow) {
        let (mut names, mut restored) = (AgentNames::default(), RestoredNames::default());
        let session = names.of_row(row);
        restored.extend(names.take_new());
        let (row, figures) = self.seat(&mut restored, session);
        self.put(row, figures);
    }

    /// Puts many stored rows back; several times faster than one by one, and the same result. Meant for an empty index at start-up, since
    /// it sorts everything there is.
    pub fn restore_all(&mut self, rows: impl IntoIterator<Item = SessionRow>) {
        let (mut names, mut restored) = (AgentNames::default(), RestoredNames::default());
        for row in rows {
            let session = names.of_row(row);
            restored.extend(names.take_new());
            self.restore_some(&mut restored, [session]);
        }
        self.order_restored();
    }

    /// The same a piece at a time. Nothing can be listed before [`Self::order_restored`] was called at last.
    pub fn restore_some(&mut self, names: &mut RestoredNames, sessions: impl IntoIterator<Item = RestoredSession>) {
        for session in sessions {
            let (row, figures) = self.seat(names, session);
            self.put_columns(row, figures);
        }
    }

    /// Brings all sessions into the orders that they can be listed in.
    pub fn order_restored(&mut self) {
        let ids = self.directory.ids();
        let mut by_id: Vec<(u64, u32)> = self.listed.iter().map(|row| (0, row)).collect();
        sort_by_id(&mut by_id, 0, &|row| self.directory.id(row).map_or("", SessionId::as_str));

        // Stable: from here on ties are settled by what comes first, without looking at text.
        let (by_id, figures) = (&by_id, &self.figures);
        let ordered = |field: SortField| {
            let key = |row: u32| if field == SortField::SessionId { self.id_key(row) } else { figures[row as usize].key(field) };
            let mut keyed: Vec<(u64, u32)> = by_id.iter().map(|(_, row)| (key(*row), *row)).collect();
            if field != SortField::SessionId {
                keyed.sort_by_key(|(key, _)| *key);
            }
            Order::from_sorted(&keyed, ids)
        };
        // Two at a time: each takes 28 bytes a session while it is made.
        let (mut orders, mut left) = (Vec::with_capacity(SortField::ALL.len()), &SortField::ALL[..]);
        while let Some((pair, rest)) = left.split_at_checked(2).or_else(|| (!left.is_empty()).then(|| left.split_at(1))) {
            std::thread::scope(|scope| {
                let other = pair.get(1).map(|field| scope.spawn(|| ordered(*field)));
                orders.push(ordered(pair[0]));
                orders.extend(other.map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
            });
            left = rest;
        }
        if let Ok(orders) = orders.try_into() {
            self.orders = orders;
        }
    }

    /// Finds a row for a stored session and gives it its agents; its figures are for the caller to put.
    fn seat(&mut self, names: &mut RestoredNames, RestoredSession { row: stored, shares }: RestoredSession) -> (u32, Figures) {
        let id = &stored.summary.id;
        let of_number = self.directory.row_of(stored.no);
        let of_id = self.directory.row_of_id(id);
        let row = match (of_number, of_id) {
            (Some(row), Some(other)) if row == other => row,
            _ => {
                of_number.into_iter().chain(of_id).for_each(|row| self.remove_row(row));
                let row = self.directory.restore(id, stored.no);
                self.occupy(row, id);
                row
            }
        };
        // The agents of what was replaced may be gone, and their numbers another's.
        let is_replaced = of_number.or(of_id).is_some();
        if is_replaced {
            names.forget_agents();
        }
        let mut shares = shares.into_vec();
        shares.iter_mut().for_each(|share| share.agent = names.agent(share.agent, &mut self.agents));
        self.set_shares(row, shares);
        if is_replaced {
            names.forget_agents();
        }
        (row, Figures::from(&stored))
    }
}

/// Sorts rows by their ids. Eight bytes of each are compared as one number, from `depth` on: most ids begin like many others, and whole
/// ids lie all over memory.
fn sort_by_id<'a>(rows: &mut [(u64, u32)], depth: usize, id: &impl Fn(u32) -> &'a str) {
    let next = depth + size_of::<u64>();
    let mut is_any_longer = false;
    for (key, row) in rows.iter_mut() {
        let id = id(*row).as_bytes();
        *key = leading_bytes(id.get(depth..).unwrap_or_default());
        is_any_longer |= id.len() > next;
    }
    if !is_any_longer {
        // Zero bytes at the end of an id are not told from its end.
        return rows.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(id(b.1))));
    }
    rows.sort_unstable_by_key(|(key, _)| *key);
    for alike in rows.chunk_by_mut(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
        sort_by_id(alike, next, id);
    }
}

/// The first eight bytes of a text as a number that is ordered as the text is.
pub(super) fn leading_bytes(text: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let n_bytes = text.len().min(8);
    bytes[..n_bytes].copy_from_slice(&text[..n_bytes]);
    u64::from_be_bytes(bytes)
}

// === impl AgentNames ===

impl AgentNames {
    /// The agents are as they are stored; of those without a name nothing is kept, and of two parts of one agent the first.
    pub fn session<'a, E>(
        &mut self,
        row: SessionRow,
        agents: impl Iterator<Item = Result<(&'a str, AgentShare), E>>,
    ) -> Result<RestoredSession, E> {
        self.shares.clear();
        for agent in agents {
            let (name, AgentShare { run_count, first_run, last_activity }) = agent?;
            if !name.is_empty() {
                let agent = self.number(name);
                self.shares.push(Share { agent, run_count, first_run: first_run.0, last_activity: last_activity.0 });
            }
        }
        self.shares.sort_by_key(|share| share.agent);
        self.shares.dedup_by_key(|share| share.agent);
        Ok(RestoredSession { row, shares: self.shares.as_slice().into() })
    }

    /// The names that were given a number since this was asked last, in the order of those.
    pub fn take_new(&mut self) -> Vec<Str> {
        std::mem::take(&mut self.new)
    }

    fn of_row(&mut self, mut row: SessionRow) -> RestoredSession {
        let (names, parts) = (std::mem::take(&mut row.summary.agents), std::mem::take(&mut row.agents));
        let Ok(session) = self.session(row, names.iter().zip(parts).map(|(name, part)| Ok::<_, Infallible>((&**name, part))));
        session
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let (number, name) = (self.numbers.len() as u32, Str::from(name));
        self.numbers.insert(name.clone(), number);
        self.new.push(name);
        number
    }
}

// === impl RestoredNames ===

impl RestoredNames {
    /// The agent's number in the index.
    fn agent(&mut self, number: u32, agents: &mut Agents) -> u32 {
        let RestoredName { name, agent } = &mut self.names[number as usize];
        *agent.get_or_insert_with(|| agents.intern(name))
    }

    fn forget_agents(&mut self) {
        self.names.iter_mut().for_each(|name| name.agent = None);
    }
}

impl Extend<Str> for RestoredNames {
    fn extend<I: IntoIterator<Item = Str>>(&mut self, names: I) {
        self.names.extend(names.into_iter().map(|name| RestoredName { name, agent: None }));
    }
}

// === impl Figures ===

impl From<&SessionRow> for Figures {
    fn from(row: &SessionRow) -> Self {
        let summary = &row.summary;
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            first_run: summary.first_run.0,
            last_activity: summary.last_activity.0,
            sort_first_run: row.sort_first_run.0,
            sort_activity: row.sort_activity.0,
            total_duration: summary.total_duration.0,
            total_cost: summary.total_cost.0,
            total_tokens: summary.total_tokens,
            unpriced_calls: summary.unpriced_calls,
            run_count: count(summary.run_count),
            error_count: count(summary.error_count),
            running_count: count(summary.running_count),
            tool_errors: count(summary.tool_errors),
        }
    }
}
