//! What people note of sessions: taken like a deletion, and shown to whoever asks once it is answered.

use super::LocalStore;
use crate::journal::Class;
use crate::model::ids::{SessionId, Tenant};
use crate::model::note::{Note, NoteChange};
use crate::model::session::SessionSummary;
use crate::store::{AcceptError, NOTES_MAX_BYTES, NoteError};
use crate::wire::format::entry::Event;

impl LocalStore {
    pub(super) async fn note(&self, tenant: &Tenant, id: &SessionId, change: NoteChange) -> Result<Option<SessionSummary>, NoteError> {
        // A session that was acknowledged before can be noted, be it folded yet or not.
        if !self.has_folded(self.journal.end()).await {
            return Err(AcceptError::Unavailable("the fold has stopped; nothing was noted".into()).into());
        }
        let Some(summary) = self.shared.summary(tenant, id) else { return Ok(None) };
        let now = self.shared.clock.wall();
        let before = summary.note.as_deref();
        let after = change.applied(before, now);
        if after.as_ref() == before {
            return Ok(Some(summary));
        }
        let weigh = |note: Option<&Note>| note.map_or(0, |note| id.as_str().len() + note.weight());
        let (leaving, coming) = (weigh(before), weigh(after.as_ref()));
        let held = self.shared.tenants.get(tenant).map_or(0, |cell| cell.read().index.note_bytes());
        // What takes no more than what it replaces is always taken.
        if coming > leaving && held - leaving + coming > NOTES_MAX_BYTES {
            return Err(NoteError::TooMany);
        }
        self.append(tenant, Event::ChangeNote { session: id.clone(), change }, Class::Events).await?;
        if !self.has_folded(self.journal.end()).await {
            return Err(AcceptError::Unavailable("the fold has stopped; the note is recorded and is shown after a restart".into()).into());
        }
        Ok(self.shared.summary(tenant, id))
    }
}
