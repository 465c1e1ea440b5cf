//! How many runs are in no session, exactly up to a limit: the rows on disk, corrected by what is newer in memory.

use rusqlite::params;

use super::read::Reader;
use super::recent::RunOrder;
use super::rows::{NO_SESSION, TenantNo, signed, unsigned};
use super::tenant::TenantCell;
use super::{LocalStore, store_error};
use crate::store::StoreError;
use crate::store::overview::SESSIONLESS_MAX;

impl LocalStore {
    /// [`SESSIONLESS_MAX`] stands for "so many or more".
    pub(super) fn count_sessionless(&self, cell: &TenantCell) -> Result<u64, StoreError> {
        let failed = |error| store_error("count runs without a session", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        let n_newer = state.recent.iter(NO_SESSION).filter(|(_, run)| run.is_some()).count() as u64;
        if n_newer >= SESSIONLESS_MAX {
            return Ok(SESSIONLESS_MAX);
        }
        let newer = state.recent.overlay(NO_SESSION);
        // Under the lock, so that disk and memory are of one moment.
        reader.execute_batch("BEGIN").map_err(failed)?;
        let limit = SESSIONLESS_MAX + newer.len() as u64;
        let n_on_disk = count(&reader, cell.no, limit).map_err(failed)?;
        drop(state);
        if n_on_disk >= limit {
            return Ok(SESSIONLESS_MAX);
        }
        let mut n_replaced = 0;
        for order in newer.orders() {
            n_replaced += u64::from(is_on_disk(&reader, cell.no, order).map_err(failed)?);
        }
        Ok((n_on_disk + n_newer - n_replaced).min(SESSIONLESS_MAX))
    }
}

fn count(reader: &Reader, tenant: TenantNo, limit: u64) -> rusqlite::Result<u64> {
    let counted = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE tenant_no = ?1 AND session_no = ?2 LIMIT ?3)";
    reader.prepare_cached(counted)?.query_row(params![tenant.0, NO_SESSION.0, signed(limit)], |row| Ok(unsigned(row.get(0)?)))
}

fn is_on_disk(reader: &Reader, tenant: TenantNo, order: &RunOrder) -> rusqlite::Result<bool> {
    let mut select = reader.prepare_cached(
        "SELECT 1 FROM runs WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4 AND trace_id = ?5 AND span_id = ?6",
    )?;
    let RunOrder { started_at, id, key } = order;
    let span = signed(key.span.to_u64());
    select.exists(params![tenant.0, NO_SESSION.0, signed(started_at.0), signed(id.get()), key.trace.as_bytes(), span])
}
