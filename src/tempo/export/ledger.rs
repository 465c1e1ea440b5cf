//! Which entries of the journal are done with, and up to where all of them are.
//!
//! - Entries are opened in the order of the journal and settled in any order.
//! - The position passes an entry only when it and everything before it is settled.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::journal::Position;
use crate::model::time::UnixNanos;
use crate::tempo::piece::Ticket;

#[derive(Debug)]
pub(super) struct Ledger {
    open: Mutex<Open>,
    /// What is behind this is done with. Written under the lock, read by anyone.
    position: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    /// The ticket of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    end: Position,
    /// When the server received it.
    received_at: UnixNanos,
    is_settled: bool,
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(position: Position) -> Self {
        Self { open: Mutex::default(), position: AtomicU64::new(position.0) }
    }

    /// Takes note of the next entry, which ends at `end` and was received at that time.
    pub(super) fn open(&self, end: Position, received_at: UnixNanos) -> Ticket {
        let mut open = self.lock();
        open.slots.push_back(Slot { end, received_at, is_settled: false });
        Ticket(open.first + open.slots.len() as u64 - 1)
    }

    /// The entry is taken, or given up and reported. A second time changes nothing.
    pub(super) fn settle(&self, ticket: Ticket) {
        let mut open = self.lock();
        let Some(index) = ticket.0.checked_sub(open.first) else {
            return;
        };
        if let Some(slot) = open.slots.get_mut(index as usize) {
            slot.is_settled = true;
        }
        let mut passed = None;
        while open.slots.front().is_some_and(|slot| slot.is_settled) {
            passed = open.slots.pop_front();
            open.first += 1;
        }
        if let Some(slot) = passed {
            self.position.store(slot.end.0, Ordering::Release);
        }
    }

    pub(super) fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// Begins again at `position`; who holds a ticket must be gone.
    pub(super) fn rewind(&self, position: Position) {
        let mut open = self.lock();
        open.first += open.slots.len() as u64;
        open.slots.clear();
        self.position.store(position.0, Ordering::Release);
    }

    /// When the oldest entry was received that is not done with; `None` while everything that was read is.
    pub(super) fn oldest(&self) -> Option<UnixNanos> {
        self.lock().slots.front().map(|slot| slot.received_at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Nothing in the short sections above can panic half-way.
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_position_is_the_end_of_the_settled_prefix(order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle()) {
            let ledger = Ledger::new(Position(5));
            let tickets: Vec<Ticket> = (1..=12).map(|n| ledger.open(Position(5 + n * 10), UnixNanos(n))).collect();
            let mut settled = [false; 12];
            for &index in &order {
                ledger.settle(tickets[index]);
                ledger.settle(tickets[index]);
                settled[index] = true;
                let n_prefix = settled.iter().take_while(|done| **done).count() as u64;
                prop_assert_eq!(ledger.position(), Position(5 + n_prefix * 10));
            }
            prop_assert!(ledger.lock().slots.is_empty());
        }
    }
}
