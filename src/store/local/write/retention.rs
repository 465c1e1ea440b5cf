//! Expiry and eviction: runs that fall silent time out, sessions and traces age, idle traces leave memory.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::fold_worker::{FoldError, FoldWorker};
use super::pending::is_listed;
use crate::index::SessionNo;
use crate::model::facts::SpanFact;
use crate::model::ids::TraceId;
use crate::model::report::RunReport;
use crate::model::time::{Nanos, UnixNanos};
use crate::store::local::disk::rows::{NO_SESSION, TenantNo};
use crate::store::local::state::known::Renewal;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::{AppliedRun, OpenTrace, TraceKey};
use crate::wire::format::stored::StoredTrace;

/// Sessions removed under one hold of a tenant's lock, and in one sweep: a big clean-up is a trickle, not a pause.
const SLICE_SESSIONS: usize = 50;
const SWEEP_SESSIONS: usize = 10_000;
/// Old stored traces looked at in one sweep.
const SWEEP_TRACES: u32 = 10_000;
/// How far below its cap the database is brought, so that it is not over it again at once: a part in this many.
const CAP_SLACK: u64 = 20;
/// How far below their cap open traces are brought, so that not every second looks at all of them: a part in this many.
const EVICTION_SLACK: usize = 8;

/// How long the report of a run is kept before it is asked again whether its trace is still there.
const REPORT_RECHECK: Nanos = Nanos::from_secs(24 * 3600);

/// So long a trace whose spans all are too old is kept: the others of a program come within seconds, and through a queue within the hour.
const LATE: Nanos = Nanos::from_secs(60 * 60);

/// A stored trace, the sessions that it had runs in, and the report that lies in it.
type OldTrace = (TraceKey, Vec<SessionNo>, Option<RunReport>);

impl FoldWorker {
    pub(super) fn sweep_if_due(&mut self) -> Result<(), FoldError> {
        if self.last_sweep.elapsed() < self.options.sweep_interval {
            return Ok(());
        }
        self.last_sweep = Instant::now();
        let now = self.shared.clock.now();
        self.now = now;
        self.time_out_silent_runs(now)?;
        // Anew each time: what a clock that was wrong for a while made old is young again.
        self.floor = self.cap_floor.min(now);
        if let Some(age) = self.options.max_age {
            self.floor = self.floor.max(now.minus(age));
            // What started before the floor is not folded any more, but a run of the same length as the retention time may still end.
            self.expire_tombstones(now.minus(age).minus(age));
        }
        self.shrink_to_cap(now)?;
        if self.floor > UnixNanos::ZERO {
            self.expire_sessions(self.floor)?;
            self.expire_traces(self.floor)?;
            self.expire_notes(self.floor);
            self.pending.sessionless_floor = self.floor;
        }
        self.recent_calls.forget_before(now.minus(Nanos::from_secs(60)));
        self.renew_stale_filter();
        self.tenants.values().for_each(|cell| cell.write().settle(now));
        self.evict_idle();
        self.publish_gauges();
        Ok(())
    }

    /// Takes note of spans that are in no session for their age. One span's clock says little: they are old if all of their trace is, and
    /// no run of it is shown. Whether one is decides `has_expired`.
    pub(super) fn note_old(&mut self, cell: &TenantCell, old: FxHashMap<TraceId, u64>, oldest: UnixNanos) {
        for (trace, n_spans) in old {
            let is_young = |fact: &SpanFact| fact.start.max(fact.end) >= oldest;
            let is_shown = |applied: &AppliedRun| applied.session_no == NO_SESSION || is_listed(&cell.read(), applied);
            let is_of_some_run = |open: &OpenTrace| open.facts.iter().any(is_young) || open.applied.iter().any(is_shown);
            if self.shared.traces.map.get(&(cell.no, trace)).is_some_and(|open| !is_of_some_run(&open)) {
                self.shared.metrics.spans_too_old(n_spans);
                self.warn_of("too_old", "spans are older than retention.max_age: they are forwarded and are in no session");
            }
        }
    }

    /// The oldest time that what is written now may bear: a trace that seems too old can still turn out to be one span of a younger one.
    pub(super) fn kept_until(&self) -> UnixNanos {
        self.options.max_age.map_or(UnixNanos::ZERO, |age| self.now.minus(age).plus(age.min(LATE)))
    }

    /// Folds again the traces whose unfinished runs have been silent too long; the fold then says how they ended.
    fn time_out_silent_runs(&mut self, now: UnixNanos) -> Result<(), FoldError> {
        let silent: Vec<TraceKey> = self.unfinished.iter().filter(|(_, until)| **until < now).map(|(key, _)| *key).collect();
        for key in silent {
            let Some(cell) = self.tenants.get(&key.0).cloned() else { continue };
            if !self.shared.traces.map.contains_key(&key) {
                self.open(&cell, key.1)?;
            }
            self.touch(key);
        }
        self.fold_dirty(false)
    }

    /// Raises the floor past the oldest sessions while the database holds more than its cap.
    fn shrink_to_cap(&mut self, now: UnixNanos) -> Result<(), FoldError> {
        let Some(cap) = self.options.max_index_bytes else { return Ok(()) };
        if self.removed_in > self.committed {
            return Ok(());
        }
        let used = self.shared.patiently(|| self.disk.used_bytes())?;
        if used <= cap {
            return Ok(());
        }
        let n_sessions: usize = self.tenants.values().map(|cell| cell.read().index.len()).sum();
        let excess = used - (cap - cap / CAP_SLACK);
        let wanted = (n_sessions as u128 * u128::from(excess)).div_ceil(u128::from(used));
        let oldest = self.oldest_sessions(usize::try_from(wanted).unwrap_or(usize::MAX).min(SWEEP_SESSIONS));
        let Some((newest_to_go, ..)) = oldest.last() else { return Ok(()) };
        tracing::warn!(
            used_bytes = used,
            cap_bytes = cap,
            sessions = oldest.len(),
            "the index has reached retention.max_index_bytes: its oldest sessions are removed"
        );
        // Never into the future: sessions with such times go one by one, and must not take everything else with them.
        self.cap_floor = self.cap_floor.max(UnixNanos(newest_to_go.0.saturating_add(1)).min(now));
        self.floor = self.floor.max(self.cap_floor);
        for (last_activity, tenant, session) in oldest {
            let Some(cell) = self.tenants.get(&tenant).cloned() else { continue };
            let ahead =
                if last_activity < self.floor { None } else { self.shared.patiently(|| self.shared.session_runs(&cell, session))? };
            self.remove_sessions(&cell, &[session])?;
            // The others' traces lie before the floor and are found by that.
            self.forget_in_traces(&cell, session, &ahead.unwrap_or_default())?;
        }
        Ok(())
    }

    /// The sessions of all tenants that have been idle longest, oldest first.
    fn oldest_sessions(&self, limit: usize) -> Vec<(UnixNanos, TenantNo, SessionNo)> {
        let mut oldest = Vec::new();
        for cell in self.tenants.values() {
            let state = cell.read();
            let rows = state.index.idle_since(UnixNanos::MAX, limit).into_iter().filter_map(|no| state.index.row(no));
            oldest.extend(rows.map(|row| (row.summary.last_activity, cell.no, row.no)));
        }
        oldest.sort_unstable();
        oldest.truncate(limit);
        oldest
    }

    fn expire_sessions(&mut self, floor: UnixNanos) -> Result<(), FoldError> {
        let mut left = SWEEP_SESSIONS;
        for cell in self.tenants.values().cloned().collect::<Vec<_>>() {
            while left > 0 {
                let idle = cell.read().index.idle_since(floor, SLICE_SESSIONS.min(left));
                if idle.is_empty() {
                    break;
                }
                left -= idle.len();
                self.remove_sessions(&cell, &idle)?;
            }
        }
        Ok(())
    }

    fn remove_sessions(&mut self, cell: &TenantCell, sessions: &[SessionNo]) -> Result<(), FoldError> {
        let in_sums = self.runs_in_sums(cell, sessions)?;
        let mut state = cell.write();
        in_sums.iter().for_each(|run| state.run_changed(Some(run), None));
        for session in sessions {
            if let Some(row) = state.index.row(*session) {
                self.untraced.forget(cell.no, &row.summary.id);
                self.pending.note(cell.no, &mut state, &row.summary.id, None);
                self.pending.forget_left_out(cell.no, row.summary.id);
            }
            self.pending.clear_session(cell.no, &mut state, *session);
        }
        drop(state);
        self.removed_in = self.pending.generation;
        self.shared.metrics.sessions_expired(sessions.len());
        Ok(())
    }

    /// Forgets stored traces that ended before the floor, unless a session that is alive has a run of them.
    fn expire_traces(&mut self, floor: UnixNanos) -> Result<(), FoldError> {
        for (key, sessions, report) in self.old_traces(floor)? {
            if self.shared.traces.map.contains_key(&key) || self.forgotten.contains_key(&key) {
                continue;
            }
            if report.map_or(Ok(false), |report| self.stands_in_known_trace(key.0, &report))? {
                // Looked at again after a while: the trace may have gone by then.
                self.pending.keep_trace(key, floor.plus(REPORT_RECHECK));
                continue;
            }
            let Some(cell) = self.tenants.get(&key.0).cloned() else { continue };
            let last_activity = |no: &SessionNo| cell.read().index.row(*no).map(|row| row.summary.last_activity);
            match sessions.iter().filter_map(last_activity).max() {
                Some(alive) => self.pending.keep_trace(key, alive),
                None => {
                    self.forget_trace(key);
                    self.removed_in = self.pending.generation;
                }
            }
        }
        Ok(())
    }

    /// Stored traces that ended before the floor, and the sessions that they had runs in.
    fn old_traces(&self, floor: UnixNanos) -> rusqlite::Result<Vec<OldTrace>> {
        let old = self.shared.patiently(|| self.disk.old_traces(floor, SWEEP_TRACES))?;
        let sessions = |stored: &StoredTrace| stored.runs.iter().map(|run| SessionNo(run.session_no)).collect();
        Ok(old.into_iter().map(|(key, stored)| (key, sessions(&stored), stored.report)).collect())
    }

    fn expire_tombstones(&mut self, before: UnixNanos) {
        let expired: Vec<_> = self.tombstones.extract_if(|_, deleted_at| *deleted_at < before).map(|(key, _)| key).collect();
        for (tenant, session) in expired {
            self.pending.tombstone(tenant, session, None);
        }
    }

    /// Lets go of traces that are on disk as they are: the idle ones, and the longest idle ones while memory is over its cap.
    pub(super) fn evict_idle(&mut self) {
        let committed = self.committed;
        let mut held: Vec<(Duration, usize, TraceKey, bool)> = Vec::new();
        let mut total_bytes = 0;
        for open in &self.shared.traces.map {
            let bytes = open.weight();
            total_bytes += bytes;
            let may_go = open.changed <= committed && !open.is_dirty;
            held.push((open.touched.elapsed(), bytes, *open.key(), may_go));
        }
        held.sort_unstable_by_key(|(idle, ..)| std::cmp::Reverse(*idle));
        let cap = self.options.open_trace_bytes;
        let wanted_bytes = if total_bytes > cap { cap - cap / EVICTION_SLACK } else { cap };
        for (idle, bytes, key, may_go) in held {
            let is_wanted = idle < self.options.open_trace_idle && total_bytes <= wanted_bytes;
            if is_wanted {
                break;
            }
            if may_go {
                // One that has no row is nowhere any more.
                if self.shared.traces.map.remove(&key).is_some_and(|(_, open)| !open.is_stored) {
                    self.n_traces = self.n_traces.saturating_sub(1);
                }
                total_bytes -= bytes;
            }
        }
        self.open_bytes = total_bytes;
        self.shared.metrics.open_traces(self.shared.traces.map.len(), total_bytes);
    }

    /// A filter that holds mostly what is gone is made anew from what is on disk.
    fn renew_stale_filter(&mut self) {
        if self.renewal.is_none() && self.shared.known.read().is_stale(self.n_traces) {
            let mut renewal = Renewal::new(self.n_traces);
            renewal.add(self.shared.traces.map.iter().map(|open| *open.key()));
            self.renewal = Some(renewal);
        }
    }

    /// Reads some keys into the filter that is being made, if one is.
    pub(super) fn renew_further(&mut self) -> rusqlite::Result<()> {
        let Some(renewal) = &mut self.renewal else { return Ok(()) };
        if let Some((keys, last_page)) = self.shared.patiently(|| self.disk.trace_keys(renewal.after_page))? {
            renewal.after_page = last_page;
            renewal.add(keys);
            return Ok(());
        }
        if let Some(renewal) = self.renewal.take() {
            let (known, took) = renewal.finish();
            // The old one, which can be large, is freed without the lock.
            let old = std::mem::replace(&mut *self.shared.known.write(), known);
            drop(old);
            tracing::info!(traces = self.n_traces, millis = took.as_millis() as u64, "the ids of all traces on disk were read");
        }
        Ok(())
    }

    fn publish_gauges(&self) {
        let sessions = self.tenants.values().map(|cell| cell.read().index.len()).sum();
        self.shared.metrics.sessions(sessions);
        self.shared.metrics.clock(self.shared.clock.is_distrusted());
        self.shared.metrics.known_traces(self.shared.known.read().len());
    }
}
