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
use super::tools::Tools;
use super::tree::{Forest, NONE};
use super::turns::{self, Newest};
use super::{Folded, Rules, StandingRecord, Verdict};
use crate::model::Str;
use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::{RunId, RunKey, TraceId};
use crate::model::logs::SPAWN_SPAN;
use crate::model::report::{Completion, Report};
use crate::model::run::{Run, RunStatus};
use crate::model::scopes::scope_traits;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{Call, Cost, ModelUsage, Usage, UsageTotal};

/// What is summed and measured over the spans of a run.
#[derive(Clone, Default)]
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
    names: Vec<Names<'a>>,
    shares: &[Share],
    merged: &'a [Merged],
    rules: &Rules<'_>,
) -> (Folded, Vec<usize>) {
    let (mut tallies, mut counted, tools, questions) = tally(forest, territory, shares);
    add_reported(forest, territory, merged, &mut tallies, &mut counted);
    let mut models = models(counted, territory.seeds.len());
    let mut tools = tools.by_run(forest, territory);
    let mut questions = questions.by_run(forest, territory);
    let id = |seed: u32| id(trace, forest, territory, seed);
    let times: Vec<Times> = territory.seeds.iter().zip(&tallies).map(|(seed, tally)| Times::of(forest, seed.span, tally, rules)).collect();
    let ended: Vec<Ended> = times.iter().map(|times| Ended { status: times.status, last_activity: times.last_activity }).collect();
    let mut errors = failure::errors(forest, territory, &ended);
    let mut runs: Vec<(usize, Run)> = Vec::with_capacity(territory.seeds.len());
    for (at, ((names, tally), times)) in names.into_iter().zip(tallies).zip(times).enumerate() {
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
            error: errors[at].take(),
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
        runs.push((at, run));
    }
    runs.sort_unstable_by_key(|(_, run)| (run.started_at, run.key));
    let mut place = vec![0; runs.len()];
    for (now, &(before, _)) in runs.iter().enumerate() {
        place[before] = now;
    }
    let is_real = |span: &usize| forest.report(*span as u32).is_none_or(|placed| !placed.is_spanless());
    let runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
    let mut verdicts = Vec::with_capacity(forest.len());
    verdicts.extend((0..forest.len()).filter(is_real).map(|span| verdict(forest, territory, shares, &runs, &place, span)));
    let records = records(forest, shares, merged, &place);
    (Folded { runs, verdicts, records }, place)
}

/// The number a run is shown by: what was given to the SDK, else what its key gives.
fn id(trace: TraceId, forest: &Forest<'_>, territory: &Territory<'_>, seed: u32) -> RunId {
    let reported = forest.report(territory.seeds[seed as usize].span).map(|placed| placed.report.id);
    reported.unwrap_or_else(|| RunId::derive(key(trace, forest, territory, seed)))
}

/// The run is over and named no trace: it was made by an integration that opens no agent span. What a policy blocks has no spans at all.
fn is_untraced(report: &Report) -> bool {
    let names_none = |completion: &Completion| completion.trace.is_none() && completion.status != RunStatus::Blocked;
    !report.is_auto() && report.place().is_none() && report.completion.as_ref().is_some_and(names_none)
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
    counted: &mut Vec<Counted<'a>>,
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

fn verdict(forest: &Forest<'_>, territory: &Territory<'_>, shares: &[Share], runs: &[Run], place: &[usize], span: usize) -> Verdict {
    let fact = forest.facts[span];
    let owner = territory.owner[span] as usize;
    let run = place.get(owner).copied();
    let is_own = territory.seeds.get(owner).is_some_and(|seed| seed.span == span as u32) && forest.report(span as u32).is_none();
    let counted = match (run, shares[span], forest.usage(span as u32)) {
        (Some(_), Share::Counts(cost), Some(usage)) => Some((usage.tokens(), cost)),
        _ => None,
    };
    Verdict {
        span: fact.span,
        run,
        counted,
        is_cost_logged: forest.hung.costs.contains(&(span as u32)),
        delivery: turns::delivery(fact),
        has_failed: is_own && fact.status != SpanStatus::Ok && run.is_some_and(|run| runs[run].status == RunStatus::Error),
    }
}

fn tally<'a>(forest: &Forest<'a>, territory: &Territory<'_>, shares: &[Share]) -> (Vec<Tally>, Vec<Counted<'a>>, Tools<'a>, Questions) {
    let mut tallies = vec![Tally::default(); territory.seeds.len()];
    let mut counted = Vec::new();
    let mut tools = Tools::default();
    let mut questions = Questions::default();
    for (span, fact) in forest.facts.iter().copied().enumerate() {
        let owner = territory.owner[span];
        let Some(tally) = tallies.get_mut(owner as usize) else { continue };
        let start = forest.start[span];
        let is_span = turns::delivery(fact) != Delivery::Never;
        if is_span && forest.report(span as u32).is_none_or(|placed| !placed.is_spanless()) {
            tally.n_spans += 1;
        }
        if fact.kind == SpanKind::Tool {
            tally.n_failed_tools += u32::from(failure::is_failed_tool(forest, span as u32));
            tools.note(forest, span as u32, owner);
        }
        if fact.question.is_some() {
            questions.note(forest, territory, span as u32);
        }
        tally.n_agents += u32::from(fact.kind == SpanKind::Agent);
        let traits = scope_traits(&fact.scope);
        tally.n_of_reporting_scope += u32::from(traits.reports_runs);
        tally.n_told_in_logs += u32::from(traits.is_told_in_logs);
        tally.newest_event = tally.newest_event.max(Newest::of(fact));
        if turns::is_event(fact) && start != UnixNanos::ZERO {
            tally.oldest_event = Some(tally.oldest_event.map_or(start, |oldest| oldest.min(start)));
        }
        let newest = if fact.is_future { &mut tally.newest_future } else { &mut tally.newest };
        *newest = start.max(fact.end).max(*newest);
        tally.n_future += u32::from(fact.is_future);
        let (Some(call), Some(usage)) = (forest.named_call(span as u32), forest.usage(span as u32)) else { continue };
        match shares[span] {
            Share::Counts(cost) => {
                tally.is_retelling |= traits.is_never_current;
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
fn models(mut counted: Vec<Counted<'_>>, n_runs: usize) -> Vec<Vec<ModelUsage>> {
    let mut models = vec![Vec::new(); n_runs];
    let key = |one: &Counted<'_>| (one.owner, one.call.model.clone(), one.call.provider.clone());
    counted.sort_unstable_by(|a, b| (a.owner, &a.call.model, &a.call.provider).cmp(&(b.owner, &b.call.model, &b.call.provider)));
    for same in counted.chunk_by(|a, b| (a.owner, &a.call.model, &a.call.provider) == (b.owner, &b.call.model, &b.call.provider)) {
        let (run, model, provider) = key(&same[0]);
        let mut total = UsageTotal::default();
        same.iter().for_each(|one| one.add_to(&mut total));
        models[run as usize].push(ModelUsage { model, provider, total });
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
