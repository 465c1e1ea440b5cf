//! The journal from its newest end, for whoever looks for something in it: what is asked for is mostly new. Or the part of it that came at a
//! time, for who knows when.
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

/// Gives `each` the entries of the segments in which something came from one moment to another, oldest first; `None` if these are more than
/// `segments_max`, or if one could not be read. Where the clock went back some of it may lie elsewhere.
pub(in crate::store::local) fn look_between(
    journal: &Journal,
    (from, until): (UnixNanos, UnixNanos),
    segments_max: usize,
    mut each: impl FnMut(&mut dyn Iterator<Item = Entry>),
) -> Option<()> {
    let (starts, end) = (journal.segment_starts(), journal.end());
    let entries = |n: usize| {
        let end = starts.get(n + 1).copied().unwrap_or(end);
        Segment { reader: journal.reader(starts[n]), end, first: None, is_broken: false }
    };
    // Each is asked for its first entry alone; one without any is the last.
    let begins_by = |n: usize, at: UnixNanos| entries(n).next().is_some_and(|entry| entry.received_at <= at);
    let n_begun_by = |at: UnixNanos| partition_point(starts.len(), |n| begins_by(n, at));
    let wanted = n_begun_by(from).saturating_sub(1)..n_begun_by(until);
    if wanted.len() > segments_max {
        return None;
    }
    for n in wanted {
        let mut entries = entries(n);
        each(&mut entries);
        if entries.is_broken {
            return None;
        }
    }
    Some(())
}

/// How many of the first `n` are so, where those that are come before those that are not.
fn partition_point(n: usize, is_so: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_so(middle) { low = middle + 1 } else { high = middle }
    }
    low
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::journal::{Class, Options, Record};
    use crate::model::ids::Tenant;
    use crate::model::via::Via;
    use crate::wire::format::entry::Event;

    #[tokio::test]
    async fn what_came_at_a_time_is_read_without_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 1 << 16, ..Options::default() };
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        // About two of them in a segment.
        for at in 1..=40 {
            let event = Event::Spans(Bytes::from(vec![7; 30 << 10]));
            let entry = Entry { tenant: Tenant::default(), received_at: UnixNanos(at * 10), via: Via::default(), event };
            let (head, body) = entry.encode();
            journal.append(Record { head, body }, Class::Spans).await.unwrap();
        }
        assert!(journal.segment_starts().len() > 10);
        let read = |from: u64, until: u64, segments_max: usize| {
            let mut times = Vec::new();
            let whole = look_between(&journal, (UnixNanos(from), UnixNanos(until)), segments_max, |entries| {
                times.extend(entries.map(|entry| entry.received_at.0));
            });
            whole.map(|()| times)
        };
        for (from, until) in [(200, 200), (195, 223), (0, 15), (0, 5), (395, 10_000), (500, 600)] {
            let times = read(from, until, 4).unwrap();
            let expected: Vec<u64> = (1..=40).map(|at| at * 10).filter(|at| (from..=until).contains(at)).collect();
            assert!(expected.iter().all(|at| times.contains(at)) && times.len() <= expected.len() + 5, "{from} to {until}: {times:?}");
        }
        assert_eq!(read(0, 10_000, 4), None, "it is most of the journal");
    }
}
