//! Writes one checkpoint. Rows are written in the order of their keys: what is new lies together.

use std::sync::atomic::Ordering;

use rusqlite::{Connection, params};

use super::load::{after_tool_keys, sent_key, series_key, sessions_key, tool_key, users_asked_key};
use super::places::{self, Gone, NewPlaces};
use super::rows::{self, TenantNo, signed};
use super::statements::{self, Ready};
use super::traces::{NEXT_TRACE_KEY, trace_no};
use crate::journal::Position;
use crate::model::ids::SessionId;
use crate::model::note::Note;
use crate::model::time::UnixNanos;
use crate::store::local::state::ingest_stats::IngestStats;
use crate::store::local::write::checkpoint::{Checkpoint, TenantRow};
use crate::store::local::write::saved::ChangedBuckets;

/// Writes one checkpoint; on an error nothing of it is there.
pub fn write(db: &mut Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    write_tenants(&transaction, checkpoint)?;
    let (mut places, mut gone) = (NewPlaces::default(), Gone::default());
    gone.n_runs += write_sessions(&transaction, checkpoint)?;
    gone.n_runs += write_runs(&transaction, checkpoint, &mut places)?;
    gone.n_traces += write_traces(&transaction, checkpoint, &mut places)?;
    places::add(&transaction, places, gone, checkpoint.sessionless_floor)?;
    for (tenant, session, deleted_at) in &checkpoint.tombstones {
        match deleted_at {
            Some(at) => transaction.ready(&statements::PUT_TOMBSTONE)?.execute(params![tenant.0, session.as_str(), signed(at.0)])?,
            None => transaction.ready(&statements::DELETE_TOMBSTONE)?.execute(params![tenant.0, session.as_str()])?,
        };
    }
    write_deletions(&transaction, checkpoint)?;
    write_notes(&transaction, checkpoint)?;
    write_series(&transaction, checkpoint)?;
    put_number(&transaction, "clock_ns", checkpoint.clock.0)?;
    put_number(&transaction, NEXT_TRACE_KEY, checkpoint.next_trace.0)?;
    for (key, value) in [("journal_position", checkpoint.position), ("opened_at", checkpoint.opened_at)] {
        put_position(&transaction, key, value)?;
    }
    transaction.commit()
}

/// Notes a position in the journal.
pub fn put_position(db: &Connection, key: &str, position: Position) -> rusqlite::Result<()> {
    put_number(db, key, position.0)
}

/// Notes a number.
pub fn put_number(db: &Connection, key: &str, number: u64) -> rusqlite::Result<()> {
    db.ready(&statements::PUT_META)?.execute(params![key, signed(number)])?;
    Ok(())
}

fn write_deletions(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    for (tenant, session_no, began) in &checkpoint.deletions {
        match began {
            Some(id) => db.ready(&statements::PUT_DELETION)?.execute(params![tenant.0, session_no.0, id.as_str()])?,
            None => db.ready(&statements::DELETE_DELETION)?.execute(params![tenant.0, session_no.0])?,
        };
    }
    for (tenant, session) in &checkpoint.forgotten_left_out {
        db.ready(&statements::DELETE_TRACES_LEFT_OUT)?.execute(params![tenant.0, session.as_str()])?;
    }
    for (tenant, session, trace) in &checkpoint.left_out {
        db.ready(&statements::PUT_TRACE_LEFT_OUT)?.execute(params![tenant.0, session.as_str(), trace.as_bytes()])?;
    }
    Ok(())
}

fn write_notes(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    for (tenant, session, note) in &checkpoint.notes {
        match note {
            Some(note) => put_note(db, *tenant, session, note)?,
            None => _ = db.ready(&statements::DELETE_NOTE)?.execute(params![tenant.0, session.as_str()])?,
        }
    }
    Ok(())
}

/// Writes what is noted of a session.
pub fn put_note(db: &Connection, tenant: TenantNo, session: &SessionId, note: &Note) -> rusqlite::Result<()> {
    let row = params![tenant.0, session.as_str(), note.is_bookmarked, note.text.as_str(), signed(note.changed_at.0)];
    db.ready(&statements::PUT_NOTE)?.execute(row)?;
    Ok(())
}

fn write_tenants(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut upsert = db.ready(&statements::PUT_TENANT)?;
    for TenantRow { cell, next_session, n_sessions, ingest_stats } in &checkpoint.tenants {
        upsert.execute(params![cell.no.0, cell.name.as_str(), next_session.0])?;
        put_number(db, &sessions_key(cell.no), *n_sessions as u64)?;
        write_seen(db, cell.no, ingest_stats)?;
        if cell.are_users_asked_for.load(Ordering::Relaxed) {
            put_number(db, &users_asked_key(cell.no), checkpoint.clock.0)?;
        }
    }
    Ok(())
}

/// How many runs went with their sessions, or for their age.
fn write_sessions(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<u64> {
    let mut clear = db.ready(&statements::DELETE_RUNS_OF_SESSION)?;
    let mut n_gone = 0;
    for (tenant, session) in &checkpoint.cleared {
        n_gone += clear.execute(params![tenant.0, session.0])?;
    }
    if checkpoint.sessionless_floor > UnixNanos::ZERO {
        let mut expire = db.ready(&statements::EXPIRE_SESSIONLESS_RUNS)?;
        for TenantRow { cell, .. } in &checkpoint.tenants {
            n_gone += expire.execute(params![cell.no.0, signed(checkpoint.sessionless_floor.0)])?;
        }
    }
    let mut upsert = db.ready(&statements::PUT_SESSION)?;
    let mut delete = db.ready(&statements::DELETE_SESSION)?;
    for (tenant, no, row) in &checkpoint.sessions {
        match row {
            Some(row) => rows::write_session(&mut upsert, *tenant, row)?,
            None => _ = delete.execute(params![tenant.0, no.0])?,
        }
    }
    Ok(n_gone as u64)
}

/// How many runs are no more.
fn write_runs(db: &Connection, checkpoint: &Checkpoint, places: &mut NewPlaces) -> rusqlite::Result<u64> {
    let mut upsert = db.ready(&statements::PUT_RUN)?;
    let mut delete = db.ready(&statements::DELETE_RUN)?;
    let mut n_gone = 0;
    let mut sessions: Vec<_> = checkpoint.runs.iter().collect();
    sessions.sort_unstable_by_key(|(session, _)| **session);
    for ((tenant, session), runs) in sessions {
        let mut runs: Vec<_> = runs.iter().collect();
        runs.sort_unstable_by_key(|(order, _)| **order);
        for (order, run) in runs {
            match run {
                Some(run) => {
                    rows::write_run(&mut upsert, *tenant, *session, run)?;
                    places.add(*tenant, *session, order, run.last_activity, run.user.as_deref());
                }
                None => n_gone += rows::delete_run(&mut delete, *tenant, *session, order)?,
            }
        }
    }
    Ok(n_gone as u64)
}

/// How many traces are no more.
fn write_traces(db: &Connection, checkpoint: &Checkpoint, places: &mut NewPlaces) -> rusqlite::Result<u64> {
    let mut delete = db.ready(&statements::DELETE_TRACE)?;
    let mut n_gone = 0;
    // First: one that has come again since has another row.
    for (tenant, trace) in &checkpoint.forgotten_traces {
        if let Some(no) = trace_no(db, *tenant, *trace)? {
            n_gone += delete.execute(params![signed(no.0), trace.as_bytes(), tenant.0])?;
        }
    }
    let mut traces: Vec<_> = checkpoint.traces.iter().collect();
    traces.sort_unstable_by_key(|(_, row)| row.no);
    let mut upsert = db.ready(&statements::PUT_TRACE)?;
    for ((tenant, trace), row) in traces {
        upsert.execute(params![signed(row.no.0), tenant.0, trace.as_bytes(), signed(row.last.0), row.facts])?;
        if row.is_new {
            places.add_trace(*tenant, *trace, row.no);
        }
    }
    let mut keep = db.ready(&statements::KEEP_TRACE)?;
    for (tenant, trace, until) in &checkpoint.kept {
        if let Some(no) = trace_no(db, *tenant, *trace)? {
            keep.execute(params![signed(no.0), trace.as_bytes(), tenant.0, signed(until.0)])?;
        }
    }
    Ok(n_gone as u64)
}

fn write_series(db: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let mut put = db.ready(&statements::PUT_BUCKET)?;
    let mut delete = db.ready(&statements::DELETE_BUCKET)?;
    for (tenant, changed) in &checkpoint.series {
        let is_kept = changed.is_some();
        put_number(db, &series_key(*tenant), if is_kept { checkpoint.clock.0 } else { 0 })?;
        let Some(ChangedBuckets { is_all, rows, tools }) = changed else { continue };
        if tools.is_all {
            db.ready(&statements::DELETE_TOOLS)?.execute(params![tool_key(*tenant, ""), after_tool_keys(*tenant)])?;
        }
        tools.names.iter().try_for_each(|name| put_number(db, &tool_key(*tenant, name), 1))?;
        if *is_all {
            db.ready(&statements::DELETE_BUCKETS)?.execute(params![tenant.0])?;
        }
        for (begin, length, tallies) in rows {
            match tallies {
                Some(tallies) => put.execute(params![tenant.0, signed(*begin), signed(*length), tallies])?,
                None => delete.execute(params![tenant.0, signed(*begin)])?,
            };
        }
    }
    Ok(())
}

fn write_seen(db: &Connection, tenant: TenantNo, seen: &IngestStats) -> rusqlite::Result<()> {
    let mut put = db.ready(&statements::PUT_META)?;
    for (service, n_spans) in seen.counts() {
        put.execute(params![sent_key(tenant, service), signed(n_spans)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    #[test]
    fn what_a_tenant_sent_is_read_back_whatever_a_service_is_called() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID").unwrap();
        db.execute_batch("INSERT INTO meta VALUES ('journal_position', 7)").unwrap();
        let mut seen = IngestStats::default();
        seen.add("a:b/💬", 3);
        seen.add("", 2);
        seen.add("zz", 9);
        write_seen(&db, TenantNo(4), &seen).unwrap();
        let mut restored = IngestStats::default();
        for sent in load::sent(&db).unwrap() {
            assert_eq!(sent.tenant, TenantNo(4));
            restored.restore(sent.service, sent.n_spans);
        }
        assert_eq!(restored, seen);
        assert_eq!(seen.n_spans(), 14);
        assert_eq!(seen.services(), [("zz".into(), 9), ("a:b/💬".into(), 3)]);
    }
}
