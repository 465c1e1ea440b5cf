//! The spans of a trace as a forest: who hangs from whom, parents before children, every cycle cut.
//!
//! - Spans are numbered by their place among all spans ordered by span id; [`NONE`] is "no such span".
//! - A *top* has no parent here. It is a *real root* if it names no parent at all, and *lost* if the parent it names is not here (yet), or
//!   if a cycle was cut above it.
//! - Nothing recurses; a chain of a hundred thousand spans costs what as many siblings cost.

use std::collections::BTreeMap;

use super::TraceFacts;
use super::report_placement::Placed;
use super::scratch::{List, Scratch};
use super::turns::{self, Hung};
use super::why::Handed;
use crate::model::Str;
use crate::model::facts::{Delivery, SpanFact};
use crate::model::ids::{SessionId, SpanId};
use crate::model::logs;
use crate::model::scopes::{ScopeTraits, scope_traits};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, ServiceTier, Usage};

/// No span, or no run.
pub(super) const NONE: u32 = u32::MAX;

pub(super) struct Forest<'a> {
    /// Where everything lies that is worked out for each span or run.
    pub scratch: &'a Scratch,
    /// Ordered by span id.
    pub facts: &'a [&'a SpanFact],
    /// What the scope of each span says of it.
    scope: &'a [ScopeSays],
    /// What each span hangs from, [`NONE`] for a top.
    pub parent: &'a mut [u32],
    /// Every span, parents before children.
    pub order: &'a [u32],
    /// The top of each span's tree, as the spans themselves tell it: [`Forest::graft`] does not change it.
    pub top: &'a [u32],
    /// The session that each span names, as it holds there: what a framework minted, and what the resource names, hold only where no
    /// other is in effect.
    pub session: &'a [Option<&'a SessionId>],
    /// When each span started: its start, else its earliest child's, else its end.
    pub start: &'a [UnixNanos],
    /// The trace holds more spans than were kept.
    pub is_truncated: bool,
    /// What log events tell of turns.
    pub hung: Hung,
    /// Spans that are runs which were reported too, ordered.
    pub reports: Vec<(u32, &'a Placed<'a>)>,
    /// Usage of which a span knows less than another that tells of the same call; few spans have one.
    pub mended: BTreeMap<u32, Usage>,
    /// How calls were served of which only another span of the same call says so.
    pub lent_tiers: BTreeMap<u32, ServiceTier>,
    /// Calls that name no model, and the nearest span above that names one.
    pub model_of: BTreeMap<u32, u32>,
    /// What told of a call once more, and the span that stands for it.
    pub told_by: BTreeMap<u32, u32>,
    /// What spans that were left out gave to others.
    pub handed: Vec<Handed>,
}

/// What is known of the scope of a span, looked up once for all spans of it.
#[derive(Clone, Copy)]
pub(super) struct ScopeSays {
    pub traits: &'static ScopeTraits,
    /// Its spans are made of log events.
    pub is_of_logs: bool,
}

/// Who is above whom.
pub(super) struct Lineage {
    place: Vec<u32>,
    /// The span itself counts too.
    n_below: Vec<u32>,
}

// === impl Lineage ===

impl Lineage {
    /// Whether one of two different spans is above the other.
    pub fn are_related(&self, a: u32, b: u32) -> bool {
        let is_above = |upper: u32, lower: u32| {
            let (first, place) = (self.place[upper as usize], self.place[lower as usize]);
            (first..first + self.n_below[upper as usize]).contains(&place)
        };
        is_above(a, b) || is_above(b, a)
    }
}

// === impl Forest ===

impl<'a> Forest<'a> {
    pub fn plant(set: &'a TraceFacts, placed: &'a [Placed<'a>], scratch: &'a Scratch) -> Self {
        let mut facts = scratch.list(set.len() + placed.len());
        facts.extend(set.iter());
        let stand_ins = placed.iter().filter_map(|placed| placed.stand_in.as_ref());
        facts.extend(stand_ins);
        if facts.len() > set.len() {
            facts.sort_unstable_by_key(|fact| fact.span);
        }
        let facts: &[&SpanFact] = facts.into_bump_slice();
        let scope = scopes(scratch, facts);
        let parent = parents(scratch, facts);
        let hung = turns::hang(facts, scope, parent);
        let order = parents_first(scratch, parent, |span| {
            let fact = facts[span as usize];
            // An unknown start says least about who was first.
            (if fact.start == UnixNanos::ZERO { UnixNanos::MAX } else { fact.start }, fact.span)
        });
        let top = tops(scratch, parent, order);
        let start = starts(scratch, facts, parent, order);
        let session = sessions(scratch, facts, parent, order);
        let mut reports: Vec<(u32, &Placed<'_>)> = placed.iter().map(|placed| (find(facts, placed.span), placed)).collect();
        reports.retain(|&(span, _)| span != NONE);
        reports.sort_unstable_by_key(|&(span, _)| span);
        Self {
            scratch,
            facts,
            scope,
            parent,
            order,
            top,
            session,
            start,
            is_truncated: set.n_refused() > 0,
            hung,
            reports,
            mended: BTreeMap::new(),
            lent_tiers: BTreeMap::new(),
            model_of: BTreeMap::new(),
            told_by: BTreeMap::new(),
            handed: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// The same for each span, to be changed in place.
    pub fn per_span<T: Copy>(&self, value: T) -> &'a mut [T] {
        self.scratch.filled(self.len(), value)
    }

    /// What was reported of the run that this span is.
    pub fn report(&self, span: u32) -> Option<&'a Placed<'a>> {
        if self.reports.is_empty() {
            return None;
        }
        self.reports.binary_search_by_key(&span, |&(at, _)| at).ok().map(|at| self.reports[at].1)
    }

    pub fn fact(&self, span: u32) -> &'a SpanFact {
        self.facts[span as usize]
    }

    /// What the scope of a span says of it.
    pub fn scope(&self, span: u32) -> ScopeSays {
        self.scope[span as usize]
    }

    /// How Tempo comes to know of a span.
    pub fn delivery(&self, span: u32) -> Delivery {
        if self.scope(span).is_of_logs { turns::delivery(self.fact(span)) } else { Delivery::Forwarded }
    }

    /// What a span used, as far as anybody knows.
    pub fn usage(&self, span: u32) -> Option<&Usage> {
        let own = self.fact(span).call.as_deref().map(|call| &call.usage)?;
        if self.mended.is_empty() { Some(own) } else { Some(self.mended.get(&span).unwrap_or(own)) }
    }

    /// How the span's call was served.
    pub fn tier(&self, span: u32) -> Option<ServiceTier> {
        let own = self.fact(span).call.as_deref().and_then(|call| call.tier);
        own.or_else(|| self.lent_tiers.get(&span).copied())
    }

    /// The call that says which model a span used, and whose.
    pub fn named_call(&self, span: u32) -> Option<&'a Call> {
        let by = if self.model_of.is_empty() { span } else { self.model_of.get(&span).copied().unwrap_or(span) };
        self.fact(by).call.as_deref()
    }

    /// Finds for calls that name no model the nearest span above that does.
    pub fn lend_models(&mut self) {
        let names_none = |fact: &SpanFact| fact.kind.is_model() && fact.call.as_deref().is_some_and(|call| call.model.is_empty());
        if !self.facts.iter().any(|fact| names_none(fact)) {
            return;
        }
        let nearest = self.per_span(NONE);
        for &span in self.order {
            let above = self.parent(span).map_or(NONE, |parent| nearest[parent as usize]);
            let names_one = self.fact(span).call.as_deref().is_some_and(|call| !call.model.is_empty());
            nearest[span as usize] = if names_one { span } else { above };
            if above != NONE && names_none(self.fact(span)) {
                self.model_of.insert(span, above);
            }
        }
    }

    pub fn parent(&self, span: u32) -> Option<u32> {
        let parent = self.parent[span as usize];
        (parent != NONE).then_some(parent)
    }

    /// What the span itself says that it hangs from, if that is here.
    pub fn own_parent(&self, span: u32) -> Option<u32> {
        if self.top[span as usize] == span { None } else { self.parent(span) }
    }

    /// Whether the tree of `span` ends in a real root.
    pub fn is_rooted(&self, span: u32) -> bool {
        self.fact(self.top[span as usize]).parent.is_none()
    }

    pub fn tops(&self) -> impl Iterator<Item = u32> + use<'_, 'a> {
        (0..self.len() as u32).filter(|&span| self.top[span as usize] == span)
    }

    /// Where a span stands in time among its like: its start, ties by span id.
    pub fn rank(&self, span: u32) -> (UnixNanos, SpanId) {
        (self.start[span as usize], self.fact(span).span)
    }

    /// When a span stopped containing others: its end, never before its start; a span that has not ended contains all that follows.
    pub fn contains_until(&self, span: u32) -> UnixNanos {
        match self.fact(span).end {
            UnixNanos::ZERO => UnixNanos::MAX,
            end => end.max(self.start[span as usize]),
        }
    }

    /// Hangs lost tops from spans of other trees. The links must not close a cycle.
    pub fn graft(&mut self, links: &[(u32, u32)]) {
        if links.is_empty() {
            return;
        }
        for &(top, onto) in links {
            self.parent[top as usize] = onto;
        }
        self.order = parents_first(self.scratch, self.parent, |span| span);
        self.session = sessions(self.scratch, self.facts, self.parent, self.order);
    }

    /// Where each span stands in a walk that finishes what is below a span before it goes on beside it, by what the spans tell themselves.
    pub fn lineage(&self) -> Lineage {
        let mut n_below = vec![1_u32; self.len()];
        for &span in self.order.iter().rev() {
            if let Some(parent) = self.own_parent(span) {
                n_below[parent as usize] += n_below[span as usize];
            }
        }
        let (mut place, mut next) = (vec![0; self.len()], vec![0; self.len()]);
        let mut next_tree = 0;
        for &span in self.order {
            let free = match self.own_parent(span) {
                Some(parent) => &mut next[parent as usize],
                None => &mut next_tree,
            };
            place[span as usize] = *free;
            *free += n_below[span as usize];
            next[span as usize] = place[span as usize] + 1;
        }
        Lineage { place, n_below }
    }

    /// For each span, the span that brought in the session that is in effect there: the topmost of those above it (and itself) that name
    /// this session without another in between. [`NONE`] where no session is in effect.
    pub fn introducers(&self) -> &'a [u32] {
        let introducer = self.per_span(NONE);
        for &span in self.order {
            let above = self.parent(span).map_or(NONE, |parent| introducer[parent as usize]);
            introducer[span as usize] = match self.session[span as usize] {
                Some(own) if above == NONE || self.session[above as usize] != Some(own) => span,
                _ => above,
            };
        }
        introducer
    }
}

fn find(facts: &[&SpanFact], id: SpanId) -> u32 {
    facts.binary_search_by_key(&id, |fact| fact.span).map_or(NONE, |at| at as u32)
}

fn scopes<'a>(scratch: &'a Scratch, facts: &[&SpanFact]) -> &'a [ScopeSays] {
    let mut said: List<'_, ScopeSays> = scratch.list(facts.len());
    for (at, fact) in facts.iter().enumerate() {
        // Most spans of a trace are of one scope, whose name is one allocation.
        let is_as_before = at > 0 && Str::ptr_eq(&fact.scope, &facts[at - 1].scope);
        said.push(match said.last() {
            Some(before) if is_as_before => *before,
            _ => ScopeSays { traits: scope_traits(&fact.scope), is_of_logs: logs::is_of_logs(&fact.scope) },
        });
    }
    said.into_bump_slice()
}

fn parents<'a>(scratch: &'a Scratch, facts: &[&SpanFact]) -> &'a mut [u32] {
    let parent = scratch.filled(facts.len(), NONE);
    // Many spans have the parent of the one before.
    let mut before = None;
    for (fact, parent) in facts.iter().zip(parent.iter_mut()) {
        let Some(id) = fact.parent else { continue };
        *parent = match before {
            Some((known, at)) if known == id => at,
            _ => find(facts, id),
        };
        before = Some((id, *parent));
    }
    parent
}

/// Orders all spans so that each comes after its parent. A cycle is cut above its least member by `key`, which becomes a top.
fn parents_first<'a, K: Ord>(scratch: &'a Scratch, parent: &mut [u32], key: impl Fn(u32) -> K) -> &'a [u32] {
    const ON_PATH: u8 = 1;
    const PLACED: u8 = 2;
    let state = scratch.filled(parent.len(), 0_u8);
    let mut order: List<'_, u32> = scratch.list(parent.len());
    for first in 0..parent.len() as u32 {
        // The way from a span up to one that is placed already; turned round, it is what follows in the order.
        let placed = order.len();
        let mut at = first;
        while at != NONE && state[at as usize] == 0 {
            state[at as usize] = ON_PATH;
            order.push(at);
            at = parent[at as usize];
        }
        let path = &mut order[placed..];
        if at != NONE && state[at as usize] == ON_PATH {
            let entry = path.iter().rposition(|&span| span == at).expect("a span marked as on the path is on it");
            let cut = (entry..path.len()).min_by_key(|&p| key(path[p])).expect("a cycle has a member");
            parent[path[cut] as usize] = NONE;
            // The cycle now begins at `cut`: turned so that the cut span is last on the path, it is placed first.
            path[entry..].rotate_left(cut - entry + 1);
        }
        path.reverse();
        path.iter().for_each(|&span| state[span as usize] = PLACED);
    }
    order.into_bump_slice()
}

fn tops<'a>(scratch: &'a Scratch, parent: &[u32], order: &[u32]) -> &'a [u32] {
    let top = scratch.filled(parent.len(), NONE);
    for &span in order {
        let above = parent[span as usize];
        top[span as usize] = if above == NONE { span } else { top[above as usize] };
    }
    top
}

/// How firmly a session is named; what is named more firmly holds for all that is below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Firmness {
    Nowhere,
    ByResource,
    Weakly,
    Strongly,
}

fn sessions<'a>(scratch: &'a Scratch, facts: &[&'a SpanFact], parent: &[u32], order: &[u32]) -> &'a [Option<&'a SessionId>] {
    let session = scratch.filled(facts.len(), None);
    if facts.iter().all(|fact| fact.session().is_none() && fact.resource_session().is_none()) {
        return session;
    }
    let firmness = scratch.filled(facts.len(), Firmness::Nowhere);
    for &span in order {
        let (fact, above) = (facts[span as usize], parent[span as usize]);
        let in_effect = if above == NONE { Firmness::Nowhere } else { firmness[above as usize] };
        let (named, firmly) = match fact.session() {
            Some(own) if !fact.is_session_weak() => (Some(own), Firmness::Strongly),
            Some(own) if in_effect < Firmness::Weakly => (Some(own), Firmness::Weakly),
            Some(_) => (None, in_effect),
            None if in_effect == Firmness::Nowhere && fact.resource_session().is_some() => (fact.resource_session(), Firmness::ByResource),
            None => (None, in_effect),
        };
        (session[span as usize], firmness[span as usize]) = (named, firmly);
    }
    session
}

fn starts<'a>(scratch: &'a Scratch, facts: &[&SpanFact], parent: &[u32], order: &[u32]) -> &'a [UnixNanos] {
    let earliest_child = scratch.filled(facts.len(), UnixNanos::MAX);
    let start = scratch.filled(facts.len(), UnixNanos::ZERO);
    for &span in order.iter().rev() {
        let fact = facts[span as usize];
        start[span as usize] = match (fact.start, earliest_child[span as usize]) {
            (UnixNanos::ZERO, UnixNanos::MAX) => fact.end,
            (UnixNanos::ZERO, child) => child,
            (own, _) => own,
        };
        let above = parent[span as usize];
        if above != NONE && start[span as usize] != UnixNanos::ZERO {
            let earliest = &mut earliest_child[above as usize];
            *earliest = start[span as usize].min(*earliest);
        }
    }
    start
}
