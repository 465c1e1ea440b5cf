//! The runs of a window that stand out, and its users.
//!
//! - Where the window has few runs all of them are read. Else the sums over time say in which buckets the dearest can be, the slowest, and
//!   those that failed, and the likeliest buckets are read until no other can have more: some thousand runs of a million.
//! - What is read is bounded; where a few buckets have very many runs the answer says that it is not complete.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::series::is_within;
use crate::index::SessionNo;
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::run::{Run, RunStatus};
use crate::model::tally::Tally;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::disk::runs_by::Wanted;
use crate::store::local::state::buckets::Bounds;
use crate::store::local::state::kept::Kept;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::{TenantCell, TenantState};
use crate::store::local::{LocalStore, store_error};
use crate::store::overview::SESSIONLESS_MAX;
use crate::store::series::{Leading, SeriesQuery, UserShare};
use crate::store::view::RunQuery;

/// What a window has of buckets with such runs is read whole if it holds no more: 20 to 40 ms.
const WHOLE_MAX: u64 = 8_000;
/// So many runs are looked at for one list of a larger one, of which few are decoded: 20 to 60 ms.
const LIST_MAX: u64 = 30_000;

/// What a run has of what a list is ordered by; `None`: it is not of this list.
pub(super) type Key<'a> = Box<dyn Fn(&Run) -> Option<u64> + 'a>;

/// The runs that come first in some order.
pub(super) struct First<'a> {
    limit: usize,
    /// Greatest first.
    key: Key<'a>,
    pub(super) runs: Vec<Run>,
}

/// What the runs of a bucket have at most of what a list is ordered by.
type Bound<'a> = &'a dyn Fn(&Bounds) -> u64;
/// Which runs have at least so much of it.
type AtLeast<'a> = &'a dyn Fn(u64) -> Wanted;

/// A tenant's runs of one moment.
pub(super) struct Moment<'a> {
    reader: &'a Reader,
    cell: &'a TenantCell,
    newer: FxHashMap<(SessionNo, RunOrder), Option<Arc<Run>>>,
    sessions: FxHashMap<SessionNo, Option<SessionId>>,
    query: SeriesQuery,
}

impl LocalStore {
    pub(in crate::store::local) fn leading_runs(
        &self,
        cell: &TenantCell,
        query: &SeriesQuery,
        limit: usize,
    ) -> Result<Leading, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("look for the runs that stand out", error);
        let state = cell.read();
        let (query, bounds) = match (&query.user, &*state.sums.lock()) {
            (None, Kept::On(buckets)) => {
                let query = query.rounded(buckets.longest_since(query.since));
                let bounds = buckets.bounds(&query);
                (query, Some(bounds))
            }
            _ => (query.rounded(Nanos(1)), None),
        };
        let mut moment = Moment::begin(&reader, cell, &state, query).map_err(failed)?;
        drop(state);
        let mut lists = Lists::new(limit);
        match bounds {
            None if moment.query.user.is_some() => moment.of_user(&mut |run| lists.add(run)).map_err(failed)?,
            // Nothing is kept: only a window with few runs can be read.
            None => {
                lists.is_complete =
                    moment.read(&moment.window(), Wanted::default(), WHOLE_MAX, &mut |run| lists.add(run)).map_err(failed)?
            }
            // The buckets that have such runs have few in all: whoever else's those are, they are read as well.
            Some(bounds) if bounds.iter().map(|bucket| bucket.n_held).sum::<u64>() <= WHOLE_MAX => {
                for bucket in bounds {
                    lists.is_complete &=
                        moment.read(&bucket.active, Wanted::default(), 2 * WHOLE_MAX, &mut |run| lists.add(run)).map_err(failed)?;
                }
            }
            Some(bounds) => {
                lists.users = None;
                lists.best_first(&mut moment, &bounds).map_err(failed)?;
            }
        }
        if moment.query.user.is_none() {
            moment.sessionless(&mut |run| lists.add(run)).map_err(failed)?;
        }
        Ok(lists.leading())
    }
}

/// What is looked for.
struct Lists {
    limit: usize,
    dearest: First<'static>,
    slowest: First<'static>,
    failed: First<'static>,
    users: Option<BTreeMap<Str, Tally>>,
    is_complete: bool,
}

// === impl Lists ===

impl Lists {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            dearest: First::new(limit, Box::new(|run| Some(run.usage.cost.0).filter(|cost| *cost > 0))),
            slowest: First::new(limit, Box::new(|run| run.duration().map(|length| length.0))),
            failed: First::new(limit, Box::new(|run| (run.status == RunStatus::Error).then_some(run.last_activity.0))),
            users: Some(BTreeMap::new()),
            is_complete: true,
        }
    }

    fn add(&mut self, run: Run) {
        if let (Some(users), Some(user)) = (&mut self.users, &run.user) {
            if !users.contains_key(user) {
                users.insert(user.clone(), Tally::default());
            }
            users.get_mut(user).into_iter().for_each(|tally| tally.add(&run, &run.usage));
        }
        self.dearest.add(&run);
        self.slowest.add(&run);
        self.failed.add(&run);
    }

    /// Reads the buckets in which the first of each list can be, the likeliest first.
    fn best_first(&mut self, moment: &mut Moment<'_>, bounds: &[Bounds]) -> rusqlite::Result<()> {
        let has_errors = |bucket: &Bounds| if bucket.n_errors > 0 { bucket.active.end } else { 0 };
        let failed = Wanted { status: Some(RunStatus::Error), ..Wanted::default() };
        let lists: [(&mut First<'_>, Bound<'_>, AtLeast<'_>); 3] = [
            (&mut self.dearest, &|bucket| bucket.dearest, &|cost| Wanted { cost, ..Wanted::default() }),
            (&mut self.slowest, &|bucket| bucket.slowest, &|length| Wanted { length, ..Wanted::default() }),
            (&mut self.failed, &has_errors, &|_| failed),
        ];
        for (list, bound, wanted) in lists {
            let mut buckets: Vec<&Bounds> = bounds.iter().filter(|bucket| bound(bucket) > 0).collect();
            buckets.sort_by_key(|bucket| Reverse((bound(bucket), bucket.active.start)));
            let mut n_left = LIST_MAX;
            for bucket in buckets {
                if list.last().is_some_and(|last| last >= bound(bucket)) {
                    break;
                }
                let wanted = wanted(list.last().unwrap_or(0));
                let is_whole = moment.read(&bucket.active, wanted, n_left, &mut |run| list.add(&run))?;
                n_left = n_left.saturating_sub(bucket.n_held);
                if !is_whole || n_left == 0 {
                    self.is_complete = false;
                    break;
                }
            }
        }
        Ok(())
    }

    fn leading(self) -> Leading {
        let share = |(user, tally)| UserShare { user, tally };
        let mut users: Option<Vec<UserShare>> = self.users.map(|users| users.into_iter().map(share).collect());
        if let Some(users) = &mut users {
            // Stable: ties by name.
            users.sort_by_key(|share| Reverse((share.tally.usage.cost, share.tally.n_runs())));
            users.truncate(self.limit);
        }
        let (dearest, slowest, failed) = (self.dearest.runs, self.slowest.runs, self.failed.runs);
        Leading { dearest, slowest, failed, users, is_complete: self.is_complete }
    }
}

// === impl First ===

impl<'a> First<'a> {
    pub(super) fn new(limit: usize, key: Key<'a>) -> Self {
        Self { limit, key, runs: Vec::new() }
    }

    /// What the last of them has, once there are as many as are wanted.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.get(self.limit.saturating_sub(1)).and_then(&self.key)
    }

    pub(super) fn add(&mut self, run: &Run) {
        let Some(key) = (self.key)(run) else { return };
        if self.last().is_some_and(|last| last > key) {
            return;
        }
        let rank = |run: &Run, key: u64| (Reverse(key), run.id);
        let place = self.runs.partition_point(|held| (self.key)(held).is_some_and(|of_held| rank(held, of_held) < rank(run, key)));
        if self.runs.get(place).is_some_and(|held| held.key == run.key) {
            return;
        }
        self.runs.insert(place, run.clone());
        self.runs.truncate(self.limit);
    }
}

// === impl Moment ===

impl<'a> Moment<'a> {
    /// Of the state that is locked, so that disk and memory are of one moment.
    pub(super) fn begin(reader: &'a Reader, cell: &'a TenantCell, state: &TenantState, query: SeriesQuery) -> rusqlite::Result<Self> {
        reader.begin_snapshot()?;
        let newer = state.recent.all().map(|(session, order, run)| ((session, *order), run.cloned())).collect();
        Ok(Self { reader, cell, newer, sessions: FxHashMap::default(), query })
    }

    fn window(&self) -> Range<u64> {
        self.query.since.0..self.query.until.0
    }

    /// Shows the runs of sessions that are meant, wanted and were active in a range; `false` if there were more than `n_max` on disk.
    pub(super) fn read(&mut self, active: &Range<u64>, wanted: Wanted, n_max: u64, each: &mut dyn FnMut(Run)) -> rusqlite::Result<bool> {
        let (cell, query, newer, sessions) = (self.cell, &self.query, &self.newer, &mut self.sessions);
        let mut n_read = 0;
        self.reader.each_run_active(cell.no, active, wanted, &mut |no, run| {
            n_read += 1;
            if n_read > n_max {
                return false;
            }
            if query.matches(&run) && !newer.contains_key(&(no, RunOrder::of(&run))) {
                let session = sessions.entry(no).or_insert_with(|| cell.read().index.id_of(no));
                // Without its session, that one was removed, and the next checkpoint takes the row.
                if session.is_some() {
                    each(Run { session: session.clone(), ..run });
                }
            }
            true
        })?;
        for ((no, _), run) in newer {
            let Some(run) = run.as_ref().filter(|run| *no != NO_SESSION && active.contains(&run.last_activity.0)) else { continue };
            if query.matches(run) {
                each(Run::clone(run));
            }
        }
        Ok(n_read <= n_max)
    }

    /// Shows those without a session, where they are few.
    pub(super) fn sessionless(&mut self, each: &mut dyn FnMut(Run)) -> rusqlite::Result<()> {
        let newer: Vec<&Arc<Run>> =
            self.newer.iter().filter(|((no, _), _)| *no == NO_SESSION).filter_map(|(_, run)| run.as_ref()).collect();
        let n_stored = self.reader.count_runs(self.cell.no, NO_SESSION, SESSIONLESS_MAX)?;
        if n_stored + newer.len() as u64 >= SESSIONLESS_MAX {
            return Ok(());
        }
        let is_meant = |run: &Run| is_within(&self.query, run) && self.query.matches(run);
        if n_stored > 0 {
            self.reader.each_run_started_between(self.cell.no, NO_SESSION, (UnixNanos::ZERO, UnixNanos::MAX), &mut |run| {
                if !self.newer.contains_key(&(NO_SESSION, RunOrder::of(run))) && is_meant(run) {
                    each(run.clone());
                }
            })?;
        }
        newer.into_iter().filter(|run| is_meant(run)).for_each(|run| each(Run::clone(run)));
        Ok(())
    }

    /// Shows the runs of the query's user, those without a session too.
    fn of_user(&mut self, each: &mut dyn FnMut(Run)) -> rusqlite::Result<()> {
        let (cell, query, newer, sessions) = (self.cell, &self.query, &self.newer, &mut self.sessions);
        let wanted = RunQuery { start: Some(query.since), end: None, user: query.user.clone() };
        let is_meant = |run: &Run| is_within(query, run) && query.matches(run);
        let mut session_of = |no| sessions.entry(no).or_insert_with(|| cell.read().index.id_of(no)).clone();
        self.reader.each_run(cell.no, &wanted, &mut session_of, &mut |no, run| {
            if is_meant(run) && !newer.contains_key(&(no, RunOrder::of(run))) {
                each(run.clone());
            }
        })?;
        newer.values().flatten().filter(|run| is_meant(run)).for_each(|run| each(Run::clone(run)));
        Ok(())
    }
}
