//! Which sessions a user has runs in, and which users a session has: the index knows no users, so their runs are asked.

use std::cmp::Reverse;

use rustc_hash::FxHashSet;

use crate::index::SessionNo;
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::query::SessionQuery;
use crate::store::StoreError;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};

/// Runs of a session that are asked whose they are: nearly all sessions are of one user.
const RUNS_ASKED: u32 = 50;
/// Users that are told of each session.
const USERS_TOLD: usize = 4;

impl LocalStore {
    /// The sessions in which the user of a query has runs, in no order; `None` without a user. As of a moment before the list is made.
    pub(in crate::store::local) fn sessions_of_user(
        &self,
        cell: &TenantCell,
        query: &SessionQuery,
    ) -> Result<Option<Vec<SessionNo>>, StoreError> {
        let Some(user) = &query.user else { return Ok(None) };
        let failed = |error| store_error("look for the sessions of a user", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let mut newer: FxHashSet<(SessionNo, RunOrder)> = FxHashSet::default();
        let mut sessions: FxHashSet<SessionNo> = FxHashSet::default();
        for (session, order, run) in state.recent.all() {
            newer.insert((session, *order));
            if run.is_some_and(|run| run.user.as_deref() == Some(user)) {
                sessions.insert(session);
            }
        }
        drop(state);
        reader
            .each_place_of_user(cell.no, user, &mut |session, order| {
                if !newer.contains(&(session, order)) {
                    sessions.insert(session);
                }
            })
            .map_err(failed)?;
        sessions.remove(&NO_SESSION);
        Ok(Some(sessions.into_iter().collect()))
    }

    /// Who the newest runs of each session are of, the newest first.
    pub(in crate::store::local) fn newest_users(&self, cell: &TenantCell, sessions: &[&SessionId]) -> Result<Vec<Vec<Str>>, StoreError> {
        let failed = |error| store_error("look for the users of a session", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let newer: Vec<_> = sessions.iter().map(|id| state.index.find(id).map(|no| (no, state.recent.overlay(no)))).collect();
        drop(state);
        let mut users = Vec::with_capacity(sessions.len());
        for of_session in newer {
            let mut found: Vec<(RunOrder, Str)> = Vec::new();
            if let Some((no, newer)) = of_session {
                let told = newer.runs().filter_map(|run| Some((RunOrder::of(run), run.user.clone()?)));
                found.extend(told);
                let mut take = |order: RunOrder, user: &str| {
                    if !newer.contains(&order) {
                        found.push((order, user.into()));
                    }
                };
                reader.each_newest_user(cell.no, no, RUNS_ASKED, &mut take).map_err(failed)?;
            }
            found.sort_by_key(|(order, _)| Reverse(*order));
            let mut names: Vec<Str> = Vec::new();
            for (_, user) in found {
                if names.len() < USERS_TOLD && !names.contains(&user) {
                    names.push(user);
                }
            }
            users.push(names);
        }
        Ok(users)
    }
}
