//! What sessionfold writes into its journal: one entry per accepted request or command (`docs/format.md`).

use bytes::Bytes;
use prost::Message;

use super::proto::journal;
use super::proto::journal::entry_head::Event as EventHead;
use crate::model::ids::{RunId, SessionId, Tenant};
use crate::model::note::{NoteChange, NoteText};
use crate::model::report::EventKind;
use crate::model::time::UnixNanos;
use crate::model::via::Via;

/// One accepted thing, with who sent it and when it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub tenant: Tenant,
    /// When the server received it.
    pub received_at: UnixNanos,
    /// Through which instances spans came.
    pub via: Via,
    pub event: Event,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An encoded `ExportTraceServiceRequest`, inspected: every span in it is well formed.
    Spans(Bytes),
    /// The session was deleted by its owner.
    DeleteSession(SessionId),
    /// What a person noted of a session is different.
    ChangeNote { session: SessionId, change: NoteChange },
    /// What the SDK posted, as it came: not inspected. `None` if it is about no run.
    Run { kind: EventKind, run: Option<RunId>, body: Bytes },
    /// A process opened the journal: what lies before was perhaps accepted and not answered.
    Opened,
    /// As `Spans`, for the fold alone: what Tempo gave back, or what spans tell Tempo that came, or will come, by another way.
    UnforwardedSpans(Bytes),
}

/// Bytes that are not an entry this version can read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnreadableEntry {
    #[error("the head of the journal entry is not readable: {0}")]
    Head(#[from] prost::DecodeError),
    #[error("the journal entry names a tenant or session that cannot be one: {0:?}")]
    Id(String),
    #[error("the journal entry names a run that cannot be one: {0}")]
    Run(u64),
    #[error("the journal entry holds a note that cannot be one")]
    Note,
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
            Event::ChangeNote { session, change: NoteChange { is_bookmarked, text } } => {
                let session_id = session.as_str().to_owned();
                let change = journal::ChangeNote { session_id, is_bookmarked: *is_bookmarked, has_text: text.is_some() };
                let body = text.as_ref().map(|text| Bytes::copy_from_slice(text.as_str().as_bytes()));
                (EventHead::ChangeNote(change), body.unwrap_or_default())
            }
            Event::Run { kind, run, body } => {
                let run_id = run.map_or(0, RunId::get);
                (EventHead::RunEvent(journal::RunEvent { kind: u32::from(*kind as u8), run_id }), body.clone())
            }
            Event::Opened => (EventHead::Opened(journal::Opened {}), Bytes::new()),
            Event::UnforwardedSpans(request) => (EventHead::RestoredSpans(journal::RestoredSpans {}), request.clone()),
        };
        let (tenant, via) = (self.tenant.as_str().to_owned(), self.via.ids().map(str::to_owned).collect());
        let head = journal::EntryHead { tenant, received_unix_nano: self.received_at.0, via, event: Some(event) };
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
            Some(EventHead::ChangeNote(journal::ChangeNote { session_id, is_bookmarked, has_text })) => {
                let text =
                    has_text.then(|| std::str::from_utf8(&body).ok().and_then(NoteText::new).ok_or(UnreadableEntry::Note)).transpose()?;
                let session = SessionId::new(&session_id).ok_or(UnreadableEntry::Id(session_id))?;
                Event::ChangeNote { session, change: NoteChange { is_bookmarked, text } }
            }
            Some(EventHead::RunEvent(journal::RunEvent { kind, run_id })) => {
                let kind = u8::try_from(kind).ok().and_then(EventKind::from_u8).ok_or(UnreadableEntry::UnknownKind)?;
                let run = if run_id == 0 { None } else { Some(RunId::new(run_id).ok_or(UnreadableEntry::Run(run_id))?) };
                Event::Run { kind, run, body }
            }
            Some(EventHead::Opened(journal::Opened {})) => Event::Opened,
            Some(EventHead::RestoredSpans(journal::RestoredSpans {})) => Event::UnforwardedSpans(body),
        };
        let tenant = Tenant::new(&head.tenant).ok_or(UnreadableEntry::Id(head.tenant))?;
        let via = Via::parse(head.via.iter().map(String::as_str)).map_err(|_| UnreadableEntry::Id(head.via.join(",")))?;
        Ok(Self { tenant, received_at: UnixNanos(head.received_unix_nano), via, event })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_written() {
        let body = Bytes::from_static(b"{}");
        for event in [
            Event::Spans(Bytes::from_static(b"\x0a\x00")),
            Event::DeleteSession(SessionId::new("conv/1 \u{1f600}").unwrap()),
            Event::ChangeNote { session: SessionId::new("s").unwrap(), change: NoteChange { is_bookmarked: Some(true), text: None } },
            Event::ChangeNote { session: SessionId::new("s").unwrap(), change: NoteChange::removal() },
            Event::ChangeNote {
                session: SessionId::new("s").unwrap(),
                change: NoteChange { is_bookmarked: None, text: NoteText::new("ticket 7\n\u{1f600}") },
            },
            Event::Run { kind: EventKind::Complete, run: Some(RunId::mint(5)), body: body.clone() },
            Event::Run { kind: EventKind::Other, run: None, body },
            Event::Opened,
            Event::UnforwardedSpans(Bytes::from_static(b"\x0a\x00")),
        ] {
            let via = Via::parse(["a1,b2"].into_iter()).unwrap();
            let entry = Entry { tenant: Tenant::new("acme").unwrap(), received_at: UnixNanos(7), via, event };
            let (head, body) = entry.encode();
            assert_eq!(Entry::decode(&head, body), Ok(entry));
        }
    }

    #[test]
    fn an_entry_of_a_later_version_is_told_apart_from_damage() {
        let later = journal::EntryHead { tenant: "acme".into(), received_unix_nano: 1, via: Vec::new(), event: None }.encode_to_vec();
        assert_eq!(Entry::decode(&later, Bytes::new()), Err(UnreadableEntry::UnknownKind));
        assert!(matches!(Entry::decode(b"\xff\xff", Bytes::new()), Err(UnreadableEntry::Head(_))));
    }
}
