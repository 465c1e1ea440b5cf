//! Turns that log events tell of follow one another in a session. Where each is a trace of its own, the end of one that was left in the
//! middle is told by the next alone: a person who interrupts an agent sends nothing before they ask something else.

use rusqlite::Result;
use rustc_hash::FxHashMap;

use crate::index::SessionNo;
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::{NO_SESSION, TenantNo};
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::{AppliedRun, TraceKey};

/// Runs that are looked through for the next turn: subagents and what went on beside it.
const LOOKED_AT_MAX: usize = 256;

/// The turns that go on, by session, each by its trace and when it was last active.
#[derive(Default)]
pub(super) struct OpenTurns(FxHashMap<(TenantNo, SessionNo), Vec<(TraceKey, UnixNanos)>>);

// === impl OpenTurns ===

impl OpenTurns {
    /// Of runs that go on: which of them are turns is found when they are folded.
    pub(super) fn loaded(running: impl IntoIterator<Item = (TraceKey, SessionNo, UnixNanos)>) -> Self {
        let mut turns = Self::default();
        for (key, session, last_activity) in running.into_iter().filter(|(_, session, _)| *session != NO_SESSION) {
            turns.0.entry((key.0, session)).or_default().push((key, last_activity));
        }
        turns
    }

    /// Takes note of the runs of a trace; gives the traces whose turns one of them may have ended.
    pub(super) fn applied(&mut self, key: TraceKey, applied: &[AppliedRun]) -> Vec<TraceKey> {
        let mut ended = Vec::new();
        for AppliedRun { session_no, run } in applied.iter().filter(|applied| applied.run.is_turn && applied.session_no != NO_SESSION) {
            let session = (key.0, *session_no);
            let open = self.0.entry(session).or_default();
            open.retain(|(other, last_activity)| {
                let is_ended = *other != key && *last_activity < run.started_at;
                ended.extend(is_ended.then_some(*other));
                *other != key && !is_ended
            });
            if run.status == RunStatus::Running {
                open.push((key, run.last_activity));
            }
            if open.is_empty() {
                self.0.remove(&session);
            }
        }
        ended
    }
}

/// The turn among these runs that goes on, as far as its own events tell.
pub(in crate::store::local) fn open_turn(runs: &[Run]) -> Option<&Run> {
    runs.iter().find(|run| run.is_turn && run.status == RunStatus::Running && run.session.is_some())
}

/// When the turn began that followed this one in its session; `None` if none did.
pub(in crate::store::local) fn next_turn(reader: &Reader, cell: &TenantCell, turn: &Run) -> Result<Option<UnixNanos>> {
    let Some(session) = &turn.session else { return Ok(None) };
    let state = cell.read();
    let row = state.index.find(session).and_then(|no| state.index.row(no));
    // Mostly it is the newest.
    let Some(row) = row.filter(|row| row.summary.last_activity > turn.last_activity) else { return Ok(None) };
    let newer = state.recent.overlay(row.no);
    drop(state);
    let is_next = |run: &Run| run.is_turn && run.started_at > turn.last_activity;
    if let Some(run) = newer.runs().find(|run| is_next(run)) {
        return Ok(Some(run.started_at));
    }
    let after = RunOrder { started_at: turn.last_activity, id: turn.id, key: turn.key };
    let runs = reader.runs_after(cell.no, row.no, session, Some(after), LOOKED_AT_MAX)?;
    Ok(runs.iter().find(|run| !newer.contains(&RunOrder::of(run)) && is_next(run)).map(|run| run.started_at))
}
