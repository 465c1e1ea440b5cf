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
    /// All spans belong to a run whose root is missing.
    pub is_provisional: bool,
    /// All spans belong to this run, whatever hangs where.
    whole: Option<SpanId>,
}

impl<'a> Oracle<'a> {
    pub fn of(facts: impl IntoIterator<Item = &'a SpanFact>) -> Self {
        let spans = facts.into_iter().map(|fact| (fact.span, fact)).collect();
        let mut oracle = Self { spans, placed: BTreeMap::new(), runs: BTreeSet::new(), is_provisional: false, whole: None };
        if oracle.spans.values().any(|fact| matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow)) {
            oracle.agents();
        } else {
            oracle.sessions();
        }
        oracle
    }

    /// The run that a span belongs to.
    pub fn owner(&self, span: SpanId) -> Option<SpanId> {
        self.whole.or_else(|| self.path(span).into_iter().find(|at| self.runs.contains(at)))
    }

    /// The run that a run was started in.
    pub fn parent_run(&self, run: SpanId) -> Option<SpanId> {
        self.path(run).into_iter().skip(1).find(|at| self.runs.contains(at))
    }

    /// Whether a model span, or any span if `of_any`, below this one says what it used.
    pub fn is_above_usage(&self, span: SpanId, of_any: bool) -> bool {
        let speaks = |fact: &SpanFact| fact.call.as_ref().is_some_and(|call| call.usage.is_positive()) && (of_any || fact.kind.is_model());
        self.spans.values().any(|fact| fact.span != span && speaks(fact) && self.path(fact.span).contains(&span))
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

    fn session(&self, span: SpanId) -> Option<&'a str> {
        self.spans[&span].session().map(|session| session.as_str())
    }

    /// The topmost span that brought in the session in effect at `span`.
    fn introducer(&self, span: SpanId) -> Option<SpanId> {
        let path = self.tree_path(span);
        let mut naming = path.into_iter().filter(|&at| self.session(at).is_some());
        let nearest = naming.next()?;
        Some(naming.take_while(|&at| self.session(at) == self.session(nearest)).last().unwrap_or(nearest))
    }

    fn above(&self, span: SpanId, kind: SpanKind) -> bool {
        self.tree_path(span).into_iter().skip(1).any(|at| self.spans[&at].kind == kind)
    }

    fn agents(&mut self) {
        let (mut sure, mut topmost) = (BTreeSet::new(), BTreeSet::new());
        for (&span, fact) in &self.spans {
            let is_agent_below =
                |agent: &&'a SpanFact| agent.kind == SpanKind::Agent && agent.span != span && self.tree_path(agent.span).contains(&span);
            match fact.kind {
                SpanKind::Agent if fact.session().is_some() || fact.run_id().is_some() => sure.insert(span),
                SpanKind::Agent if !self.above(span, SpanKind::Agent) => topmost.insert(span),
                SpanKind::Workflow if !self.above(span, SpanKind::Agent) && !self.spans.values().any(is_agent_below) => {
                    let is_inner = self.above(span, SpanKind::Workflow);
                    let above = self.parent(span).and_then(|parent| self.introducer(parent)).and_then(|by| self.session(by));
                    let differs = self.session(span).is_some() && above.is_some() && self.session(span) != above;
                    (!is_inner || differs) && topmost.insert(span)
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
            let fact = self.spans[&span];
            let Some(call) = &fact.call else { return false };
            let is_own = &*fact.scope == super::build::CLAUDE_SDK;
            let counts = if fact.kind.is_model() { !self.is_above_usage(span, false) } else { is_own || !self.is_above_usage(span, true) };
            call.usage.is_positive() && counts && self.owner(span).is_none() && self.is_rooted(span)
        };
        let mut trees: BTreeMap<SpanId, BTreeSet<SpanId>> = BTreeMap::new();
        for &span in self.spans.keys() {
            if let Some(by) = self.introducer(span).filter(|_| is_left(span)) {
                trees.entry(self.top(span)).or_default().insert(by);
            }
        }
        for (top, introducers) in trees {
            let sessions: BTreeSet<_> = introducers.iter().map(|&by| self.session(by)).collect();
            if introducers.len() > 1 && sessions.len() == 1 && self.session(top).is_none() {
                self.runs.insert(top);
            } else {
                self.runs.extend(introducers);
            }
        }
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
                    topmost.contains(&run) && (self.spans[&run].kind == SpanKind::Workflow || self.spans[&onto].kind == SpanKind::Agent)
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
        } else if sessions.len() == 1 {
            let roots = self.spans.values().filter(|fact| fact.parent.is_none());
            self.whole = roots.map(|fact| fact.span).min_by_key(|&root| (self.start(root), root));
            self.runs.extend(self.whole);
            self.is_provisional = self.whole.is_none();
            if let Some(root) = self.whole {
                let lost = self.spans.keys().copied().filter(|&span| self.top(span) == span && !self.is_rooted(span));
                self.placed = lost.map(|top| (top, root)).collect();
            }
        }
    }
}
