//! What leaves: runs that fall silent time out, sessions and traces age, deleted sessions go, idle traces leave memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::params;
use rustc_hash::FxHashSet;

use super::folder::{FoldError, Folder};
use super::rows::TenantNo;
use super::tenant::TenantCell;
use super::traces::TraceKey;
use crate::index::SessionNo;
use crate::model::ids::{SessionId, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;

/// Sessions removed in one sweep: a big clean-up is a trickle, not a pause.
const SWEEP_SESSIONS: usize = 500;
/// Stored traces looked at in one sweep.
const SWEEP_TRACES: i64 = 5_000;

impl Folder {
    pub(super) fn sweep_if_due(&mut self) -> Result<(), FoldError> {
        if self.last_sweep.elapsed() < self.options.sweep_interval {
            return Ok(());
        }
        self.last_sweep = Instant::now();
        let now = (self.options.clock)();
        if let Some(age) = self.options.max_age {
            self.floor = self.floor.max(now.minus(age));
        }
        self.time_out_silent_runs(now)?;
        self.shrink_to_cap()?;
        if self.floor > UnixNanos::ZERO {
            self.expire_sessions(self.floor);
            self.expire_traces(self.floor)?;
            self.expire_tombstones(self.floor);
            self.pending.sessionless_floor = self.floor;
        }
        self.evict_idle();
        self.publish_gauges();
        Ok(())
    }

    /// Folds again the traces whose unfinished runs have been silent too long; the fold then says `timeout`.
    fn time_out_silent_runs(&mut self, now: UnixNanos) -> Result<(), FoldError> {
        let silent_since = now.minus(self.options.run_timeout);
        for key in self.unfinished.clone() {
            let Some(cell) = self.tenants.get(&key.0).cloned() else { continue };
            if !self.shared.traces.map.contains_key(&key) {
                self.open(&cell, key.1)?;
            }
            let Some(mut open) = self.shared.traces.map.get_mut(&key) else { continue };
            let silent = |run: &Run| run.status == RunStatus::Running && run.last_activity < silent_since;
            if !open.is_dirty && open.applied.iter().any(|applied| silent(&applied.run)) {
                open.is_dirty = true;
                open.changed = self.pending.generation;
                drop(open);
                self.pending.trace_changed(key);
                self.dirty.push(key);
            }
        }
        self.fold_dirty(false)
    }

    /// Raises the floor past the oldest sessions while the database holds more than its cap.
    fn shrink_to_cap(&mut self) -> Result<(), FoldError> {
        let Some(cap) = self.options.max_index_bytes else { return Ok(()) };
        let pragma = |name: &str| self.disk.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        let used = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
        if used.cast_unsigned() <= cap {
            return Ok(());
        }
        let oldest = self.tenants.values().flat_map(|cell| {
            let state = cell.read();
            let numbers = state.index.idle_since(UnixNanos::MAX, SWEEP_SESSIONS / 5);
            numbers.into_iter().filter_map(|no| state.index.row(no)).map(|row| row.sort_activity).collect::<Vec<_>>()
        });
        let mut oldest: Vec<_> = oldest.collect();
        oldest.sort_unstable();
        oldest.truncate(SWEEP_SESSIONS / 5);
        if let Some(newest_to_go) = oldest.last() {
            self.floor = self.floor.max(UnixNanos(newest_to_go.0.saturating_add(1)));
            tracing::warn!(
                used_bytes = used,
                cap_bytes = cap,
                "the index has reached retention.max_index_bytes: its oldest sessions are removed"
            );
        }
        Ok(())
    }

    fn expire_sessions(&mut self, floor: UnixNanos) {
        for cell in self.tenants.values() {
            let idle = cell.read().index.idle_since(floor, SWEEP_SESSIONS);
            if idle.is_empty() {
                continue;
            }
            let mut state = cell.write();
            for session in &idle {
                self.pending.clear_session(cell.no, &mut state, *session);
            }
            drop(state);
            self.shared.metrics.sessions_expired(idle.len());
        }
    }

    /// Looks at the next slice of stored traces and forgets those that ended before the floor.
    fn expire_traces(&mut self, floor: UnixNanos) -> Result<(), FoldError> {
        let mut expired = Vec::new();
        let mut last_no = 0;
        {
            let mut select = self.disk.prepare_cached(
                "SELECT trace_no, tenant_no, trace_id, last_ns FROM traces WHERE trace_no > ?1 ORDER BY trace_no LIMIT ?2",
            )?;
            let mut rows = select.query(params![self.swept_trace_no, SWEEP_TRACES])?;
            while let Some(row) = rows.next()? {
                last_no = row.get(0)?;
                let trace: [u8; 16] = row.get(2)?;
                let last = UnixNanos(row.get::<_, i64>(3)?.cast_unsigned());
                if let (true, Some(trace)) = (last < floor, TraceId::from_bytes(&trace)) {
                    expired.push((TenantNo(row.get(1)?), trace));
                }
            }
        }
        self.swept_trace_no = last_no;
        for key in expired {
            if !self.shared.traces.map.contains_key(&key) {
                self.unfinished.remove(&key);
                self.pending.trace_changed(key);
            }
        }
        Ok(())
    }

    /// What started before the floor is not folded any more, so its tombstone has done its work.
    fn expire_tombstones(&mut self, floor: UnixNanos) {
        let expired: Vec<_> = self.tombstones.extract_if(|_, deleted_at| *deleted_at < floor).map(|(key, _)| key).collect();
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
            let bytes = open.facts.weight();
            total_bytes += bytes;
            let may_go = open.changed <= committed && !open.is_dirty;
            held.push((open.touched.elapsed(), bytes, *open.key(), may_go));
        }
        held.sort_unstable_by_key(|(idle, ..)| std::cmp::Reverse(*idle));
        for (idle, bytes, key, may_go) in held {
            let is_wanted = idle < self.options.open_trace_idle && total_bytes <= self.options.open_trace_bytes;
            if is_wanted {
                break;
            }
            if may_go {
                self.shared.traces.map.remove(&key);
                total_bytes -= bytes;
            }
        }
        self.shared.metrics.open_traces(self.shared.traces.map.len(), total_bytes);
    }

    fn publish_gauges(&self) {
        let sessions = self.tenants.values().map(|cell| cell.read().index.len()).sum();
        self.shared.metrics.sessions(sessions);
    }

    // --- deletion ---

    /// Removes what the session is now. Its runs that started before stay gone, whatever comes late or is replayed.
    pub(super) fn delete_session(&mut self, cell: &Arc<TenantCell>, id: &SessionId, at: UnixNanos) -> Result<(), FoldError> {
        self.fold_dirty(true)?;
        let no = cell.read().index.find(id);
        let runs = match no {
            None => None,
            Some(no) => self.shared.session_runs(cell, no).map_err(|error| {
                tracing::error!(%error, "cannot read the runs of a session that is to be deleted");
                FoldError::Database(rusqlite::Error::InvalidQuery)
            })?,
        };
        let runs = runs.unwrap_or_default();
        let newest = runs.iter().filter(|run| !run.is_future).map(|run| run.started_at).max();
        let deleted_at = newest.map_or(at, |newest| newest.max(at));
        let tombstone = self.tombstones.entry((cell.no, id.clone())).or_insert(deleted_at);
        *tombstone = deleted_at.max(*tombstone);
        self.pending.tombstone(cell.no, id.clone(), Some(*tombstone));

        let Some(no) = no else { return Ok(()) };
        let mut state = cell.write();
        self.pending.clear_session(cell.no, &mut state, no);
        drop(state);
        let traces: FxHashSet<TraceId> = runs.iter().map(|run| run.key.trace).collect();
        for trace in traces {
            self.forget_in_trace(cell, trace, no)?;
        }
        self.shared.metrics.session_deleted();
        Ok(())
    }

    /// Takes a deleted session out of one trace; facts of a trace that was all of that session go too.
    fn forget_in_trace(&mut self, cell: &TenantCell, trace: TraceId, session: SessionNo) -> Result<(), FoldError> {
        let key = (cell.no, trace);
        if !self.shared.traces.map.contains_key(&key) {
            self.open(cell, trace)?;
        }
        let Some(mut open) = self.shared.traces.map.get_mut(&key) else { return Ok(()) };
        open.applied.retain(|applied| applied.session_no != session);
        let is_empty = open.applied.is_empty();
        open.changed = self.pending.generation;
        drop(open);
        if is_empty {
            self.shared.traces.map.remove(&key);
            self.unfinished.remove(&key);
        }
        self.pending.trace_changed(key);
        Ok(())
    }
}
