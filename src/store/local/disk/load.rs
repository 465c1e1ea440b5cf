//! What the database holds, read once at start.

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::super::traces::TraceKey;
use super::rows::{TenantNo, read_session, unreadable, unsigned};
use super::statements::{self, Ready, Statement};
use crate::index::{SessionNo, SessionRow};
use crate::journal::Position;
use crate::model::Str;
use crate::model::ids::{SessionId, Tenant, TraceId};
use crate::model::report::Report;
use crate::model::time::UnixNanos;
use crate::wire::stored;

/// The keys in the table `meta`: `spans:<tenant>` and `service:<tenant>:<name>` count what was sent.
const SPANS_KEY: &str = "spans:";
const SERVICE_KEY: &str = "service:";

/// How many spans a tenant has sent, in all (`None`) or under the name of one service.
pub struct Sent {
    pub tenant: TenantNo,
    pub service: Option<Str>,
    pub n_spans: u64,
}

/// A position in the journal that the database notes; the beginning if it does not.
pub fn position(db: &Connection, key: &str) -> rusqlite::Result<Position> {
    number(db, key).map(Position)
}

/// A number that the database notes; 0 if it does not.
pub fn number(db: &Connection, key: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = db.ready(&statements::META_VALUE)?.query_row([key], |row| row.get(0)).optional()?;
    Ok(value.map_or(0, unsigned))
}

pub fn tenants(db: &Connection) -> rusqlite::Result<Vec<(TenantNo, Tenant, SessionNo)>> {
    rows(db, &statements::TENANTS, |row| {
        let Some(name) = Tenant::new(row.get_ref(1)?.as_str()?) else { return Ok(None) };
        Ok(Some((TenantNo(row.get(0)?), name, SessionNo(row.get(2)?))))
    })
}

pub fn sessions(db: &Connection) -> rusqlite::Result<FxHashMap<TenantNo, Vec<SessionRow>>> {
    let mut by_tenant: FxHashMap<TenantNo, Vec<SessionRow>> = FxHashMap::default();
    let mut select = db.ready(&statements::SESSIONS)?;
    for found in select.query_map([], read_session)? {
        let (tenant, row) = found?;
        by_tenant.entry(tenant).or_default().push(row);
    }
    Ok(by_tenant)
}

/// Deleted sessions, and since when.
pub fn tombstones(db: &Connection) -> rusqlite::Result<Vec<((TenantNo, SessionId), UnixNanos)>> {
    rows(db, &statements::TOMBSTONES, |row| with_session_id(row, |row| Ok(UnixNanos(unsigned(row.get(2)?)))))
}

/// Sessions with runs that were reported and name no trace, and how many such runs each has.
pub fn untraced(db: &Connection) -> rusqlite::Result<Vec<((TenantNo, SessionId), u32)>> {
    rows(db, &statements::UNTRACED, |row| with_session_id(row, |row| row.get(2)))
}

/// Sessions whose deletion was under way.
pub fn deletions(db: &Connection) -> rusqlite::Result<Vec<((TenantNo, SessionId), SessionNo)>> {
    rows(db, &statements::DELETIONS, |row| with_session_id(row, |row| Ok(SessionNo(row.get(2)?))))
}

/// Traces with runs that have not ended: of those with a root, and of the one without, the last sign of life of what is silent longest, and
/// a session that one of them is in.
pub fn unfinished(db: &Connection) -> rusqlite::Result<Vec<(TraceKey, bool, UnixNanos, SessionNo)>> {
    rows(db, &statements::UNFINISHED, |row| {
        let trace: [u8; 16] = row.get(1)?;
        let Some(trace) = TraceId::from_bytes(&trace) else { return Ok(None) };
        Ok(Some(((TenantNo(row.get(0)?), trace), row.get(2)?, UnixNanos(unsigned(row.get(3)?)), SessionNo(row.get(4)?))))
    })
}

/// The reports of the newest runs that were only started, at most `limit`.
pub fn started_only(db: &Connection, limit: u32) -> rusqlite::Result<Vec<(TenantNo, Report)>> {
    let mut reports = Vec::new();
    let (first, last) = TraceId::reports();
    let mut select = db.ready(&statements::STARTS)?;
    let mut found = select.query(params![first.as_bytes(), last.as_bytes(), limit])?;
    while let Some(row) = found.next()? {
        let stored = stored::decode_trace(row.get_ref(1)?.as_blob()?).map_err(|error| unreadable(1, error))?;
        let tenant = TenantNo(row.get(0)?);
        reports.extend(stored.report.filter(|report| !report.tells_more()).map(|report| (tenant, report)));
    }
    Ok(reports)
}

pub fn count_traces(db: &Connection) -> rusqlite::Result<u64> {
    db.ready(&statements::COUNT_TRACES)?.query_row([], |row| Ok(unsigned(row.get(0)?)))
}

/// A page of the keys of all traces, behind the trace of number `after`, with the number of the last of them; `None` at the end.
pub fn trace_keys(db: &Connection, after: i64, limit: u32) -> rusqlite::Result<Option<(Vec<TraceKey>, i64)>> {
    let mut select = db.ready(&statements::TRACE_KEYS)?;
    let mut found = select.query(params![after, limit])?;
    let mut keys = Vec::new();
    let mut last = None;
    while let Some(row) = found.next()? {
        last = Some(row.get(0)?);
        let trace: [u8; 16] = row.get(2)?;
        let tenant = TenantNo(row.get(1)?);
        keys.extend(TraceId::from_bytes(&trace).map(|trace| (tenant, trace)));
    }
    Ok(last.map(|last| (keys, last)))
}

/// What every tenant has sent.
pub fn sent(db: &Connection) -> rusqlite::Result<Vec<Sent>> {
    rows(db, &statements::SEEN, |row| {
        let key = row.get_ref(0)?.as_str()?;
        let n_spans = unsigned(row.get(1)?);
        let (tenant, service) = match (key.strip_prefix(SPANS_KEY), key.strip_prefix(SERVICE_KEY).and_then(|rest| rest.split_once(':'))) {
            (Some(tenant), _) => (tenant, None),
            (None, Some((tenant, name))) => (tenant, Some(Str::from(name))),
            (None, None) => return Ok(None),
        };
        Ok(tenant.parse().ok().map(|tenant| Sent { tenant: TenantNo(tenant), service, n_spans }))
    })
}

/// The key under which `meta` counts what a tenant sent.
pub fn sent_key(tenant: TenantNo, service: Option<&str>) -> String {
    match service {
        None => format!("{SPANS_KEY}{}", tenant.0),
        Some(name) => format!("{SERVICE_KEY}{}:{name}", tenant.0),
    }
}

fn rows<T>(
    db: &Connection,
    statement: &Statement,
    mut read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<Option<T>>,
) -> rusqlite::Result<Vec<T>> {
    let mut select = db.ready(statement)?;
    let mut found = select.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        all.extend(read(row)?);
    }
    Ok(all)
}

/// A tenant's number and a session's id from the first two columns, and what else is read; `None` for an id that cannot be.
fn with_session_id<T>(
    row: &rusqlite::Row<'_>,
    read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<((TenantNo, SessionId), T)>> {
    let Some(session) = SessionId::new(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    Ok(Some(((TenantNo(row.get(0)?), session), read(row)?)))
}
