//! What the journal's entries are on their way to Tempo, from where they are read over `stamp` to the request that they leave in.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::link::segmented::SegmentedBytes;
use crate::journal::Position;
use crate::model::via::Via;

/// An encoded request, or a part of one.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: SegmentedBytes,
    pub(super) read_at: Instant,
    /// Where the entry that it is of ends in the journal; zero for what is of no entry.
    pub(super) end: Position,
    /// Through which instances it came.
    pub(super) via: Via,
    /// As long as Tempo was not asked.
    pub(super) doubt: Doubted,
    /// Present in the last part of an entry only. Parts are delivered in order, so the entry is done with when this one is.
    pub(super) last: Option<Last>,
}

/// Whether Tempo may have an entry that is about to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Doubted {
    /// It does not.
    #[default]
    No,
    /// It was sent, and whether Tempo took it is not known.
    Sent,
    /// Tempo had taken it, and perhaps lost it.
    Taken,
}

/// What is given back when an entry is done with.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) ticket: Ticket,
    /// The entry's share of the memory for pending spans.
    pub(super) permit: OwnedSemaphorePermit,
    /// Keeps the tenant's lane from being ended as idle.
    pub(super) in_use: Arc<()>,
}

/// The number of an opened entry, ascending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ticket(pub(super) u64);
