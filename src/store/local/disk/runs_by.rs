//! Runs across sessions: by their number, their last activity, or their user. Where they are, places say (`places/`).

use std::ops::{Range, RangeInclusive};

use rusqlite::params;

use super::places::{Entry, Kind, Places, user_key};
use super::read::Reader;
use super::rows::{NO_SESSION, TenantNo, read_run, signed};
use super::session_runs::read_order;
use super::statements::{self, Ready};
use crate::index::SessionNo;
use crate::model::ids::{RunId, SessionId};
use crate::model::run::{Run, RunStatus};
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::{TenantCell, TenantState};
use crate::store::view::RunQuery;

/// Numbers that one look finds at most.
const NUMBERS_MAX: usize = 100;

/// Which runs are worth decoding.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// At least so expensive, in nano-USD, and so long.
    pub cost: u64,
    pub length: u64,
    pub status: Option<RunStatus>,
}

impl Reader {
    /// One run by the number it is shown by; `state` is the tenant's, of the same moment.
    pub fn run_by_id(&self, cell: &TenantCell, state: &TenantState, id: RunId) -> rusqlite::Result<Option<Run>> {
        if let Some(run) = state.recent.find(id) {
            return Ok(Some(Run::clone(run)));
        }
        let mut found = None;
        self.each_place(cell.no, Kind::Number, &(id.get()..=id.get()), &mut |place| {
            let session = state.index.id_of(place.session());
            if session.is_none() && place.session() != NO_SESSION {
                // Its session was removed, and the next checkpoint takes the row.
                return Ok(true);
            }
            for run in self.runs_at(place, session.as_ref(), 0)? {
                if !state.recent.contains(place.session(), &RunOrder::of(&run)) {
                    found = Some(run);
                }
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// Run numbers within a range, at most 100.
    pub fn run_ids_between(&self, tenant: TenantNo, range: &Range<u64>) -> rusqlite::Result<Vec<RunId>> {
        let mut numbers = Vec::new();
        let Some(last) = range.end.checked_sub(1) else { return Ok(numbers) };
        self.each_place(tenant, Kind::Number, &(range.start..=last), &mut |place| {
            if !self.runs_at(place, None, 0)?.is_empty() && numbers.last().map(|last: &RunId| last.get()) != Some(place.key()) {
                numbers.extend(RunId::new(place.key()));
            }
            Ok(numbers.len() < NUMBERS_MAX)
        })?;
        Ok(numbers)
    }

    /// Shows every run on disk that the query's user and times allow. `session_of` gives the id of a session that still is.
    pub fn each_run(
        &self,
        tenant: TenantNo,
        query: &RunQuery,
        session_of: &mut dyn FnMut(SessionNo) -> Option<SessionId>,
        each: &mut dyn FnMut(SessionNo, &Run),
    ) -> rusqlite::Result<()> {
        let (start, end) = (query.start.map_or(0, |start| start.0), query.end.map_or(u64::MAX, |end| end.0));
        let (kind, keys) = match &query.user {
            Some(user) => (Kind::User, user_key(user)..=user_key(user)),
            None => (Kind::Activity, start..=u64::MAX),
        };
        self.each_place(tenant, kind, &keys, &mut |place| {
            if place.started_at().0 > end {
                return Ok(true);
            }
            let session = session_of(place.session());
            // Without its session, that one was removed, and the next checkpoint takes the row.
            if session.is_none() && place.session() != NO_SESSION {
                return Ok(true);
            }
            for run in self.runs_at(place, session.as_ref(), start)? {
                let is_meant = match &query.user {
                    Some(user) => run.user.as_ref() == Some(user),
                    None => run.last_activity.0 == place.key(),
                };
                if is_meant {
                    each(place.session(), &run);
                }
            }
            Ok(true)
        })
    }

    /// Shows the runs of sessions on disk that were last active within a range and are wanted, in the order of that, until it is told to
    /// stop.
    pub fn each_run_active(
        &self,
        tenant: TenantNo,
        active: &Range<u64>,
        wanted: Wanted,
        each: &mut dyn FnMut(SessionNo, Run) -> bool,
    ) -> rusqlite::Result<()> {
        let Some(last) = active.end.checked_sub(1) else { return Ok(()) };
        let (first_status, last_status) = wanted.status.map_or((0, u8::MAX), |status| (status as u8, status as u8));
        let bound = |least: u64| signed(least.min(i64::MAX as u64));
        let mut select = self.ready(&statements::WANTED_RUNS_AT)?;
        self.each_place(tenant, Kind::Activity, &(active.start..=last), &mut |place| {
            if place.session() == NO_SESSION {
                return Ok(true);
            }
            let mut rows = select.query(params![
                tenant.0,
                place.session().0,
                signed(place.started_at().0),
                signed(place.number()),
                signed(place.key()),
                bound(wanted.cost),
                bound(wanted.length),
                first_status,
                last_status
            ])?;
            while let Some(row) = rows.next()? {
                if !each(place.session(), read_run(row, None)?) {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Shows where each run of a user is on disk.
    pub fn each_place_of_user(&self, tenant: TenantNo, user: &str, each: &mut dyn FnMut(SessionNo, RunOrder)) -> rusqlite::Result<()> {
        let mut select = self.ready(&statements::USERS_AT)?;
        let key = user_key(user);
        self.each_place(tenant, Kind::User, &(key..=key), &mut |place| {
            let mut rows = select.query(params![tenant.0, place.session().0, signed(place.started_at().0), signed(place.number())])?;
            while let Some(row) = rows.next()? {
                if let (Some(order), Some(true)) = (read_order(row)?, row.get_ref(4)?.as_str_or_null()?.map(|of| of == user)) {
                    each(place.session(), order);
                }
            }
            Ok(true)
        })
    }

    /// The runs at a place that were active at a time or after it.
    fn runs_at(&self, place: Entry, session: Option<&SessionId>, since: u64) -> rusqlite::Result<Vec<Run>> {
        let since = signed(since.min(i64::MAX as u64));
        let values = params![place.tenant().0, place.session().0, signed(place.started_at().0), signed(place.number()), since];
        self.ready(&statements::RUNS_AT)?.query_map(values, |row| read_run(row, session))?.collect()
    }

    /// Shows the places of a tenant's runs with these keys, until it is told to stop. Segments and rows are of one state of the database.
    fn each_place(
        &self,
        tenant: TenantNo,
        kind: Kind,
        keys: &RangeInclusive<u64>,
        each: &mut dyn FnMut(Entry) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<()> {
        self.within_snapshot(|| {
            let mut places = Places::within(self, kind, &Entry::range(tenant, keys))?;
            while let Some(place) = places.next()? {
                if !each(place)? {
                    break;
                }
            }
            Ok(())
        })
    }
}
