//! The most recent records in memory, as the very `Bytes` that were appended: readers that keep up never touch the disk.
//!
//! Bounded in bytes of payload; the oldest go first. A record larger than the bound is not kept at all.

use std::collections::VecDeque;

use super::{Item, Position};

#[derive(Debug)]
pub(super) struct Tail {
    /// In order and without gaps.
    items: VecDeque<Item>,
    held_bytes: usize,
    max_bytes: usize,
}

impl Tail {
    pub fn new(max_bytes: usize) -> Self {
        Self { items: VecDeque::new(), held_bytes: 0, max_bytes }
    }

    /// The record at `position`; `None` if it must be read from the disk.
    pub fn get(&self, position: Position) -> Option<&Item> {
        let index = self.items.binary_search_by_key(&position, |item| item.position).ok()?;
        self.items.get(index)
    }

    pub fn push(&mut self, item: Item) {
        self.held_bytes += weight(&item);
        self.items.push_back(item);
        while self.held_bytes > self.max_bytes {
            let Some(oldest) = self.items.pop_front() else { break };
            self.held_bytes -= weight(&oldest);
        }
    }
}

/// What an item costs: its payload and the entry itself, so that empty records are bounded too.
fn weight(item: &Item) -> usize {
    item.record.head.len() + item.record.body.len() + size_of::<Item>()
}
