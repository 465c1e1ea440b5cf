//! A list of what was active within a window of time.
//!
//! Of a session that began before the window and ended after it, only its runs can tell, and those lie on disk. They are asked outside the
//! tenant's lock, so that one such list holds up nobody; page and count are then made under the lock, from one state.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::index::{HasRunIn, SessionIndex, SessionNo};
use crate::model::query::SessionQuery;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::local::state::recent::{Moment, RunOrder};
use crate::store::local::state::tenant::{TenantCell, TenantState};
use crate::store::local::{LocalStore, store_error};
use crate::store::{StoreError, TookTooLong};

/// How often sessions that changed meanwhile are asked again. After that the answers of a moment ago stand.
const ROUNDS_MAX: usize = 3;
/// A list that takes longer is given up: some hundred thousand sessions, on a small machine.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Whether a session has a run in the window, and when that was so.
#[derive(Clone, Copy)]
struct Answer {
    has_run: bool,
    moment: Moment,
}

/// A session to ask, with what of it is newer than disk.
struct Question {
    session: SessionNo,
    newer: Newer,
}

enum Newer {
    /// One of the runs in memory lies in the window.
    HasRun,
    /// None does; rows of these on disk are out of date.
    Replaced(Vec<RunOrder>),
}

impl LocalStore {
    /// What `make` makes of the index, which it asks for `query` among the sessions of its user, from one state.
    pub(in crate::store::local) fn of_window<T: Default>(
        &self,
        cell: &TenantCell,
        query: &SessionQuery,
        mut make: impl FnMut(&SessionIndex, Option<&[SessionNo]>, &mut HasRunIn<'_>) -> T,
    ) -> Result<T, StoreError> {
        let of_user = self.sessions_of_user(cell, query)?;
        if query.start.is_none() || query.end.is_none() {
            // Without both ends of a window no session's runs need to be asked.
            return Ok(make(&cell.read().index, of_user.as_deref(), &mut |_, _, _| true));
        }
        let began = Instant::now();
        let window = (query.start.unwrap_or(UnixNanos::ZERO), query.end.unwrap_or(UnixNanos::MAX));
        let reader = self.shared.reader()?;
        let failed = |error| store_error("look for runs in a time range", error);
        let mut answers: FxHashMap<SessionNo, Answer> = FxHashMap::default();
        for round in 0.. {
            let state = cell.read();
            if round < ROUNDS_MAX {
                answers.retain(|session, answer| !state.recent.changed_since(*session, answer.moment));
            }
            let mut open = Vec::new();
            let made = make(&state.index, of_user.as_deref(), &mut |session, _, _| {
                let answer = answers.get(&session);
                open.extend(answer.is_none().then_some(session));
                answer.is_some_and(|answer| answer.has_run)
            });
            if open.is_empty() || round > ROUNDS_MAX {
                return Ok(made);
            }
            let moment = state.recent.moment();
            let questions: Vec<Question> = open.into_iter().map(|session| question(&state, session, window)).collect();
            // Under the lock, so that disk and memory are of one moment.
            reader.begin_snapshot().map_err(failed)?;
            drop(state);
            for Question { session, newer } in questions {
                let has_run = match newer {
                    Newer::HasRun => true,
                    Newer::Replaced(orders) => {
                        let is_newer = |order: &RunOrder| orders.binary_search(order).is_ok();
                        reader.has_run_in(cell.no, session, window, is_newer).map_err(failed)?
                    }
                };
                answers.insert(session, Answer { has_run, moment });
                if began.elapsed() > TIME_MAX {
                    return Err(store_error("list the sessions of a time range", TookTooLong(TIME_MAX)));
                }
            }
            reader.end_snapshot().map_err(failed)?;
        }
        Ok(T::default())
    }
}

fn question(state: &TenantState, session: SessionNo, (start, end): (UnixNanos, UnixNanos)) -> Question {
    let overlaps = |run: &Run| run.started_at <= end && run.last_activity >= start;
    let newer = if state.recent.iter(session).any(|(_, run)| run.is_some_and(|run| overlaps(run))) {
        Newer::HasRun
    } else {
        Newer::Replaced(state.recent.iter(session).map(|(order, _)| *order).collect())
    };
    Question { session, newer }
}
