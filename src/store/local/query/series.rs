//! What runs come to over time: from the sums that are kept, and runs that are in none of them from disk.

use std::ops::Range;

use crate::model::run::Run;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::StoreError;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::state::buckets::Buckets;
use crate::store::local::state::kept::Kept;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::overview::SESSIONLESS_MAX;
use crate::store::series::{Series, SeriesQuery};
use crate::store::view::RunQuery;

impl LocalStore {
    /// `None` while the runs are being added up.
    pub(in crate::store::local) fn series_of(&self, cell: &TenantCell, query: &SeriesQuery) -> Result<Option<Series>, StoreError> {
        if query.user.is_some() {
            return self.series_of_runs(cell, query).map(Some);
        }
        let reader = self.shared.reader()?;
        self.shared.begin_keeping(cell, &reader, |state| &state.sums)?;
        let failed = |error| store_error("read the runs without a session", error);
        let state = cell.read();
        let kept = state.sums.lock();
        let buckets = match &*kept {
            Kept::On(buckets) => buckets,
            Kept::Off | Kept::Begun(..) => return Ok(None),
            Kept::TooMuch => {
                drop(kept);
                drop(state);
                return self.series_of_runs(cell, query).map(Some);
            }
        };
        let query = query.rounded(buckets.longest_since(query.since));
        let mut series = Series::empty(&query);
        buckets.series(&query, &mut series);
        let mut beside = buckets.beside();
        drop(kept);
        let newer = state.recent.overlay(NO_SESSION);
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        drop(state);
        let n_sessionless = reader.count_runs(cell.no, NO_SESSION, SESSIONLESS_MAX).map_err(failed)? + newer.len() as u64;
        if n_sessionless == 0 {
            return Ok(Some(series));
        }
        series.has_sessionless = n_sessionless < SESSIONLESS_MAX;
        if !series.has_sessionless {
            return Ok(Some(series));
        }
        let mut take = |run: &Run| {
            if is_within(&query, run) && query.matches(run) {
                beside.add(run);
            }
        };
        reader
            .each_run_started_between(cell.no, NO_SESSION, (UnixNanos::ZERO, UnixNanos::MAX), &mut |run| {
                if !newer.contains(&RunOrder::of(run)) {
                    take(run);
                }
            })
            .map_err(failed)?;
        newer.runs().for_each(|run| take(run));
        reader.end_snapshot().map_err(failed)?;
        beside.series(&query, &mut series);
        Ok(Some(series))
    }

    /// The same from the runs themselves: as slow as there are runs, or as the user has.
    fn series_of_runs(&self, cell: &TenantCell, query: &SeriesQuery) -> Result<Series, StoreError> {
        let query = query.rounded(Nanos(1));
        let mut buckets = Buckets::default();
        let wanted = RunQuery { start: Some(query.since), end: None, user: query.user.clone() };
        self.each_run(cell, std::slice::from_ref(&wanted), &mut |run| {
            if is_within(&query, run) && query.matches(run) {
                buckets.add(run);
            }
        })?;
        let mut series = Series::empty(&query);
        buckets.series(&query, &mut series);
        Ok(series)
    }
}

/// Whether at least so many runs are in the sums that are kept of a window.
pub(in crate::store::local) fn has_runs(cell: &TenantCell, window: Range<UnixNanos>, n_least: u64) -> bool {
    let state = cell.read();
    let kept = state.sums.lock();
    matches!(&*kept, Kept::On(buckets) if buckets.has_runs(window, n_least))
}

/// Whether the run is counted in the window of a query that is rounded.
pub(in crate::store::local) fn is_within(query: &SeriesQuery, run: &Run) -> bool {
    run.last_activity >= query.since && run.last_activity < query.until
}
