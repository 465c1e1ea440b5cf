//! How long the journal keeps what it has: until every reader has passed it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ForwardStatus;
use crate::clock::Moment;
use crate::journal::{Journal, Position};
use crate::store::local::LocalStore;

/// How often passed segments are looked for.
const INTERVAL: Duration = Duration::from_secs(2);
/// How finely the age of the journal's parts is known where no Tempo takes them.
const MARK_EVERY: Duration = Duration::from_secs(60);

/// Gives passed segments back to the disk.
pub(super) struct Keeper {
    pub(super) journal: Journal,
    /// Without a Tempo, raw requests are kept this long and this large, so that a trace can still be shown whole.
    pub(super) raw_max_age: Duration,
    pub(super) raw_max_bytes: u64,
    /// Where the journal ended at some times past, oldest first. At most one a minute within `raw_max_age`. The night that a laptop sleeps
    /// counts, and a clock that is set does not.
    pub(super) marks: VecDeque<(Moment, Position)>,
}

impl Keeper {
    pub(super) async fn run(mut self, store: LocalStore, forwarded: ForwardStatus, stop: CancellationToken) {
        loop {
            let wanted = match &forwarded {
                Some(status) => status.releasable_position(),
                None => self.raw_floor(Moment::now()),
            };
            self.journal.release(wanted.min(store.checkpointed()));
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    /// What lies before it is too old or too much to keep.
    fn raw_floor(&mut self, now: Moment) -> Position {
        let end = self.journal.end();
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= MARK_EVERY) {
            self.marks.push_back((now, end));
        }
        let mut by_age = self.journal.start();
        while let Some((at, position)) = self.marks.front() {
            if now.since(*at) < self.raw_max_age {
                break;
            }
            by_age = by_age.max(*position);
            self.marks.pop_front();
        }
        // What nobody needs never takes the room of what comes: not more than half of the journal, however small it had to be.
        let raw_max_bytes = self.raw_max_bytes.min(self.journal.usage().1 / 2);
        by_age.max(Position(end.0.saturating_sub(raw_max_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::journal::{Class, Options, Record};

    /// A cap below `retention.raw_max_bytes`, set by hand or because the disk is small, once made every sender wait for ever: the journal
    /// kept what nobody needed until it was full of it.
    #[tokio::test]
    async fn raw_requests_that_nobody_needs_never_fill_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: 64 << 20, max_bytes: 1 << 20, tail_bytes: 1 << 16 };
        let (journal, _) = Journal::open(dir.path(), options).unwrap();
        let day = Duration::from_secs(24 * 3600);
        let mut keeper = Keeper { journal: journal.clone(), raw_max_age: day, raw_max_bytes: 1 << 30, marks: VecDeque::new() };
        for n in 0..1_000 {
            let record = Record { head: Bytes::new(), body: Bytes::from(vec![7; 4096]) };
            let appended = journal.append(record, Class::Spans).await;
            assert!(appended.is_ok(), "record {n}: {appended:?}");
            journal.release(keeper.raw_floor(Moment::now()));
        }
        let (used_bytes, max_bytes) = journal.usage();
        assert!(used_bytes > max_bytes / 4, "it keeps what there is room for, not {used_bytes} bytes");
    }

    #[tokio::test]
    async fn raw_requests_age_by_a_clock_that_goes_on_in_suspend() {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(dir.path(), Options::default()).unwrap();
        let hour = Duration::from_secs(3600);
        let mut keeper = Keeper { journal: journal.clone(), raw_max_age: 24 * hour, raw_max_bytes: 1 << 30, marks: VecDeque::new() };
        let evening = Moment::now();
        let append = || journal.append(Record { head: Bytes::new(), body: Bytes::from(vec![7; 4096]) }, Class::Spans);
        append().await.unwrap();
        let kept = journal.end();
        assert_eq!(keeper.raw_floor(evening), Position(0));
        append().await.unwrap();
        // The lid was closed for most of this.
        assert_eq!(keeper.raw_floor(evening.plus(23 * hour)), Position(0));
        assert_eq!(keeper.raw_floor(evening.plus(25 * hour)), kept);
    }
}
