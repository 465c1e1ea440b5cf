//! A run explained, or what of a trace is of no run: the trace is folded once more, by the same code, with its reasons.

use std::collections::BTreeMap;

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

use super::view::{Unit, span_view};
use crate::conventions::{self, Sources, Strings};
use crate::fold::{Explained, SpanReason};
use crate::model::ids::{SpanId, TraceId};
use crate::model::logs::is_beside_spans;
use crate::model::report::RunReport;
use crate::model::time::UnixNanos;
use crate::store::StoreError;
use crate::store::explain::{ExplainQuery, ExplainedCall, ExplainedSpan, Explanation, Orphans, OrphansQuery, Sums};
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::view::RunBrief;
use crate::wire::otlp;

impl LocalStore {
    pub(in crate::store::local) fn explain_run(
        &self,
        cell: &TenantCell,
        query: &ExplainQuery<'_>,
    ) -> Result<Option<Explanation>, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("explain a run", error);
        let Some(row) = reader.run_by_id(cell, &cell.read(), query.run).map_err(failed)? else { return Ok(None) };
        let trace = row.key.trace;
        let Some(unit) = self.unit(cell, &reader, trace).map_err(failed)? else { return Ok(Some(Explanation::bare(row))) };
        let explained = self.explain_unit(trace, &unit);
        let Some(at) = explained.folded.runs.iter().position(|run| run.id == row.id) else { return Ok(Some(Explanation::bare(row))) };
        let mut others = Vec::new();
        for run in explained.folded.runs.iter().filter(|run| run.id != row.id) {
            others.extend(reader.run_by_id(cell, &cell.read(), run.id).map_err(failed)?.as_ref().map(RunBrief::of));
        }
        let told_elsewhere = self.told_elsewhere(cell, &reader, &row, (&unit, &explained.folded))?;
        Ok(Some(Explanation { others, told_elsewhere, run: row, ..self.explanation(&unit, &explained, at, query) }))
    }

    fn explanation(&self, unit: &Unit, explained: &Explained, at: usize, query: &ExplainQuery<'_>) -> Explanation {
        let run = &explained.folded.runs[at];
        let report = unit.reports().find(|report| report.id == run.id);
        let mut sums = Sums::default();
        let (own, orphans) = (tree(unit, &spans_of(explained, Some(at))), spans_of(explained, None));
        for (_, reason) in &own {
            if let Some(usage) = &reason.usage {
                sums.add(usage, reason.counting);
            }
        }
        let calls = calls(explained, at, report);
        calls.iter().for_each(|call| sums.add(&call.usage, call.counting));
        sums.left_out.sort_unstable_by_key(|(why, _)| *why);
        let shown: Vec<(usize, &SpanReason)> = own.iter().skip(query.offset).take(query.limit).copied().collect();
        let lost: Vec<(usize, &SpanReason)> = orphans.iter().take(query.limit).map(|reason| (0, *reason)).collect();
        let trace = run.key.trace;
        Explanation {
            reason: explained.runs.get(at).cloned(),
            spans: self.whole(trace, unit, explained, &shown, query.raw),
            n_spans: own.len(),
            orphans: self.whole(trace, unit, explained, &lost, query.raw),
            n_orphans: orphans.len(),
            calls,
            others: Vec::new(),
            told_elsewhere: None,
            sums,
            run: run.clone(),
        }
    }

    pub(in crate::store::local) fn explain_orphans(
        &self,
        cell: &TenantCell,
        query: &OrphansQuery<'_>,
    ) -> Result<Option<Orphans>, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("explain the spans of a trace", error);
        let Some(unit) = self.unit(cell, &reader, query.trace).map_err(failed)? else { return Ok(None) };
        let explained = self.explain_unit(query.trace, &unit);
        let mut runs = Vec::new();
        for run in &explained.folded.runs {
            runs.extend(reader.run_by_id(cell, &cell.read(), run.id).map_err(failed)?.as_ref().map(RunBrief::of));
        }
        let orphans = tree(&unit, &spans_of(&explained, None));
        if runs.is_empty() && orphans.is_empty() {
            return Ok(None);
        }
        let shown: Vec<(usize, &SpanReason)> = orphans.iter().skip(query.offset).take(query.limit).copied().collect();
        let spans = self.whole(query.trace, &unit, &explained, &shown, query.raw);
        Ok(Some(Orphans { spans, n_spans: orphans.len(), runs }))
    }

    /// These spans with all that is said of them.
    fn whole(
        &self,
        trace: TraceId,
        unit: &Unit,
        explained: &Explained,
        listed: &[(usize, &SpanReason)],
        raw: &[Bytes],
    ) -> Vec<ExplainedSpan> {
        let wanted: FxHashSet<SpanId> = listed.iter().map(|(_, reason)| reason.span).collect();
        let mut sources = self.sources(raw, trace, &wanted);
        let spans = listed.iter().filter_map(|&(depth, reason)| {
            let fact = unit.facts.get(reason.span)?;
            let verdicts = &explained.folded.verdicts;
            let verdict = &verdicts[verdicts.binary_search_by_key(&reason.span, |verdict| verdict.span).ok()?];
            let view = span_view(fact, verdict, &explained.folded);
            // Another copy of the span may say something else than the one that stands.
            let sources = sources.remove(&reason.span).filter(|sources| sources.kind == fact.kind);
            Some(ExplainedSpan { depth, view, scope: fact.scope.clone(), reason: reason.clone(), sources })
        });
        spans.collect()
    }

    /// What each of these spans said as it was sent, of several copies the sender's own, and of those the one that says most.
    fn sources(&self, requests: &[Bytes], trace: TraceId, wanted: &FxHashSet<SpanId>) -> BTreeMap<SpanId, Sources> {
        let (conventions, mut strings) = (&self.shared.conventions, Strings::default());
        let mut found: BTreeMap<SpanId, ((bool, usize), Sources)> = BTreeMap::new();
        for request in requests {
            for of_resource in otlp::resource_spans(request).map_while(Result::ok) {
                let resource = conventions.resource(of_resource.attributes().map_while(Result::ok));
                for of_scope in of_resource.scope_spans().map_while(Result::ok) {
                    let scope = conventions.scope(of_scope.scope_name, &mut strings);
                    for span in of_scope.spans().map_while(Result::ok).filter(|span| span.trace_id == trace.as_bytes()) {
                        let Some(id) = SpanId::from_bytes(span.span_id).filter(|id| wanted.contains(id)) else { continue };
                        let rank = (!is_beside_spans(of_scope.scope_name), span.attributes().count());
                        if found.get(&id).is_none_or(|(known, _)| *known <= rank) {
                            found.insert(id, (rank, conventions::sources(&span, &scope, &resource)));
                        }
                    }
                }
            }
        }
        found.into_iter().map(|(id, (_, sources))| (id, sources)).collect()
    }
}

/// The spans of one of the runs, or of none.
fn spans_of(explained: &Explained, run: Option<usize>) -> Vec<&SpanReason> {
    let verdicts = explained.folded.verdicts.iter().zip(&explained.spans);
    verdicts.filter(|(verdict, _)| verdict.run == run).map(|(_, reason)| reason).collect()
}

/// The spans of a run with their depths: parents before children, siblings by their start.
fn tree<'a>(unit: &Unit, reasons: &[&'a SpanReason]) -> Vec<(usize, &'a SpanReason)> {
    let here: FxHashSet<SpanId> = reasons.iter().map(|reason| reason.span).collect();
    let mut below: FxHashMap<Option<SpanId>, Vec<&SpanReason>> = FxHashMap::default();
    for reason in reasons {
        below.entry(reason.above.filter(|above| here.contains(above))).or_default().push(reason);
    }
    let start = |reason: &SpanReason| unit.facts.get(reason.span).map_or(UnixNanos::ZERO, |fact| fact.start);
    for siblings in below.values_mut() {
        // Taken from the end.
        siblings.sort_by_key(|reason| std::cmp::Reverse((start(reason), reason.span)));
    }
    let mut open: Vec<(usize, &SpanReason)> = Vec::new();
    let mut ordered = Vec::with_capacity(reasons.len());
    open.extend(below.remove(&None).into_iter().flatten().map(|reason| (0, reason)));
    while let Some((depth, reason)) = open.pop() {
        ordered.push((depth, reason));
        open.extend(below.remove(&Some(reason.span)).into_iter().flatten().map(|reason| (depth + 1, reason)));
    }
    ordered
}

fn calls(explained: &Explained, at: usize, report: Option<&RunReport>) -> Vec<ExplainedCall> {
    let records = explained.records.iter().filter(|record| record.run == at);
    let call = |record: &crate::fold::RecordReason| {
        let told = report?.calls.get(record.record)?;
        Some(ExplainedCall { model: told.model.clone(), task: told.task.clone(), usage: told.usage, counting: record.counting })
    };
    records.filter_map(call).collect()
}
