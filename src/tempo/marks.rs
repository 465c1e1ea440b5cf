//! Up to where the journal may be with Tempo: noted before anything is sent, so that a process after a crash knows what is in doubt and what is not.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::Position;

/// Notes a position where the next process finds it; a small write without an fsync.
pub type Mark = Box<dyn FnMut(Position) -> io::Result<()> + Send>;

/// Shared by all lanes.
#[derive(Default)]
pub(super) struct Marks(Mutex<State>);

#[derive(Default)]
struct State {
    mark: Option<Mark>,
    /// The furthest that was noted.
    marked: Position,
}

// === impl Marks ===

impl Marks {
    pub(super) fn keep(&self, mark: Mark) {
        self.lock().mark = Some(mark);
    }

    /// What ends at `end` is about to be sent.
    pub(super) fn before_sending(&self, end: Position) -> io::Result<()> {
        let mut state = self.lock();
        if end <= state.marked {
            return Ok(());
        }
        if let Some(mark) = &mut state.mark {
            mark(end)?;
        }
        state.marked = end;
        Ok(())
    }

    /// Up to where something may have been sent by this process.
    pub(super) fn marked(&self) -> Position {
        self.lock().marked
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
