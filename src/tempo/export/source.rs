//! Where entries come from: the journal, or in a test anything.

use std::time::Duration;

use crate::journal::{Item, Position, ReadError, Reader};
use crate::wire::format::entry::{Entry, UnreadableEntry};

/// How long after a failed read of the journal the next is tried.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(500);

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
    #[error("cannot read the journal: {0}")]
    Read(#[from] ReadError),
    /// Nothing is skipped: it would be lost to Tempo for good.
    #[error("cannot read the journal entry at {}: was it written by a newer version ({source})", .position.0)]
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

    /// A read that fails for want of a file descriptor, or from a device that may come back, is repeated: nothing is lost by waiting, and
    /// nothing would go on by itself after an end.
    async fn read(&mut self) -> Result<Option<Item>, ReadError> {
        let mut is_waiting = false;
        loop {
            match self.reader.next().await {
                Err(error) if error.may_pass() => {
                    if !std::mem::replace(&mut is_waiting, true) {
                        tracing::warn!(%error, "forwarding waits for the journal, which cannot be read at the moment");
                    }
                    tokio::time::sleep(READ_AGAIN_AFTER).await;
                }
                read => {
                    if is_waiting && read.is_ok() {
                        tracing::info!("the journal can be read again and forwarding goes on");
                    }
                    return read;
                }
            }
        }
    }
}

impl Source for JournalSource {
    fn position(&self) -> Position {
        self.reader.position()
    }

    async fn next(&mut self) -> Result<Option<Sourced>, SourceError> {
        let Some(item) = self.read().await? else {
            return Ok(None);
        };
        let (position, end) = (item.position, item.end);
        let entry = Entry::decode(&item.record.head, item.record.body).map_err(|source| SourceError::Unreadable { position, source })?;
        Ok(Some(Sourced { position, end, entry }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pump::ForwardError;
    use super::*;

    /// The log shows an error's own message and not its source; it once ended at "forwarding stopped".
    #[test]
    fn why_forwarding_ended_is_told_down_to_the_cause() {
        let path = std::path::PathBuf::from("journal/7");
        let read = ReadError::Io { path, source: std::io::Error::from_raw_os_error(5) };
        let words = ForwardError::from(SourceError::from(read)).to_string();
        assert!(words.contains("cannot read the journal") && words.contains("journal/7") && words.contains("os error 5"), "{words}");

        let source = UnreadableEntry::UnknownKind;
        let words = ForwardError::from(SourceError::Unreadable { position: Position(42), source }).to_string();
        assert!(words.contains("42") && words.contains("newer"), "{words}");
    }
}
