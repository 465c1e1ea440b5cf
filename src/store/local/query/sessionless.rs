//! How many runs are in no session, exactly up to a limit: the rows on disk, corrected by what is newer in memory.

use crate::store::StoreError;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::overview::SESSIONLESS_MAX;

impl LocalStore {
    /// [`SESSIONLESS_MAX`] stands for "so many or more".
    pub(in crate::store::local) fn count_sessionless(&self, cell: &TenantCell) -> Result<u64, StoreError> {
        let failed = |error| store_error("count runs without a session", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        let n_newer = state.recent.iter(NO_SESSION).filter(|(_, run)| run.is_some()).count() as u64;
        if n_newer >= SESSIONLESS_MAX {
            return Ok(SESSIONLESS_MAX);
        }
        let newer = state.recent.overlay(NO_SESSION);
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let limit = SESSIONLESS_MAX + newer.len() as u64;
        let n_on_disk = reader.count_runs(cell.no, NO_SESSION, limit).map_err(failed)?;
        drop(state);
        if n_on_disk >= limit {
            return Ok(SESSIONLESS_MAX);
        }
        let mut n_replaced = 0;
        for order in newer.orders() {
            n_replaced += u64::from(reader.has_run_at(cell.no, NO_SESSION, order).map_err(failed)?);
        }
        Ok((n_on_disk + n_newer - n_replaced).min(SESSIONLESS_MAX))
    }
}
