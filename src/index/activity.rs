//! How many sessions were last active when: the histogram above a list.
//!
//! - Read off the order by last activity: without a filter only the ranks of the edges are looked up, so a million sessions cost as much as a
//!   thousand times fewer; with one, each entry of the range is asked for at most once.
//! - The edges lie at whole multiples of the width, so that a histogram of a moving range changes only when an edge is passed.
//! - Sessions whose times are not believable are in no bucket.

use super::list::RANKED_PER_ROW;
use super::rowset::RowSet;
use super::{SessionIndex, SessionNo};
use crate::model::query::{SessionQuery, SortField};
use crate::model::session::Activity;
use crate::model::time::{Nanos, UnixNanos};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What a bucket may last: what clocks and calendars are divided into.
const WIDTHS: [u64; 18] = [
    SECOND,
    5 * SECOND,
    15 * SECOND,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    364 * DAY,
];

impl SessionIndex {
    /// The sessions that fit, by their last activity, in at most `n_max` buckets (at least 2) between the query's start and end; where it has
    /// none, between the first and the last activity of all sessions. What else the query asks for narrows the counts, and so does `among`. `None` where there is
    /// nothing to count between them.
    ///
    /// A session that was active in the range and later, too, is in a list of the range and in no bucket.
    pub fn activity(&self, query: &SessionQuery, among: Option<&[SessionNo]>, n_max: usize) -> Option<Activity> {
        let order = self.order(SortField::LastActivity);
        let n_timeless = order.n_below(1);
        if n_timeless == order.len() {
            return None;
        }
        let (first, last) = (self.activity_at(n_timeless), self.activity_at(order.len() - 1));
        let (from, to) = (query.start.map_or(first, |start| start.0), query.end.map_or(last, |end| end.0));
        if from > to {
            return None;
        }
        let (start, width, n) = buckets(from, to, n_max.max(2));
        let filters = SessionQuery { start: None, end: None, ..query.clone() };
        // Without a window nobody has to be asked for runs.
        let mut fitting = self.fitting(&filters, among.map(|numbers| self.rows_of(numbers)), &mut |_, _, _| true);
        if let Some(id) = &query.session_id {
            let mut one = RowSet::default();
            let row = self.directory.row_of_id(id).filter(|row| fitting.as_ref().unwrap_or(&self.listed).contains(*row));
            row.into_iter().for_each(|row| one.insert(row));
            fitting = Some(one);
        }
        let edges: Vec<u64> = (0..=n as u64).map(|at| start.saturating_add(at.saturating_mul(width))).collect();
        // What is not believable has the key 0, and nothing outside the range is counted.
        let inside = |edge: u64| edge.clamp(from.max(1), to.saturating_add(1));
        let ranks: Vec<usize> = edges.iter().map(|edge| order.n_below(inside(*edge))).collect();
        let mut counts: Vec<u64> = ranks.windows(2).map(|pair| (pair[1] - pair[0]) as u64).collect();
        if let Some(fitting) = fitting {
            let n_ranked = ranks[n] - ranks[0];
            if fitting.count().saturating_mul(RANKED_PER_ROW) < n_ranked {
                counts.fill(0);
                let keys = fitting.iter().map(|row| self.figures(row).sort_activity).filter(|key| (from.max(1)..=to).contains(key));
                for key in keys {
                    counts[((key - start) / width) as usize] += 1;
                }
            } else {
                for (count, pair) in counts.iter_mut().zip(ranks.windows(2)) {
                    *count = 0;
                    order.each(pair[0]..pair[1], |row| *count += u64::from(fitting.contains(row)));
                }
            }
        }
        Some(Activity { start: UnixNanos(start), width: Nanos(width), counts })
    }

    /// The last activity of a rank, from the earliest on; there must be such a rank.
    fn activity_at(&self, rank: usize) -> u64 {
        let mut at = 0;
        self.order(SortField::LastActivity).each(rank..rank + 1, |row| at = self.figures(row).sort_activity);
        at
    }
}

/// Where the first bucket begins, how long each is, and how many there are.
fn buckets(from: u64, to: u64, n_max: usize) -> (u64, u64, usize) {
    let n_of = |width: u64| (to / width - from / width) as usize + 1;
    let widest = WIDTHS[WIDTHS.len() - 1];
    let width = WIDTHS.into_iter().find(|width| n_of(*width) <= n_max).unwrap_or_else(|| {
        // Times that nobody meant: as many of the widest together as it takes.
        widest.saturating_mul((to - from) / widest / (n_max as u64 - 1) + 1)
    });
    (from / width * width, width, n_of(width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle::run;
    use super::*;
    use crate::index::SessionNo;
    use crate::model::ids::SessionId;
    use crate::model::query::StatusFilter;
    use crate::model::run::{Run, RunStatus};

    /// Sessions of one run each: last activity in seconds, whether it failed, whether its times are not believable.
    fn index_of(sessions: &[(u64, bool, bool)]) -> SessionIndex {
        let mut index = SessionIndex::new(SessionNo(0));
        for (n, (at, is_failed, is_future)) in sessions.iter().enumerate() {
            let no = index.number(&SessionId::new(&format!("s{n}")).unwrap());
            let status = if *is_failed { RunStatus::Error } else { RunStatus::Success };
            let run = Run { status, is_future: *is_future, ..run("a", 1, at * SECOND) };
            let _ = index.apply(no, None, Some(&run));
        }
        index
    }

    proptest! {
        #[test]
        fn every_session_of_the_range_is_in_the_bucket_of_its_time(
            sessions in prop::collection::vec((1_u64..5_000, prop::bool::weighted(0.05), prop::bool::weighted(0.1)), 0..200),
            window in prop::option::of((0_u64..6_000, 0_u64..6_000)),
            errors in any::<bool>(),
        ) {
            let index = index_of(&sessions);
            let (start, end) = window.map_or((None, None), |(a, b)| (Some(UnixNanos(a * SECOND)), Some(UnixNanos(b * SECOND))));
            let query = SessionQuery { start, end, status: errors.then_some(StatusFilter::Error), ..SessionQuery::default() };
            let shown = index.activity(&query, None, 60);
            let believable = sessions.iter().filter(|(.., is_future)| !is_future);
            let (from, to) = window.unwrap_or((0, 6_000));
            if believable.clone().next().is_none() || from > to {
                prop_assert_eq!(shown, None);
                return Ok(());
            }
            let activity = shown.unwrap();
            prop_assert!(activity.counts.len() <= 60);
            let mut expected = vec![0; activity.counts.len()];
            for (at, is_failed, _) in believable.filter(|(at, ..)| (from..=to).contains(at)) {
                if *is_failed || !errors {
                    expected[((at * SECOND - activity.start.0) / activity.width.0) as usize] += 1;
                }
            }
            prop_assert_eq!(activity.counts, expected);
        }


        #[test]
        fn buckets_are_few_and_hold_the_range(from in any::<u64>(), length in any::<u64>(), bits in 0_u32..64, n_max in 2_usize..100) {
            let to = from.saturating_add(length >> bits);
            let (start, width, n) = buckets(from, to, n_max);
            prop_assert!(n >= 1 && n <= n_max, "{n} buckets");
            prop_assert!(start <= from && from - start < width && start % width == 0);
            let end = u128::from(start) + u128::from(width) * n as u128;
            prop_assert!(u128::from(to) < end && u128::from(to) + u128::from(width) >= end);
        }
    }
}
