//! How a row of the index changes: its columns, its places in the orders, its agents.
//!
//! Everything that holds a row is changed here and nowhere else, so that it always agrees.

use super::SessionIndex;
use super::directory::push_tight;
use super::figures::{Figures, Fit, Interval, Share};
use super::restore::leading_bytes;
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::query::SortField;
use crate::model::run::Run;

impl SessionIndex {
    /// Prepares the columns of a row that was just taken.
    pub(super) fn occupy(&mut self, row: u32, id: &SessionId) {
        if row as usize == self.figures.len() {
            push_tight(&mut self.figures, Figures::default());
            push_tight(&mut self.shares, Box::default());
        }
        self.text.insert(row, id.as_str());
        self.pairs.insert(row, id.as_str());
        self.mark_bookmark(row, id);
        self.n_id_bytes += id.as_str().len();
    }

    pub(super) fn remove_row(&mut self, row: u32) {
        self.put(row, Figures::default());
        self.set_shares(row, Vec::new());
        self.text.remove(row);
        self.notes.bookmarked.remove(row);
        if let Some(id) = self.directory.id(row) {
            self.pairs.remove(row, id.as_str());
            self.n_id_bytes -= id.as_str().len();
        }
        self.directory.remove(row);
    }

    /// Moves the row to where its new figures belong. Orders whose key did not change are not touched.
    pub(super) fn put(&mut self, row: u32, new: Figures) {
        let old = self.figures(row);
        let was_listed = old.run_count > 0;
        let is_listed = new.run_count > 0;
        for field in SortField::ALL {
            let (from, to) = match field {
                SortField::SessionId if was_listed == is_listed => continue,
                SortField::SessionId => (self.id_key(row), self.id_key(row)),
                _ => (old.key(field), new.key(field)),
            };
            if was_listed && is_listed && from == to {
                continue;
            }
            let order = &mut self.orders[field as usize];
            if was_listed {
                order.remove(from, row, self.directory.ids());
            }
            if is_listed {
                order.insert(to, row, self.directory.ids());
            }
        }
        self.put_columns(row, new);
    }

    /// The part of [`Self::put`] that does not order anything.
    pub(super) fn put_columns(&mut self, row: u32, new: Figures) {
        self.figures[row as usize] = new;
        self.listed.set(row, new.run_count > 0);
        self.single.set(row, new.run_count == 1);
        self.running.set(row, new.running_count > 0);
        self.failed.set(row, new.error_count > 0);
        self.tool_failed.set(row, new.tool_errors > 0);
        self.skewed.set(row, (new.sort_first_run, new.sort_activity) != (new.first_run, new.last_activity));
    }

    /// The first eight bytes of the id; the order compares whole ids where these are equal.
    pub(super) fn id_key(&self, row: u32) -> u64 {
        leading_bytes(self.directory.id(row).map_or("", SessionId::as_str).as_bytes())
    }

    pub(super) fn change_shares(&mut self, row: u32, before: Option<&Run>, after: Option<&Run>) -> Fit {
        let (before, after) = (named(before), named(after));
        match (before, after) {
            (Some((old, leaving)), Some((new, coming))) if old == new => self.change_share(row, new, Some(leaving), Some(coming)),
            (old, new) => {
                let left = old.map_or(Fit::Exact, |(agent, interval)| self.change_share(row, agent, Some(interval), None));
                let came = new.map_or(Fit::Exact, |(agent, interval)| self.change_share(row, agent, None, Some(interval)));
                left.and(came)
            }
        }
    }

    fn change_share(&mut self, row: u32, name: &Str, leaving: Option<Interval>, coming: Option<Interval>) -> Fit {
        let known = self.agents.find(name).and_then(|agent| self.share(row, agent).copied());
        let (agent, new, fit) = match (known, coming) {
            (Some(share), _) => {
                let (new, fit) = share.changed(leaving, coming);
                (share.agent, new, fit)
            }
            (None, Some(interval)) => {
                let agent = self.agents.intern(name);
                let fit = if leaving.is_some() { Fit::Loose } else { Fit::Exact };
                (agent, Some(Share::new(agent, interval)), fit)
            }
            // A run leaves that never came: only all runs can tell what is true.
            (None, None) => return Fit::Loose,
        };
        self.agents.replace(agent, row, known.as_ref(), new.as_ref());
        let shares = &mut self.shares[row as usize];
        match (shares.binary_search_by_key(&agent, |share| share.agent), new) {
            (Ok(at), Some(share)) => shares[at] = share,
            (at, new) => {
                let at = at.unwrap_or_else(|at| at);
                let kept = shares.iter().copied().filter(|share| share.agent != agent);
                let mut changed: Vec<Share> = Vec::with_capacity(shares.len() + 1);
                changed.extend(kept);
                changed.splice(at..at, new);
                self.n_shares = self.n_shares + changed.len() - shares.len();
                *shares = changed.into_boxed_slice();
            }
        }
        fit
    }

    /// Sets all shares of a row; one for each agent, in any order.
    pub(super) fn set_shares(&mut self, row: u32, mut new: Vec<Share>) {
        new.sort_unstable_by_key(|share| share.agent);
        let old = std::mem::take(&mut self.shares[row as usize]);
        for share in &old {
            if new.binary_search_by_key(&share.agent, |new| new.agent).is_err() {
                self.agents.replace(share.agent, row, Some(share), None);
            }
        }
        for share in &new {
            let known = old.binary_search_by_key(&share.agent, |old| old.agent).ok().map(|at| &old[at]);
            self.agents.replace(share.agent, row, known, Some(share));
        }
        self.n_shares = self.n_shares + new.len() - old.len();
        self.shares[row as usize] = new.into_boxed_slice();
    }
}

/// A run's agent and when it was active; `None` for a run without an agent.
fn named(run: Option<&Run>) -> Option<(&Str, Interval)> {
    run.filter(|run| !run.agent.is_empty()).map(|run| (&run.agent, Interval::of(run)))
}
