//! Why sessions failed: of each the newest of its runs that did, among the newest of all.

use crate::model::reason::Reason;
use crate::model::run::{Run, RunStatus};
use crate::model::session::SessionSummary;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::{LAST_ERROR_RUNS, StoreError};

impl LocalStore {
    pub(in crate::store::local) fn find_last_errors(
        &self,
        cell: &TenantCell,
        sessions: &[SessionSummary],
    ) -> Result<Vec<Option<Reason>>, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("read why sessions failed", error);
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let place = |session: &SessionSummary| state.index.find(&session.id).filter(|_| session.error_count > 0);
        let newer: Vec<_> = sessions.iter().map(|session| place(session).map(|no| (no, state.recent.overlay(no)))).collect();
        drop(state);
        let mut errors = Vec::with_capacity(sessions.len());
        for (SessionSummary { id, .. }, newer) in sessions.iter().zip(newer) {
            let Some((no, newer)) = newer else {
                errors.push(None);
                continue;
            };
            let mut stored = reader.newest_with_status(cell.no, no, id, RunStatus::Error, LAST_ERROR_RUNS).map_err(failed)?;
            stored.retain(|run| !newer.contains(&RunOrder::of(run)));
            let in_memory = newer.runs().filter(|run| run.status == RunStatus::Error).max_by_key(|run| RunOrder::of(run));
            let last = stored.iter().chain(in_memory.map(|run| &**run)).max_by_key(|run: &&Run| RunOrder::of(run));
            errors.push(last.and_then(|run| run.error.clone()));
        }
        reader.end_snapshot().map_err(failed)?;
        Ok(errors)
    }
}
