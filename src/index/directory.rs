//! Which row a session lives in: by id, and by number.
//!
//! - Rows are places in the columns and are used again; numbers are what the disk knows and are not.
//! - Ids come from strangers, so their table is hashed with a random key; numbers are our own, and lie together (`numbers.rs`).

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::SessionNo;
use super::numbers::Numbers;
use super::order::Ids;
use crate::model::ids::SessionId;

#[derive(Debug, Default)]
pub(super) struct Directory {
    /// By row; `None` where the row is free.
    ids: Vec<Option<SessionId>>,
    numbers: Vec<SessionNo>,
    /// Rows; their ids are in the column.
    by_id: HashTable<u32>,
    by_number: Numbers,
    free: Vec<u32>,
    id_hasher: RandomState,
    next_no: SessionNo,
}

// === impl Directory ===

impl Directory {
    pub(super) fn new(next_no: SessionNo) -> Self {
        Self { next_no, ..Self::default() }
    }

    /// Makes room for so many rows more.
    pub(super) fn reserve(&mut self, n: usize) {
        self.ids.reserve_exact(n);
        self.numbers.reserve_exact(n);
        let (ids, hasher) = (&self.ids, &self.id_hasher);
        self.by_id.reserve(n, |row| ids[*row as usize].as_ref().map_or(0, |id| hasher.hash_one(id)));
    }

    pub(super) fn next_no(&self) -> SessionNo {
        self.next_no
    }

    /// One more than the largest row that was ever used.
    pub(super) fn n_rows(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(super) fn id(&self, row: u32) -> Option<&SessionId> {
        self.ids.get(row as usize)?.as_ref()
    }

    /// The number of a row; of a free row, the one it had last.
    pub(super) fn number(&self, row: u32) -> SessionNo {
        self.numbers.get(row as usize).copied().unwrap_or_default()
    }

    pub(super) fn row_of_id(&self, id: &SessionId) -> Option<u32> {
        self.by_id.find(self.id_hasher.hash_one(id), |row| self.id(*row) == Some(id)).copied()
    }

    pub(super) fn row_of(&self, no: SessionNo) -> Option<u32> {
        self.by_number.get(no)
    }

    /// Gives a new session the next number. The caller has made sure that the id is not known.
    pub(super) fn mint(&mut self, id: &SessionId) -> u32 {
        let mut no = self.next_no;
        // Only after four thousand million sessions does this meet a number that lives.
        while self.row_of(no).is_some() {
            no = no.next();
        }
        self.next_no = no.next();
        self.add(id, no)
    }

    /// Puts a stored session back. The caller has made sure that neither its id nor its number is known.
    pub(super) fn restore(&mut self, id: &SessionId, no: SessionNo) -> u32 {
        self.next_no = self.next_no.max(no.next());
        self.add(id, no)
    }

    fn add(&mut self, id: &SessionId, no: SessionNo) -> u32 {
        let row = match self.free.pop() {
            Some(row) => row,
            None => {
                push_tight(&mut self.ids, None);
                push_tight(&mut self.numbers, no);
                self.numbers.len() as u32 - 1
            }
        };
        self.ids[row as usize] = Some(id.clone());
        self.numbers[row as usize] = no;
        let (ids, hasher) = (&self.ids, &self.id_hasher);
        let hash_id = |row: &u32| ids[*row as usize].as_ref().map_or(0, |id| hasher.hash_one(id));
        self.by_id.insert_unique(hasher.hash_one(id), row, hash_id);
        self.by_number.insert(no, row);
        row
    }

    /// Frees the row; its number is forgotten.
    pub(super) fn remove(&mut self, row: u32) {
        let Some(id) = self.ids.get_mut(row as usize).and_then(Option::take) else { return };
        self.by_number.remove(self.number(row));
        if let Ok(entry) = self.by_id.find_entry(self.id_hasher.hash_one(&id), |other| *other == row) {
            entry.remove();
        }
        self.free.push(row);
    }

    /// Bytes that are held, without the text of the ids.
    pub(super) fn memory_bytes(&self) -> usize {
        self.ids.capacity() * size_of::<Option<SessionId>>()
            + self.numbers.capacity() * size_of::<SessionNo>()
            + self.by_id.allocation_size()
            + self.by_number.memory_bytes()
            + self.free.capacity() * size_of::<u32>()
    }
}

// === impl SessionNo ===

impl SessionNo {
    fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Pushes; when full, grows by an eighth instead of doubling: a column is then never half empty.
pub(super) fn push_tight<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 8).max(64));
    }
    column.push(value);
}
