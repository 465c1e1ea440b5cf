//! Which spans are runs, and whose every other span is.
//!
//! | span | a run? |
//! |---|---|
//! | any that a report says is its run | always |
//! | agent, with a session id or a run id of its own | always |
//! | agent, with neither | if no agent is above it, session or not; in a tree whose top is lost, only if that top lies inside no agent run (`lost`) |
//! | workflow | if no agent is above or below it, and no workflow is above it or its own session differs from the one above |
//! | anything else | only to hold a session that nothing else would hold, see below |
//!
//! **A trace without agents and workflows** is one run if it names one session: its real root (the earliest, should there be several), and all
//! its spans are the run's; while the root is missing the run is provisional. If it names several sessions, each span that brings in a
//! session other than the one in effect above it is a run: two conversations handled in one trace are two runs.
//! Without any session it has no run.
//!
//! **Beside agents**: calls in a tree with a real root that no run is above of, while a session is in effect for them, would be money that
//! no session shows. They are treated like a trace without agents: the one span that brought the session in becomes a run; if several
//! spans brought the same one in, the root does; if several sessions, each of those spans does.
//! A call without any session and outside any run stays an orphan, and so does all of a lost tree that lies inside no run.

use super::count::{self, Below};
use super::lost;
use super::tree::{Forest, NONE};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::ids::SessionId;

/// The runs of a trace by the spans they stand on, each after the run that encloses it, and the owner of every span.
pub(super) struct Territory<'a> {
    pub seeds: Vec<Seed<'a>>,
    /// Index into `seeds`, or [`NONE`] for an orphan.
    pub owner: Vec<u32>,
}

pub(super) struct Seed<'a> {
    /// [`NONE`] for a provisional run.
    pub span: u32,
    /// The nearest enclosing run as an index into `seeds`, or [`NONE`].
    pub enclosing: u32,
    /// A session that was found for this run below its span, where that is the reason for it to be a run.
    pub session: Option<&'a SessionId>,
}

/// What a span is to the boundary of runs, as its own tree tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Inner,
    /// A run wherever it hangs.
    Run,
    /// A run, unless its tree is lost and turns out to lie inside another run.
    Topmost,
}

/// Finds the runs, and hangs lost tops from the runs that they lie in.
pub(super) fn find_runs<'a>(forest: &mut Forest<'a>) -> Territory<'a> {
    let introducer = introducers(forest);
    let is_run = |fact: &&SpanFact| matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow);
    if forest.reports.is_empty() && !forest.facts.iter().any(is_run) {
        return without_agents(forest, &introducer);
    }
    let mut roles = agent_roles(forest, &introducer);
    let given = add_leftovers(forest, &introducer, &mut roles);
    let links = lost::settle(forest, &mut roles);
    forest.graft(&links);
    occupy(forest, &roles, &given)
}

/// For each span, the span that brought in the session that is in effect there: the topmost of those above it (and itself) that name this
/// session without another in between. [`NONE`] where no session is in effect.
fn introducers(forest: &Forest<'_>) -> Vec<u32> {
    let mut introducer = vec![NONE; forest.len()];
    for &span in &forest.order {
        let above = forest.parent(span).map_or(NONE, |parent| introducer[parent as usize]);
        introducer[span as usize] = match forest.fact(span).session() {
            Some(own) if above == NONE || forest.fact(above).session() != Some(own) => span,
            _ => above,
        };
    }
    introducer
}

fn agent_roles(forest: &Forest<'_>, introducer: &[u32]) -> Vec<Role> {
    const AGENT_ABOVE: u8 = 1;
    const WORKFLOW_ABOVE: u8 = 2;
    const AGENT_BELOW: u8 = 4;
    let mut near = vec![0_u8; forest.len()];
    for &span in &forest.order {
        let Some(parent) = forest.parent(span) else { continue };
        near[span as usize] = near[parent as usize]
            | match forest.fact(parent).kind {
                SpanKind::Agent => AGENT_ABOVE,
                SpanKind::Workflow => WORKFLOW_ABOVE,
                _ => 0,
            };
    }
    for &span in forest.order.iter().rev() {
        let Some(parent) = forest.parent(span) else { continue };
        if forest.fact(span).kind == SpanKind::Agent || near[span as usize] & AGENT_BELOW != 0 {
            near[parent as usize] |= AGENT_BELOW;
        }
    }
    let role = |span: u32| {
        let (fact, near) = (forest.fact(span), near[span as usize]);
        if forest.report(span).is_some() {
            return Role::Run;
        }
        match fact.kind {
            SpanKind::Agent if fact.session().is_some() || fact.run_id().is_some() => Role::Run,
            SpanKind::Agent if near & AGENT_ABOVE == 0 => Role::Topmost,
            SpanKind::Workflow if near & (AGENT_ABOVE | AGENT_BELOW) != 0 => Role::Inner,
            SpanKind::Workflow if near & WORKFLOW_ABOVE == 0 || changes_session(forest, introducer, span) => Role::Topmost,
            _ => Role::Inner,
        }
    };
    (0..forest.len() as u32).map(role).collect()
}

/// Whether another session was in effect above the one that `span` brings in.
fn changes_session(forest: &Forest<'_>, introducer: &[u32], span: u32) -> bool {
    introducer[span as usize] == span && forest.parent(span).is_some_and(|parent| introducer[parent as usize] != NONE)
}

/// Makes runs for the calls of rooted trees that a session is in effect for and no run is above of. Returns the runs that hold a session
/// found below them, ordered.
fn add_leftovers<'a>(forest: &Forest<'a>, introducer: &[u32], roles: &mut [Role]) -> Vec<(u32, &'a SessionId)> {
    let mut given = Vec::new();
    let mut leftovers = leftover_calls(forest, introducer, roles);
    leftovers.sort_unstable();
    leftovers.dedup();
    for tree in leftovers.chunk_by(|a, b| a.0 == b.0) {
        let (top, first) = tree[0];
        let session = forest.fact(first).session();
        let is_same = tree.iter().all(|&(_, by)| forest.fact(by).session() == session);
        if tree.len() > 1 && is_same && introducer[top as usize] == NONE {
            roles[top as usize] = Role::Run;
            given.extend(session.map(|session| (top, session)));
            continue;
        }
        for &(_, by) in tree {
            roles[by as usize] = Role::Run;
        }
    }
    given
}

/// The trees and the introducers of the sessions of such calls.
fn leftover_calls(forest: &Forest<'_>, introducer: &[u32], roles: &[Role]) -> Vec<(u32, u32)> {
    let mut is_covered = vec![false; forest.len()];
    let mut calls = Vec::new();
    for &span in &forest.order {
        let is_run = roles[span as usize] != Role::Inner;
        let covered = is_run || forest.parent(span).is_some_and(|parent| is_covered[parent as usize]);
        is_covered[span as usize] = covered;
        if !covered && introducer[span as usize] != NONE && count::is_positive(forest.fact(span)) && forest.is_rooted(span) {
            calls.push(span);
        }
    }
    if calls.is_empty() {
        return Vec::new();
    }
    let below = Below::of(forest);
    calls.retain(|&span| count::counts(forest.fact(span), &below, span));
    calls.into_iter().map(|span| (forest.top[span as usize], introducer[span as usize])).collect()
}

/// Gives every span to the nearest run above it.
fn occupy<'a>(forest: &Forest<'a>, roles: &[Role], given: &[(u32, &'a SessionId)]) -> Territory<'a> {
    let mut seeds = Vec::new();
    let mut owner = vec![NONE; forest.len()];
    for &span in &forest.order {
        let enclosing = forest.parent(span).map_or(NONE, |parent| owner[parent as usize]);
        owner[span as usize] = enclosing;
        if roles[span as usize] == Role::Inner {
            continue;
        }
        let session = given.binary_search_by_key(&span, |&(run, _)| run).ok().map(|at| given[at].1);
        owner[span as usize] = seeds.len() as u32;
        seeds.push(Seed { span, enclosing, session });
    }
    Territory { seeds, owner }
}

fn without_agents<'a>(forest: &mut Forest<'a>, introducer: &[u32]) -> Territory<'a> {
    let mut sessions = forest.facts.iter().copied().filter_map(SpanFact::session);
    let Some(session) = sessions.next() else { return Territory { seeds: Vec::new(), owner: vec![NONE; forest.len()] } };
    if sessions.any(|other| other != session) {
        let brings_in = |span: usize| if introducer[span] == span as u32 { Role::Run } else { Role::Inner };
        let mut roles: Vec<Role> = (0..forest.len()).map(brings_in).collect();
        let links = lost::settle(forest, &mut roles);
        forest.graft(&links);
        return occupy(forest, &roles, &[]);
    }
    let root = forest.tops().filter(|&top| forest.is_rooted(top)).min_by_key(|&top| forest.rank(top));
    if let Some(root) = root {
        // A trace has one root: what lost its parent hangs from it in the end.
        let links: Vec<(u32, u32)> = forest.tops().filter(|&top| !forest.is_rooted(top)).map(|top| (top, root)).collect();
        forest.graft(&links);
    }
    let seed = Seed { span: root.unwrap_or(NONE), enclosing: NONE, session: Some(session) };
    Territory { seeds: vec![seed], owner: vec![0; forest.len()] }
}
