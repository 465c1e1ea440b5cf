//! The set of facts of one trace: joining, reading in order, and knowing how heavy it is.
//!
//! - The join of two copies of a span is the greater one, by the order of [`SpanFact`]'s fields.
//! - It never looks at what a fact means, except to tell apart what may be refused in an oversized trace.

use super::{Joined, TraceFacts, TraceLimit};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::ids::SpanId;

/// So many facts are inserted one by one before they are merged into the rest: a move of at most 30 KB for each, and one pass over the
/// trace for every 256 spans.
pub(super) const RECENT_MAX: usize = 256;

// === impl TraceFacts ===

impl TraceFacts {
    pub fn join(&mut self, fact: SpanFact, limit: TraceLimit) -> Joined {
        if let Some(held) = self.find_mut(fact.span) {
            if fact <= *held {
                return Joined::Unchanged;
            }
            let (before, after) = (held.weight(), fact.weight());
            *held = fact;
            self.facts_bytes = self.facts_bytes - before + after;
            return Joined::Replaced;
        }
        if self.len() >= limit.of(&fact) {
            self.n_refused = self.n_refused.saturating_add(1);
            return Joined::Refused;
        }
        self.insert(fact);
        Joined::New
    }

    /// Makes room for so many facts that are about to come.
    pub fn reserve(&mut self, n_facts: usize) {
        self.recent.reserve(n_facts.min(RECENT_MAX.saturating_sub(self.recent.len())));
    }

    /// Every fact, ordered by span id.
    pub fn iter(&self) -> impl Iterator<Item = &SpanFact> + Clone {
        let (mut settled, mut recent) = (&self.settled[..], &self.recent[..]);
        std::iter::from_fn(move || {
            let next = match (settled.first(), recent.first()) {
                (Some(s), Some(r)) if s.span < r.span => &mut settled,
                (Some(_), None) => &mut settled,
                _ => &mut recent,
            };
            let (first, rest) = next.split_first()?;
            *next = rest;
            Some(first)
        })
    }

    pub fn get(&self, span: SpanId) -> Option<&SpanFact> {
        let at = |facts: &[SpanFact]| facts.binary_search_by_key(&span, |fact| fact.span).ok();
        at(&self.recent).map(|at| &self.recent[at]).or_else(|| at(&self.settled).map(|at| &self.settled[at]))
    }

    pub fn len(&self) -> usize {
        self.settled.len() + self.recent.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spans beyond the limit that were refused: distinct spans are not known, so this counts arrivals.
    pub fn n_refused(&self) -> u64 {
        self.n_refused
    }

    /// Bytes this trace holds in memory, near enough to bound what open traces may take; spare capacity included.
    pub fn weight(&self) -> usize {
        let spare = self.settled.capacity() + self.recent.capacity() - self.len();
        size_of::<Self>() + self.facts_bytes + spare * size_of::<SpanFact>()
    }

    /// Puts back what was stored, in any order; of two copies of a span the greater is kept.
    pub fn restore(mut facts: Vec<SpanFact>, n_refused: u64) -> Self {
        facts.sort_unstable_by(|a, b| a.span.cmp(&b.span).then_with(|| b.cmp(a)));
        facts.dedup_by_key(|fact| fact.span);
        let facts_bytes = facts.iter().map(SpanFact::weight).sum();
        Self { settled: facts, recent: Vec::new(), n_refused, facts_bytes }
    }

    pub fn contains(&self, span: SpanId) -> bool {
        let holds = |facts: &[SpanFact]| facts.binary_search_by_key(&span, |fact| fact.span).is_ok();
        holds(&self.recent) || holds(&self.settled)
    }

    fn find_mut(&mut self, span: SpanId) -> Option<&mut SpanFact> {
        if let Ok(at) = self.recent.binary_search_by_key(&span, |fact| fact.span) {
            return self.recent.get_mut(at);
        }
        let at = self.settled.binary_search_by_key(&span, |fact| fact.span).ok()?;
        self.settled.get_mut(at)
    }

    fn insert(&mut self, fact: SpanFact) {
        self.facts_bytes += fact.weight();
        let at = self.recent.partition_point(|held| held.span < fact.span);
        self.recent.insert(at, fact);
        if self.recent.len() >= RECENT_MAX {
            self.settled.append(&mut self.recent);
            // Two ascending pieces: a stable sort merges them in one pass.
            self.settled.sort_by_key(|fact| fact.span);
        }
    }
}

/// Two sets are equal if they hold the same facts, however those are laid out.
impl PartialEq for TraceFacts {
    fn eq(&self, other: &Self) -> bool {
        self.n_refused == other.n_refused && self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for TraceFacts {}

// === impl TraceLimit ===

impl TraceLimit {
    /// How far over the limit spans that bear something are still taken.
    pub const BEARING_FACTOR: usize = 4;

    /// How many spans a trace may already hold for `fact` to be taken as a new one.
    fn of(self, fact: &SpanFact) -> usize {
        let bears = fact.call.is_some() || fact.labels.is_some() || matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow);
        if bears { self.max_spans.saturating_mul(Self::BEARING_FACTOR) } else { self.max_spans }
    }
}
