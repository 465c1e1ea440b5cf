//! Calls that the SDK found outside any run and told of in an `auto:` run, although a real run tells of them too.
//!
//! A stream that is consumed after its run ended is such a call: its span lies in the run, and over HTTP it comes as an `auto:` run
//! (`docs/sdk.md`). It counts once, in the real run.
//!
//! - The same model (without a date) and tokens, at most a minute apart; each real call stands for one stray.
//! - Looked for only among runs that were reported: without the HTTP path there are no `auto:` runs.
//! - What was found once stays found; what is remembered here is of the last minutes and is not kept over a restart.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::fold_worker::{FoldError, FoldWorker};
use crate::fold::{Folded, TraceFacts};
use crate::model::ids::{RunId, TraceId};
use crate::model::report::RunReport;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{CallKey, Usage};
use crate::store::local::disk::rows::TenantNo;

/// How far apart the two tellings of a call may be.
const WINDOW: Nanos = Nanos::from_secs(60);
/// Calls remembered in all; beyond this the older half is forgotten.
const REMEMBERED_MAX: usize = 100_000;

/// Calls of the last minutes by what they are known by.
#[derive(Default)]
pub(super) struct RecentCalls {
    calls: FxHashMap<(TenantNo, CallKey), BTreeMap<Told, UnixNanos>>,
    n_calls: usize,
}

/// Where a call was told of, which of that unit's calls of its key it is, and which stray.
type Told = (TraceId, usize, Stray);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecentCall {
    at: UnixNanos,
    /// Where it was told of.
    unit: TraceId,
    /// Which of that unit's calls of this key it is.
    nth: usize,
    stray: Stray,
}

/// The record of an `auto:` run; `None` for a call of a real run.
type Stray = Option<(RunId, usize)>;

impl FoldWorker {
    /// Remembers the calls of a unit that has just been folded, and marks the strays that are found by that.
    pub(super) fn note_calls(&mut self, tenant: TenantNo, told: Vec<(CallKey, RecentCall)>) -> Result<(), FoldError> {
        let mut keys: FxHashSet<CallKey> = FxHashSet::default();
        for (key, call) in told {
            if self.recent_calls.insert(tenant, key.clone(), call) {
                keys.insert(key);
            }
        }
        for key in keys {
            for (run, record) in self.recent_calls.strays(tenant, &key) {
                self.mark_found(tenant, run, record)?;
            }
        }
        Ok(())
    }

    fn mark_found(&mut self, tenant: TenantNo, run: RunId, record: usize) -> Result<(), FoldError> {
        let unit = (tenant, TraceId::of_report(run));
        let is_found = |report: &RunReport| report.calls.get(record).is_none_or(|call| call.is_found);
        let known =
            self.shared.traces.map.get(&unit).and_then(|open| open.report.as_ref().map(|report| (is_found(report), report.last_at)));
        let Some((false, last_at)) = known else { return Ok(()) };
        self.change_report(unit, run, last_at, |report| {
            if let Some(call) = report.calls.get_mut(record) {
                call.is_found = true;
            }
        })?;
        Ok(())
    }
}

/// The calls that a unit tells of: those that count in real runs, and those of `auto:` runs.
pub(super) fn calls_of(unit: TraceId, facts: &TraceFacts, reports: &[Arc<RunReport>], folded: &Folded) -> Vec<(CallKey, RecentCall)> {
    if reports.is_empty() {
        return Vec::new();
    }
    let mut calls: Vec<(CallKey, UnixNanos, Stray)> = Vec::new();
    let mut add = |model: &str, usage: &Usage, at, stray| {
        if usage.is_positive() {
            calls.push((CallKey::of(model, usage), at, stray));
        }
    };
    for verdict in folded.verdicts.iter().filter(|verdict| verdict.counted.is_some()) {
        let Some((fact, call)) = facts.get(verdict.span).and_then(|fact| Some((fact, fact.call.as_deref()?))) else { continue };
        add(&call.model, &call.usage, fact.end.max(fact.start), None);
    }
    for record in folded.records.iter().filter(|record| record.span.is_none()) {
        let report = folded.runs.get(record.run).and_then(|run| reports.iter().find(|report| report.id == run.id));
        let Some(told) = report.filter(|report| !report.is_auto()).and_then(|report| report.calls.get(record.record)) else { continue };
        add(&told.model, &told.usage, told.at, None);
    }
    for report in reports.iter().filter(|report| report.is_auto()) {
        for (record, told) in report.calls.iter().enumerate() {
            add(&told.model, &told.usage, told.at, Some((report.id, record)));
        }
    }
    calls.sort_unstable();
    let mut numbered = Vec::with_capacity(calls.len());
    let mut nth = 0;
    for (at, (key, when, stray)) in calls.iter().enumerate() {
        nth = if at > 0 && calls[at - 1].0 == *key { nth + 1 } else { 0 };
        numbered.push((key.clone(), RecentCall { at: *when, unit, nth, stray: *stray }));
    }
    numbered
}

// === impl RecentCalls ===

impl RecentCalls {
    /// `false` if it is known already.
    fn insert(&mut self, tenant: TenantNo, key: CallKey, call: RecentCall) -> bool {
        let Entry::Vacant(new) = self.calls.entry((tenant, key)).or_default().entry((call.unit, call.nth, call.stray)) else {
            return false;
        };
        new.insert(call.at);
        self.n_calls += 1;
        if self.n_calls > REMEMBERED_MAX {
            self.forget_half();
        }
        true
    }

    /// The strays of a key that a real call stands for: in the order of time, each with the earliest real call in reach that is free.
    fn strays(&self, tenant: TenantNo, key: &CallKey) -> Vec<(RunId, usize)> {
        let Some(calls) = self.calls.get(&(tenant, key.clone())) else { return Vec::new() };
        let mut real: Vec<UnixNanos> = calls.iter().filter(|((_, _, stray), _)| stray.is_none()).map(|(_, at)| *at).collect();
        let mut strays: Vec<(UnixNanos, RunId, usize)> =
            calls.iter().filter_map(|((_, _, stray), at)| stray.map(|(run, record)| (*at, run, record))).collect();
        if real.is_empty() || strays.is_empty() {
            return Vec::new();
        }
        real.sort_unstable();
        strays.sort_unstable();
        let mut found = Vec::new();
        let mut real = real.into_iter().peekable();
        for (at, run, record) in strays {
            while real.next_if(|real| real.plus(WINDOW) < at).is_some() {}
            if real.next_if(|real| *real <= at.plus(WINDOW)).is_some() {
                found.push((run, record));
            }
        }
        found
    }

    /// Forgets what lies before; called now and then.
    pub(super) fn forget_before(&mut self, moment: UnixNanos) {
        for calls in self.calls.values_mut() {
            calls.retain(|_, at| at.plus(WINDOW) >= moment);
        }
        self.calls.retain(|_, calls| !calls.is_empty());
        self.n_calls = self.calls.values().map(BTreeMap::len).sum();
    }

    fn forget_half(&mut self) {
        let mut times: Vec<UnixNanos> = self.calls.values().flat_map(BTreeMap::values).copied().collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        for calls in self.calls.values_mut() {
            calls.retain(|_, at| *at > median);
        }
        self.calls.retain(|_, calls| !calls.is_empty());
        self.n_calls = self.calls.values().map(BTreeMap::len).sum();
    }
}
