//! Which spans are runs, and whose every other span is.
//!
//! | span | a run? |
//! |---|---|
//! | any that a report says is its run | always |
//! | agent, with no agent above it | always; if it names no session and no run id and its tree is lost, only if that lies inside no run of the same agent (`lost`) |
//! | agent below an agent | if it names a session or a run id, or another agent than the one above; in the Waxell SDK's scope, only the former |
//! | agent directly below one of the same name | if it names another session or another run id: else two layers tell of one execution |
//! | agent that names nobody, above agents that are named | as a workflow |
//! | workflow | if no agent is above or below it, and no workflow is above it or its own session differs from the one above |
//! | anything else | only to hold a session that nothing else would hold, see below and `adopt` |
//!
//! **A trace without agents and workflows** is one run if it names one session: its real root (the earliest, should there be several), and all
//! its spans are the run's; while the root is missing the run is provisional. If it names several sessions, each span that brings in a
//! session other than the one in effect above it is a run: two conversations handled in one trace are two runs.
//! Without any session it has no run.
//!
//! **Beside agents**: calls in a tree with a real root that no run is above of, while a session is in effect for them, would be money that
//! no session shows. They are treated like a trace without agents: the one span that brought the session in becomes a run; if several
//! spans brought the same one in, the root does; if several sessions, each of those spans does.
//! Calls that still are outside of every run are `adopt`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::count::{self, Near as Calls};
use super::lost;
use super::names;
use super::scratch::List;
use super::tree::{Forest, NONE};
use super::turns;
use super::twins;
use super::why::{WhyNoRun, WhyRun};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::ids::SessionId;
use crate::model::scopes::scope_traits;

/// The runs of a trace by the spans they stand on, each after the run that encloses it, and the owner of every span.
pub(super) struct Territory<'a> {
    pub seeds: List<'a, Seed<'a>>,
    /// Index into `seeds`, or [`NONE`] for an orphan.
    pub owner: &'a mut [u32],
    /// What each span is to the boundary, and the sessions that were found for runs below them, ordered. Without roles the trace is one run,
    /// or none.
    pub roles: &'a mut [Role],
    given: Vec<(u32, &'a SessionId)>,
    /// The calls that `adopt` found a run for, and whether a session is in effect for them.
    pub adopted: Vec<(u32, bool)>,
}

pub(super) struct Seed<'a> {
    /// [`NONE`] for a provisional run.
    pub span: u32,
    /// The nearest enclosing run as an index into `seeds`, or [`NONE`].
    pub enclosing: u32,
    /// A session that was found for this run below its span, where that is the reason for it to be a run.
    pub session: Option<&'a SessionId>,
    pub why: WhyRun,
}

/// What a span is to the boundary of runs, as its own tree tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Inner(WhyNoRun),
    /// A run wherever it hangs.
    Run(WhyRun),
    /// A run, unless its tree is lost and turns out to lie inside another run.
    Topmost(WhyRun),
}

/// Finds the runs, and hangs lost tops from the runs that they lie in.
pub(super) fn find_runs<'a>(forest: &mut Forest<'a>) -> Territory<'a> {
    match only_agent(forest) {
        Some(agent) => Territory::of_one(forest, agent),
        None => find_all_runs(forest),
    }
}

/// The agent of a trace that is one tree below the span of one agent, as most are: then nothing is to be found.
fn only_agent(forest: &Forest<'_>) -> Option<u32> {
    let mut tops = forest.tops();
    let (top, None) = (tops.next()?, tops.next()) else { return None };
    let fact = forest.fact(top);
    let is_rooted_agent = fact.kind == SpanKind::Agent && fact.parent.is_none() && !turns::needs_call(fact) && forest.reports.is_empty();
    let is_one = || forest.facts.iter().filter(|fact| matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow)).nth(1).is_none();
    (is_rooted_agent && is_one()).then_some(top)
}

/// The same of any trace.
pub(super) fn find_all_runs<'a>(forest: &mut Forest<'a>) -> Territory<'a> {
    let introducer = forest.introducers();
    let is_run = |fact: &&SpanFact| matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow);
    if forest.reports.is_empty() && !forest.facts.iter().any(is_run) {
        return without_agents(forest, introducer);
    }
    let kind = kinds(forest);
    let roles = agent_roles(forest, introducer, kind);
    let given = add_leftovers(forest, introducer, roles);
    let links = lost::settle(forest, roles);
    forest.graft(&links);
    occupy(forest, roles, given)
}

/// Makes runs of further spans.
pub(super) fn found<'a>(forest: &Forest<'a>, territory: &mut Territory<'a>, founders: &BTreeSet<u32>) {
    let (mut roles, given) = (std::mem::take(&mut territory.roles), std::mem::take(&mut territory.given));
    if roles.is_empty() {
        roles = forest.per_span(Role::Inner(WhyNoRun::Ordinary));
    }
    for &span in founders {
        roles[span as usize] = Role::Run(WhyRun::HoldsSession);
    }
    *territory = occupy(forest, roles, given);
}

fn agent_roles<'a>(forest: &Forest<'a>, introducer: &[u32], kind: &[SpanKind]) -> &'a mut [Role] {
    let near = forest.per_span(Near::default());
    for &span in forest.order {
        let Some(parent) = forest.parent(span) else { continue };
        let above = near[parent as usize];
        near[span as usize] = match kind[parent as usize] {
            SpanKind::Agent => {
                Near { agent: parent, has_named_agent: above.has_named_agent || forest.fact(parent).agent().is_some(), ..above }
            }
            SpanKind::Workflow => Near { has_workflow_above: true, ..above },
            _ => above,
        };
    }
    let has_agent_below = forest.per_span(false);
    for &span in forest.order.iter().rev() {
        let Some(parent) = forest.parent(span) else { continue };
        if kind[span as usize] == SpanKind::Agent || has_agent_below[span as usize] {
            has_agent_below[parent as usize] = true;
        }
    }
    let role = |span: u32| {
        let near = near[span as usize];
        if forest.report(span).is_some() {
            return Role::Run(WhyRun::Reported);
        }
        match kind[span as usize] {
            SpanKind::Agent if near.agent == NONE => outermost_role(forest, span),
            SpanKind::Agent => nested_role(forest, introducer, span, near),
            SpanKind::Workflow if near.agent != NONE || has_agent_below[span as usize] => {
                let is_unnamed = forest.fact(span).kind == SpanKind::Agent;
                Role::Inner(if is_unnamed { WhyNoRun::AboveNamed } else { WhyNoRun::BesideAgents })
            }
            SpanKind::Workflow if !near.has_workflow_above || changes_session(forest, introducer, span) => Role::Topmost(WhyRun::Workflow),
            SpanKind::Workflow => Role::Inner(WhyNoRun::InWorkflow),
            _ => Role::Inner(WhyNoRun::Ordinary),
        }
    };
    let roles = forest.per_span(Role::Inner(WhyNoRun::Ordinary));
    roles.iter_mut().zip(0..).for_each(|(known, span)| *known = role(span));
    roles
}

/// What is above a span.
#[derive(Clone, Copy)]
struct Near {
    /// The nearest agent span.
    agent: u32,
    /// An agent above has its name from an attribute.
    has_named_agent: bool,
    has_workflow_above: bool,
}

impl Default for Near {
    fn default() -> Self {
        Self { agent: NONE, has_named_agent: false, has_workflow_above: false }
    }
}

fn names_run(forest: &Forest<'_>, span: u32) -> bool {
    forest.session[span as usize].is_some() || forest.fact(span).run_id().is_some()
}

/// An agent span that no other is above of.
fn outermost_role(forest: &Forest<'_>, span: u32) -> Role {
    if names_run(forest, span) { Role::Run(WhyRun::Outermost) } else { Role::Topmost(WhyRun::Outermost) }
}

/// An agent span below another agent's.
fn nested_role(forest: &Forest<'_>, introducer: &[u32], span: u32, near: Near) -> Role {
    let above = near.agent;
    let (fact, outer) = (forest.fact(span), forest.fact(above));
    if is_of_sdk(fact) || is_of_sdk(outer) {
        return if names_run(forest, span) { Role::Run(WhyRun::NamesItself) } else { Role::Inner(WhyNoRun::InSdkRun) };
    }
    let is_same_run = fact.run_id().is_none_or(|run_id| outer.run_id() == Some(run_id));
    let is_same_agent = names::agent_of(fact) == names::agent_of(outer);
    if forest.parent(span) == Some(above) && is_same_agent && is_same_run && !changes_session(forest, introducer, span) {
        // One execution that two layers tell of.
        return Role::Inner(WhyNoRun::SameExecution);
    }
    // Some instrumentations name their agents, mark every step of one as an agent too, and write the session on every span.
    let is_step = near.has_named_agent && fact.agent().is_none() && fact.run_id().is_none() && !changes_session(forest, introducer, span);
    if !is_step && names_run(forest, span) {
        return Role::Run(WhyRun::NamesItself);
    }
    if is_other_agent(fact, outer) { Role::Run(WhyRun::OtherAgent) } else { Role::Inner(WhyNoRun::NamesNothing) }
}

/// Whether an agent span names another agent than the one that it lies in; the SDK's own spans are never read by their names.
pub(super) fn is_other_agent(fact: &SpanFact, outer: &SpanFact) -> bool {
    !is_of_sdk(fact) && !is_of_sdk(outer) && fact.agent().is_some() && names::agent_of(fact) != names::agent_of(outer)
}

fn is_of_sdk(fact: &SpanFact) -> bool {
    scope_traits(&fact.scope).reports_runs
}

/// What each span is to the boundary of runs: an agent span that names nobody, above agents that are named, is a workflow.
fn kinds<'a>(forest: &Forest<'a>) -> &'a [SpanKind] {
    let kind = forest.per_span(SpanKind::Other);
    kind.iter_mut().zip(forest.facts).for_each(|(kind, fact)| *kind = fact.kind);
    let has_named_below = forest.per_span(false);
    let has_call_below = forest.per_span(false);
    for &span in forest.order.iter().rev() {
        let fact = forest.fact(span);
        let is_agent = fact.kind == SpanKind::Agent;
        if is_agent && turns::needs_call(fact) && !has_call_below[span as usize] {
            kind[span as usize] = SpanKind::Other;
        }
        let is_named = is_agent && (fact.agent().is_some() || scope_traits(&fact.scope).reports_runs);
        if is_agent && !is_named && has_named_below[span as usize] && forest.report(span).is_none() {
            kind[span as usize] = SpanKind::Workflow;
        }
        if let Some(parent) = forest.parent(span) {
            has_named_below[parent as usize] |= is_named || has_named_below[span as usize];
            has_call_below[parent as usize] |= fact.call.is_some() || has_call_below[span as usize];
        }
    }
    kind
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
        let session = forest.session[first as usize];
        let is_same = tree.iter().all(|&(_, by)| forest.session[by as usize] == session);
        if tree.len() > 1 && is_same && introducer[top as usize] == NONE {
            roles[top as usize] = Role::Run(WhyRun::HoldsCalls);
            given.extend(session.map(|session| (top, session)));
            continue;
        }
        for &(_, by) in tree {
            roles[by as usize] = Role::Run(WhyRun::BringsSession);
        }
    }
    given
}

/// The trees and the introducers of the sessions of such calls.
fn leftover_calls(forest: &Forest<'_>, introducer: &[u32], roles: &[Role]) -> Vec<(u32, u32)> {
    let is_covered = forest.per_span(false);
    let mut calls = Vec::new();
    for &span in forest.order {
        let is_run = roles[span as usize].why().is_some();
        let covered = is_run || forest.parent(span).is_some_and(|parent| is_covered[parent as usize]);
        is_covered[span as usize] = covered;
        if !covered && introducer[span as usize] != NONE && count::is_positive(forest.fact(span)) && forest.is_rooted(span) {
            calls.push(span);
        }
    }
    if calls.is_empty() {
        return Vec::new();
    }
    let near = Calls::of(forest);
    let is_open = |span: u32| count::counts(forest.fact(span), &near, span);
    calls.retain(|&span| is_open(span));
    if !calls.is_empty() {
        leave_out_twins(forest, introducer, is_covered, is_open, &mut calls);
    }
    calls.into_iter().map(|span| (forest.top[span as usize], introducer[span as usize])).collect()
}

/// Leaves out calls that a run of their session holds already, by a span of another instrumentation.
fn leave_out_twins(forest: &Forest<'_>, introducer: &[u32], is_covered: &[bool], is_open: impl Fn(u32) -> bool, calls: &mut Vec<u32>) {
    let twins = twins::find(forest, is_open);
    let session = |span: u32| forest.session.get(introducer[span as usize] as usize).copied().flatten();
    let tellings = twins.iter().flat_map(|twin| [(twin.kept, twin.dropped), (twin.kept, twin.kept)]);
    let held: BTreeSet<(u32, Option<&SessionId>)> =
        tellings.filter(|(_, span)| is_covered[*span as usize]).map(|(kept, span)| (kept, session(span))).collect();
    let kept: BTreeMap<u32, u32> = twins.iter().map(|twin| (twin.dropped, twin.kept)).collect();
    calls.retain(|call| !held.contains(&(*kept.get(call).unwrap_or(call), session(*call))));
}

/// Gives every span to the nearest run above it.
fn occupy<'a>(forest: &Forest<'a>, roles: &'a mut [Role], given: Vec<(u32, &'a SessionId)>) -> Territory<'a> {
    let mut seeds: List<'_, Seed<'_>> = forest.scratch.list(1);
    let owner = forest.per_span(NONE);
    for &span in forest.order {
        let enclosing = forest.parent(span).map_or(NONE, |parent| owner[parent as usize]);
        owner[span as usize] = enclosing;
        let Some(why) = roles[span as usize].why() else { continue };
        let session = given.binary_search_by_key(&span, |&(run, _)| run).ok().map(|at| given[at].1);
        owner[span as usize] = seeds.len() as u32;
        seeds.push(Seed { span, enclosing, session, why });
    }
    Territory { seeds, owner, roles, given, adopted: Vec::new() }
}

fn names_several(forest: &Forest<'_>) -> bool {
    let mut sessions = forest.session.iter().copied().flatten();
    let first = sessions.next();
    sessions.any(|other| Some(other) != first)
}

fn without_agents<'a>(forest: &mut Forest<'a>, introducer: &[u32]) -> Territory<'a> {
    if names_several(forest) {
        let roles = forest.per_span(Role::Inner(WhyNoRun::Ordinary));
        for (role, _) in roles.iter_mut().zip(0..).filter(|(_, span)| introducer[*span as usize] == *span) {
            *role = Role::Run(WhyRun::BringsSession);
        }
        let links = lost::settle(forest, roles);
        forest.graft(&links);
        // Where they lie now, what a framework made up may not hold.
        if names_several(forest) {
            return occupy(forest, roles, Vec::new());
        }
    }
    let Some(session) = forest.session.iter().copied().flatten().next() else {
        return Territory::plain(forest, None);
    };
    let root = forest.tops().filter(|&top| forest.is_rooted(top)).min_by_key(|&top| forest.rank(top));
    if let Some(root) = root {
        // A trace has one root: what lost its parent hangs from it in the end.
        let is_loose = |top: &u32| !forest.is_rooted(*top) && forest.parent(*top).is_none();
        let links: Vec<(u32, u32)> = forest.tops().filter(is_loose).map(|top| (top, root)).collect();
        forest.graft(&links);
    }
    if forest.facts.iter().all(|fact| turns::needs_call(fact) && fact.call.is_none()) {
        return Territory::plain(forest, None);
    }
    let why = if root.is_some() { WhyRun::Root } else { WhyRun::Provisional };
    let seed = Seed { span: root.unwrap_or(NONE), enclosing: NONE, session: Some(session), why };
    Territory::plain(forest, Some(seed))
}

// === impl Territory ===

impl<'a> Territory<'a> {
    /// All spans are of the run of one agent.
    fn of_one(forest: &Forest<'a>, agent: u32) -> Self {
        let roles = forest.per_span(Role::Inner(WhyNoRun::Ordinary));
        roles[agent as usize] = outermost_role(forest, agent);
        let seed = Seed { span: agent, enclosing: NONE, session: None, why: WhyRun::Outermost };
        Self { roles, ..Self::plain(forest, Some(seed)) }
    }

    /// All spans are of this run, or of none.
    fn plain(forest: &Forest<'a>, seed: Option<Seed<'a>>) -> Self {
        let owner = forest.per_span(if seed.is_some() { 0 } else { NONE });
        let mut seeds = forest.scratch.list(1);
        seeds.extend(seed);
        Self { seeds, owner, roles: &mut [], given: Vec::new(), adopted: Vec::new() }
    }
}

// === impl Role ===

impl Role {
    /// Why the span is a run, if it is one.
    pub fn why(self) -> Option<WhyRun> {
        match self {
            Self::Run(why) | Self::Topmost(why) => Some(why),
            Self::Inner(_) => None,
        }
    }
}
