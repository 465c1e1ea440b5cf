//! Putting stored sessions back at start-up.

use super::figures::{Figures, Share};
use super::order::{Entry, Order};
use super::{SessionIndex, SessionRow};
use crate::model::query::SortField;

impl SessionIndex {
    /// Puts a stored row back. What had its id or its number before is replaced.
    pub fn restore(&mut self, row: SessionRow) {
        let (row, figures) = self.seat(row);
        self.put(row, figures);
    }

    /// Puts many stored rows back; several times faster than one by one, and the same result. Meant for an empty index at start-up, since
    /// it sorts everything there is.
    pub fn restore_all(&mut self, rows: impl IntoIterator<Item = SessionRow>) {
        for row in rows {
            let (row, figures) = self.seat(row);
            self.put_columns(row, figures);
        }
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
        let mut keyed: Vec<(u64, u32)> = Vec::with_capacity(by_id.len());
        let orders = SortField::ALL.map(|field| {
            if field == SortField::SessionId {
                return sorted(by_id.iter().copied());
            }
            keyed.clear();
            keyed.extend(by_id.iter().zip(0..).map(|((_, row), rank)| (self.figures[*row as usize].key(field), rank)));
            keyed.sort_unstable();
            sorted(keyed.iter().map(|(key, rank)| (*key, by_id[*rank as usize].1)))
        });
        self.orders = orders;
    }
}

fn sorted(entries: impl Iterator<Item = (u64, u32)>) -> Order {
    Order::from_sorted(&entries.map(|(key, row)| Entry::new(key, row)).collect::<Vec<_>>())
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
        }
    }
}
