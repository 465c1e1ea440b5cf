//! One order of the sessions: a sorted list that answers "from rank 100 000 on" without walking there.
//!
//! - Entries are (key, row), sorted by key and then by session id, in blocks of at most [`BLOCK_MAX`]; a rank is found by skipping blocks.
//! - The ids are not held here: every call that compares ties borrows the column of ids.
//! - Descending by key still means ascending by id among equal keys. The walk goes from group to group of equal keys, and finds where a
//!   group starts by binary search, so one group of a million rows costs no more than a million groups.

use std::ops::Range;

use super::rowset::RowSet;
use crate::model::ids::SessionId;

/// Entries in a block: small enough that shifting one is a short memory move, large enough that the directory stays in cache.
const BLOCK_MAX: usize = 128;

/// A block with fewer entries is merged with a neighbour if both fit [`MERGED_MAX`], so blocks stay about half full or better.
const BLOCK_MIN: usize = BLOCK_MAX / 2;
const MERGED_MAX: usize = BLOCK_MAX - BLOCK_MAX / 8;

/// The column of ids, by row.
pub(super) type Ids = [Option<SessionId>];

#[derive(Debug, Default)]
pub(super) struct Order {
    /// The last key of each block, and the id of its last row: looked through before any block is touched. Where a million sessions have one
    /// key, such as one run, this is where most ids are compared, and each step through the blocks themselves would be four places of
    /// memory that nobody has looked at for long.
    maxes: Vec<u64>,
    last_ids: Vec<Option<SessionId>>,
    /// None of them is empty.
    blocks: Vec<Vec<Entry>>,
    len: usize,
}

/// 12 bytes instead of 16: the key is split so that nothing is aligned to eight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    high: u32,
    low: u32,
    row: u32,
}

/// Which way a list is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Ascending,
    /// Keys from the high end; ids ascending among equal keys.
    Descending,
    /// Everything from the back, ties too: the order of the ids themselves.
    Reversed,
}

/// Rows from some rank on.
pub(super) struct Walk<'a> {
    order: &'a Order,
    direction: Direction,
    /// The next entry; when reversed, the one after the next.
    at: EntryPosition,
    /// Descending: the group of equal keys that is being walked.
    group: (EntryPosition, EntryPosition),
}

/// An entry's block and index in it; the end of a block is written as the start of the next one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct EntryPosition {
    block: usize,
    index: usize,
}

// === impl Order ===

impl Order {
    /// Takes keys and rows that are sorted by key and then id.
    pub(super) fn from_sorted(keyed: &[(u64, u32)], ids: &Ids) -> Self {
        let mut order = Self { len: keyed.len(), ..Self::default() };
        // Three quarters full: the next insertions find room, and the first removals do not merge.
        for keyed in keyed.chunks(BLOCK_MAX * 3 / 4) {
            let mut block = Vec::with_capacity(BLOCK_MAX);
            block.extend(keyed.iter().map(|(key, row)| Entry::new(*key, *row)));
            order.push_block(order.blocks.len(), block, ids);
        }
        order
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, key: u64, row: u32, ids: &Ids) {
        self.len += 1;
        let entry = Entry::new(key, row);
        if self.blocks.is_empty() {
            self.push_block(0, full_block(&[entry]), ids);
            return;
        }
        let EntryPosition { mut block, mut index } = self.seek(key, row, ids);
        if self.blocks[block].len() == BLOCK_MAX {
            if index == BLOCK_MAX && block + 1 == self.blocks.len() {
                // What only ever grows, such as the latest activity, leaves full blocks behind it.
                self.push_block(block + 1, full_block(&[entry]), ids);
                return;
            }
            let right = full_block(&self.blocks[block][BLOCK_MAX / 2..]);
            self.blocks[block].truncate(BLOCK_MAX / 2);
            self.update_last(block, ids);
            self.push_block(block + 1, right, ids);
            if index > BLOCK_MAX / 2 {
                (block, index) = (block + 1, index - BLOCK_MAX / 2);
            }
        }
        self.blocks[block].insert(index, entry);
        if index + 1 == self.blocks[block].len() {
            self.update_last(block, ids);
        }
    }

    /// `false`, and nothing changed, if there is no such entry.
    pub(super) fn remove(&mut self, key: u64, row: u32, ids: &Ids) -> bool {
        let Some(EntryPosition { block, index }) = self.find(key, row, ids) else { return false };
        self.blocks[block].remove(index);
        self.len -= 1;
        if self.blocks[block].is_empty() {
            self.remove_block(block);
            return true;
        }
        if index == self.blocks[block].len() {
            self.update_last(block, ids);
        }
        if self.blocks[block].len() < BLOCK_MIN {
            self.merge(block);
        }
        true
    }

    /// Rows from `rank` on, counted from zero in the given direction.
    pub(super) fn walk(&self, direction: Direction, rank: usize) -> Walk<'_> {
        let end = EntryPosition { block: self.blocks.len(), index: 0 };
        if rank >= self.len {
            let at = if direction == Direction::Reversed { EntryPosition::ORIGIN } else { end };
            return Walk { order: self, direction, at, group: (EntryPosition::ORIGIN, end) };
        }
        match direction {
            Direction::Ascending => Walk { order: self, direction, at: self.locate(rank), group: (EntryPosition::ORIGIN, end) },
            Direction::Reversed => Walk { order: self, direction, at: self.locate(self.len - rank), group: (EntryPosition::ORIGIN, end) },
            Direction::Descending => {
                // The entry at this rank from the back is in the group that the rank falls into, though seldom at that place of it.
                let mirrored = self.locate(self.len - 1 - rank);
                let group = (self.group_start(mirrored), self.group_end(mirrored));
                if rank == 0 {
                    return Walk { order: self, direction, at: group.0, group };
                }
                let before = self.len - self.rank(group.1);
                let at = self.locate(self.rank(group.0) + rank - before);
                Walk { order: self, direction, at, group }
            }
        }
    }

    /// The rows that fit, in the given direction, without the first `n_skipped` of them: blocks that hold no other are counted, not walked.
    pub(super) fn walk_fitting<'a>(&'a self, direction: Direction, fits: &'a RowSet, n_skipped: usize) -> impl Iterator<Item = u32> + 'a {
        let (walk, n_passed) = self.pass(direction, fits, n_skipped);
        walk.filter(|row| fits.contains(*row)).skip(n_skipped - n_passed)
    }

    /// The number of entries whose key is smaller.
    pub(super) fn n_below(&self, key: u64) -> usize {
        let block = self.maxes.partition_point(|max| *max < key);
        let index = self.blocks.get(block).map_or(0, |entries| entries.partition_point(|entry| entry.key() < key));
        self.rank(EntryPosition { block, index })
    }

    /// Shows the rows of these ranks, in ascending order.
    pub(super) fn each(&self, ranks: Range<usize>, mut each: impl FnMut(u32)) {
        let EntryPosition { block, mut index } = self.locate(ranks.start);
        let mut n_left = ranks.len();
        for entries in &self.blocks[block..] {
            let entries = &entries[index..];
            let n = entries.len().min(n_left);
            entries[..n].iter().for_each(|entry| each(entry.row));
            (index, n_left) = (0, n_left - n);
            if n_left == 0 {
                return;
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries: usize = self.blocks.iter().map(Vec::capacity).sum();
        let lasts = self.maxes.capacity() * size_of::<u64>() + self.last_ids.capacity() * size_of::<Option<SessionId>>();
        entries * size_of::<Entry>() + self.blocks.capacity() * size_of::<Vec<Entry>>() + lasts
    }

    /// A walk that begins behind at most `n_max` fitting entries, and how many those are.
    fn pass(&self, direction: Direction, fits: &RowSet, n_max: usize) -> (Walk<'_>, usize) {
        let end = EntryPosition { block: self.blocks.len(), index: 0 };
        let mut walk = Walk { order: self, direction, at: EntryPosition::ORIGIN, group: (EntryPosition::ORIGIN, end) };
        if direction == Direction::Ascending {
            let n_passed = self.pass_forward(&mut walk.at, end, fits, n_max);
            return (walk, n_passed);
        }
        // From the back, as far as blocks end where a group does: beyond, an order of its own begins.
        let (mut at, mut n_passed, mut n) = (end, 0, 0);
        for block in (0..self.blocks.len()).rev() {
            n += n_fitting(&self.blocks[block], fits);
            if n > n_max {
                break;
            }
            let begins_group = block == 0 || direction == Direction::Reversed || self.maxes[block - 1] < self.blocks[block][0].key();
            if begins_group {
                (at, n_passed) = (EntryPosition { block, index: 0 }, n);
            }
        }
        walk.at = at;
        if direction == Direction::Reversed {
            return (walk, n_passed);
        }
        walk.group = (at, at);
        while walk.at == walk.group.1 && walk.group.0 != EntryPosition::ORIGIN {
            walk.at = self.group_start(self.previous(walk.group.0));
            walk.group = (walk.at, walk.group.0);
            n_passed += self.pass_forward(&mut walk.at, walk.group.1, fits, n_max - n_passed);
        }
        (walk, n_passed)
    }

    /// Moves towards `end` by whole blocks, over at most `n_max` fitting entries; how many those were.
    fn pass_forward(&self, at: &mut EntryPosition, end: EntryPosition, fits: &RowSet, n_max: usize) -> usize {
        let mut n_passed = 0;
        while *at < end {
            let (entries, next) = match &self.blocks[at.block] {
                entries if at.block == end.block => (&entries[at.index..end.index], end),
                entries => (&entries[at.index..], EntryPosition { block: at.block + 1, index: 0 }),
            };
            let n = n_fitting(entries, fits);
            if n_passed + n > n_max {
                break;
            }
            n_passed += n;
            *at = next;
        }
        n_passed
    }

    /// Where the entry belongs: a block that exists, and an index in it that may be its length.
    fn seek(&self, key: u64, row: u32, ids: &Ids) -> EntryPosition {
        let block = self.block_of(key, row, ids);
        if block == self.blocks.len() {
            return EntryPosition { block: block - 1, index: self.blocks[block - 1].len() };
        }
        let id = id_of(ids, row);
        let is_before = |entry: &Entry| entry.key() < key || (entry.key() == key && id_of(ids, entry.row) < id);
        EntryPosition { block, index: self.blocks[block].partition_point(is_before) }
    }

    /// Where the entry is.
    fn find(&self, key: u64, row: u32, ids: &Ids) -> Option<EntryPosition> {
        let block = self.block_of(key, row, ids);
        let entries = self.blocks.get(block)?;
        let first = entries.partition_point(|entry| entry.key() < key);
        // The rows lie here, one after another, and the ids all over memory: to look for the row is cheaper than to compare ids.
        let index = first + entries[first..].iter().position(|entry| entry.row == row)?;
        (entries[index].key() == key).then_some(EntryPosition { block, index })
    }

    /// The first block that ends with this entry or behind it; the number of blocks if there is none.
    fn block_of(&self, key: u64, row: u32, ids: &Ids) -> usize {
        let first = self.maxes.partition_point(|max| *max < key);
        // Most keys stand alone.
        if self.maxes.get(first) != Some(&key) {
            return first;
        }
        let tied = self.maxes[first..].partition_point(|max| *max == key);
        let id = id_of(ids, row);
        first + self.last_ids[first..first + tied].partition_point(|last| last.as_ref().map_or("", SessionId::as_str) < id)
    }

    /// Puts in a block that is not empty.
    fn push_block(&mut self, at: usize, block: Vec<Entry>, ids: &Ids) {
        self.blocks.insert(at, block);
        self.maxes.insert(at, 0);
        self.last_ids.insert(at, None);
        self.update_last(at, ids);
    }

    fn remove_block(&mut self, at: usize) -> Vec<Entry> {
        self.maxes.remove(at);
        self.last_ids.remove(at);
        self.blocks.remove(at)
    }

    /// The block ends with another entry now.
    fn update_last(&mut self, block: usize, ids: &Ids) {
        if let Some(entry) = self.blocks[block].last() {
            self.maxes[block] = entry.key();
            self.last_ids[block] = ids.get(entry.row as usize).cloned().flatten();
        }
    }

    fn merge(&mut self, block: usize) {
        let fits = |left: usize| left + 1 < self.blocks.len() && self.blocks[left].len() + self.blocks[left + 1].len() <= MERGED_MAX;
        let left = if fits(block) {
            block
        } else if block > 0 && fits(block - 1) {
            block - 1
        } else {
            return;
        };
        self.maxes.swap(left, left + 1);
        self.last_ids.swap(left, left + 1);
        let right = self.remove_block(left + 1);
        self.blocks[left].extend_from_slice(&right);
    }

    /// The position of the entry with this rank, counted from the low end; the end for the length.
    fn locate(&self, rank: usize) -> EntryPosition {
        // First pages of descending lists lie at the very end.
        if let Some(last) = self.blocks.last().filter(|last| rank < self.len && rank >= self.len - last.len()) {
            return EntryPosition { block: self.blocks.len() - 1, index: rank - (self.len - last.len()) };
        }
        let mut rest = rank;
        for (block, entries) in self.blocks.iter().enumerate() {
            if rest < entries.len() {
                return EntryPosition { block, index: rest };
            }
            rest -= entries.len();
        }
        EntryPosition { block: self.blocks.len(), index: 0 }
    }

    fn rank(&self, at: EntryPosition) -> usize {
        self.blocks[..at.block].iter().map(Vec::len).sum::<usize>() + at.index
    }

    fn key(&self, at: EntryPosition) -> u64 {
        self.blocks[at.block][at.index].key()
    }

    /// The position before this one, which must not be the first.
    fn previous(&self, at: EntryPosition) -> EntryPosition {
        match at.index {
            0 => EntryPosition { block: at.block - 1, index: self.blocks[at.block - 1].len() - 1 },
            index => EntryPosition { block: at.block, index: index - 1 },
        }
    }

    fn next(&self, at: EntryPosition) -> EntryPosition {
        if at.index + 1 < self.blocks[at.block].len() {
            return EntryPosition { block: at.block, index: at.index + 1 };
        }
        EntryPosition { block: at.block + 1, index: 0 }
    }

    /// The first entry with the same key.
    fn group_start(&self, at: EntryPosition) -> EntryPosition {
        let key = self.key(at);
        let entries = &self.blocks[at.block][..at.index];
        // Most keys stand alone, so the neighbour is asked first.
        if entries.last().is_some_and(|entry| entry.key() < key) {
            return at;
        }
        let index = entries.partition_point(|entry| entry.key() < key);
        if index > 0 || at.block == 0 || self.maxes[at.block - 1] < key {
            return EntryPosition { block: at.block, index };
        }
        let block = self.maxes[..at.block].partition_point(|max| *max < key);
        EntryPosition { block, index: self.blocks[block].partition_point(|entry| entry.key() < key) }
    }

    /// The first entry after `at` with a greater key, or the end.
    fn group_end(&self, at: EntryPosition) -> EntryPosition {
        let key = self.key(at);
        let block = at.block + self.maxes[at.block..].partition_point(|max| *max <= key);
        let Some(entries) = self.blocks.get(block) else {
            return EntryPosition { block, index: 0 };
        };
        EntryPosition { block, index: entries.partition_point(|entry| entry.key() <= key) }
    }
}

fn n_fitting(entries: &[Entry], fits: &RowSet) -> usize {
    entries.iter().filter(|entry| fits.contains(entry.row)).count()
}

fn full_block(entries: &[Entry]) -> Vec<Entry> {
    let mut block = Vec::with_capacity(BLOCK_MAX);
    block.extend_from_slice(entries);
    block
}

fn id_of(ids: &Ids, row: u32) -> &str {
    ids.get(row as usize).and_then(Option::as_ref).map_or("", SessionId::as_str)
}

// === impl Entry ===

impl Entry {
    fn new(key: u64, row: u32) -> Self {
        Self { high: (key >> 32) as u32, low: key as u32, row }
    }

    fn key(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

// === impl Walk ===

impl Iterator for Walk<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self.direction {
            Direction::Ascending => {}
            Direction::Reversed => {
                if self.at == EntryPosition::ORIGIN {
                    return None;
                }
                self.at = self.order.previous(self.at);
                return Some(self.order.blocks[self.at.block][self.at.index].row);
            }
            Direction::Descending => {
                if self.at == self.group.1 {
                    if self.group.0 == EntryPosition::ORIGIN {
                        return None;
                    }
                    self.at = self.order.group_start(self.order.previous(self.group.0));
                    self.group = (self.at, self.group.0);
                }
            }
        }
        let row = self.order.blocks.get(self.at.block)?.get(self.at.index)?.row;
        self.at = self.order.next(self.at);
        Some(row)
    }
}

// === impl EntryPosition ===

impl EntryPosition {
    const ORIGIN: Self = Self { block: 0, index: 0 };
}

#[cfg(test)]
mod tests;
