//! Why a run failed, in one line, and how many calls of tools did.
//!
//! - What the report of the run says stands, then what the run's own span says. What says no more than that something failed (`error`)
//!   stands only where nothing says more.
//! - Else what the run died of, among its spans that failed and say why. First those over which every span failed too, up to the run: what
//!   others failed of, something above survived. Of these the causes, before the spans above them that passed them on; of these the one
//!   that ended last, since a run goes on after a failure that it survives; ties by span id.
//! - Else, of the runs that were started in it and failed, why the last one did.
//! - A tool below a tool that failed as well tells of the same call once more.

use super::boundary::Territory;
use super::tree::{Forest, NONE};
use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::SpanId;
use crate::model::reason::Reason;
use crate::model::report::RunReport;
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;

/// How likely it is that a span tells what its run died of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_telling: bool,
    is_fatal: bool,
    is_cause: bool,
    end: UnixNanos,
    span: SpanId,
}

/// What is known of how each run ended, in the order of the territory's seeds.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub status: RunStatus,
    pub last_activity: UnixNanos,
}

/// Why each run failed, in the order of the territory's seeds; nothing at all where none has, and none was reported.
pub(super) fn errors(forest: &Forest<'_>, territory: &Territory<'_>, ended: &[Ended]) -> Vec<Option<Reason>> {
    if forest.reports.is_empty() && !ended.iter().any(|ended| has_failed(ended.status)) {
        return Vec::new();
    }
    let mut errors = vec![None; territory.seeds.len()];
    let mut is_open = vec![false; territory.seeds.len()];
    for (at, seed) in territory.seeds.iter().enumerate() {
        errors[at] = forest.report(seed.span).and_then(|placed| stated(placed.report));
        if has_failed(ended[at].status) && !is_telling(&errors[at]) {
            let own = forest.facts.get(seed.span as usize).and_then(|fact| fact.failure.as_deref());
            errors[at] = more_telling(errors[at].take(), own);
            is_open[at] = !is_telling(&errors[at]);
        }
    }
    if is_open.contains(&true) {
        let inside = deadliest(forest, territory, &is_open);
        for (error, inside) in errors.iter_mut().zip(inside) {
            *error = more_telling(error.take(), inside);
        }
        take_from_below(territory, ended, &is_open, &mut errors);
    }
    errors
}

/// A call of a tool that failed, and not one that another span tells of.
pub(super) fn is_failed_tool(forest: &Forest<'_>, span: u32) -> bool {
    let is_failed = |span: u32| forest.fact(span).kind == SpanKind::Tool && forest.fact(span).has_failed();
    is_failed(span) && forest.delivery(span) != Delivery::Never && !forest.parent(span).is_some_and(is_failed)
}

/// The tools that failed by what the SDK posted of them.
pub(super) fn failed_tools_of(report: &RunReport) -> u32 {
    report.spans.iter().filter(|span| span.is_error && &*span.kind == "tool").count() as u32
}

fn stated(report: &RunReport) -> Option<Reason> {
    report.completion.as_ref()?.error.as_deref().and_then(Reason::of)
}

/// Of runs that were interrupted or timed out nothing inside says why.
fn has_failed(status: RunStatus) -> bool {
    matches!(status, RunStatus::Error | RunStatus::Blocked)
}

fn is_telling(error: &Option<Reason>) -> bool {
    error.as_ref().is_some_and(Reason::is_telling)
}

fn more_telling(known: Option<Reason>, other: Option<&Reason>) -> Option<Reason> {
    match (known, other) {
        (Some(known), Some(other)) if !known.is_telling() && other.is_telling() => Some(other.clone()),
        (known, other) => known.or_else(|| other.cloned()),
    }
}

/// For each open run what it most likely died of.
fn deadliest<'a>(forest: &Forest<'a>, territory: &Territory<'_>, is_open: &[bool]) -> Vec<Option<&'a Reason>> {
    let run_of = |span: u32| Some(territory.owner[span as usize] as usize).filter(|&run| is_open.get(run) == Some(&true));
    // Of each failed span of an open run what is above it in the run, without the run's own span.
    let failed: Vec<(usize, Option<usize>)> = forest
        .order
        .iter()
        .filter(|&&span| forest.fact(span).has_failed())
        .filter_map(|&span| {
            let run = run_of(span)?;
            let above = forest.parent(span).filter(|&above| run_of(above) == Some(run) && territory.seeds[run].span != above);
            Some((span as usize, above.map(|above| above as usize)))
        })
        .collect();
    let mut is_fatal = vec![false; forest.len()];
    for &(span, above) in &failed {
        // A tool that fails without the status of one was survived by what called it.
        is_fatal[span] = forest.facts[span].status == SpanStatus::Error && above.is_none_or(|above| is_fatal[above]);
    }
    let mut is_passing_on = vec![false; forest.len()];
    for &(span, above) in failed.iter().rev() {
        let tells = is_passing_on[span] || forest.facts[span].failure.as_ref().is_some_and(|failure| failure.is_telling());
        if let Some(above) = above.filter(|_| tells) {
            is_passing_on[above] = true;
        }
    }
    let mut best: Vec<Option<(Rank, &Reason)>> = vec![None; is_open.len()];
    for (span, fact) in forest.facts.iter().copied().enumerate() {
        let (Some(failure), Some(run)) = (fact.failure.as_deref(), run_of(span as u32)) else { continue };
        let rank = Rank {
            is_telling: failure.is_telling(),
            is_fatal: is_fatal[span],
            is_cause: !is_passing_on[span],
            end: fact.end.max(fact.start),
            span: fact.span,
        };
        if best[run].is_none_or(|(known, _)| known < rank) {
            best[run] = Some((rank, failure));
        }
    }
    best.into_iter().map(|best| best.map(|(_, failure)| failure)).collect()
}

/// A run is listed after the one that it was started in, so going backwards each is complete when it is asked.
fn take_from_below(territory: &Territory<'_>, ended: &[Ended], is_open: &[bool], errors: &mut [Option<Reason>]) {
    let mut last_below: Vec<Option<(UnixNanos, usize)>> = vec![None; errors.len()];
    for at in (0..errors.len()).rev() {
        if is_open[at] && !is_telling(&errors[at]) {
            let below = last_below[at].and_then(|(_, below)| errors[below].clone());
            errors[at] = more_telling(errors[at].take(), below.as_ref());
        }
        let enclosing = territory.seeds[at].enclosing;
        if enclosing != NONE && has_failed(ended[at].status) && is_telling(&errors[at]) {
            let known = &mut last_below[enclosing as usize];
            // Runs that ended at once: the one that is listed first.
            if known.is_none_or(|(end, _)| end <= ended[at].last_activity) {
                *known = Some((ended[at].last_activity, at));
            }
        }
    }
}
