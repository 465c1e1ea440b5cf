//! Trees whose top names a parent that is not here: a tool span of another exporter, a killed process, or merely a later request.
//!
//! A lost top hangs from the run of the same trace whose start and end enclose the top's start; of several the one that started last, ties by
//! the greater span id. It is the top that is placed and not each span: what the spans below it say of their own parents still holds.
//!
//! Clocks can lie, and two lost trees could each seem to lie in a run of the other. So a tree hangs only from trees with a real root and
//! from lost trees whose top started before its own (ties by span id): links cannot close a cycle.

use std::collections::BinaryHeap;

use super::boundary::{Role, is_other_agent};
use super::tree::Forest;
use super::why::WhyNoRun;
use crate::model::facts::SpanKind;
use crate::model::time::UnixNanos;

/// One step of the sweep through time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    /// When, and for what happens at the same time, by whose span id; a run of a rooted tree comes before all others.
    at: (UnixNanos, u64),
    /// A tree is placed before runs in it are open to others.
    what: What,
    span: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The lost top looks for the run it lies in.
    Place,
    /// The run can be found from now on.
    Open,
}

/// Decides where every lost top hangs, as (top, run span), and which topmost agents and workflows of lost trees are no runs after all:
/// an agent that lies in an agent's run belongs to that run unless it bears another name, a workflow that lies in any run does.
pub(super) fn settle(forest: &Forest<'_>, roles: &mut [Role]) -> Vec<(u32, u32)> {
    let lost: Vec<u32> = forest.tops().filter(|&top| !forest.is_rooted(top)).collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let mut links = Vec::new();
    let mut link_of = vec![None; forest.len()];
    let mut open = BinaryHeap::new();
    for step in steps(forest, roles, &lost) {
        match step.what {
            What::Place => {
                let start = forest.start[step.span as usize];
                // Tops come in the order of their starts: a run that ended before this one contains no later one either.
                while open.peek().is_some_and(|&(_, run)| forest.contains_until(run) < start) {
                    open.pop();
                }
                let Some(&(_, run)) = open.peek() else { continue };
                link_of[step.span as usize] = Some(run);
                links.push((step.span, run));
            }
            What::Open => {
                let inside = link_of[forest.top[step.span as usize] as usize];
                if matches!(roles[step.span as usize], Role::Topmost(_)) && inside.is_some_and(|run| absorbs(forest, run, step.span)) {
                    roles[step.span as usize] = Role::Inner(WhyNoRun::LiesInRun);
                    continue;
                }
                open.push((forest.rank(step.span), step.span));
            }
        }
    }
    links
}

fn absorbs(forest: &Forest<'_>, run: u32, topmost: u32) -> bool {
    let (fact, outer) = (forest.fact(topmost), forest.fact(run));
    fact.kind == SpanKind::Workflow || (outer.kind == SpanKind::Agent && !is_other_agent(fact, outer))
}

fn steps(forest: &Forest<'_>, roles: &[Role], lost: &[u32]) -> Vec<Step> {
    let rank = |span: u32| (forest.start[span as usize], forest.fact(span).span.to_u64());
    let mut steps: Vec<Step> = lost.iter().map(|&top| Step { at: rank(top), what: What::Place, span: top }).collect();
    for span in (0..forest.len() as u32).filter(|&span| roles[span as usize].why().is_some()) {
        let started = (forest.start[span as usize], 0);
        let at = if forest.is_rooted(span) { started } else { started.max(rank(forest.top[span as usize])) };
        steps.push(Step { at, what: What::Open, span });
    }
    steps.sort_unstable();
    steps
}
