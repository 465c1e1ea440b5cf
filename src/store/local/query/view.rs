//! One run, one trace, and runs across sessions, read while the fold goes on.
//!
//! - Whether a run exists says the index; what is in it says a fold of its trace, of the moment it is asked for.
//! - Spans whose run was deleted are not shown.
//! - Facts that are gone (retention) leave the run's row.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::fold::{Explained, Folded, Rules, TraceFacts, Verdict, explain, fold};
use crate::index::SessionNo;
use crate::model::Str;
use crate::model::facts::{Delivery, SpanFact, SpanStatus};
use crate::model::ids::{RunId, SessionId, SpanId, TraceId};
use crate::model::logs;
use crate::model::report::RunReport;
use crate::model::run::{Run, RunStatus};
use crate::model::time::{Nanos, UnixNanos};
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::write::turns::{next_turn, open_turn};
use crate::store::local::{LocalStore, store_error};
use crate::store::view::{CallView, RunBrief, RunQuery, RunView, SpanView, TraceView};
use crate::wire::format::stored::RunRef;

/// A run of another trace is not what its start names as parent if that one's work had ended by then: what it told of its end can still be
/// on its way while the SDK already names it as the parent of all that come later (`docs/sdk.md`).
fn can_have_started(parent: &Run, child: &Run) -> bool {
    parent.key.trace == child.key.trace || parent.completed_at.is_none_or(|end| end >= child.started_at)
}

/// How far the clocks of a run and of one that it started may differ.
const CLOCK_SKEW: Nanos = Nanos::from_secs(3600);
/// Runs looked at for those that a run started.
const RELATIVES_MAX: u32 = 10_000;

/// A trace as far as it is kept, with the reports that belong to it.
pub(in crate::store::local) struct Unit {
    pub(in crate::store::local) facts: TraceFacts,
    reports: Vec<Arc<RunReport>>,
    /// Where the rows of the runs are that the index was told of.
    pub(in crate::store::local) places: Vec<RunRef>,
}

impl Unit {
    pub(in crate::store::local) fn reports(&self) -> impl Iterator<Item = &RunReport> {
        self.reports.iter().map(|report| &**report)
    }
}

impl LocalStore {
    pub(in crate::store::local) fn view_run(&self, cell: &TenantCell, id: RunId) -> Result<Option<RunView>, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("read a run", error);
        let Some(row) = reader.run_by_id(cell, &cell.read(), id).map_err(failed)? else { return Ok(None) };
        let unit = self.unit(cell, &reader, row.key.trace).map_err(failed)?;
        let folded = unit.as_ref().map(|unit| self.fold_unit(cell, &reader, row.key.trace, unit)).transpose().map_err(failed)?;
        let mut view = match (&unit, &folded) {
            (Some(unit), Some(folded)) => view_of(&row, unit, folded),
            _ => RunView::bare(row),
        };
        let relatives = self.relatives(cell, &reader, &view.run, folded.as_ref())?;
        if let Some(id) = view.run.parent {
            let parent = match relatives.iter().find(|run| run.id == id) {
                Some(parent) => Some(parent.clone()),
                None => reader.run_by_id(cell, &cell.read(), id).map_err(|error| store_error("read the parent of a run", error))?,
            };
            view.parent = parent.filter(|parent| can_have_started(parent, &view.run)).as_ref().map(RunBrief::of);
        }
        let is_child = |run: &&Run| run.parent == Some(view.run.id) && can_have_started(&view.run, run);
        view.children = relatives.iter().filter(is_child).map(RunBrief::of).collect();
        view.children.sort_by_key(|child| (child.started_at, child.id));
        Ok(Some(view))
    }

    pub(in crate::store::local) fn view_trace(&self, cell: &TenantCell, trace: TraceId) -> Result<Option<TraceView>, StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("read a trace", error);
        let Some(unit) = self.unit(cell, &reader, trace).map_err(failed)? else { return Ok(None) };
        let folded = self.fold_unit(cell, &reader, trace, &unit).map_err(failed)?;
        let mut runs = Vec::new();
        let mut hidden = FxHashSet::default();
        for run in &folded.runs {
            match reader.run_by_id(cell, &cell.read(), run.id).map_err(failed)? {
                Some(_) => runs.push(run.clone()),
                None => _ = hidden.insert(run.id),
            }
        }
        let spans = spans(&unit.facts, &folded, |run| run.is_none_or(|run| !hidden.contains(&run)));
        if runs.is_empty() && spans.is_empty() {
            return Ok(None);
        }
        Ok(Some(TraceView { trace, runs, spans }))
    }

    /// Shows the runs that one of the queries asks for; none is asked for by two.
    pub(in crate::store::local) fn each_run(
        &self,
        cell: &TenantCell,
        queries: &[RunQuery],
        each: &mut dyn FnMut(&Run),
    ) -> Result<(), StoreError> {
        let reader = self.shared.reader()?;
        let failed = |error| store_error("read runs", error);
        // Under the lock: the overlay and the state of the database that it belongs to.
        let state = cell.read();
        reader.begin_snapshot().map_err(failed)?;
        let newer: FxHashMap<(SessionNo, RunOrder), Option<Arc<Run>>> =
            state.recent.all().map(|(session, order, run)| ((session, *order), run.cloned())).collect();
        drop(state);
        for query in queries {
            read_rows(&reader, cell, query, &mut |session, run| {
                if !newer.contains_key(&(session, RunOrder::of(run))) && query.matches(run) {
                    each(run);
                }
            })
            .map_err(failed)?;
        }
        let is_meant = |run: &&Arc<Run>| queries.iter().any(|query| query.matches(run));
        newer.values().flatten().filter(is_meant).for_each(|run| each(run));
        Ok(())
    }

    /// The other runs of its trace, and of its session where it was told of over HTTP: those can be of no trace.
    fn relatives(&self, cell: &TenantCell, reader: &Reader, run: &Run, folded: Option<&Folded>) -> Result<Vec<Run>, StoreError> {
        let mut relatives: Vec<Run> = Vec::new();
        for other in folded.into_iter().flat_map(|folded| &folded.runs).filter(|other| other.id != run.id) {
            let is_there = reader.run_by_id(cell, &cell.read(), other.id).map_err(|error| store_error("read runs", error))?.is_some();
            relatives.extend(is_there.then(|| other.clone()));
        }
        let session = run.session.as_ref().filter(|_| run.is_reported);
        let no = session.and_then(|session| cell.read().index.find(session));
        if let (Some(session), Some(no)) = (session, no) {
            let known: FxHashSet<RunId> = relatives.iter().map(|run| run.id).chain([run.id]).collect();
            let others = self.runs_beside(cell, reader, no, session, run)?;
            relatives.extend(others.into_iter().filter(|other| !known.contains(&other.id)));
        }
        Ok(relatives)
    }

    /// The runs of a session that started while this one went on, as far as clocks can tell: what it started is among them.
    pub(in crate::store::local) fn runs_beside(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        no: SessionNo,
        session: &SessionId,
        run: &Run,
    ) -> Result<Vec<Run>, StoreError> {
        let failed = |error| store_error("read the runs beside a run", error);
        let span = (run.started_at.minus(CLOCK_SKEW), run.completed_at.map_or(UnixNanos::MAX, |end| end.plus(CLOCK_SKEW)));
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let newer = state.recent.overlay(no);
        drop(state);
        let stored = reader.runs_started_between(cell.no, no, session, span, RELATIVES_MAX).map_err(failed)?;
        reader.end_snapshot().map_err(failed)?;
        let stored = stored.into_iter().filter(|run| !newer.contains(&RunOrder::of(run)));
        let is_beside = |run: &&Arc<Run>| run.started_at >= span.0 && run.started_at <= span.1;
        Ok(stored.chain(newer.runs().filter(is_beside).map(|run| Run::clone(run))).collect())
    }

    pub(in crate::store::local) fn fold_unit(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        trace: TraceId,
        unit: &Unit,
    ) -> rusqlite::Result<Folded> {
        let reports: Vec<&RunReport> = unit.reports().collect();
        let folded = |next_turn: UnixNanos| fold(trace, &unit.facts, &reports, &self.rules(next_turn));
        let as_it_tells = folded(UnixNanos::ZERO);
        let Some(turn) = open_turn(&as_it_tells.runs) else { return Ok(as_it_tells) };
        Ok(next_turn(reader, cell, turn)?.map_or(as_it_tells, folded))
    }

    /// With why.
    pub(in crate::store::local) fn explain_unit(&self, trace: TraceId, unit: &Unit) -> Explained {
        explain(trace, &unit.facts, &unit.reports().collect::<Vec<_>>(), &self.rules(UnixNanos::ZERO))
    }

    fn rules(&self, next_turn: UnixNanos) -> Rules<'_> {
        let now = self.shared.clock.now();
        let (silent_since, idle_since) = (now.minus(self.shared.run_timeout), now.minus(self.shared.idle_after));
        Rules { price: &*self.shared.price, silent_since, idle_since, next_turn }
    }

    pub(in crate::store::local) fn unit(&self, cell: &TenantCell, reader: &Reader, trace: TraceId) -> rusqlite::Result<Option<Unit>> {
        let Some((facts, own, joined, places)) = self.kept(cell, reader, trace)? else { return Ok(None) };
        let mut reports: Vec<_> = own.into_iter().filter(|report| report.own_span().is_none()).collect();
        for run in joined {
            let kept = self.kept(cell, reader, TraceId::of_report(run))?;
            let report = kept.and_then(|(_, report, ..)| report);
            reports.extend(report.filter(|report| report.own_span().is_some_and(|key| key.trace == trace)));
        }
        Ok(Some(Unit { facts, reports, places }))
    }

    #[expect(clippy::type_complexity, reason = "the four parts of a stored trace")]
    fn kept(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        trace: TraceId,
    ) -> rusqlite::Result<Option<(TraceFacts, Option<Arc<RunReport>>, Vec<RunId>, Vec<RunRef>)>> {
        if let Some(open) = self.shared.traces.map.get(&(cell.no, trace)) {
            return Ok(Some((open.facts.clone(), open.report.clone(), open.joined.clone(), open.run_refs())));
        }
        let Some((_, stored)) = reader.stored_trace(cell.no, trace)? else { return Ok(None) };
        Ok(Some((TraceFacts::restore(stored.facts, stored.n_refused), stored.report.map(Arc::new), stored.joined, stored.runs)))
    }
}

fn read_rows(reader: &Reader, cell: &TenantCell, query: &RunQuery, each: &mut dyn FnMut(SessionNo, &Run)) -> rusqlite::Result<()> {
    let mut sessions: FxHashMap<SessionNo, Option<SessionId>> = FxHashMap::default();
    let mut session_of = |no| sessions.entry(no).or_insert_with(|| cell.read().index.id_of(no)).clone();
    reader.each_run(cell.no, query, &mut session_of, each)
}

fn view_of(row: &Run, unit: &Unit, folded: &Folded) -> RunView {
    let Some(at) = folded.runs.iter().position(|run| run.id == row.id) else { return RunView::bare(row.clone()) };
    let mut view = RunView::bare(folded.runs[at].clone());
    let report = unit.reports.iter().find(|report| report.id == row.id).map(|report| &**report);
    view.calls = calls(unit, folded, at, report);
    view.spans = spans(&unit.facts, folded, |run| run == Some(row.id));
    if let Some(report) = report {
        view.steps = report.steps.clone();
        view.inputs = report.start.as_ref().and_then(|start| start.inputs.clone());
        view.result = report.completion.as_ref().and_then(|completion| completion.result.clone());
        let stated = report.completion.as_ref().and_then(|completion| completion.error.clone());
        view.error = stated.filter(|error| !error.is_empty()).or(view.error);
        view.reported_spans = report.spans.clone();
    }
    view
}

/// The calls that count in one run, told by spans, by the report, or by both.
fn calls(unit: &Unit, folded: &Folded, at: usize, report: Option<&RunReport>) -> Vec<CallView> {
    let mut calls = Vec::new();
    let records = || folded.records.iter().filter(|record| record.run == at);
    let by_span: FxHashMap<SpanId, usize> = records().filter_map(|record| Some((record.span?, record.record))).collect();
    for verdict in folded.verdicts.iter().filter(|verdict| verdict.run == Some(at)) {
        let (Some((_, cost)), Some(fact)) = (verdict.counted, unit.facts.get(verdict.span)) else { continue };
        let Some(call) = fact.call.as_deref() else { continue };
        let told = report.zip(by_span.get(&verdict.span)).and_then(|(report, record)| report.calls.get(*record));
        calls.push(CallView {
            model: call.model.clone(),
            provider: call.provider.clone(),
            task: told.map_or_else(|| Str::from(""), |told| told.task.clone()),
            usage: call.usage,
            cost,
            is_error: fact.status == SpanStatus::Error || told.is_some_and(|told| told.is_error),
            prompt: told.and_then(|told| told.prompt.clone()),
            response: told.and_then(|told| told.response.clone()),
            at: fact.start,
            span: Some(verdict.span),
        });
    }
    for record in records().filter(|record| record.span.is_none()) {
        let Some(told) = report.and_then(|report| report.calls.get(record.record)) else { continue };
        calls.push(CallView {
            model: told.model.clone(),
            provider: Str::from(""),
            task: told.task.clone(),
            usage: told.usage,
            cost: record.cost,
            is_error: told.is_error,
            prompt: told.prompt.clone(),
            response: told.response.clone(),
            at: told.at,
            span: None,
        });
    }
    calls.sort_by_key(|call| (call.at, call.span));
    calls
}

fn spans(facts: &TraceFacts, folded: &Folded, is_wanted: impl Fn(Option<RunId>) -> bool) -> Vec<SpanView> {
    let mut spans = Vec::new();
    for verdict in &folded.verdicts {
        let run = verdict.run.and_then(|run| folded.runs.get(run)).map(|run| run.id);
        let Some(fact) = facts.get(verdict.span).filter(|_| is_wanted(run)) else { continue };
        spans.push(span_view(fact, verdict, folded));
    }
    spans.sort_by_key(|span| (span.start, span.span));
    spans
}

pub(in crate::store::local) fn span_view(fact: &SpanFact, verdict: &Verdict, folded: &Folded) -> SpanView {
    let ended = (fact.end != UnixNanos::ZERO).then_some(fact.end);
    let run = verdict.run.and_then(|run| folded.runs.get(run));
    // Told of when it began: how it went on, its run knows.
    let turn = run.filter(|run| verdict.delivery == Delivery::WhenOver && run.key.span == fact.span);
    let (status, end) = turn.map_or((fact.status, ended), |run| (outcome(run.status), run.completed_at));
    // As the span is called that Tempo gets.
    let name = turn.map_or_else(|| fact.name.clone(), |run| Str::from(&*format!("invoke_agent {}", run.agent)));
    SpanView {
        span: fact.span,
        parent: fact.parent,
        name,
        tool: fact.tool().map(Str::from),
        kind: fact.kind,
        status,
        start: fact.start,
        end,
        is_of_log: logs::is_of_logs(&fact.scope),
        failure: fact.failure.as_deref().cloned(),
        delivery: verdict.delivery,
        run: run.map(|run| run.id),
        call: fact.call.as_deref().cloned(),
        counted: verdict.counted.map(|(tokens, cost)| (tokens, cost.map(|cost| cost.amount))),
    }
}

fn outcome(status: RunStatus) -> SpanStatus {
    match status {
        RunStatus::Error => SpanStatus::Error,
        RunStatus::Success => SpanStatus::Ok,
        _ => SpanStatus::Unset,
    }
}
