//! A page of users in some order, from what is kept of all of them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::model::Str;
use crate::model::query::UserQuery;
use crate::model::run::Run;
use crate::model::session::Page;
use crate::model::time::UnixNanos;
use crate::store::StoreError;
use crate::store::local::disk::rows::NO_SESSION;
use crate::store::local::state::kept::Kept;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::users::UserFigures;
use crate::store::local::{LocalStore, store_error};
use crate::store::view::RunQuery;

/// How often it is begun again because what was read meanwhile changed.
const ROUNDS_MAX: usize = 3;
/// Users whose runs are read because only they say where in the order they stand. Where there are more, all runs are added up.
const LOOSE_MAX: usize = 100;

impl LocalStore {
    /// `None` if that is not kept now.
    pub(in crate::store::local) fn kept_users(&self, cell: &TenantCell, query: &UserQuery) -> Result<Option<Page<Str>>, StoreError> {
        cell.are_users_asked_for.store(true, Ordering::Relaxed);
        let reader = self.shared.reader()?;
        self.shared.begin_keeping(cell, &reader, |state| &state.users)?;
        let failed = |error| store_error("read the runs without a session", error);
        for _ in 0..ROUNDS_MAX {
            let state = cell.read();
            let loose = match &*state.users.lock() {
                Kept::On(table) => table.loose(query.sort),
                _ => return Ok(None),
            };
            if loose.len() > LOOSE_MAX {
                return Ok(None);
            }
            let moment = state.recent.moment();
            let newer = state.recent.overlay(NO_SESSION);
            // Under the lock, so that disk and memory are of one moment.
            reader.begin_snapshot().map_err(failed)?;
            drop(state);
            let mut sessionless: BTreeMap<Str, UserFigures> = BTreeMap::new();
            let mut take = |run: &Run| {
                if let Some(user) = &run.user {
                    sessionless.entry(user.clone()).or_insert(UserFigures::NONE).add(run);
                }
            };
            let ever = (UnixNanos::ZERO, UnixNanos::MAX);
            reader
                .each_run_started_between(cell.no, NO_SESSION, ever, &mut |run| {
                    if !newer.contains(&RunOrder::of(run)) {
                        take(run);
                    }
                })
                .map_err(failed)?;
            newer.runs().for_each(|run| take(run));
            reader.end_snapshot().map_err(failed)?;
            let mut exact: BTreeMap<Str, UserFigures> = BTreeMap::new();
            for user in &loose {
                let of_user = RunQuery { user: Some(user.clone()), ..RunQuery::default() };
                self.each_run(cell, &[of_user], &mut |run| exact.entry(user.clone()).or_insert(UserFigures::NONE).add(run))?;
            }

            let state = cell.read();
            let is_unchanged = match loose.is_empty() {
                true => !state.recent.changed_since(NO_SESSION, moment),
                false => state.recent.moment() == moment,
            };
            let kept = state.users.lock();
            let Kept::On(table) = &*kept else { return Ok(None) };
            if !is_unchanged || loose.is_empty() && !table.loose(query.sort).is_empty() {
                continue;
            }
            for (user, figures) in sessionless {
                let all = table.figures(&user).map_or(figures, |of_sessions| of_sessions.with(&figures));
                exact.entry(user).or_insert(all);
            }
            return Ok(Some(table.page(query, &exact)));
        }
        Ok(None)
    }
}
