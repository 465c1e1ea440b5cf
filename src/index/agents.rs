//! The agents of a tenant: names as numbers, and for each the sessions it has a run in.
//!
//! - An agent lives as long as it has a run in a session; its number is then used again.
//! - The latest activity of an agent over all sessions is kept as an upper bound that is nearly always exact. Where the session that
//!   held it shrank, the next reader looks through the agent's sessions.

use std::collections::BTreeMap;

use super::directory::push_tight;
use super::figures::Share;
use super::rowset::RowSet;
use crate::model::Str;
use crate::model::session::AgentSummary;
use crate::model::time::UnixNanos;

/// Below this many sessions a sorted list is always small enough.
const DENSE_MIN: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Agents {
    by_number: Vec<Agent>,
    /// In the order in which they are listed, so that a page of them touches no others.
    by_name: BTreeMap<Str, u32>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Agent {
    name: Str,
    run_count: u64,
    /// No share is later; exact unless `is_loose`.
    last_activity: u64,
    is_loose: bool,
    rows: Postings,
}

/// The rows of one agent: a sorted list while few, a bit set once that is smaller.
#[derive(Debug)]
enum Postings {
    Few(Vec<u32>),
    Many { set: RowSet, len: usize },
}

// === impl Agents ===

impl Agents {
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The number of a name. It holds until [`Self::replace`] takes the agent's last share away.
    pub(super) fn intern(&mut self, name: &Str) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let agent = Agent { name: name.clone(), run_count: 0, last_activity: 0, is_loose: false, rows: Postings::Few(Vec::new()) };
        let number = match self.free.pop() {
            Some(number) => {
                self.by_number[number as usize] = agent;
                number
            }
            None => {
                push_tight(&mut self.by_number, agent);
                self.by_number.len() as u32 - 1
            }
        };
        self.by_name.insert(name.clone(), number);
        number
    }

    pub(super) fn name(&self, agent: u32) -> &Str {
        &self.by_number[agent as usize].name
    }

    /// The part of an agent in the session of a row changed.
    pub(super) fn replace(&mut self, agent: u32, row: u32, old: Option<&Share>, new: Option<&Share>) {
        let entry = &mut self.by_number[agent as usize];
        let run_count = |share: Option<&Share>| share.map_or(0, |share| u64::from(share.run_count));
        entry.run_count = entry.run_count.wrapping_sub(run_count(old)).wrapping_add(run_count(new));
        if old.is_some_and(|share| share.last_activity >= entry.last_activity) {
            entry.is_loose = true;
        }
        match new {
            Some(share) if share.last_activity >= entry.last_activity => {
                entry.last_activity = share.last_activity;
                entry.is_loose = false;
            }
            _ => {}
        }
        match (old, new) {
            (None, Some(_)) => entry.rows.insert(row),
            (Some(_), None) => entry.rows.remove(row),
            _ => return,
        }
        if entry.rows.len() == 0 {
            entry.rows = Postings::Few(Vec::new());
            self.by_name.remove(&entry.name);
            entry.name = Str::default();
            self.free.push(agent);
        }
    }

    /// The rows of the sessions that have a run of the agent, and how many they are.
    pub(super) fn rows(&self, agent: u32) -> RowSet {
        match &self.by_number[agent as usize].rows {
            Postings::Many { set, .. } => set.clone(),
            Postings::Few(rows) => {
                let mut set = RowSet::default();
                // The last row first, so that the set grows once.
                rows.iter().rev().for_each(|row| set.insert(*row));
                set
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Some agents by name; `last_activity(agent, row)` is asked only where the bound is loose.
    pub(super) fn summaries(&self, from: usize, limit: usize, last_activity: impl Fn(u32, u32) -> u64) -> Vec<AgentSummary> {
        self.by_name.values().skip(from).take(limit).map(|number| self.summary(*number, &last_activity)).collect()
    }

    fn summary(&self, number: u32, last_activity: impl Fn(u32, u32) -> u64) -> AgentSummary {
        let agent = &self.by_number[number as usize];
        let latest = match &agent.rows {
            _ if !agent.is_loose => Some(agent.last_activity),
            Postings::Few(rows) => rows.iter().map(|row| last_activity(number, *row)).max(),
            Postings::Many { set, .. } => set.iter().map(|row| last_activity(number, row)).max(),
        };
        AgentSummary { name: agent.name.clone(), run_count: agent.run_count, last_activity: UnixNanos(latest.unwrap_or(0)) }
    }

    /// Bytes of the tables and postings, and of the names.
    pub(super) fn memory_bytes(&self) -> usize {
        let of_agent = |agent: &Agent| agent.name.len() + agent.rows.memory_bytes();
        self.by_number.iter().map(of_agent).sum::<usize>()
            + self.by_number.capacity() * size_of::<Agent>()
            // Nodes of a B-tree are about two thirds full.
            + self.by_name.len() * size_of::<(Str, u32)>() * 3 / 2
            + self.free.capacity() * size_of::<u32>()
    }
}

// === impl Postings ===

impl Postings {
    fn len(&self) -> usize {
        match self {
            Self::Few(rows) => rows.len(),
            Self::Many { len, .. } => *len,
        }
    }

    fn insert(&mut self, row: u32) {
        match self {
            Self::Few(rows) => {
                let Err(at) = rows.binary_search(&row) else { return };
                rows.insert(at, row);
                // A set costs one bit for every row there is, a list 32 for every row it holds.
                let n_rows = rows.last().map_or(0, |row| *row as usize + 1);
                if rows.len() >= DENSE_MIN && rows.len() * 32 > n_rows {
                    let mut set = RowSet::default();
                    rows.iter().rev().for_each(|row| set.insert(*row));
                    *self = Self::Many { set, len: rows.len() };
                }
            }
            Self::Many { set, len } => {
                *len += usize::from(!set.contains(row));
                set.insert(row);
            }
        }
    }

    fn remove(&mut self, row: u32) {
        match self {
            Self::Few(rows) => {
                if let Ok(at) = rows.binary_search(&row) {
                    rows.remove(at);
                }
            }
            Self::Many { set, len } => {
                *len -= usize::from(set.contains(row));
                set.remove(row);
                // Half of what made it a set, so that it does not turn back and forth.
                if *len < DENSE_MIN / 2 {
                    *self = Self::Few(set.iter().collect());
                }
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Few(rows) => rows.capacity() * size_of::<u32>(),
            Self::Many { set, .. } => set.memory_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postings_hold_the_same_rows_as_a_list_and_as_a_set() {
        let mut agents = Agents::default();
        let number = agents.intern(&"a".into());
        let share = Share { agent: number, run_count: 1, first_run: 1, last_activity: 1 };
        let rows: Vec<u32> = (0..3_000).map(|i| i * 1_237 % 3_000).collect();
        for row in &rows {
            agents.replace(number, *row, None, Some(&share));
        }
        assert_eq!(agents.rows(number).iter().collect::<Vec<_>>(), (0..3_000).collect::<Vec<_>>());
        assert!(matches!(agents.by_number[0].rows, Postings::Many { .. }));
        for row in rows.iter().filter(|row| *row % 10 != 0) {
            agents.replace(number, *row, Some(&share), None);
        }
        assert_eq!(agents.rows(number).iter().collect::<Vec<_>>(), (0..3_000).step_by(10).collect::<Vec<_>>());
        assert!(matches!(agents.by_number[0].rows, Postings::Few(_)));
    }

    #[test]
    fn an_agent_without_runs_is_forgotten_and_its_number_used_again() {
        let mut agents = Agents::default();
        let number = agents.intern(&"gone".into());
        let share = Share { agent: number, run_count: 2, first_run: 5, last_activity: 9 };
        agents.replace(number, 7, None, Some(&share));
        agents.replace(number, 7, Some(&share), None);
        assert_eq!(agents.find("gone"), None);
        assert_eq!(agents.summaries(0, 10, |_, _| 0), []);
        assert_eq!(agents.intern(&"next".into()), number);
    }
}
