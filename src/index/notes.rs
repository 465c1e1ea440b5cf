//! What people noted of sessions.
//!
//! By id and not by row: a note stays where its session has no run for a moment, and after a restart it is there before its session.

use std::collections::HashMap;
use std::sync::Arc;

use super::SessionIndex;
use super::rowset::RowSet;
use crate::model::ids::SessionId;
use crate::model::note::Note;
use crate::model::time::UnixNanos;

#[derive(Debug, Default)]
pub(super) struct Notes {
    by_id: HashMap<SessionId, Arc<Note>>,
    /// Rows with a bookmark, listed or not.
    pub(super) bookmarked: RowSet,
    n_bytes: usize,
}

impl SessionIndex {
    pub fn note(&self, id: &SessionId) -> Option<&Arc<Note>> {
        self.notes.by_id.get(id)
    }

    /// `None` takes it away.
    pub fn set_note(&mut self, id: &SessionId, note: Option<Arc<Note>>) {
        if let Some(row) = self.directory.row_of_id(id) {
            self.notes.bookmarked.set(row, note.as_ref().is_some_and(|note| note.is_bookmarked));
        }
        let weigh = |note: &Arc<Note>| id.as_str().len() + note.weight();
        self.notes.n_bytes += note.as_ref().map_or(0, weigh);
        let before = match note {
            Some(note) => self.notes.by_id.insert(id.clone(), note),
            None => self.notes.by_id.remove(id),
        };
        self.notes.n_bytes -= before.as_ref().map_or(0, weigh);
    }

    /// Bytes of all notes, with the ids that they are found by.
    pub fn note_bytes(&self) -> usize {
        self.notes.n_bytes
    }

    /// Sessions that are not listed, and of which something was noted before `floor` last.
    pub fn notes_left_over(&self, floor: UnixNanos) -> Vec<SessionId> {
        let is_listed = |id: &SessionId| self.directory.row_of_id(id).is_some_and(|row| self.listed.contains(row));
        let old = self.notes.by_id.iter().filter(|(id, note)| note.changed_at < floor && !is_listed(id));
        old.map(|(id, _)| id.clone()).collect()
    }

    /// A row was taken for this session.
    pub(super) fn mark_bookmark(&mut self, row: u32, id: &SessionId) {
        let is_bookmarked = self.note(id).is_some_and(|note| note.is_bookmarked);
        self.notes.bookmarked.set(row, is_bookmarked);
    }

    /// Listed rows with a bookmark, or without.
    pub(super) fn with_bookmark(&self, is_bookmarked: bool) -> RowSet {
        let mut rows = self.listed.clone();
        if is_bookmarked {
            rows.intersect(&self.notes.bookmarked)
        } else {
            rows.subtract(&self.notes.bookmarked)
        }
        rows
    }
}

// === impl Notes ===

impl Notes {
    pub(super) fn memory_bytes(&self) -> usize {
        let entry = size_of::<SessionId>() + size_of::<Arc<Note>>() + 1;
        self.by_id.capacity() * entry + self.bookmarked.memory_bytes() + self.n_bytes
    }
}
