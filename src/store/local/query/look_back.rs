//! The journal from its newest end, for whoever looks for something in it: what is asked for is mostly new.
//!
//! - Segment by segment, the newest first, and each from its beginning: records can only be read forwards.
//! - The bounds are looked at before each further segment. So the newest is always read whole, and what is found is all there is back to
//!   some moment.
//! - What is released while it is being read ends the look; it was about to be gone.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::journal::{Journal, Position};
use crate::model::time::UnixNanos;
use crate::wire::format::entry::Entry;

/// What a look may take. It can take one segment more.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::local) struct Bounds {
    pub(in crate::store::local) time: Duration,
    pub(in crate::store::local) bytes: u64,
}

/// How far a look came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::store::local) struct Reach {
    /// When the oldest entry came that was looked at.
    pub(in crate::store::local) since: Option<UnixNanos>,
    /// Nothing older is held.
    pub(in crate::store::local) is_whole: bool,
}

/// Gives `each` the entries of one segment at a time, oldest first; it says whether an older segment is wanted.
pub(in crate::store::local) fn look_back(
    journal: &Journal,
    bounds: Bounds,
    mut each: impl FnMut(&mut dyn Iterator<Item = Entry>) -> ControlFlow<()>,
) -> Reach {
    let began = Instant::now();
    let mut reach = Reach::default();
    let mut end = journal.end();
    let mut n_bytes = 0;
    for start in journal.segment_starts().into_iter().rev() {
        if reach.since.is_some() && (n_bytes >= bounds.bytes || began.elapsed() >= bounds.time) {
            return reach;
        }
        let mut entries = Segment { reader: journal.reader(start), end, first: None, is_broken: false };
        let flow = each(&mut entries);
        // What was not asked for.
        entries.by_ref().for_each(drop);
        reach.since = entries.first.or(reach.since);
        if entries.is_broken || flow.is_break() {
            return reach;
        }
        n_bytes += end.0.saturating_sub(start.0);
        end = start;
    }
    Reach { is_whole: true, ..reach }
}

/// The entries from where the reader stands up to a position.
struct Segment {
    reader: crate::journal::Reader,
    end: Position,
    /// When the first of them came.
    first: Option<UnixNanos>,
    /// It could not be read to its end.
    is_broken: bool,
}

impl Iterator for Segment {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.is_broken && self.reader.position() < self.end {
            let Ok(Some(item)) = self.reader.try_next() else {
                self.is_broken = true;
                return None;
            };
            // What a newer version wrote is passed over.
            if let Ok(entry) = Entry::decode(&item.record.head, item.record.body) {
                self.first.get_or_insert(entry.received_at);
                return Some(entry);
            }
        }
        None
    }
}
