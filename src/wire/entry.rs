//! What sessionfold writes into its journal: one entry per accepted request or command.

use bytes::Bytes;

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
#[error("unreadable journal entry: {0}")]
pub struct UnreadableEntry(pub String);

impl Entry {
    /// The head (small) and the body (the request's own bytes, shared, not copied) of a journal record.
    pub fn encode(&self) -> (Bytes, Bytes) {
        (Bytes::new(), Bytes::new())
    }

    pub fn decode(head: &[u8], body: Bytes) -> Result<Self, UnreadableEntry> {
        let _ = (head, body);
        Err(UnreadableEntry(String::new()))
    }
}
