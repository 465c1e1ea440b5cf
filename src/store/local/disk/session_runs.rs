//! Reads by session: its runs, one by its primary key or many in order, the traces that were left out of it, its deletion. Runs across
//! sessions: `runs_by.rs`; traces: `traces.rs`.

use rusqlite::{OptionalExtension, params};

use super::read::Reader;
use super::rows::{TenantNo, read_detail, read_run, signed, unsigned};
use super::statements::{self, Ready, Statement};
use crate::index::{SessionNo, SessionTimes};
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::run::{Run, RunStatus, Score};
use crate::model::time::UnixNanos;
use crate::store::local::state::recent::{Overlay, RunOrder};

impl Reader {
    /// One run by its place.
    pub fn run(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: Option<&SessionId>,
        order: &RunOrder,
    ) -> rusqlite::Result<Option<Run>> {
        self.at_place(&statements::RUN_AT, tenant, session_no, order, |row| read_run(row, session))
    }

    pub fn has_run_at(&self, tenant: TenantNo, session_no: SessionNo, order: &RunOrder) -> rusqlite::Result<bool> {
        Ok(self.at_place(&statements::RUN_EXISTS, tenant, session_no, order, |_| Ok(()))?.is_some())
    }

    fn at_place<T>(
        &self,
        statement: &Statement,
        tenant: TenantNo,
        session_no: SessionNo,
        order: &RunOrder,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let RunOrder { started_at, id, key } = order;
        let span = signed(key.span.to_u64());
        let values = params![tenant.0, session_no.0, signed(started_at.0), signed(id.get()), key.trace.as_bytes(), span];
        self.ready(statement)?.query_row(values, read).optional()
    }

    /// Whether a run of the session overlaps [start, end]; those that `is_newer` knows are different or gone by now.
    pub fn has_run_in(
        &self,
        tenant: TenantNo,
        session: SessionNo,
        (start, end): (UnixNanos, UnixNanos),
        is_newer: impl Fn(&RunOrder) -> bool,
    ) -> rusqlite::Result<bool> {
        let mut select = self.ready(&statements::RUNS_IN_WINDOW)?;
        let mut rows = select.query(params![tenant.0, session.0, signed(end.0), signed(start.0)])?;
        while let Some(row) = rows.next()? {
            let Some(order) = read_order(row)? else { continue };
            if !is_newer(&order) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Up to `limit` runs of a session on disk that started within [start, end].
    pub fn runs_started_between(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: &SessionId,
        (start, end): (UnixNanos, UnixNanos),
        limit: u32,
    ) -> rusqlite::Result<Vec<Run>> {
        let mut select = self.ready(&statements::RUNS_STARTED_BETWEEN)?;
        let values = params![tenant.0, session_no.0, signed(start.0), signed(end.0.min(i64::MAX as u64)), limit];
        select.query_map(values, |row| read_run(row, Some(session)))?.collect()
    }

    /// Those of the newest `limit` runs of a session on disk that have this status.
    pub fn newest_with_status(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: &SessionId,
        status: RunStatus,
        limit: u32,
    ) -> rusqlite::Result<Vec<Run>> {
        let mut select = self.ready(&statements::NEWEST_WITH_STATUS)?;
        select.query_map(params![tenant.0, session_no.0, status as u8, limit], |row| read_run(row, Some(session)))?.collect()
    }

    /// Shows the runs of a session on disk that started within [start, end], without its id.
    pub fn each_run_started_between(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        (start, end): (UnixNanos, UnixNanos),
        each: &mut dyn FnMut(&Run),
    ) -> rusqlite::Result<()> {
        let mut select = self.ready(&statements::RUNS_STARTED_BETWEEN)?;
        let mut rows = select.query(params![tenant.0, session_no.0, signed(start.0), signed(end.0.min(i64::MAX as u64)), -1])?;
        while let Some(row) = rows.next()? {
            each(&read_run(row, None)?);
        }
        Ok(())
    }

    /// Shows every run on disk that has a session, by session, until it is told to stop; which session that is stands in none of them.
    pub fn each_run_of_sessions(&self, tenant: TenantNo, each: &mut dyn FnMut(SessionNo, &Run) -> bool) -> rusqlite::Result<()> {
        let mut select = self.ready(&statements::RUNS_OF_SESSIONS)?;
        let mut rows = select.query(params![tenant.0])?;
        while let Some(row) = rows.next()? {
            if !each(SessionNo(row.get("session_no")?), &read_run(row, None)?) {
                break;
            }
        }
        Ok(())
    }

    /// Shows who the newest runs of a session on disk are of, the newest first, at most `limit`.
    pub fn each_newest_user(
        &self,
        tenant: TenantNo,
        session: SessionNo,
        limit: u32,
        each: &mut dyn FnMut(RunOrder, &str),
    ) -> rusqlite::Result<()> {
        let mut select = self.ready(&statements::NEWEST_USERS)?;
        let mut rows = select.query(params![tenant.0, session.0, limit])?;
        while let Some(row) = rows.next()? {
            if let (Some(order), Some(user)) = (read_order(row)?, row.get_ref(4)?.as_str_or_null()?) {
                each(order, user);
            }
        }
        Ok(())
    }

    /// Shows how the newest runs of a session on disk were judged, the newest first, at most `limit`.
    pub fn each_newest_scores(
        &self,
        tenant: TenantNo,
        session: SessionNo,
        limit: u32,
        each: &mut dyn FnMut(RunOrder, Vec<Score>),
    ) -> rusqlite::Result<()> {
        let mut select = self.ready(&statements::NEWEST_DETAILS)?;
        let mut rows = select.query(params![tenant.0, session.0, limit])?;
        while let Some(row) = rows.next()? {
            if let Some(order) = read_order(row)? {
                each(order, read_detail(row, 4)?.scores);
            }
        }
        Ok(())
    }

    /// The times of every run of a session: those on disk that `newer` does not replace, and those of `newer`.
    pub fn session_times(&self, tenant: TenantNo, session: SessionNo, newer: &Overlay) -> rusqlite::Result<SessionTimes> {
        let mut times = SessionTimes::default();
        for run in newer.runs() {
            times.add(&run.agent, run.started_at, run.last_activity, || Ok::<_, rusqlite::Error>(!run.is_future))?;
        }
        let mut select = self.ready(&statements::RUN_TIMES)?;
        let mut rows = select.query(params![tenant.0, session.0])?;
        while let Some(row) = rows.next()? {
            let Some(order) = read_order(row)?.filter(|order| !newer.contains(order)) else { continue };
            let last_activity = UnixNanos(unsigned(row.get(5)?));
            let is_believable = || Ok::<_, rusqlite::Error>(!read_detail(row, 6)?.is_future);
            times.add(row.get_ref(4)?.as_str()?, order.started_at, last_activity, is_believable)?;
        }
        Ok(times)
    }

    /// A page of a session's runs, in order, behind a place.
    pub fn runs_after(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: &SessionId,
        after: Option<RunOrder>,
        limit: usize,
    ) -> rusqlite::Result<Vec<Run>> {
        let mut select = self.ready(&statements::RUNS_AFTER)?;
        let (started_at, id, trace, span) = match &after {
            None => (i64::MIN, 0, &[0; 16], i64::MIN),
            Some(RunOrder { started_at, id, key }) => {
                (signed(started_at.0), signed(id.get()), key.trace.as_bytes(), signed(key.span.to_u64()))
            }
        };
        let values = params![tenant.0, session_no.0, started_at, id, trace, span, limit as u32];
        select.query_map(values, |row| read_run(row, Some(session)))?.collect()
    }

    /// The run on disk that started last of those whose times are believable; `is_newer` knows which rows are out of date.
    pub fn newest_believable_run(
        &self,
        tenant: TenantNo,
        session_no: SessionNo,
        session: &SessionId,
        is_newer: impl Fn(&RunOrder) -> bool,
    ) -> rusqlite::Result<Option<Run>> {
        let mut select = self.ready(&statements::RUNS_FROM_LAST)?;
        let mut rows = select.query(params![tenant.0, session_no.0])?;
        while let Some(row) = rows.next()? {
            let run = read_run(row, Some(session))?;
            if !run.is_future && !is_newer(&RunOrder::of(&run)) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Traces of which a run was left out of a session.
    pub fn traces_left_out(&self, tenant: TenantNo, session: &SessionId) -> rusqlite::Result<Vec<TraceId>> {
        let mut select = self.ready(&statements::TRACES_LEFT_OUT)?;
        let traces = select.query_map(params![tenant.0, session.as_str()], |row| row.get::<_, [u8; 16]>(0))?;
        traces.filter_map(|trace| trace.map(|trace| TraceId::from_bytes(&trace)).transpose()).collect()
    }

    /// How many runs the session has on disk, exactly up to `limit`.
    pub fn count_runs(&self, tenant: TenantNo, session: SessionNo, limit: u64) -> rusqlite::Result<u64> {
        self.ready(&statements::COUNT_RUNS_UP_TO)?.query_row(params![tenant.0, session.0, signed(limit)], |row| Ok(unsigned(row.get(0)?)))
    }

    /// When the session was deleted: what started by then stays gone.
    pub fn deleted_at(&self, tenant: TenantNo, session: &SessionId) -> rusqlite::Result<Option<UnixNanos>> {
        let mut select = self.ready(&statements::TOMBSTONE_OF)?;
        select.query_row(params![tenant.0, session.as_str()], |row| Ok(UnixNanos(unsigned(row.get(0)?)))).optional()
    }
}

/// The place of a run from its first four columns; `None` for ids that cannot be.
pub fn read_order(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<RunOrder>> {
    let trace: [u8; 16] = row.get(2)?;
    let ids = (TraceId::from_bytes(&trace), SpanId::from_u64(unsigned(row.get(3)?)), RunId::new(unsigned(row.get(1)?)));
    let (Some(trace), Some(span), Some(id)) = ids else { return Ok(None) };
    Ok(Some(RunOrder { started_at: UnixNanos(unsigned(row.get(0)?)), id, key: RunKey { trace, span } }))
}
