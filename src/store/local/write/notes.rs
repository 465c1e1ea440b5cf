//! What people noted of sessions, as the fold keeps it.
//!
//! A note is of a session's id. It goes when the session is deleted or expires, and stays where a session loses its runs for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fold_worker::FoldWorker;
use crate::model::ids::SessionId;
use crate::model::note::NoteChange;
use crate::model::time::UnixNanos;
use crate::store::local::state::tenant::TenantCell;

/// How often notes without a session are looked for.
const LEFT_OVER_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

impl FoldWorker {
    pub(super) fn change_note(&mut self, cell: &TenantCell, session: &SessionId, change: &NoteChange, at: UnixNanos) {
        let mut state = cell.write();
        let note = change.applied(state.index.note(session).map(|note| &**note), at).map(Arc::new);
        self.pending.note(cell.no, &mut state, session, note);
    }

    /// Forgets what was noted long ago of sessions that are not there. Not in the first day of a process, in which an index that begins
    /// anew may still be filled with them.
    pub(super) fn expire_notes(&mut self, floor: UnixNanos) {
        if self.notes_swept.elapsed() < LEFT_OVER_INTERVAL {
            return;
        }
        self.notes_swept = Instant::now();
        for cell in self.tenants.values() {
            let left_over = cell.read().index.notes_left_over(floor);
            if left_over.is_empty() {
                continue;
            }
            let mut state = cell.write();
            left_over.iter().for_each(|session| self.pending.note(cell.no, &mut state, session, None));
        }
    }
}
