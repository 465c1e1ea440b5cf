//! Putting stored sessions back at start-up.

use super::figures::{Figures, Share};
use super::order::{Entry, Ids, Order};
use super::{SessionIndex, SessionRow};
use crate::model::query::SortField;

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
        let (row, figures) = self.seat(row);
        self.put(row, figures);
    }

    /// Puts many stored rows back; several times faster than one by one, and the same result. Meant for an empty index at start-up, since
    /// it sorts everything there is.
    pub fn restore_all(&mut self, rows: impl IntoIterator<Item = SessionRow>) {
        self.restore_some(rows);
        self.order_restored();
    }

    /// The same a piece at a time. Nothing can be listed before [`Self::order_restored`] was called at last.
    pub fn restore_some(&mut self, rows: impl IntoIterator<Item = SessionRow>) {
        for row in rows {
            let (row, figures) = self.seat(row);
            self.put_columns(row, figures);
        }
    }

    /// Brings all sessions into the orders that they can be listed in.
    pub fn order_restored(&mut self) {
        self.rebuild_orders();
    }

    /// Finds a row for a stored session and gives it its agents; its figures are for the caller to put.
    fn seat(&mut self, stored: SessionRow) -> (u32, Figures) {
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
        let figures = Figures::from(&stored);
        let mut shares: Vec<Share> = Vec::with_capacity(stored.agents.len());
        for (name, share) in stored.summary.agents.iter().zip(&stored.agents).filter(|(name, _)| !name.is_empty()) {
            let agent = self.agents.intern(name);
            if shares.iter().all(|share| share.agent != agent) {
                let (first_run, last_activity) = (share.first_run.0, share.last_activity.0);
                shares.push(Share { agent, run_count: share.run_count, first_run, last_activity });
            }
        }
        self.set_shares(row, shares);
        (row, figures)
    }

    fn rebuild_orders(&mut self) {
        let id = |row: u32| self.directory.id(row);
        let mut by_id: Vec<(u64, u32)> = self.listed.iter().map(|row| (self.id_key(row), row)).collect();
        by_id.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));

        // From here on a session's rank among the ids stands for its id, and ties are settled without looking at text.
        let (by_id, figures) = (&by_id, &self.figures);
        let ordered = |field: SortField| {
            if field == SortField::SessionId {
                return sorted(by_id.iter().copied(), self.directory.ids());
            }
            let keyed = by_id.iter().zip(0..).map(|((_, row), rank)| (figures[*row as usize].key(field), rank));
            let mut keyed: Vec<(u64, u32)> = keyed.collect();
            keyed.sort_unstable();
            sorted(keyed.iter().map(|(key, rank)| (*key, by_id[*rank as usize].1)), self.directory.ids())
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
}

fn sorted(entries: impl Iterator<Item = (u64, u32)>, ids: &Ids) -> Order {
    Order::from_sorted(&entries.map(|(key, row)| Entry::new(key, row)).collect::<Vec<_>>(), ids)
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
