//! What the database holds, read once at start.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{TenantNo, read_session, unreadable, unsigned};
use super::statements::{self, Ready, Statement};
use super::traces::stored_trace;
use crate::index::{AgentNames, RestoredSession, SessionNo};
use crate::journal::Position;
use crate::model::Str;
use crate::model::ids::{SessionId, Tenant, TraceId};
use crate::model::note::{Note, NoteText};
use crate::model::report::RunReport;
use crate::model::time::UnixNanos;
use crate::store::local::state::traces::TraceKey;
use crate::wire::format::stored::tallies::{StoredBucket, decode_bucket};

/// The keys in the table `meta`: `spans:<tenant>` and `service:<tenant>:<name>` count what was sent.
const SPANS_KEY: &str = "spans:";
const SERVICE_KEY: &str = "service:";
/// `series:2:<tenant>` says as of which checkpoint the rows of `series` are, by its time; 0: they are of none. `series:<tenant>` did so before
/// tools were in them.
const SERIES_KEY: &str = "series:2:";
/// `tool:<tenant>:<name>` notes that a tool is kept by its name in those rows.
const TOOL_KEY: &str = "tool:";

/// How many spans a tenant has sent, in all (`None`) or under the name of one service.
pub struct Sent {
    pub tenant: TenantNo,
    pub service: Option<Str>,
    pub n_spans: u64,
}

/// `asked:users:<tenant>` says when somebody has asked for users, to a checkpoint.
const USERS_ASKED_KEY: &str = "asked:users:";

/// All sums over time.
pub struct StoredSeries {
    /// The time of the checkpoint that those of a tenant are of.
    pub written_at: Vec<(TenantNo, UnixNanos)>,
    /// Begin, length, and what it holds.
    pub buckets: Vec<(TenantNo, u64, u64, StoredBucket)>,
    /// The tools that are kept by their names.
    pub tools: Vec<(TenantNo, Str)>,
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

/// Sessions of one tenant, some at a time.
pub struct SomeSessions {
    pub tenant: TenantNo,
    /// Names of agents that were not among those of this tenant before.
    pub names: Vec<Str>,
    pub sessions: Vec<RestoredSession>,
}

/// Every session, those of a tenant one after another, at most `n` at once.
pub fn each_sessions(db: &Connection, n: usize, mut each: impl FnMut(SomeSessions)) -> rusqlite::Result<()> {
    let (mut tenant, mut names, mut sessions) = (TenantNo(0), AgentNames::default(), Vec::new());
    let mut select = db.ready(&statements::SESSIONS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let of = TenantNo(row.get(0)?);
        if of != tenant || sessions.len() >= n {
            each(SomeSessions { tenant, names: names.take_new(), sessions: std::mem::replace(&mut sessions, Vec::with_capacity(n)) });
        }
        if of != tenant {
            (tenant, names) = (of, AgentNames::default());
        }
        sessions.push(read_session(row, &mut names)?);
    }
    each(SomeSessions { tenant, names: names.take_new(), sessions });
    Ok(())
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

/// What is noted of sessions.
pub fn notes(db: &Connection) -> rusqlite::Result<Vec<((TenantNo, SessionId), Note)>> {
    rows(db, &statements::NOTES, |row| {
        with_session_id(row, |row| {
            let text = NoteText::new(row.get_ref(3)?.as_str()?).unwrap_or_default();
            Ok(Note { is_bookmarked: row.get(2)?, text, changed_at: UnixNanos(unsigned(row.get(4)?)) })
        })
    })
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
pub fn started_only(db: &Connection, limit: u32) -> rusqlite::Result<Vec<(TenantNo, RunReport)>> {
    let state = db.unchecked_transaction()?;
    let (first, last) = TraceId::reports();
    let mut select = state.ready(&statements::STARTS)?;
    let found = select.query_map(params![first.as_bytes(), last.as_bytes(), limit], |row| {
        Ok((TenantNo(row.get(0)?), TraceId::from_bytes(&row.get::<_, [u8; 16]>(1)?)))
    })?;
    let mut reports = Vec::new();
    for started in found {
        let (tenant, Some(trace)) = started? else { continue };
        let report = stored_trace(&state, tenant, trace)?.and_then(|(_, stored)| stored.report);
        reports.extend(report.filter(|report| !report.tells_more()).map(|report| (tenant, report)));
    }
    Ok(reports)
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

/// The sums over time of all tenants.
pub fn series(db: &Connection) -> rusqlite::Result<StoredSeries> {
    let written_at = rows(db, &statements::SERIES_WRITTEN, |row| {
        let tenant = row.get_ref(0)?.as_str()?.strip_prefix(SERIES_KEY).and_then(|tenant| tenant.parse().ok());
        Ok(tenant.zip(Some(UnixNanos(unsigned(row.get(1)?)))).map(|(tenant, at)| (TenantNo(tenant), at)))
    })?;
    let buckets = rows(db, &statements::BUCKETS, |row| {
        let bucket = decode_bucket(row.get_ref(3)?.as_blob()?).map_err(|error| unreadable(3, error))?;
        Ok(Some((TenantNo(row.get(0)?), unsigned(row.get(1)?), unsigned(row.get(2)?), bucket)))
    })?;
    let tools = rows(db, &statements::TOOLS, |row| {
        let tool = row.get_ref(0)?.as_str()?.strip_prefix(TOOL_KEY).and_then(|rest| rest.split_once(':'));
        Ok(tool.and_then(|(tenant, name)| Some((TenantNo(tenant.parse().ok()?), Str::from(name)))))
    })?;
    Ok(StoredSeries { written_at, buckets, tools })
}

/// Tenants whose users somebody has asked for, and when last.
pub fn users_asked(db: &Connection) -> rusqlite::Result<Vec<(TenantNo, UnixNanos)>> {
    rows(db, &statements::USERS_ASKED, |row| {
        let tenant = row.get_ref(0)?.as_str()?.strip_prefix(USERS_ASKED_KEY).and_then(|tenant| tenant.parse().ok());
        Ok(tenant.zip(Some(UnixNanos(unsigned(row.get(1)?)))).map(|(tenant, at)| (TenantNo(tenant), at)))
    })
}

/// The key under which `meta` notes that somebody has asked for a tenant's users.
pub fn users_asked_key(tenant: TenantNo) -> String {
    format!("{USERS_ASKED_KEY}{}", tenant.0)
}

/// The key under which `meta` notes how many sessions a tenant has.
pub fn sessions_key(tenant: TenantNo) -> String {
    format!("sessions:{}", tenant.0)
}

/// The key under which `meta` notes when a tenant's sums over time were written.
pub fn series_key(tenant: TenantNo) -> String {
    format!("{SERIES_KEY}{}", tenant.0)
}

/// The key under which `meta` notes that a tool is kept by its name.
pub fn tool_key(tenant: TenantNo, name: &str) -> String {
    format!("{TOOL_KEY}{}:{name}", tenant.0)
}

/// The key behind all those of a tenant's tools: the character behind the colon.
pub fn after_tool_keys(tenant: TenantNo) -> String {
    format!("{TOOL_KEY}{};", tenant.0)
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
