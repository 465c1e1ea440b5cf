//! The position up to where journal entries may have reached Tempo, noted before they are sent: after a crash, what lies below it is in doubt
//! and what lies above it is not.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::Position;

/// Writes a position to where the next process finds it; a small write without an fsync.
pub type NotePosition = Box<dyn FnMut(Position) -> io::Result<()> + Send>;

/// Shared by all lanes; it only rises.
#[derive(Default)]
pub(super) struct SendWatermark(Mutex<State>);

#[derive(Default)]
struct State {
    note: Option<NotePosition>,
    /// The furthest position that was noted.
    at: Position,
}

// === impl SendWatermark ===

impl SendWatermark {
    pub(super) fn persist_with(&self, note: NotePosition) {
        self.lock().note = Some(note);
    }

    /// Raises it to `end`, the end of what is about to be sent.
    pub(super) fn raise(&self, end: Position) -> io::Result<()> {
        let mut state = self.lock();
        if end <= state.at {
            return Ok(());
        }
        if let Some(note) = &mut state.note {
            note(end)?;
        }
        state.at = end;
        Ok(())
    }

    /// Up to where this process may have sent something.
    pub(super) fn position(&self) -> Position {
        self.lock().at
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
