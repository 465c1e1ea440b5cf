//! From spans that have owners, names and shares to runs and verdicts.
//!
//! - Times of a run are its span's. A start that is not known is its earliest child's; an end before the start is a duration of zero.
//! - A run whose span has not ended is running, or timed out once it was silent for too long. So is a provisional run, but once it is idle
//!   its last span is taken for its end: it has failed if a span at the top of what came has.
//! - Of a run that was reported: whether and how it ended says its report; when, its span, and without one the report.
//! - Spans dated in the far future do not say when a run was last active, unless there are no others; spans dated long before all others do
//!   not say when a run without a root began.

use super::boundary::Territory;
use super::count::Share;
use super::failure::{self, Ended};
use super::merge::Merged;
use super::names::{Names, WORKFLOW_DEFAULT};
use super::question::Questions;
use super::scratch::List;
use super::tools::Tools;
use super::tree::{Forest, NONE};
use super::turns::{self, Newest};
use super::{Folded, Rules, StandingRecord, Verdict};
use crate::model::Str;
use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::{RunId, RunKey, TraceId};
use crate::model::logs::SPAWN_SPAN;
use crate::model::report::{Completion, RunReport};
use crate::model::run::{Run, RunStatus};
use crate::model::scopes::scope_traits;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{Call, Cost, ModelUsage, Usage, UsageTotal};

/// What is summed and measured over the spans of a run.
#[derive(Clone, Copy, Default)]
struct Tally {
    n_spans: u32,
    /// The newest start or end, spans of the far future left out.
    newest: UnixNanos,
    newest_future: UnixNanos,
    n_future: u32,
    /// Agent spans, and spans of scopes that report their runs over HTTP too.
    n_agents: u32,
    n_of_reporting_scope: u32,
    /// Spans of an agent that tells all in its logs.
    /// A call counts of an instrumentation whose spans are never the current ones.
    is_retelling: bool,
    n_failed_tools: u32,
    n_told_in_logs: u32,
    newest_event: Option<Newest>,
    /// When the first of the log events began, prompts included.
    oldest_event: Option<UnixNanos>,
    usage: UsageTotal,
    suppressed: UsageTotal,
}

/// A call that counts.
struct Counted<'a> {
    /// The run's place among the seeds.
    owner: u32,
    call: &'a Call,
    usage: Usage,
    cost: Option<Cost>,
    has_failed: bool,
}

/// With the folded, for each seed the place of its run.
pub(super) fn assemble<'a>(
    trace: TraceId,
    forest: &Forest<'a>,
    territory: &Territory<'a>,
    names: &[Names<'a>],
    shares: &[Share],
    merged: &'a [Merged],
    rules: &Rules<'_>,
) -> (Folded, &'a [usize]) {
    let scratch = forest.scratch;
    let (tallies, mut counted, tools, questions) = tally(forest, territory, shares);
    add_reported(forest, territory, merged, tallies, &mut counted);
    let mut models = models(forest, counted, territory.seeds.len());
    let mut tools = tools.by_run(forest, territory);
    let mut questions = questions.by_run(forest, territory);
    let id = |seed: u32| id(trace, forest, territory, seed);
    let mut times: List<'_, Times> = scratch.list(tallies.len());
    times.extend(territory.seeds.iter().zip(&*tallies).map(|(seed, tally)| Times::of(forest, seed.span, tally, rules)));
    let mut ended: List<'_, Ended> = scratch.list(tallies.len());
    ended.extend(times.iter().map(|times| Ended { status: times.status, last_activity: times.last_activity }));
    let mut errors = failure::errors(forest, territory, &ended);
    let mut runs: Vec<Run> = Vec::with_capacity(territory.seeds.len());
    for (at, ((names, tally), times)) in names.iter().zip(tallies).zip(times).enumerate() {
        let seed = &territory.seeds[at];
        let report = forest.report(seed.span).map(|placed| placed.report);
        let enclosing = (seed.enclosing != NONE).then(|| id(seed.enclosing));
        let run = Run {
            key: key(trace, forest, territory, at as u32),
            id: id(at as u32),
            session: names.session.cloned(),
            agent: names.agent.cloned().unwrap_or_else(|| Str::from(names.agent_of_span.unwrap_or_default())),
            workflow: names.workflow.cloned().unwrap_or_else(|| Str::from(WORKFLOW_DEFAULT)),
            user: names.user.cloned(),
            user_group: names.user_group.cloned(),
            parent: enclosing.or_else(|| report?.start.as_ref()?.parent),
            started_at: times.started_at,
            completed_at: times.completed_at,
            last_activity: times.last_activity,
            status: times.status,
            error: errors.get_mut(at).and_then(Option::take),
            tool_errors: tally.n_failed_tools.max(report.map_or(0, failure::failed_tools_of)),
            usage: tally.usage,
            suppressed: tally.suppressed,
            models: std::mem::take(&mut models[at]),
            tools: tools.get_mut(at).map(std::mem::take).unwrap_or_default(),
            question: questions.get_mut(at).and_then(Option::take),
            n_spans: tally.n_spans,
            is_provisional: seed.span == NONE,
            is_future: times.is_future,
            is_truncated: forest.is_truncated || report.is_some_and(|report| report.n_calls_refused > 0),
            is_reported: report.is_some(),
            is_untraced: report.is_some_and(is_untraced) || is_told_in_logs_alone(forest, seed.span),
            is_agentless: report.is_none() && tally.is_agentless(),
            is_retelling: tally.is_retelling,
            is_turn: forest.facts.get(seed.span as usize).is_some_and(|fact| turns::begins_turn(fact)),
            scores: report.map_or_else(Vec::new, |report| report.scores.clone()),
        };
        runs.push(run);
    }
    let place = sort(forest, &mut runs);
    let mut verdicts = Vec::with_capacity(forest.len());
    for span in 0..forest.len() as u32 {
        if forest.report(span).is_none_or(|placed| !placed.is_spanless()) {
            verdicts.push(verdict(forest, territory, shares, &runs, place, span));
        }
    }
    let records = records(forest, shares, merged, place);
    (Folded { runs, verdicts, records }, place)
}

/// Orders the runs by start and key, and gives for each place that there was the one where its run is now.
fn sort<'a>(forest: &Forest<'a>, runs: &mut [Run]) -> &'a [usize] {
    let place = forest.scratch.filled(runs.len(), 0);
    if runs.len() < 2 {
        return place;
    }
    let order = |run: &Run| (run.started_at, run.key);
    let mut sorted: Vec<usize> = (0..runs.len()).collect();
    sorted.sort_unstable_by_key(|&before| order(&runs[before]));
    sorted.iter().enumerate().for_each(|(now, &before)| place[before] = now);
    // No two runs have one key, so this is the same order.
    runs.sort_unstable_by_key(order);
    place
}

/// The number a run is shown by: what was given to the SDK, else what its key gives.
fn id(trace: TraceId, forest: &Forest<'_>, territory: &Territory<'_>, seed: u32) -> RunId {
    let reported = forest.report(territory.seeds[seed as usize].span).map(|placed| placed.report.id);
    reported.unwrap_or_else(|| RunId::derive(key(trace, forest, territory, seed)))
}

/// The run is over and named no trace: it was made by an integration that opens no agent span. What a policy blocks has no spans at all.
fn is_untraced(report: &RunReport) -> bool {
    let names_none = |completion: &Completion| completion.trace.is_none() && completion.status != RunStatus::Blocked;
    !report.is_auto() && report.own_span().is_none() && report.completion.as_ref().is_some_and(names_none)
}

/// The run is a turn of an agent whose logs tell all that its spans do.
fn is_told_in_logs_alone(forest: &Forest<'_>, span: u32) -> bool {
    forest.facts.get(span as usize).is_some_and(|fact| scope_traits(&fact.scope).tells_all_in_logs)
}

/// Adds what only the reports tell of.
fn add_reported<'a>(
    forest: &Forest<'a>,
    territory: &Territory<'_>,
    merged: &'a [Merged],
    tallies: &mut [Tally],
    counted: &mut List<'_, Counted<'a>>,
) {
    for (at, merged) in merged.iter().enumerate() {
        let Some(placed) = forest.report(territory.seeds[at].span) else { continue };
        for (_, call, cost) in &merged.calls {
            // What was reported without tokens is known to have none.
            let one = Counted { owner: at as u32, call, usage: call.usage, cost: *cost, has_failed: true };
            one.add_to(&mut tallies[at].usage);
            counted.push(one);
        }
        for &(record, _) in &merged.left_out {
            let told = &placed.report.calls[record];
            tallies[at].suppressed.add_call(&told.usage, Some(Cost::emitted(told.usage.cost.unwrap_or_default())));
        }
    }
}

fn records(forest: &Forest<'_>, shares: &[Share], merged: &[Merged], place: &[usize]) -> Vec<StandingRecord> {
    let mut records = Vec::new();
    for (merged, &run) in merged.iter().zip(place) {
        let alone = merged.calls.iter().map(|&(record, _, cost)| StandingRecord { run, record, span: None, cost });
        let beside = merged.known_as.iter().map(|&(span, record)| {
            let cost = if let Share::Counts(cost) = shares[span as usize] { cost } else { None };
            StandingRecord { run, record, span: Some(forest.fact(span).span), cost }
        });
        records.extend(alone.chain(beside));
    }
    records.sort_unstable_by_key(|record| (record.run, record.record));
    records
}

fn key(trace: TraceId, forest: &Forest<'_>, territory: &Territory<'_>, seed: u32) -> RunKey {
    let span = territory.seeds[seed as usize].span;
    RunKey { trace, span: if span == NONE { RunKey::PROVISIONAL } else { forest.fact(span).span } }
}

fn verdict(forest: &Forest<'_>, territory: &Territory<'_>, shares: &[Share], runs: &[Run], place: &[usize], span: u32) -> Verdict {
    let fact = forest.fact(span);
    let owner = territory.owner[span as usize] as usize;
    let run = place.get(owner).copied();
    let is_own = territory.seeds.get(owner).is_some_and(|seed| seed.span == span) && forest.report(span).is_none();
    let counted = match (run, shares[span as usize], forest.usage(span)) {
        (Some(_), Share::Counts(cost), Some(usage)) => Some((usage.tokens(), cost)),
        _ => None,
    };
    Verdict {
        span: fact.span,
        run,
        counted,
        is_cost_logged: forest.hung.costs.contains(&span),
        delivery: forest.delivery(span),
        has_failed: is_own && fact.status != SpanStatus::Ok && run.is_some_and(|run| runs[run].status == RunStatus::Error),
    }
}

/// What [`tally`] finds out.
type Tallied<'a> = (&'a mut [Tally], List<'a, Counted<'a>>, Tools<'a>, Questions<'a>);

fn tally<'a>(forest: &Forest<'a>, territory: &Territory<'_>, shares: &[Share]) -> Tallied<'a> {
    let scratch = forest.scratch;
    let tallies = scratch.filled(territory.seeds.len(), Tally::default());
    let mut counted = scratch.list(forest.facts.iter().filter(|fact| fact.call.is_some()).count());
    let (mut tools, mut questions) = (Tools::none(scratch), Questions::none(scratch));
    for (span, fact) in (0..).zip(forest.facts.iter().copied()) {
        let owner = territory.owner[span as usize];
        let Some(tally) = tallies.get_mut(owner as usize) else { continue };
        let start = forest.start[span as usize];
        let is_span = forest.delivery(span) != Delivery::Never;
        if is_span && forest.report(span).is_none_or(|placed| !placed.is_spanless()) {
            tally.n_spans += 1;
        }
        if fact.kind == SpanKind::Tool {
            tally.n_failed_tools += u32::from(failure::is_failed_tool(forest, span));
            tools.note(forest, span, owner);
        }
        if fact.question.is_some() {
            questions.note(forest, territory, span);
        }
        tally.n_agents += u32::from(fact.kind == SpanKind::Agent);
        let scope = forest.scope(span);
        tally.n_of_reporting_scope += u32::from(scope.traits.reports_runs);
        tally.n_told_in_logs += u32::from(scope.traits.is_told_in_logs);
        // As of no span but those of coding agents.
        if let Some(event) = Newest::of(fact, scope) {
            tally.newest_event = tally.newest_event.max(Some(event));
        }
        if scope.is_of_logs && start != UnixNanos::ZERO {
            tally.oldest_event = Some(tally.oldest_event.map_or(start, |oldest| oldest.min(start)));
        }
        let newest = if fact.is_future { &mut tally.newest_future } else { &mut tally.newest };
        *newest = start.max(fact.end).max(*newest);
        tally.n_future += u32::from(fact.is_future);
        let (Some(call), Some(usage)) = (forest.named_call(span), forest.usage(span)) else { continue };
        match shares[span as usize] {
            Share::Counts(cost) => {
                tally.is_retelling |= scope.traits.is_never_current;
                let counted_call = Counted { owner, call, usage: *usage, cost, has_failed: fact.status == SpanStatus::Error };
                counted_call.add_to(&mut tally.usage);
                counted.push(counted_call);
            }
            Share::LeftOut(cost, _) => tally.suppressed.add_call(usage, Some(Cost::emitted(cost))),
            Share::Silent(_) => {}
        }
    }
    (tallies, counted, tools, questions)
}

/// The calls of each run, summed by model and provider.
fn models<'a>(forest: &Forest<'a>, mut counted: List<'_, Counted<'_>>, n_runs: usize) -> List<'a, Vec<ModelUsage>> {
    let mut models = forest.scratch.list(n_runs);
    models.resize(n_runs, Vec::new());
    counted.sort_unstable_by(|a, b| (a.owner, &a.call.model, &a.call.provider).cmp(&(b.owner, &b.call.model, &b.call.provider)));
    for of_run in counted.chunk_by(|a, b| a.owner == b.owner) {
        let by_model = || of_run.chunk_by(|a, b| (&a.call.model, &a.call.provider) == (&b.call.model, &b.call.provider));
        // The run keeps it: no larger than it must be.
        let of_run = &mut models[of_run[0].owner as usize];
        of_run.reserve_exact(by_model().count());
        for same in by_model() {
            let (model, provider) = (same[0].call.model.clone(), same[0].call.provider.clone());
            let mut total = UsageTotal::default();
            same.iter().for_each(|one| one.add_to(&mut total));
            of_run.push(ModelUsage { model, provider, total });
        }
    }
    models
}

/// A run without a root is no longer than this: what seems to have started earlier has a clock that is wrong.
const ROOTLESS_MAX: Nanos = Nanos::from_secs(30 * 24 * 60 * 60);

/// When the first span of the trace started; zero where no span has a time.
fn earliest(forest: &Forest<'_>, newest: UnixNanos) -> UnixNanos {
    let believable = newest.minus(ROOTLESS_MAX).max(UnixNanos(1));
    forest.start.iter().copied().filter(|&start| start >= believable).min().unwrap_or_default()
}

fn status_of(has_failed: bool) -> RunStatus {
    if has_failed { RunStatus::Error } else { RunStatus::Success }
}

/// When a run was, and how it ended.
struct Times {
    started_at: UnixNanos,
    completed_at: Option<UnixNanos>,
    last_activity: UnixNanos,
    status: RunStatus,
    is_future: bool,
}

// === impl Counted ===

impl Counted<'_> {
    fn add_to(&self, total: &mut UsageTotal) {
        total.add_call(&self.usage, self.cost);
        if !self.has_failed && self.cost.is_none() && !self.usage.is_stated() {
            // It used something, and nobody says what.
            total.unpriced_calls += 1;
        }
    }
}

// === impl Tally ===

impl Tally {
    /// Whether a report, or logs, may tell of the same run by another way than its spans.
    fn is_agentless(&self) -> bool {
        self.n_agents == 0 && self.n_of_reporting_scope > 0 || self.n_told_in_logs > 0
    }
}

// === impl Times ===

impl Times {
    /// Of the run that stands on `span`, or on none if that is [`NONE`].
    fn of(forest: &Forest<'_>, span: u32, tally: &Tally, rules: &Rules<'_>) -> Self {
        let fact = forest.facts.get(span as usize);
        let newest = if tally.newest == UnixNanos::ZERO { tally.newest_future } else { tally.newest };
        let started_at = if fact.is_some() { forest.start[span as usize] } else { earliest(forest, newest) };
        let is_future = fact.map_or(tally.n_future == tally.n_spans, |fact| fact.is_future);
        let report = forest.report(span).map(|placed| placed.report);
        if let Some(completion) = report.and_then(|report| report.completion.as_ref()) {
            let ended = fact.map_or(UnixNanos::ZERO, |fact| fact.end);
            let completed_at = if ended == UnixNanos::ZERO { completion.at } else { ended };
            return Self::over(started_at, completed_at, completion.status, is_future);
        }
        if let Some(event) = tally.newest_event.filter(|_| fact.is_some_and(|fact| turns::is_prompt(fact))) {
            // A conversation that was started in another is told of when it goes on already.
            let is_spawned = fact.is_some_and(|fact| &*fact.name == SPAWN_SPAN);
            let started_at = tally.oldest_event.filter(|_| is_spawned).unwrap_or(started_at);
            let last_activity = newest.max(started_at);
            let status = match event.status() {
                None if started_at < forest.hung.last_turn || last_activity < rules.next_turn => RunStatus::Interrupted,
                None if last_activity < rules.silent_since => RunStatus::Timeout,
                None => return Self { started_at, completed_at: None, last_activity, status: RunStatus::Running, is_future },
                Some(status) => status,
            };
            return Self::over(started_at, last_activity, status, is_future);
        }
        if let Some(fact) = fact.filter(|fact| fact.end != UnixNanos::ZERO) {
            let has_failed =
                fact.status == SpanStatus::Error || tally.newest_event.is_some_and(|event| event.status() == Some(RunStatus::Error));
            return Self::over(started_at, fact.end, status_of(has_failed), is_future);
        }
        let told = report.map_or(UnixNanos::ZERO, |report| report.last_at);
        let last_activity = newest.max(started_at).max(told);
        if span == NONE && last_activity < rules.idle_since.max(rules.silent_since) {
            let has_failed = forest.tops().any(|top| forest.fact(top).status == SpanStatus::Error);
            return Self::over(started_at, last_activity, status_of(has_failed), is_future);
        }
        let status = if last_activity < rules.silent_since { RunStatus::Timeout } else { RunStatus::Running };
        Self { started_at, completed_at: None, last_activity, status, is_future }
    }

    /// An end that lies before the start is a mistake of a clock: nothing ends before it starts.
    fn over(started_at: UnixNanos, ended: UnixNanos, status: RunStatus, is_future: bool) -> Self {
        let completed_at = ended.max(started_at);
        Self { started_at, completed_at: Some(completed_at), last_activity: completed_at, status, is_future }
    }
}
