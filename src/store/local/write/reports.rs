//! What the SDK told over HTTP, on its way to the runs: each event to the report of its run, each report to the trace it stands in.
//!
//! - A report lies in a unit of its own. When it is known on which span the run stands, the trace of that span is folded with it.
//! - Only the fold thread changes reports. Nothing here looks at a clock: the times of events are those of the journal.
//! - A span may claim to be a run that was started here; a report is never made because a span claims one.

use std::sync::Arc;
use std::time::Instant;

use super::fold_worker::{FoldError, FoldWorker};
use crate::conventions::posts::{self, Post};
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, SpanKey, TraceId};
use crate::model::report::{CLAIMS_MAX, EventKind, RunReport, Start};
use crate::model::time::UnixNanos;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::traces::{OpenTrace, TraceKey, load};

/// Starts remembered to know a repeated one by.
pub(super) const STARTS_MAX: usize = 4_096;

/// A `runs/start/` of the last minute.
#[derive(Clone, Copy)]
pub(super) struct RecentStart {
    pub(super) run: RunId,
    pub(super) at: UnixNanos,
    /// Where the journal has it.
    pub(super) position: u64,
}

impl FoldWorker {
    /// One POST of the SDK.
    pub(super) fn take_run_event(&mut self, cell: &TenantCell, run: RunId, post: &Post<'_>) -> Result<(), FoldError> {
        let key = (cell.no, TraceId::of_report(run));
        let mut claim = None;
        if !self.open_known(cell, key.1)? {
            if !matches!(post.kind, EventKind::Start | EventKind::Daily | EventKind::Restored) {
                // Not started here, or long ago. It may be a run that only its spans told of, by the number it is shown by: what came
                // before this event has to be folded for that, in whichever round it came.
                self.fold_dirty(true)?;
                claim = self.own_span_of_shown(cell, run)?;
                if claim.is_none() && run.get() < RunId::MINTED_MIN {
                    self.warn_of("unknown_run", "events name runs that were not started here and are dropped");
                    return Ok(());
                }
            }
            self.open(cell, key.1)?;
        }
        let opened_at = self.pending.opened_at.0;
        let changed = self.change_report(key, run, post.received_at, |report| {
            if let Some(claim) = claim {
                report.claims.push(claim);
            }
            posts::apply(report, post, opened_at)
        })?;
        if self.is_report_deleted(key) {
            self.change_report(key, run, post.received_at, RunReport::strip)?;
        }
        for oddity in changed.unwrap_or_default() {
            self.shared.metrics.oddity(oddity);
            self.warn_of(oddity.as_str(), "something that the SDK posted was not believed; the rest counts");
        }
        if post.kind == EventKind::Start {
            self.note_start(cell, run, post)?;
            self.leave_ended_parent(cell, run)?;
        }
        Ok(())
    }

    /// A run starts in another only while that one goes on. Of runs that overlap in one process the SDK leaves the first one's workflow id
    /// behind, and names it as the parent of all that come later (`docs/sdk.md`).
    fn leave_ended_parent(&mut self, cell: &TenantCell, run: RunId) -> Result<(), FoldError> {
        let key = (cell.no, TraceId::of_report(run));
        let started = self.shared.traces.map.get(&key).and_then(|open| open.report.clone());
        let Some((parent, at)) = started.and_then(|report| Some((report.start.as_ref()?.parent?, report.last_at))) else { return Ok(()) };
        let unit = TraceId::of_report(parent);
        if !self.open_known(cell, unit)? {
            return Ok(());
        }
        let parent = self.shared.traces.map.get(&(cell.no, unit)).and_then(|open| open.report.clone());
        if parent.is_some_and(|parent| parent.completion.is_some()) {
            self.change_report(key, run, at, |report| {
                if let Some(start) = &mut report.start {
                    start.parent = None;
                }
            })?;
        }
        Ok(())
    }

    /// An agent's span bears the id of a run.
    pub(super) fn claim(&mut self, cell: &TenantCell, claimed: SpanKey, run: RunId) -> Result<(), FoldError> {
        let key = (cell.no, TraceId::of_report(run));
        if !self.open_known(cell, key.1)? {
            return Ok(());
        }
        let is_known = self.shared.traces.map.get(&key).and_then(|open| open.report.clone());
        let Some(report) = is_known.filter(|report| report.claims.binary_search(&claimed).is_err()) else { return Ok(()) };
        let last_at = report.last_at;
        drop(report);
        self.change_report(key, run, last_at, |report| {
            if report.claims.len() < CLAIMS_MAX {
                report.claims.push(claimed);
                report.claims.sort_unstable();
            }
        })?;
        Ok(())
    }

    /// Changes a report, and has everything folded again that depends on it.
    pub(super) fn change_report<T>(
        &mut self,
        key: TraceKey,
        run: RunId,
        at: UnixNanos,
        change: impl FnOnce(&mut RunReport) -> T,
    ) -> Result<Option<T>, FoldError> {
        let Some(mut open) = self.shared.traces.map.get_mut(&key) else { return Ok(None) };
        let weight = open.weight();
        let report = Arc::make_mut(open.report.get_or_insert_with(|| Arc::new(RunReport::new(run, at))));
        let before = report.own_span();
        let outcome = change(report);
        let now = report.own_span();
        open.touched = Instant::now();
        self.open_bytes = (self.open_bytes + open.weight()).saturating_sub(weight);
        drop(open);
        self.touch(key);
        if let Some(left) = before.filter(|left| now.is_none_or(|now| now.trace != left.trace)) {
            self.unjoin((key.0, left.trace), run)?;
        }
        if let Some(now) = now {
            self.join_report((key.0, now.trace), run)?;
        }
        Ok(Some(outcome))
    }

    fn join_report(&mut self, key: TraceKey, run: RunId) -> Result<(), FoldError> {
        self.bring(key)?;
        if let Some(mut open) = self.shared.traces.map.get_mut(&key)
            && let Err(at) = open.joined.binary_search(&run)
        {
            open.joined.insert(at, run);
        }
        self.touch(key);
        Ok(())
    }

    fn unjoin(&mut self, key: TraceKey, run: RunId) -> Result<(), FoldError> {
        self.bring(key)?;
        if let Some(mut open) = self.shared.traces.map.get_mut(&key) {
            open.joined.retain(|joined| *joined != run);
        }
        self.touch(key);
        Ok(())
    }

    /// Has a trace in memory.
    fn bring(&mut self, key: TraceKey) -> Result<(), FoldError> {
        if self.shared.traces.map.contains_key(&key) {
            return Ok(());
        }
        match self.tenants.get(&key.0).cloned() {
            Some(cell) => self.open(&cell, key.1),
            None => Ok(()),
        }
    }

    /// The unit will be folded and written.
    pub(super) fn touch(&mut self, key: TraceKey) {
        let Some(mut open) = self.shared.traces.map.get_mut(&key) else { return };
        self.pending.trace_changed(key, &mut open);
        if !std::mem::replace(&mut open.is_dirty, true) {
            self.dirty.push(key);
        }
    }

    /// Brings a unit into memory if there is one; `false` if there is none.
    pub(super) fn open_known(&mut self, cell: &TenantCell, trace: TraceId) -> Result<bool, FoldError> {
        let key = (cell.no, trace);
        if self.shared.traces.map.contains_key(&key) {
            return Ok(true);
        }
        if !self.shared.known.read().contains(cell.no, trace) || self.forgotten.contains_key(&key) {
            return Ok(false);
        }
        let Some(open) = self.shared.patiently(|| load(&self.disk, cell, trace))? else { return Ok(false) };
        self.insert_open(key, open);
        Ok(true)
    }

    pub(super) fn insert_open(&mut self, key: TraceKey, open: OpenTrace) {
        self.open_bytes += open.weight();
        self.shared.traces.map.insert(key, open);
    }

    /// The reports to fold a unit with. A report that stands in a trace is not folded in its own unit.
    pub(super) fn reports_of(&mut self, key: TraceKey) -> Result<Vec<Arc<RunReport>>, FoldError> {
        let (own, joined) = match self.shared.traces.map.get(&key) {
            None => return Ok(Vec::new()),
            Some(open) => (open.report.clone(), open.joined.clone()),
        };
        let mut reports: Vec<_> = own.into_iter().filter(|report| report.own_span().is_none()).collect();
        let Some(cell) = self.tenants.get(&key.0).cloned().filter(|_| !joined.is_empty()) else { return Ok(reports) };
        for run in joined {
            let unit = TraceId::of_report(run);
            if !self.open_known(&cell, unit)? {
                continue;
            }
            let report = self.shared.traces.map.get(&(key.0, unit)).and_then(|open| open.report.clone());
            reports.extend(report.filter(|report| report.own_span().is_some_and(|own| own.trace == key.1)));
        }
        Ok(reports)
    }

    /// The span of a run that no report tells of yet.
    fn own_span_of_shown(&self, cell: &TenantCell, run: RunId) -> Result<Option<SpanKey>, FoldError> {
        let found = self.shared.patiently(|| self.disk.run_by_id(cell, &cell.read(), run))?;
        let stands = |key: RunKey| key.span != RunKey::PROVISIONAL && !key.trace.is_reserved();
        Ok(found.filter(|run| stands(run.key)).map(|run| SpanKey { trace: run.key.trace, span: run.key.span }))
    }

    /// A start that comes again after the process that took it ended: its first answer may be lost.
    fn note_start(&mut self, cell: &TenantCell, run: RunId, post: &Post<'_>) -> Result<(), FoldError> {
        let digest = posts::digest(post.kind, post.body);
        let new = RecentStart { run, at: post.received_at, position: post.position };
        if self.starts.len() >= STARTS_MAX {
            self.forget_old_starts();
        }
        let Some(old) = self.starts.insert((cell.no, digest), new) else { return Ok(()) };
        let is_recent = old.at.plus(posts::REPEAT_WINDOW) >= post.received_at;
        if is_recent && old.position < self.pending.opened_at.0 && old.run != run {
            let key = (cell.no, TraceId::of_report(old.run));
            if !self.open_known(cell, key.1)? {
                return Ok(());
            }
            self.change_report(key, old.run, old.at, |report| {
                if let Some(start) = &mut report.start {
                    start.is_doubtful = true;
                }
            })?;
        }
        Ok(())
    }

    /// The older half goes: an answer that was lost in a crash was that of one of the last starts.
    fn forget_old_starts(&mut self) {
        let mut positions: Vec<u64> = self.starts.values().map(|start| start.position).collect();
        let middle = positions.len() / 2;
        let (_, median, _) = positions.select_nth_unstable(middle);
        let median = *median;
        self.starts.retain(|_, start| start.position > median);
    }

    /// Takes the texts out of the report of a run whose session was deleted. What is left keeps late events from making a new run of it:
    /// the session too, which perhaps only its spans had named.
    pub(super) fn strip_report(&mut self, cell: &TenantCell, run: RunId, session: &SessionId) -> Result<(), FoldError> {
        let unit = TraceId::of_report(run);
        if self.open_known(cell, unit)? {
            self.change_report((cell.no, unit), run, UnixNanos::ZERO, |report| {
                report.strip();
                let first_at = report.first_at;
                report.start.get_or_insert_with(|| Start::unknown(first_at)).session.get_or_insert_with(|| session.clone());
            })?;
        }
        Ok(())
    }

    /// Whether it belongs to what a deleted session was: nothing that comes late is kept of it.
    fn is_report_deleted(&self, key: TraceKey) -> bool {
        if self.tombstones.is_empty() {
            return false;
        }
        let Some(open) = self.shared.traces.map.get(&key) else { return false };
        let start = open.report.as_ref().and_then(|report| report.start.as_ref());
        let session = start.and_then(|start| Some((start.at, start.session.clone()?)));
        session.is_some_and(|(at, session)| self.tombstones.get(&(key.0, session)).is_some_and(|deleted_at| at <= *deleted_at))
    }

    /// Whether what stands in a trace is needed as long as that trace is.
    pub(super) fn stands_in_known_trace(&self, tenant: TenantNo, report: &RunReport) -> rusqlite::Result<bool> {
        let Some(own) = report.own_span() else { return Ok(false) };
        let key = (tenant, own.trace);
        if self.shared.traces.map.contains_key(&key) {
            return Ok(true);
        }
        if self.forgotten.contains_key(&key) || !self.shared.known.read().contains(tenant, own.trace) {
            return Ok(false);
        }
        // What was known once is not forgotten by the filter, so the disk has the word.
        self.shared.patiently(|| self.disk.has_trace(tenant, own.trace))
    }
}

/// The span and the run whose own span it claims to be, where it can be one.
pub(super) fn claimed_run(fact: &crate::model::facts::SpanFact) -> Option<(SpanId, RunId)> {
    use crate::model::facts::SpanKind;
    let run = fact.run_id().filter(|_| fact.kind == SpanKind::Agent)?;
    Some((fact.span, RunId::from_minted(run)?))
}
