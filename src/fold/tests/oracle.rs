//! Whose every span is, found the slow way: parents are walked one by one, nothing is swept, sorted or cached, and no code is shared with
//! the fold. Only the rules are the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::facts::{SpanFact, SpanKind};
use crate::model::ids::SpanId;
use crate::model::time::UnixNanos;

/// The trace as the oracle sees it.
pub(super) struct Oracle<'a> {
    spans: BTreeMap<SpanId, &'a SpanFact>,
    /// Tops of lost trees, and the run spans they were placed in.
    placed: BTreeMap<SpanId, SpanId>,
    /// The spans that are runs.
    pub runs: BTreeSet<SpanId>,
    /// Runs made for a session that only spans below them name.
    given: BTreeMap<SpanId, &'a str>,
    /// Calls that are not of the nearest run above them, and whose they are.
    adopted: BTreeMap<SpanId, SpanId>,
    /// Runs that took their session from another.
    housed: BTreeMap<SpanId, &'a str>,
    /// All spans belong to a run whose root is missing.
    pub is_provisional: bool,
    /// All spans belong to this run, whatever hangs where.
    whole: Option<SpanId>,
}

impl<'a> Oracle<'a> {
    pub fn of(facts: impl IntoIterator<Item = &'a SpanFact>) -> Self {
        let spans = facts.into_iter().map(|fact| (fact.span, fact)).collect();
        let mut oracle = Self {
            spans,
            placed: BTreeMap::new(),
            runs: BTreeSet::new(),
            given: BTreeMap::new(),
            adopted: BTreeMap::new(),
            housed: BTreeMap::new(),
            is_provisional: false,
            whole: None,
        };
        if oracle.spans.values().any(|fact| matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow)) {
            oracle.agents();
        } else {
            oracle.sessions();
        }
        if oracle.whole.is_none() && !oracle.is_provisional {
            oracle.adopt();
        }
        oracle
    }

    /// The run that a span belongs to.
    pub fn owner(&self, span: SpanId) -> Option<SpanId> {
        self.whole.or_else(|| self.adopted.get(&span).copied()).or_else(|| self.run_above(span))
    }

    /// The run that a run was started in.
    pub fn parent_run(&self, run: SpanId) -> Option<SpanId> {
        self.path(run).into_iter().skip(1).find(|at| self.runs.contains(at))
    }

    /// The session of a run.
    pub fn session_of(&self, run: SpanId) -> Option<&'a str> {
        if self.whole.is_some() {
            return self.spans.keys().find_map(|&span| self.session(span));
        }
        self.in_effect(run).or_else(|| self.housed.get(&run).copied())
    }

    /// Whether a span's claim counts, as long as no other instrumentation tells of the same.
    pub fn counts(&self, span: SpanId) -> bool {
        let fact = self.spans[&span];
        let claims = fact.call.as_ref().is_some_and(|call| fact.kind.is_model() || call.usage.is_positive());
        claims && self.told_by(span).is_empty()
    }

    /// The spans above and below that tell better of what this one tells.
    pub fn told_by(&self, span: SpanId) -> Vec<SpanId> {
        let fact = self.spans[&span];
        let uses = |at: SpanId| self.spans[&at].call.as_ref().is_some_and(|call| call.usage.is_positive());
        let calls = |at: SpanId| self.spans[&at].call.is_some() && self.spans[&at].kind.is_model();
        // Without a tool, agent or workflow between.
        let is_part = |of: SpanId, part: SpanId| {
            let path = self.tree_path(part);
            let ends = |at: &SpanId| matches!(self.spans[at].kind, SpanKind::Tool | SpanKind::Agent | SpanKind::Workflow);
            path.iter().position(|at| *at == of).is_some_and(|at| !path[1..at.max(1)].iter().any(ends))
        };
        let tells = |other: SpanId| match (fact.kind.is_model(), uses(span)) {
            (true, true) => calls(other) && uses(other) && is_part(span, other),
            (true, false) => calls(other) && (is_part(span, other) || (uses(other) && is_part(other, span))),
            _ => &*fact.scope != super::build::CLAUDE_SDK && uses(other) && self.path(other).contains(&span),
        };
        self.spans.keys().copied().filter(|&other| other != span && tells(other)).collect()
    }

    /// Every session that a span names, as it holds there.
    pub fn named_sessions(&self) -> BTreeSet<&'a str> {
        self.spans.keys().filter_map(|&span| self.session(span)).collect()
    }

    fn run_above(&self, span: SpanId) -> Option<SpanId> {
        self.path(span).into_iter().find(|at| self.runs.contains(at))
    }

    /// The span, what it hangs from, and so on up.
    fn path(&self, span: SpanId) -> Vec<SpanId> {
        let mut path = self.tree_path(span);
        while let Some(&onto) = path.last().and_then(|top| self.placed.get(top)) {
            path.extend(self.tree_path(onto));
        }
        path
    }

    /// As the spans themselves tell it.
    fn tree_path(&self, span: SpanId) -> Vec<SpanId> {
        let mut path = vec![span];
        while let Some(parent) = self.parent(*path.last().unwrap()) {
            path.push(parent);
        }
        path
    }

    fn parent(&self, span: SpanId) -> Option<SpanId> {
        let parent = self.spans[&span].parent.filter(|parent| self.spans.contains_key(parent))?;
        (self.cut_of_cycle(span) != Some(span)).then_some(parent)
    }

    /// The span above which the cycle through `span` is cut, if there is one.
    fn cut_of_cycle(&self, span: SpanId) -> Option<SpanId> {
        let mut cycle = vec![span];
        loop {
            let next = self.spans[cycle.last().unwrap()].parent.filter(|parent| self.spans.contains_key(parent))?;
            if next == span {
                break;
            }
            if cycle.contains(&next) {
                return None;
            }
            cycle.push(next);
        }
        let known = |at: &SpanId| if self.spans[at].start == UnixNanos::ZERO { UnixNanos::MAX } else { self.spans[at].start };
        cycle.into_iter().min_by_key(|at| (known(at), *at))
    }

    fn start(&self, span: SpanId) -> UnixNanos {
        let fact = self.spans[&span];
        if fact.start != UnixNanos::ZERO {
            return fact.start;
        }
        let children = self.spans.keys().filter(|&&child| self.parent(child) == Some(span));
        let starts = children.map(|&child| self.start(child)).filter(|&start| start != UnixNanos::ZERO);
        starts.min().unwrap_or(fact.end)
    }

    fn top(&self, span: SpanId) -> SpanId {
        *self.tree_path(span).last().unwrap()
    }

    fn is_rooted(&self, span: SpanId) -> bool {
        self.spans[&self.top(span)].parent.is_none()
    }

    /// The session that a span names, if that holds where it stands: 3 is what an application set, 2 what a framework made up, 1 what the
    /// resource says; the lesser hold only where nothing greater is in effect, and among them the one further up.
    fn session(&self, span: SpanId) -> Option<&'a str> {
        let mut greatest = 0;
        let mut holds = None;
        for at in self.path(span).into_iter().rev() {
            let fact = self.spans[&at];
            let (named, how) = match (fact.session(), fact.resource_session()) {
                (Some(session), _) if fact.is_session_weak() => (Some(session), 2),
                (Some(session), _) => (Some(session), 3),
                (None, Some(session)) => (Some(session), 1),
                (None, None) => (None, 0),
            };
            holds = named.filter(|_| how == 3 || how > greatest).map(|session| session.as_str());
            if holds.is_some() {
                greatest = how;
            }
        }
        holds
    }

    /// The topmost span that brought in the session in effect at `span`.
    fn introducer(&self, span: SpanId) -> Option<SpanId> {
        let path = self.path(span);
        let mut naming = path.into_iter().filter(|&at| self.session(at).is_some());
        let nearest = naming.next()?;
        Some(naming.take_while(|&at| self.session(at) == self.session(nearest)).last().unwrap_or(nearest))
    }

    fn above(&self, span: SpanId, kind: SpanKind) -> Option<SpanId> {
        self.tree_path(span).into_iter().skip(1).find(|&at| self.kind(at) == kind)
    }

    fn is_of_sdk(&self, span: SpanId) -> bool {
        &*self.spans[&span].scope == super::build::WAXELL
    }

    /// An agent that nobody names, above others, is a workflow.
    fn kind(&self, span: SpanId) -> SpanKind {
        let fact = self.spans[&span];
        let is_named = |at: SpanId| self.spans[&at].agent().is_some() || self.is_of_sdk(at);
        let names_other = |agent: &SpanId| {
            *agent != span && self.spans[agent].kind == SpanKind::Agent && is_named(*agent) && self.tree_path(*agent).contains(&span)
        };
        let is_workflow = fact.kind == SpanKind::Agent && !is_named(span) && self.spans.keys().any(names_other);
        if is_workflow { SpanKind::Workflow } else { fact.kind }
    }

    fn is_nested_run(&self, span: SpanId, outer: SpanId) -> bool {
        let (fact, above) = (self.spans[&span], self.spans[&outer]);
        let names_itself = self.session(span).is_some() || fact.run_id().is_some();
        if self.is_of_sdk(span) || self.is_of_sdk(outer) {
            return names_itself;
        }
        // Spans of these tests are called the same.
        let has_same_name = fact.agent() == above.agent();
        let has_other_run_id = fact.run_id().is_some() && fact.run_id() != above.run_id();
        if self.parent(span) == Some(outer) && has_same_name && !has_other_run_id && !self.changes_session(span) {
            return false;
        }
        let is_named_agent = |above: &SpanId| *above != span && self.kind(*above) == SpanKind::Agent && self.spans[above].agent().is_some();
        let is_below_named = self.tree_path(span).iter().any(is_named_agent);
        let is_step = is_below_named && fact.agent().is_none() && fact.run_id().is_none() && !self.changes_session(span);
        !is_step && names_itself || (fact.agent().is_some() && !has_same_name)
    }

    fn changes_session(&self, span: SpanId) -> bool {
        let above = self.parent(span).and_then(|parent| self.introducer(parent)).and_then(|by| self.session(by));
        self.session(span).is_some() && above.is_some() && self.session(span) != above
    }

    fn agents(&mut self) {
        let (mut sure, mut topmost) = (BTreeSet::new(), BTreeSet::new());
        for (&span, fact) in &self.spans {
            let is_agent_below =
                |&agent: &SpanId| self.kind(agent) == SpanKind::Agent && agent != span && self.tree_path(agent).contains(&span);
            let agent_above = self.above(span, SpanKind::Agent);
            match (self.kind(span), agent_above) {
                (SpanKind::Agent, None) if self.session(span).is_some() || fact.run_id().is_some() => sure.insert(span),
                (SpanKind::Agent, None) => topmost.insert(span),
                (SpanKind::Agent, Some(outer)) if self.is_nested_run(span, outer) => sure.insert(span),
                (SpanKind::Workflow, None) if !self.spans.keys().any(is_agent_below) => {
                    let is_inner = self.above(span, SpanKind::Workflow).is_some();
                    (!is_inner || self.changes_session(span)) && topmost.insert(span)
                }
                _ => false,
            };
        }
        self.runs = sure.union(&topmost).copied().collect();
        self.leftovers();
        let rooted: BTreeSet<SpanId> = self.runs.iter().copied().filter(|&run| self.is_rooted(run)).collect();
        let waiting: BTreeSet<SpanId> = self.runs.difference(&rooted).copied().collect();
        self.runs = rooted;
        self.place_lost(&waiting, &topmost);
    }

    fn leftovers(&mut self) {
        let is_left = |span: SpanId| {
            let is_used = self.spans[&span].call.as_ref().is_some_and(|call| call.usage.is_positive());
            is_used && self.counts(span) && self.run_above(span).is_none() && self.is_rooted(span)
        };
        let mut trees: BTreeMap<SpanId, BTreeSet<SpanId>> = BTreeMap::new();
        for &span in self.spans.keys() {
            if let Some(by) = self.introducer(span).filter(|_| is_left(span)) {
                trees.entry(self.top(span)).or_default().insert(by);
            }
        }
        for (top, introducers) in trees {
            let sessions: BTreeSet<_> = introducers.iter().filter_map(|&by| self.session(by)).collect();
            if introducers.len() > 1 && sessions.len() == 1 && self.session(top).is_none() {
                self.runs.insert(top);
                self.given.extend(sessions.into_iter().map(|session| (top, session)));
            } else {
                self.runs.extend(introducers);
            }
        }
    }

    /// The session in effect at a span, with what was found for the runs above it.
    fn in_effect(&self, span: SpanId) -> Option<&'a str> {
        self.path(span).into_iter().find_map(|at| {
            let found = || if self.runs.contains(&at) { self.given.get(&at).copied().or_else(|| self.found_below(at)) } else { None };
            self.session(at).or_else(|| self.named_above(at)).or_else(found)
        })
    }

    fn named_above(&self, span: SpanId) -> Option<&'a str> {
        self.path(span).get(1).and_then(|&parent| self.in_effect(parent))
    }

    /// The only session that the run's own tree names before the next run.
    fn found_below(&self, run: SpanId) -> Option<&'a str> {
        let is_own = |span: &SpanId| *span != run && self.run_above(*span) == Some(run) && self.top(*span) == self.top(run);
        let named: BTreeSet<&str> = self.spans.keys().copied().filter(is_own).filter_map(|span| self.session(span)).collect();
        if named.len() == 1 { named.into_iter().next() } else { None }
    }

    // --- calls without a run of their session, runs without a session

    fn adopt(&mut self) {
        for _ in 0..8 {
            let known: BTreeSet<&str> = self.runs.iter().filter_map(|&run| self.in_effect(run)).collect();
            let founders: Vec<SpanId> = self
                .strays()
                .into_iter()
                .filter(|&(call, session)| self.counts(call) && session.is_some_and(|session| !known.contains(session)))
                .filter_map(|(call, _)| self.introducer(call))
                .collect();
            if founders.is_empty() {
                break;
            }
            self.runs.extend(founders);
        }
        let strays = self.strays();
        let (housed, homeless): (Vec<SpanId>, Vec<SpanId>) = self.runs.iter().partition(|&&run| self.in_effect(run).is_some());
        let namers: Vec<SpanId> = self.spans.keys().copied().filter(|&span| self.introducer(span) == Some(span)).collect();
        let bearers = if housed.is_empty() { &namers } else { &housed };
        let found = homeless.iter().filter_map(|&run| Some((run, self.in_effect(self.going_on(self.start(run), bearers.iter())?)?)));
        self.housed = found.collect();
        for (call, session) in strays {
            let fits = |run: &&SpanId| self.session_of(**run).is_some_and(|of_run| session.is_none_or(|session| session == of_run));
            if let Some(run) = self.going_on(self.start(call), self.runs.iter().filter(fits)) {
                self.adopted.insert(call, run);
            }
        }
    }

    /// Calls, and the sessions they are of.
    fn strays(&self) -> Vec<(SpanId, Option<&'a str>)> {
        let mut strays = Vec::new();
        for &call in self.spans.keys().filter(|span| self.spans[span].call.is_some()) {
            let by = self.introducer(call);
            let session = by.and_then(|by| self.session(by));
            let Some(run) = self.run_above(call) else {
                strays.push((call, session));
                continue;
            };
            let is_named_between = by.is_some_and(|by| by != run && self.run_above(by) == Some(run));
            if is_named_between && session != self.in_effect(run) && !self.is_of_sdk(run) {
                strays.push((call, session));
            }
        }
        strays
    }

    fn going_on<'b>(&self, moment: UnixNanos, spans: impl Iterator<Item = &'b SpanId>) -> Option<SpanId> {
        let spans: Vec<SpanId> = spans.copied().collect();
        let rank = |span: &SpanId| (self.start(*span), *span);
        let has_ended = |span: &SpanId| self.spans[span].end != UnixNanos::ZERO && self.spans[span].end.max(self.start(*span)) < moment;
        let started: Vec<SpanId> = spans.iter().copied().filter(|&span| self.start(span) <= moment).collect();
        let open = started.iter().copied().filter(|span| !has_ended(span)).max_by_key(rank);
        open.or_else(|| started.iter().copied().max_by_key(rank)).or_else(|| spans.iter().copied().min_by_key(rank))
    }

    /// Places lost trees in the order of their tops; of `waiting`, those that remain runs become findable with their tree.
    fn place_lost(&mut self, waiting: &BTreeSet<SpanId>, topmost: &BTreeSet<SpanId>) {
        let mut tops: Vec<SpanId> = self.spans.keys().copied().filter(|&span| self.top(span) == span && !self.is_rooted(span)).collect();
        tops.sort_by_key(|&top| (self.start(top), top));
        for top in tops {
            let start = self.start(top);
            let contains = |run: SpanId| {
                let end = self.spans[&run].end;
                self.start(run) <= start && (end == UnixNanos::ZERO || start <= end.max(self.start(run)))
            };
            let onto = self.runs.iter().copied().filter(|&run| contains(run)).max_by_key(|&run| (self.start(run), run));
            self.placed.extend(onto.map(|onto| (top, onto)));
            let own: Vec<SpanId> = waiting.iter().copied().filter(|&run| self.top(run) == top).collect();
            for run in own {
                let is_part = onto.is_some_and(|onto| {
                    let (fact, outer) = (self.spans[&run], self.spans[&onto]);
                    let is_of_sdk = self.is_of_sdk(run) || self.is_of_sdk(onto);
                    let is_other = fact.agent().is_some() && fact.agent() != outer.agent() && !is_of_sdk;
                    topmost.contains(&run) && (fact.kind == SpanKind::Workflow || (outer.kind == SpanKind::Agent && !is_other))
                });
                if !is_part {
                    self.runs.insert(run);
                }
            }
        }
    }

    fn sessions(&mut self) {
        let sessions: BTreeSet<_> = self.spans.keys().filter_map(|&span| self.session(span)).collect();
        if sessions.len() > 1 {
            let runs: BTreeSet<SpanId> = self.spans.keys().copied().filter(|&span| self.introducer(span) == Some(span)).collect();
            self.runs = runs.iter().copied().filter(|&run| self.is_rooted(run)).collect();
            self.place_lost(&runs, &BTreeSet::new());
        }
        if self.named_sessions().len() == 1 {
            self.runs.clear();
            let roots = self.spans.values().filter(|fact| fact.parent.is_none());
            self.whole = roots.map(|fact| fact.span).min_by_key(|&root| (self.start(root), root));
            self.runs.extend(self.whole);
            self.is_provisional = self.whole.is_none();
            if let Some(root) = self.whole {
                let lost = self.spans.keys().copied().filter(|&span| self.top(span) == span && !self.is_rooted(span));
                let loose: Vec<SpanId> = lost.filter(|top| !self.placed.contains_key(top)).collect();
                self.placed.extend(loose.into_iter().map(|top| (top, root)));
            }
        }
    }
}
