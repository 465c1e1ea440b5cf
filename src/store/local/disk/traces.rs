//! Traces as they are stored, found by their ids. Which row one is in, places say (`places/`).

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::load::number;
use super::places::{Entry, Kind, Places, each_newest_first, entries_after};
use super::read::Reader;
use super::rows::{TenantNo, TraceNo, signed, unreadable, unsigned};
use super::statements::{self, Ready, Statement};
use crate::model::ids::TraceId;
use crate::model::stretches::Stretches;
use crate::model::time::UnixNanos;
use crate::store::local::state::traces::TraceKey;
use crate::wire::format::stored::{self, StoredTrace};

/// The key under which `meta` notes the number that the next trace gets: none is given twice.
pub const NEXT_TRACE_KEY: &str = "next_trace";

impl Reader {
    /// A trace as it is stored, with the number of its row.
    pub fn stored_trace(&self, tenant: TenantNo, trace: TraceId) -> rusqlite::Result<Option<(TraceNo, StoredTrace)>> {
        self.within_snapshot(|| stored_trace(self, tenant, trace))
    }

    /// Where in the journal its requests are.
    pub fn stretches(&self, tenant: TenantNo, trace: TraceId) -> rusqlite::Result<Option<Stretches>> {
        let decode = |row: &Row<'_>| stored::decode_stretches(row.get_ref(0)?.as_blob()?).map_err(|error| unreadable(0, error));
        let found = self.within_snapshot(|| row_of(self, &statements::TRACE_FACTS, tenant, trace, decode))?;
        Ok(found.map(|(_, stretches)| stretches))
    }

    pub fn has_trace(&self, tenant: TenantNo, trace: TraceId) -> rusqlite::Result<bool> {
        Ok(self.within_snapshot(|| trace_no(self, tenant, trace))?.is_some())
    }

    /// Any trace whose id lies within [from, to].
    pub fn trace_between(&self, tenant: TenantNo, from: TraceId, to: TraceId) -> rusqlite::Result<Option<TraceId>> {
        self.within_snapshot(|| {
            let mut places = Places::within(self, Kind::Trace, &Entry::range_of_traces(tenant, from, to))?;
            while let Some(place) = places.next()? {
                if let Some(trace) = place.trace()
                    && row(self, &statements::TRACE_EXISTS, (place.trace_no(), tenant, trace), |_| Ok(()))?.is_some()
                {
                    return Ok(Some(trace));
                }
            }
            Ok(None)
        })
    }

    /// Up to `limit` traces that ended before a time, the oldest first.
    pub fn old_traces(&self, before: UnixNanos, limit: u32) -> rusqlite::Result<Vec<(TraceKey, StoredTrace)>> {
        let mut select = self.ready(&statements::OLD_TRACES)?;
        let mut old = Vec::new();
        let mut rows = select.query(params![signed(before.0), limit])?;
        while let Some(row) = rows.next()? {
            let trace: [u8; 16] = row.get(1)?;
            let Some(trace) = TraceId::from_bytes(&trace) else { continue };
            let stored = stored::decode_trace(row.get_ref(2)?.as_blob()?).map_err(|error| unreadable(2, error))?;
            old.push(((TenantNo(row.get(0)?), trace), stored));
        }
        Ok(old)
    }

    /// The keys of all traces that are on disk, and of some that were, a piece at a time: those behind a page, and the page to go on behind.
    /// `None` at the end. What a checkpoint adds meanwhile may be left out.
    pub fn trace_keys(&self, after_page: i64) -> rusqlite::Result<Option<(Vec<TraceKey>, i64)>> {
        let found = self.within_snapshot(|| entries_after(self, Kind::Trace, after_page))?;
        let key = |entry: Entry| entry.trace().map(|trace| (entry.tenant(), trace));
        Ok(found.map(|(entries, page)| (entries.into_iter().filter_map(key).collect(), page)))
    }
}

/// A trace as it is stored, with the number of its row. Segments and rows are of one state: the caller has begun a transaction.
pub fn stored_trace(db: &Connection, tenant: TenantNo, trace: TraceId) -> rusqlite::Result<Option<(TraceNo, StoredTrace)>> {
    let decode = |row: &Row<'_>| stored::decode_trace(row.get_ref(0)?.as_blob()?).map_err(|error| unreadable(0, error));
    row_of(db, &statements::TRACE_FACTS, tenant, trace, decode)
}

/// The number of a trace's row, if it has one; in a transaction too.
pub fn trace_no(db: &Connection, tenant: TenantNo, trace: TraceId) -> rusqlite::Result<Option<TraceNo>> {
    Ok(row_of(db, &statements::TRACE_EXISTS, tenant, trace, |_| Ok(()))?.map(|(no, ())| no))
}

/// The number that the next trace gets, as the last checkpoint noted it. Formats before 4 noted none: behind all that are there.
pub fn next_trace(db: &Connection) -> rusqlite::Result<TraceNo> {
    let last: Option<u64> = db.ready(&statements::LAST_TRACE)?.query_row([], |row| Ok(unsigned(row.get(0)?))).optional()?;
    Ok(TraceNo(number(db, NEXT_TRACE_KEY)?.max(last.unwrap_or(0) + 1)))
}

/// What a statement reads of a trace, wherever its row is.
fn row_of<T>(
    db: &Connection,
    statement: &Statement,
    tenant: TenantNo,
    trace: TraceId,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<(TraceNo, T)>> {
    let mut found = None;
    each_newest_first(db, Kind::Trace, &Entry::range_of_traces(tenant, trace, trace), &mut |place| {
        found = row(db, statement, (place.trace_no(), tenant, trace), &read)?.map(|read| (place.trace_no(), read));
        Ok(found.is_none())
    })?;
    Ok(found)
}

fn row<T>(
    db: &Connection,
    statement: &Statement,
    (no, tenant, trace): (TraceNo, TenantNo, TraceId),
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.ready(statement)?.query_row(params![signed(no.0), trace.as_bytes(), tenant.0], read).optional()
}

#[cfg(test)]
mod tests;
