//! What sessionfold writes into its journal: one entry per accepted request or command (`docs/format.md`).

use bytes::Bytes;
use prost::Message;

use super::proto::journal;
use super::proto::journal::entry_head::Event as EventHead;
use crate::model::ids::{SessionId, Tenant};
use crate::model::time::UnixNanos;

/// One accepted thing, with who sent it and when it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub tenant: Tenant,
    /// When the server received it.
    pub received_at: UnixNanos,
    pub event: Event,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An encoded `ExportTraceServiceRequest`, inspected: every span in it is well formed.
    Spans(Bytes),
    /// The session was deleted by its owner.
    DeleteSession(SessionId),
}

/// Bytes that are not an entry this version can read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnreadableEntry {
    #[error("the head of the journal entry is not readable: {0}")]
    Head(#[from] prost::DecodeError),
    #[error("the journal entry names a tenant or session that cannot be one: {0:?}")]
    Id(String),
    #[error("the journal entry is of a kind this version does not know; it was written by a newer one")]
    UnknownKind,
}

impl Entry {
    /// The head (small) and the body (the request's own bytes, shared, not copied) of a journal record.
    pub fn encode(&self) -> (Bytes, Bytes) {
        let (event, body) = match &self.event {
            Event::Spans(request) => (EventHead::Spans(journal::Spans {}), request.clone()),
            Event::DeleteSession(id) => {
                (EventHead::DeleteSession(journal::DeleteSession { session_id: id.as_str().to_owned() }), Bytes::new())
            }
        };
        let head =
            journal::EntryHead { tenant: self.tenant.as_str().to_owned(), received_unix_nano: self.received_at.0, event: Some(event) };
        (head.encode_to_vec().into(), body)
    }

    /// The inverse of [`Self::encode`]; the body is shared.
    pub fn decode(head: &[u8], body: Bytes) -> Result<Self, UnreadableEntry> {
        let head = journal::EntryHead::decode(head)?;
        let event = match head.event {
            None => return Err(UnreadableEntry::UnknownKind),
            Some(EventHead::Spans(journal::Spans {})) => Event::Spans(body),
            Some(EventHead::DeleteSession(deleted)) => {
                Event::DeleteSession(SessionId::new(&deleted.session_id).ok_or(UnreadableEntry::Id(deleted.session_id))?)
            }
        };
        let tenant = Tenant::new(&head.tenant).ok_or(UnreadableEntry::Id(head.tenant))?;
        Ok(Self { tenant, received_at: UnixNanos(head.received_unix_nano), event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_written() {
        for event in [Event::Spans(Bytes::from_static(b"\x0a\x00")), Event::DeleteSession(SessionId::new("conv/1 \u{1f600}").unwrap())] {
            let entry = Entry { tenant: Tenant::new("acme").unwrap(), received_at: UnixNanos(7), event };
            let (head, body) = entry.encode();
            assert_eq!(Entry::decode(&head, body), Ok(entry));
        }
    }

    #[test]
    fn an_entry_of_a_later_version_is_told_apart_from_damage() {
        let later = journal::EntryHead { tenant: "acme".into(), received_unix_nano: 1, event: None }.encode_to_vec();
        assert_eq!(Entry::decode(&later, Bytes::new()), Err(UnreadableEntry::UnknownKind));
        assert!(matches!(Entry::decode(b"\xff\xff", Bytes::new()), Err(UnreadableEntry::Head(_))));
    }
}
