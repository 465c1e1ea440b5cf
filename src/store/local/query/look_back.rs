//! The journal from its newest end, for whoever looks for something in it: what is asked for is mostly new.
//!
//! - Piece by piece, the newest first, and each from its beginning: records can only be read forwards. A piece is a segment, or the part of
//!   it that is wanted.
//! - The bounds are looked at before each further piece. So the newest is always read whole, and what is found is all there is back to
//!   some moment.
//! - What is released while it is being read ends the look; it was about to be gone.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::journal::{Journal, Position};
use crate::model::stretches::Stretch;
use crate::model::time::UnixNanos;
use crate::wire::format::entry::Entry;

/// What a look may take. It can take one piece more.
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
    /// Nothing older is held of what is wanted.
    pub(in crate::store::local) is_whole: bool,
}

/// Gives `each` the entries of one piece at a time, oldest first; it says whether an older piece is wanted. Entries that begin outside
/// `wanted` are left out; the order of the stretches does not matter, and they may overlap.
pub(in crate::store::local) fn look_back(
    journal: &Journal,
    wanted: impl IntoIterator<Item = Stretch>,
    bounds: Bounds,
    mut each: impl FnMut(&mut dyn Iterator<Item = Entry>) -> ControlFlow<()>,
) -> Reach {
    let began = Instant::now();
    let mut reach = Reach::default();
    let mut n_bytes = 0;
    for Stretch { first, last } in pieces(wanted, &journal.segment_starts(), journal.end()).into_iter().rev() {
        if reach.since.is_some() && (n_bytes >= bounds.bytes || began.elapsed() >= bounds.time) {
            return reach;
        }
        let mut entries = Piece { reader: journal.reader(Position(first)), last: Position(last), first: None, is_broken: false };
        let flow = each(&mut entries);
        // What was not asked for.
        entries.by_ref().for_each(drop);
        reach.since = entries.first.or(reach.since);
        if entries.is_broken || flow.is_break() {
            return reach;
        }
        n_bytes += last - first;
    }
    Reach { is_whole: true, ..reach }
}

/// What is wanted, ascending, none of it twice and none across the end of a segment.
fn pieces(wanted: impl IntoIterator<Item = Stretch>, segments: &[Position], end: Position) -> Vec<Stretch> {
    let (Some(start), Some(newest)) = (segments.first(), end.0.checked_sub(1)) else { return Vec::new() };
    let held = |stretch: Stretch| Stretch { first: stretch.first.max(start.0), last: stretch.last.min(newest) };
    let mut wanted: Vec<_> = wanted.into_iter().map(held).filter(|stretch| stretch.first <= stretch.last).collect();
    wanted.sort_unstable_by_key(|stretch| stretch.first);
    let mut apart: Vec<Stretch> = Vec::with_capacity(wanted.len());
    for stretch in wanted {
        match apart.last_mut() {
            Some(before) if stretch.first <= before.last => before.last = before.last.max(stretch.last),
            _ => apart.push(stretch),
        }
    }
    let mut pieces = Vec::with_capacity(apart.len());
    for mut stretch in apart {
        let from = segments.partition_point(|segment| segment.0 <= stretch.first);
        for segment in segments[from..].iter().take_while(|segment| segment.0 <= stretch.last) {
            pieces.push(Stretch { last: segment.0 - 1, ..stretch });
            stretch.first = segment.0;
        }
        pieces.push(stretch);
    }
    pieces
}

/// The entries that begin between two positions. At the first one an entry begins.
struct Piece {
    reader: crate::journal::Reader,
    last: Position,
    /// When the first of them came.
    first: Option<UnixNanos>,
    /// It could not be read to its end.
    is_broken: bool,
}

impl Iterator for Piece {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.is_broken && self.reader.position() <= self.last {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch((first, last): (u64, u64)) -> Stretch {
        Stretch { first, last }
    }

    fn cut(wanted: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let segments = [100, 200, 300].map(Position);
        pieces(wanted.iter().copied().map(stretch), &segments, Position(350)).into_iter().map(|piece| (piece.first, piece.last)).collect()
    }

    #[test]
    fn stretches_are_cut_at_segments_and_to_what_is_held_and_are_read_once() {
        assert_eq!(cut(&[(0, u64::MAX)]), [(100, 199), (200, 299), (300, 349)]);
        assert_eq!(cut(&[(340, 345), (110, 110), (110, 130), (120, 140)]), [(110, 140), (340, 345)]);
        assert_eq!(cut(&[(150, 200)]), [(150, 199), (200, 200)]);
        assert_eq!(cut(&[(0, 99), (350, 400)]), []);
        assert_eq!(pieces([Stretch::ANYWHERE], &[], Position(0)), []);
    }
}
