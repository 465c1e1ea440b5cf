//! The runs of a window that called a tool, and stand out by that.
//!
//! The sums over time say in which buckets such runs are, and how slow and how unlucky their calls were at most; the likeliest buckets are
//! read until no other can have more, and so many runs at most. Where the answer is not complete it says so.

use std::cmp::Reverse;

use super::leading::{First, Moment};
use crate::model::Str;
use crate::model::run::Run;
use crate::store::StoreError;
use crate::store::local::disk::runs_by::Wanted;
use crate::store::local::state::buckets::CallBounds;
use crate::store::local::state::kept::Kept;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::series::{Callers, SeriesQuery};

/// So many runs are read for one list: 5 to 20 ms.
const LIST_MAX: u64 = 5_000;

/// What the runs of a bucket have at most of what a list is ordered by.
type Bound = fn(&CallBounds) -> u64;
/// What a run has of it; `None`: it is not of this list.
type Key = fn(&Run, &Str) -> Option<u64>;

impl LocalStore {
    /// Nothing, which is not complete, where the query names no tool, and where no sums are kept.
    pub(in crate::store::local) fn callers_of(&self, cell: &TenantCell, query: &SeriesQuery, limit: usize) -> Result<Callers, StoreError> {
        let Some(tool) = query.tool.clone() else { return Ok(Callers::default()) };
        let reader = self.shared.reader()?;
        let failed = |error| store_error("look for the runs that called a tool", error);
        let state = cell.read();
        let (query, bounds) = {
            let sums = state.sums.lock();
            let Kept::On(buckets) = &*sums else { return Ok(Callers::default()) };
            let query = query.rounded(buckets.longest_since(query.since));
            let bounds = buckets.bounds_of_calls(&query, &tool);
            (query, bounds)
        };
        let mut moment = Moment::begin(&reader, cell, &state, query).map_err(failed)?;
        drop(state);
        let tool = &tool;
        let first = |key: Key| First::new(limit, Box::new(move |run| key(run, tool)));
        let [mut slowest, mut failures, mut latest] = [slowest as Key, last_failed, last_active].map(first);
        let lists: [(&mut First<'_>, Bound); 3] = [
            (&mut slowest, |bucket| bucket.slowest),
            (&mut failures, |bucket| if bucket.n_errors > 0 { bucket.active.end } else { 0 }),
            (&mut latest, |bucket| bucket.active.end),
        ];
        let mut is_complete = true;
        for (list, bound) in lists {
            is_complete &= best_first(&mut moment, &bounds, bound, list).map_err(failed)?;
        }
        moment
            .sessionless(&mut |run| [&mut slowest, &mut failures, &mut latest].into_iter().for_each(|list| list.add(&run)))
            .map_err(failed)?;
        Ok(Callers { slowest: slowest.runs, failed: failures.runs, latest: latest.runs, is_complete })
    }
}

/// `false` if there were too many runs to read all that can be among the first.
fn best_first(moment: &mut Moment<'_>, bounds: &[CallBounds], bound: Bound, first: &mut First<'_>) -> rusqlite::Result<bool> {
    let mut buckets: Vec<&CallBounds> = bounds.iter().filter(|bucket| bound(bucket) > 0).collect();
    buckets.sort_by_key(|bucket| Reverse((bound(bucket), bucket.active.start)));
    let mut n_left = LIST_MAX;
    for bucket in buckets {
        if first.last().is_some_and(|last| last >= bound(bucket)) {
            return Ok(true);
        }
        if n_left == 0 || !moment.read(&bucket.active, Wanted::default(), n_left, &mut |run| first.add(&run))? {
            return Ok(false);
        }
        n_left = n_left.saturating_sub(bucket.n_runs);
    }
    Ok(true)
}

fn slowest(run: &Run, tool: &Str) -> Option<u64> {
    run.calls_of(tool)?.slowest().map(|length| length.0)
}

fn last_failed(run: &Run, tool: &Str) -> Option<u64> {
    run.calls_of(tool).filter(|calls| calls.n_errors > 0).map(|_| run.last_activity.0)
}

fn last_active(run: &Run, tool: &Str) -> Option<u64> {
    run.calls_of(tool).map(|_| run.last_activity.0)
}
