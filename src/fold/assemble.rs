//! From spans that have owners, names and shares to runs and verdicts.
//!
//! - Times of a run are its span's. A start that is not known is its earliest child's; an end before the start is a duration of zero.
//! - A run whose span has not ended, and a provisional run, are running, or timed out once they were silent for too long.
//! - Spans dated in the far future do not say when a run was last active, unless there are no others.

use super::boundary::Territory;
use super::count::Share;
use super::names::{Names, WORKFLOW_DEFAULT};
use super::tree::{Forest, NONE};
use super::{Folded, Rules, Verdict};
use crate::model::Str;
use crate::model::facts::SpanStatus;
use crate::model::ids::{RunId, RunKey, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, ModelUsage, NanoUsd, UsageTotal};

/// What is summed and measured over the spans of a run.
#[derive(Clone, Default)]
struct Tally {
    n_spans: u32,
    /// Zero while no span has a time.
    earliest: UnixNanos,
    /// The newest start or end, spans of the far future left out.
    newest: UnixNanos,
    newest_future: UnixNanos,
    n_future: u32,
    usage: UsageTotal,
    suppressed: UsageTotal,
}

/// A call that counts: the run's place among the seeds, the call, its cost.
type Counted<'a> = (u32, &'a Call, Option<NanoUsd>);

pub(super) fn assemble<'a>(
    trace: TraceId,
    forest: &Forest<'a>,
    territory: &Territory<'a>,
    names: Vec<Names<'a>>,
    shares: &[Share],
    rules: &Rules<'_>,
    is_truncated: bool,
) -> Folded {
    let (tallies, counted) = tally(forest, territory, shares);
    let mut models = models(counted, territory.seeds.len());
    let key = |seed: u32| key(trace, forest, territory, seed);
    let mut runs: Vec<(usize, Run)> = Vec::with_capacity(territory.seeds.len());
    for (at, (names, tally)) in names.into_iter().zip(tallies).enumerate() {
        let seed = &territory.seeds[at];
        let times = Times::of(forest, seed.span, &tally, rules);
        let run = Run {
            key: key(at as u32),
            id: RunId::derive(key(at as u32)),
            session: names.session.cloned(),
            agent: names.agent.cloned().unwrap_or_else(|| Str::from("")),
            workflow: names.workflow.cloned().unwrap_or_else(|| Str::from(WORKFLOW_DEFAULT)),
            user: names.user.cloned(),
            user_group: names.user_group.cloned(),
            parent: (seed.enclosing != NONE).then(|| key(seed.enclosing)),
            started_at: times.started_at,
            completed_at: times.completed_at,
            last_activity: times.last_activity,
            status: times.status,
            usage: tally.usage,
            suppressed: tally.suppressed,
            models: std::mem::take(&mut models[at]),
            n_spans: tally.n_spans,
            is_provisional: seed.span == NONE,
            is_future: times.is_future,
            is_truncated,
        };
        runs.push((at, run));
    }
    runs.sort_unstable_by_key(|(_, run)| (run.started_at, run.key));
    let mut place = vec![0; runs.len()];
    for (now, &(before, _)) in runs.iter().enumerate() {
        place[before] = now;
    }
    let verdicts = (0..forest.len()).map(|span| verdict(forest, territory, shares, &place, span)).collect();
    Folded { runs: runs.into_iter().map(|(_, run)| run).collect(), verdicts }
}

fn key(trace: TraceId, forest: &Forest<'_>, territory: &Territory<'_>, seed: u32) -> RunKey {
    let span = territory.seeds[seed as usize].span;
    RunKey { trace, span: if span == NONE { RunKey::PROVISIONAL } else { forest.fact(span).span } }
}

fn verdict(forest: &Forest<'_>, territory: &Territory<'_>, shares: &[Share], place: &[usize], span: usize) -> Verdict {
    let fact = forest.facts[span];
    let run = place.get(territory.owner[span] as usize).copied();
    let counted = match (run, shares[span], fact.call.as_deref()) {
        (Some(_), Share::Counts(cost), Some(call)) => Some((call.usage.tokens(), cost)),
        _ => None,
    };
    Verdict { span: fact.span, run, counted }
}

fn tally<'a>(forest: &Forest<'a>, territory: &Territory<'_>, shares: &[Share]) -> (Vec<Tally>, Vec<Counted<'a>>) {
    let mut tallies = vec![Tally::default(); territory.seeds.len()];
    let mut counted = Vec::new();
    for (span, fact) in forest.facts.iter().copied().enumerate() {
        let owner = territory.owner[span];
        let Some(tally) = tallies.get_mut(owner as usize) else { continue };
        let start = forest.start[span];
        tally.n_spans += 1;
        if start != UnixNanos::ZERO && (tally.earliest == UnixNanos::ZERO || start < tally.earliest) {
            tally.earliest = start;
        }
        let newest = if fact.is_future { &mut tally.newest_future } else { &mut tally.newest };
        *newest = start.max(fact.end).max(*newest);
        tally.n_future += u32::from(fact.is_future);
        match (shares[span], fact.call.as_deref()) {
            (Share::Counts(cost), Some(call)) => {
                tally.usage.add_call(&call.usage, cost);
                counted.push((owner, call, cost));
            }
            (Share::LeftOut(cost), Some(call)) => tally.suppressed.add_call(&call.usage, Some(cost)),
            _ => {}
        }
    }
    (tallies, counted)
}

/// The calls of each run, summed by model and provider.
fn models(mut counted: Vec<Counted<'_>>, n_runs: usize) -> Vec<Vec<ModelUsage>> {
    let mut models = vec![Vec::new(); n_runs];
    counted.sort_unstable_by(|a, b| (a.0, &a.1.model, &a.1.provider).cmp(&(b.0, &b.1.model, &b.1.provider)));
    for same in counted.chunk_by(|a, b| (a.0, &a.1.model, &a.1.provider) == (b.0, &b.1.model, &b.1.provider)) {
        let (run, call, _) = same[0];
        let mut total = UsageTotal::default();
        for (_, call, cost) in same {
            total.add_call(&call.usage, *cost);
        }
        models[run as usize].push(ModelUsage { model: call.model.clone(), provider: call.provider.clone(), total });
    }
    models
}

/// When a run was, and how it ended.
struct Times {
    started_at: UnixNanos,
    completed_at: Option<UnixNanos>,
    last_activity: UnixNanos,
    status: RunStatus,
    is_future: bool,
}

// === impl Times ===

impl Times {
    /// Of the run that stands on `span`, or on none if that is [`NONE`].
    fn of(forest: &Forest<'_>, span: u32, tally: &Tally, rules: &Rules<'_>) -> Self {
        let fact = forest.facts.get(span as usize);
        let started_at = if fact.is_some() { forest.start[span as usize] } else { tally.earliest };
        let is_future = fact.map_or(tally.n_future == tally.n_spans, |fact| fact.is_future);
        if let Some(fact) = fact.filter(|fact| fact.end != UnixNanos::ZERO) {
            let status = if fact.status == SpanStatus::Error { RunStatus::Error } else { RunStatus::Success };
            let last_activity = fact.end.max(started_at);
            return Self { started_at, completed_at: Some(fact.end), last_activity, status, is_future };
        }
        let newest = if tally.newest == UnixNanos::ZERO { tally.newest_future } else { tally.newest };
        let last_activity = newest.max(started_at);
        let status = if last_activity < rules.silent_since { RunStatus::Timeout } else { RunStatus::Running };
        Self { started_at, completed_at: None, last_activity, status, is_future }
    }
}
