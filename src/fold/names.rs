//! What each run is called: session, user, user group, workflow, agent.
//!
//! - Session, user, group, workflow: what the run's span says; else what is in effect above it, of the nearest span or run that has one
//!   (through the link of a lost tree too); else the only one that its own spans below it name. Several different ones are none.
//! - A session is believed only of spans that the run's own tree holds, not of what was placed in the run by its time.
//! - The agent is what the run's span says, else the only one that its spans name, agent spans apart (those name themselves). It is not
//!   inherited: another agent's name is not this one's.
//! - Of a run that was reported, what its report says comes first.
//! - A workflow that nobody names is [`WORKFLOW_DEFAULT`].

use super::boundary::Territory;
use super::scratch::List;
use super::tree::{Forest, NONE};
use super::why::WhySession;
use crate::model::Str;
use crate::model::facts::{Labels, SpanFact, SpanKind};
use crate::model::ids::SessionId;
use crate::model::report::Start;
use crate::model::scopes::scope_traits;

/// The workflow of a run that names none, as the Waxell SDK has it.
pub(super) const WORKFLOW_DEFAULT: &str = "default";

/// What a run is called.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'a> {
    pub session: Option<&'a SessionId>,
    /// Means nothing without a session.
    pub why_session: WhySession,
    pub agent: Option<&'a Str>,
    /// Where nobody names the agent, what its span is called.
    pub agent_of_span: Option<&'a str>,
    pub workflow: Option<&'a Str>,
    pub user: Option<&'a Str>,
    pub user_group: Option<&'a Str>,
}

/// Whether there is exactly one of something.
#[derive(Clone, Default)]
pub(super) enum Sole<'a, T> {
    #[default]
    Nothing,
    One(&'a T),
    Several,
}

/// What the spans of a run name below it.
#[derive(Clone, Default)]
struct Found<'a> {
    session: Sole<'a, SessionId>,
    agent: Sole<'a, Str>,
    workflow: Sole<'a, Str>,
    user: Sole<'a, Str>,
    user_group: Sole<'a, Str>,
}

/// The names of every run, in the order of the territory's seeds.
pub(super) fn name_runs<'a>(forest: &Forest<'a>, territory: &Territory<'a>) -> List<'a, Names<'a>> {
    let found = find_below(forest, territory);
    let mut names = forest.scratch.list(territory.seeds.len());
    names.resize(territory.seeds.len(), Names::default());
    if let Some(seed) = territory.seeds.first().filter(|seed| seed.span == NONE) {
        // A provisional run stands on no span and encloses no other run.
        names[0] = Names::default().or_found(&found[0]);
        (names[0].session, names[0].why_session) = (seed.session, WhySession::OfTrace);
        return names;
    }
    let in_effect = forest.per_span(Names::default());
    for &span in forest.order {
        let mut above = forest.parent(span).map_or_else(Names::default, |parent| in_effect[parent as usize]);
        above.why_session = WhySession::Above;
        let mut own = forest.fact(span).labels.as_deref().map_or_else(Names::default, Names::of);
        own.session = forest.session[span as usize];
        let mut here = own.or(&above);
        if let Some(run) = run_of(territory, span) {
            here.agent = own.agent;
            let named_by_span = span_name_of(forest.fact(span));
            if here.session.is_none() {
                (here.session, here.why_session) = (territory.seeds[run].session, WhySession::Found);
            }
            here = here.or_found(&found[run]);
            here.agent_of_span = named_by_span.filter(|_| here.agent.is_none());
            if let Some(start) = forest.report(span).and_then(|placed| placed.report.start.as_ref()) {
                here = Names::reported(start).or(&here);
            }
            names[run] = here;
        }
        in_effect[span as usize] = here;
    }
    names
}

/// The agent of an agent span: whom it names, else what it is called.
pub(super) fn agent_of(fact: &SpanFact) -> &str {
    fact.agent().map(|name| &**name).or_else(|| span_name_of(fact)).unwrap_or_default()
}

/// What the span of an agent is called, without what frameworks add to its name. The SDK's spans name their agents.
fn span_name_of(fact: &SpanFact) -> Option<&str> {
    if fact.kind != SpanKind::Agent || scope_traits(&fact.scope).reports_runs {
        return None;
    }
    let name = fact.name.strip_prefix("invoke_agent").map_or(&*fact.name, str::trim_start);
    let name = name.strip_prefix("agent_run [").and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let name = ADDED.iter().find_map(|added| name.strip_suffix(added)).unwrap_or(name);
    Some(name).filter(|name| !name.is_empty())
}

/// What smolagents, agno and others add to an agent's name.
const ADDED: &[&str] = &[".run", ".arun", "._execute_core", ".agent", ".invoke"];

/// The run that stands on this very span.
fn run_of(territory: &Territory<'_>, span: u32) -> Option<usize> {
    let owner = territory.owner[span as usize];
    (owner != NONE && territory.seeds[owner as usize].span == span).then_some(owner as usize)
}

fn find_below<'a>(forest: &Forest<'a>, territory: &Territory<'a>) -> List<'a, Found<'a>> {
    let mut found = forest.scratch.list(territory.seeds.len());
    found.resize(territory.seeds.len(), Found::default());
    for (span, fact) in forest.facts.iter().copied().enumerate() {
        let (Some(labels), owner) = (fact.labels.as_deref(), territory.owner[span]) else { continue };
        let Some(seed) = territory.seeds.get(owner as usize).filter(|seed| seed.span != span as u32) else { continue };
        let found = &mut found[owner as usize];
        if seed.span == NONE || forest.top[seed.span as usize] == forest.top[span] {
            found.session.add(forest.session[span]);
        }
        if fact.kind != SpanKind::Agent {
            found.agent.add(labels.agent.as_ref());
        }
        found.workflow.add(labels.workflow.as_ref());
        found.user.add(labels.user.as_ref());
        found.user_group.add(labels.user_group.as_ref());
    }
    found
}

// === impl Names ===

impl<'a> Names<'a> {
    fn of(labels: &'a Labels) -> Self {
        Self {
            session: labels.session.as_ref(),
            why_session: WhySession::Itself,
            agent: labels.agent.as_ref(),
            agent_of_span: None,
            workflow: labels.workflow.as_ref(),
            user: labels.user.as_ref(),
            user_group: labels.user_group.as_ref(),
        }
    }

    /// What the SDK says over HTTP comes before what its spans say.
    fn reported(start: &'a Start) -> Self {
        Self {
            session: start.session.as_ref(),
            why_session: WhySession::Reported,
            agent: Some(&start.agent).filter(|agent| !agent.is_empty()),
            agent_of_span: None,
            workflow: Some(&start.workflow),
            user: start.user.as_ref(),
            user_group: start.user_group.as_ref(),
        }
    }

    fn or(self, other: &Self) -> Self {
        Self {
            session: self.session.or(other.session),
            why_session: if self.session.is_some() { self.why_session } else { other.why_session },
            agent: self.agent.or(other.agent),
            agent_of_span: None,
            workflow: self.workflow.or(other.workflow),
            user: self.user.or(other.user),
            user_group: self.user_group.or(other.user_group),
        }
    }

    fn or_found(self, found: &Found<'a>) -> Self {
        self.or(&Self {
            session: found.session.get(),
            why_session: WhySession::Found,
            agent: found.agent.get(),
            agent_of_span: None,
            workflow: found.workflow.get(),
            user: found.user.get(),
            user_group: found.user_group.get(),
        })
    }
}

// === impl Sole ===

impl<'a, T: PartialEq> Sole<'a, T> {
    pub(super) fn add(&mut self, value: Option<&'a T>) {
        let Some(value) = value else { return };
        match self {
            Self::Nothing => *self = Self::One(value),
            Self::One(known) if *known != value => *self = Self::Several,
            _ => {}
        }
    }

    pub(super) fn get(&self) -> Option<&'a T> {
        match self {
            Self::One(value) => Some(value),
            _ => None,
        }
    }
}
