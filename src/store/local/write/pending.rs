//! What has changed since the last checkpoint was handed over, and what the next one will hold.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::checkpoint::{ChangedRuns, Checkpoint, TenantRow, TraceRow};
use super::saved::changed_buckets;
use crate::index::{Applied, SessionNo};
use crate::journal::Position;
use crate::model::ids::{SessionId, TraceId};
use crate::model::note::Note;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::local::disk::rows::{NO_SESSION, TenantNo, TraceNo};
use crate::store::local::state::recent::{Generation, RunOrder};
use crate::store::local::state::tenant::{TenantCell, TenantState};
use crate::store::local::state::traces::{AppliedRun, OpenTrace, OpenTraces, TraceKey};
use crate::wire::format::stored;

#[derive(Default)]
pub(super) struct Pending {
    /// The generation that is being collected.
    pub(super) generation: Generation,
    /// The position of the last checkpoint handed over.
    pub(super) position: Position,
    pub(super) sessionless_floor: UnixNanos,
    /// Where in the journal the process began that accepted what is folded now.
    pub(super) opened_at: Position,
    sessions: FxHashSet<(TenantNo, SessionNo)>,
    cleared: Vec<(TenantNo, SessionNo)>,
    runs: ChangedRuns,
    /// Over all sessions.
    n_runs: usize,
    /// Each once, unless it was forgotten and came again; in the order that they changed, which is nearly that of their numbers.
    traces: Vec<TraceKey>,
    forgotten_traces: Vec<TraceKey>,
    /// The number that the next new trace gets.
    next_trace: TraceNo,
    kept: FxHashMap<TraceKey, UnixNanos>,
    tombstones: Vec<(TenantNo, SessionId, Option<UnixNanos>)>,
    deletions: Vec<(TenantNo, SessionNo, Option<SessionId>)>,
    notes: FxHashMap<(TenantNo, SessionId), Option<Arc<Note>>>,
    left_out: Vec<(TenantNo, SessionId, TraceId)>,
    forgotten_left_out: Vec<(TenantNo, SessionId)>,
}

impl Pending {
    /// Nothing has changed since what is on disk, which counts as generation 0.
    pub(super) fn starting_at(position: Position, opened_at: Position, next_trace: TraceNo) -> Self {
        Self { generation: Generation(1), position, opened_at, next_trace, ..Self::default() }
    }

    pub(super) fn n_changes(&self) -> usize {
        self.n_runs
            + self.traces.len()
            + self.forgotten_traces.len()
            + self.kept.len()
            + self.cleared.len()
            + self.tombstones.len()
            + self.deletions.len()
            + self.notes.len()
    }

    /// A number for a new trace.
    pub(super) fn new_trace(&mut self) -> TraceNo {
        let no = self.next_trace;
        self.next_trace.0 += 1;
        no
    }

    /// The trace will be written as it is when the checkpoint is sealed, unless it is forgotten before.
    pub(super) fn trace_changed(&mut self, key: TraceKey, open: &mut OpenTrace) {
        if std::mem::replace(&mut open.changed, self.generation) != self.generation {
            self.traces.push(key);
        }
    }

    /// What is stored of the trace will be removed. If it comes again it is a new one.
    pub(super) fn trace_forgotten(&mut self, key: TraceKey) {
        self.forgotten_traces.push(key);
    }

    /// The trace is not looked at again before `until` to find out whether it is old.
    pub(super) fn keep_trace(&mut self, key: TraceKey, until: UnixNanos) {
        self.kept.insert(key, until);
    }

    pub(super) fn tombstone(&mut self, tenant: TenantNo, session: SessionId, deleted_at: Option<UnixNanos>) {
        self.tombstones.push((tenant, session, deleted_at));
    }

    /// What is noted of a session from now on.
    pub(super) fn note(&mut self, tenant: TenantNo, state: &mut TenantState, session: &SessionId, note: Option<Arc<Note>>) {
        if state.index.note(session) != note.as_ref() {
            state.index.set_note(session, note.clone());
            self.notes.insert((tenant, session.clone()), note);
        }
    }

    /// A run is no more, or is no more in this session.
    pub(super) fn leave(&mut self, tenant: TenantNo, state: &mut TenantState, before: &AppliedRun, recompute: &mut FxHashSet<SessionNo>) {
        let AppliedRun { session_no, run } = before;
        if is_listed(state, before) {
            state.run_changed(Some(run), None);
            let applied = state.index.apply(*session_no, Some(run), None);
            self.session_changed(tenant, *session_no, applied, recompute);
        }
        self.set_run(tenant, state, *session_no, RunOrder::of(run), None);
    }

    /// A run is new or is different; it may have changed its session or its place in it.
    pub(super) fn come(
        &mut self,
        tenant: TenantNo,
        state: &mut TenantState,
        before: Option<AppliedRun>,
        run: Arc<Run>,
        recompute: &mut FxHashSet<SessionNo>,
    ) -> AppliedRun {
        let before = match before {
            Some(before) if before.run.session != run.session => {
                self.leave(tenant, state, &before, recompute);
                None
            }
            before => before,
        };
        let session_no = run.session.as_ref().map_or(NO_SESSION, |session| state.index.number(session));
        if session_no != NO_SESSION {
            let listed = before.as_ref().filter(|before| before.session_no == session_no && is_listed(state, before));
            state.run_changed(listed.map(|before| &before.run), Some(&run));
            let applied = state.index.apply(session_no, listed.map(|before| &*before.run), Some(&run));
            self.session_changed(tenant, session_no, applied, recompute);
        }
        let order = RunOrder::of(&run);
        if let Some(before) = before.filter(|before| before.session_no != session_no || RunOrder::of(&before.run) != order) {
            self.set_run(tenant, state, before.session_no, RunOrder::of(&before.run), None);
        }
        self.set_run(tenant, state, session_no, order, Some(run.clone()));
        AppliedRun { session_no, run }
    }

    /// The whole session goes, whatever runs it has on disk.
    pub(super) fn clear_session(&mut self, tenant: TenantNo, state: &mut TenantState, session: SessionNo) {
        state.index.remove(session);
        state.recent.forget_session(session);
        self.n_runs -= self.runs.remove(&(tenant, session)).map_or(0, |runs| runs.len());
        self.sessions.insert((tenant, session));
        self.cleared.push((tenant, session));
    }

    /// The session goes, for whoever asks from now on; its rows stay until what was kept of its traces is forgotten.
    pub(super) fn hide_session(&mut self, tenant: TenantNo, state: &mut TenantState, session: SessionNo, id: SessionId) {
        state.index.remove(session);
        state.recent.forget_session(session);
        self.n_runs -= self.runs.remove(&(tenant, session)).map_or(0, |runs| runs.len());
        self.sessions.insert((tenant, session));
        self.forget_left_out(tenant, id.clone());
        self.deletions.push((tenant, session, Some(id)));
    }

    /// The rows of a hidden session go.
    pub(super) fn clear_hidden_session(&mut self, tenant: TenantNo, session: SessionNo) {
        self.n_runs -= self.runs.remove(&(tenant, session)).map_or(0, |runs| runs.len());
        self.cleared.push((tenant, session));
        self.deletions.push((tenant, session, None));
    }

    /// Nothing was left out of the session any more, because it is gone.
    pub(super) fn forget_left_out(&mut self, tenant: TenantNo, session: SessionId) {
        self.forgotten_left_out.push((tenant, session));
    }

    /// Traces of which a run was left out of a session in this generation.
    pub(super) fn left_out(&mut self, traces: Vec<(TenantNo, SessionId, TraceId)>) {
        self.left_out = traces;
    }

    /// Takes everything as it is now; what changes from here on belongs to the next generation.
    pub(super) fn seal(
        &mut self,
        position: Position,
        tenants: &FxHashMap<TenantNo, Arc<TenantCell>>,
        traces: &OpenTraces,
        now: UnixNanos,
        kept_until: UnixNanos,
    ) -> Checkpoint {
        let mut sealed = std::mem::take(self);
        self.generation = Generation(sealed.generation.0 + 1);
        self.next_trace = sealed.next_trace;
        self.position = position;
        self.opened_at = sealed.opened_at;

        let mut sessions: Vec<_> = sealed.sessions.into_iter().collect();
        sessions.sort_unstable();
        let row = |tenant: TenantNo, no| tenants.get(&tenant).and_then(|cell| cell.read().index.row(no));
        let traces = sealed.traces.into_iter().filter_map(|key| {
            let mut open = traces.map.get_mut(&key)?;
            if open.is_empty() {
                // What is stored of it is true no more. Should something come again, that is another row.
                if std::mem::take(&mut open.is_stored) {
                    sealed.forgotten_traces.push(key);
                    open.no = self.new_trace();
                }
                return None;
            }
            let row = trace_row(&open, now, kept_until);
            open.is_stored = true;
            Some((key, row))
        });
        Checkpoint {
            generation: sealed.generation,
            position,
            tenants: tenants.values().map(tenant_row).collect(),
            sessions: sessions.into_iter().map(|(tenant, no)| (tenant, no, row(tenant, no))).collect(),
            cleared: sealed.cleared,
            runs: sealed.runs,
            traces: traces.collect(),
            forgotten_traces: sealed.forgotten_traces,
            next_trace: self.next_trace,
            kept: sealed.kept.into_iter().map(|((tenant, trace), until)| (tenant, trace, until)).collect(),
            tombstones: sealed.tombstones,
            deletions: sealed.deletions,
            notes: sealed.notes.into_iter().map(|((tenant, session), note)| (tenant, session, note)).collect(),
            left_out: sealed.left_out,
            forgotten_left_out: sealed.forgotten_left_out,
            series: tenants.values().map(|cell| (cell.no, changed_buckets(cell))).collect(),
            clock: now,
            sessionless_floor: sealed.sessionless_floor,
            opened_at: sealed.opened_at,
        }
    }

    fn session_changed(&mut self, tenant: TenantNo, session: SessionNo, applied: Applied, recompute: &mut FxHashSet<SessionNo>) {
        self.sessions.insert((tenant, session));
        match applied {
            Applied::Exact => {}
            Applied::Recompute => _ = recompute.insert(session),
            Applied::Removed => _ = recompute.remove(&session),
        }
    }

    fn set_run(&mut self, tenant: TenantNo, state: &mut TenantState, session: SessionNo, order: RunOrder, run: Option<Arc<Run>>) {
        state.recent.set(session, order, run.clone(), self.generation);
        let is_new = self.runs.entry((tenant, session)).or_default().insert(order, run).is_none();
        self.n_runs += usize::from(is_new);
    }
}

/// Whether the index still counts this run: its session may have been removed by retention while the trace was away.
pub(super) fn is_listed(state: &TenantState, applied: &AppliedRun) -> bool {
    applied.run.session.as_ref().and_then(|session| state.index.find(session)) == Some(applied.session_no)
}

fn tenant_row(cell: &Arc<TenantCell>) -> TenantRow {
    let (next_session, n_sessions) = {
        let state = cell.read();
        (state.index.next_no(), state.index.len())
    };
    TenantRow { cell: cell.clone(), next_session, n_sessions, ingest_stats: cell.ingest_stats.lock().clone() }
}

fn trace_row(open: &OpenTrace, now: UnixNanos, kept_until: UnixNanos) -> TraceRow {
    let times = open.facts.iter().filter(|fact| !fact.is_future).map(|fact| fact.end.max(fact.start));
    let told = open.report.as_ref().map(|report| report.last_at);
    let last = times.chain(told).filter(|time| *time > UnixNanos::ZERO).max();
    let (facts, report) = (&open.facts, open.report.as_deref());
    let facts = stored::encode_trace(facts.iter(), facts.n_refused(), &open.run_refs(), report, &open.joined, &open.stretches);
    TraceRow { no: open.no, is_new: !open.is_stored, last: last.unwrap_or(now).max(kept_until), facts }
}
