//! Where entries come from: the journal, or in a test anything.

use crate::journal::{Position, ReadError, Reader};
use crate::wire::entry::{Entry, UnreadableEntry};

/// An entry and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sourced {
    pub position: Position,
    /// Where the next entry begins.
    pub end: Position,
    pub entry: Entry,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read the journal")]
    Read(#[from] ReadError),
    /// Nothing is skipped: it would be lost to Tempo for good.
    #[error("cannot read the journal entry at {}: was it written by a newer version", .position.0)]
    Unreadable { position: Position, source: UnreadableEntry },
}

/// Gives entries in order.
pub trait Source: Send + 'static {
    /// The place of the entry that `next` will give.
    fn position(&self) -> Position;

    /// The next entry, waiting until there is one; `None` once there will never be another. Need not be safe to cancel: a future that is dropped
    /// is never followed by another call.
    fn next(&mut self) -> impl Future<Output = Result<Option<Sourced>, SourceError>> + Send;
}

/// The journal as a source.
#[derive(Debug)]
pub struct JournalSource {
    reader: Reader,
}

// === impl JournalSource ===

impl JournalSource {
    /// Reads on from where the reader stands.
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

impl Source for JournalSource {
    fn position(&self) -> Position {
        self.reader.position()
    }

    async fn next(&mut self) -> Result<Option<Sourced>, SourceError> {
        let Some(item) = self.reader.next().await? else {
            return Ok(None);
        };
        let (position, end) = (item.position, item.end);
        let entry = Entry::decode(&item.record.head, item.record.body).map_err(|source| SourceError::Unreadable { position, source })?;
        Ok(Some(Sourced { position, end, entry }))
    }
}
