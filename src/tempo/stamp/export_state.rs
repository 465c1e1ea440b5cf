//! What was exported for recent traces, spans and sums, so that later changes go out as differences.
//!
//! - Bounded in bytes, over all tenants ([`super::memory`]): the traces that were silent longest are forgotten in bulk. Sums stay
//!   correct as long as the stamps of what is forgotten were final, which they nearly always are; a repetition of a forgotten span is sent again.
//! - A trace that comes back, or was begun by a process before this one, starts with what the index knew of it without the new spans.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::account::{Accounts, Amounts, Owner, is_over, own_span};
use super::generations::Generations;
use crate::fold::{Decided, Verdict};
use crate::model::facts::Delivery;
use crate::model::ids::{SessionId, SpanId, TraceId};
use crate::model::run::Run;
use crate::tempo::recover::ask::{Holdings, Sums};

/// A span in the map, and its share of the room that maps keep free.
const SPAN_BYTES: usize = 2 * size_of::<SpanExport>();

/// Up to so many spans are looked through one by one.
const FEW_MAX: usize = 24;

/// Room for so many is made at once.
const FEW_USUAL: usize = 8;

/// Two generations of one tenant's traces: when a new one begins, the young one becomes the old one, and what was in the old one and not
/// touched since is forgotten.
#[derive(Debug)]
pub(super) struct ExportState {
    young: FxHashMap<TraceId, Box<TraceExport>>,
    old: FxHashMap<TraceId, Box<TraceExport>>,
    /// Counts what is young, over all tenants.
    generations: Arc<Generations>,
    /// The one that `young` is of.
    generation: u64,
}

#[derive(Debug, Default)]
pub(super) struct TraceExport {
    /// Every span of the trace that was seen.
    spans: Spans,
    /// The sums that Tempo has, with those that it had at the beginning.
    pub(super) accounts: Accounts,
    /// Runs for which a span of our own was exported, by the span that would be theirs.
    pub(super) synthetic: Vec<SpanId>,
    /// Whether `accounts` holds what was exported before this trace was first seen here.
    pub(super) is_begun: bool,
}

/// Most traces have a handful of spans, and some have a hundred thousand.
#[derive(Debug)]
enum Spans {
    Few(Vec<SpanExport>),
    Many(FxHashMap<SpanId, SpanExport>),
}

#[derive(Clone, Copy, Debug)]
struct SpanExport {
    id: SpanId,
    /// Of the bytes of the last copy: it distinguishes a repetition from a fuller copy.
    checksum: u32,
    is_sent: bool,
}

/// How a span compares with those that were seen before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Never,
    /// Byte for byte.
    Already,
    /// With other bytes.
    Differently,
}

// === impl ExportState ===

impl ExportState {
    pub(super) fn new(generations: Arc<Generations>) -> Self {
        let generation = generations.current();
        Self { young: FxHashMap::default(), old: FxHashMap::default(), generations, generation }
    }

    /// Forgets what is due by the generations that began since the last call. Called where no trace is taken out.
    pub(super) fn catch_up(&mut self) {
        let now = self.generations.current();
        let n_begun = now - self.generation;
        if n_begun == 0 {
            return;
        }
        self.old = if n_begun == 1 { std::mem::take(&mut self.young) } else { FxHashMap::default() };
        self.young = FxHashMap::default();
        self.generation = now;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    pub(super) fn knows(&self, trace: TraceId) -> bool {
        self.young.contains_key(&trace) || self.old.contains_key(&trace)
    }

    /// What is known of the trace; it counts as touched.
    pub(super) fn trace(&mut self, trace: TraceId) -> &mut TraceExport {
        match self.young.entry(trace) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let exported = self.old.remove(&trace).unwrap_or_default();
                self.generations.grow(exported.weight());
                place.insert(exported)
            }
        }
    }

    /// Takes what is known of a trace out, to be put back soon.
    pub(super) fn take(&mut self, trace: TraceId) -> Box<TraceExport> {
        if let Some(exported) = self.young.remove(&trace) {
            self.generations.shrink(exported.weight());
            return exported;
        }
        self.old.remove(&trace).unwrap_or_default()
    }

    pub(super) fn put_back(&mut self, trace: TraceId, exported: Box<TraceExport>) {
        self.generations.grow(exported.weight());
        self.young.insert(trace, exported);
    }

    /// Notes spans of one trace that wait to be sent, and says of each how it compares with what was seen before.
    pub(super) fn meet<'a>(&mut self, trace: TraceId, spans: impl Iterator<Item = (SpanId, u32, &'a mut Seen)>) {
        let mut n_new = 0;
        let exported = self.trace(trace);
        for (id, checksum, seen) in spans {
            *seen = exported.spans.meet(id, checksum);
            n_new += usize::from(*seen == Seen::Never);
        }
        self.generations.grow(n_new * SPAN_BYTES);
    }
}

// === impl Spans ===

impl Default for Spans {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Spans {
    fn meet(&mut self, id: SpanId, checksum: u32) -> Seen {
        if let Some(known) = self.find(id) {
            let is_same = known.checksum == checksum;
            known.checksum = checksum;
            return if is_same { Seen::Already } else { Seen::Differently };
        }
        let span = SpanExport { id, checksum, is_sent: false };
        match self {
            Self::Few(spans) if spans.len() < FEW_MAX => {
                if spans.capacity() == 0 {
                    spans.reserve_exact(FEW_USUAL);
                }
                spans.push(span);
            }
            Self::Few(spans) => {
                let many = spans.drain(..).chain([span]).map(|span| (span.id, span)).collect();
                *self = Self::Many(many);
            }
            Self::Many(spans) => _ = spans.insert(id, span),
        }
        Seen::Never
    }

    /// It is with Tempo; nothing is known of its bytes.
    fn note_sent(&mut self, id: SpanId) {
        if self.find(id).is_none() {
            self.meet(id, 0);
        }
        if let Some(span) = self.find(id) {
            span.is_sent = true;
        }
    }

    fn find(&mut self, id: SpanId) -> Option<&mut SpanExport> {
        match self {
            Self::Few(spans) => spans.iter_mut().find(|span| span.id == id),
            Self::Many(spans) => spans.get_mut(&id),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &SpanExport> {
        let (few, many) = match self {
            Self::Few(spans) => (Some(spans.iter()), None),
            Self::Many(spans) => (None, Some(spans.values())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    fn len(&self) -> usize {
        match self {
            Self::Few(spans) => spans.len(),
            Self::Many(spans) => spans.len(),
        }
    }
}

// === impl TraceExport ===

impl TraceExport {
    /// The span leaves.
    pub(super) fn send(&mut self, id: SpanId) {
        if let Some(span) = self.spans.find(id) {
            span.is_sent = true;
        }
    }

    pub(super) fn n_spans(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn ids(&self) -> FxHashSet<SpanId> {
        self.spans.iter().map(|span| span.id).collect()
    }

    /// Begins with what must have been exported before: `before` is the decision without the spans that were seen here.
    pub(super) fn begin(&mut self, before: Option<&Decided>) {
        self.is_begun = true;
        let Some(before) = before else { return };
        let mut by_spans = Accounts::default();
        for verdict in &before.verdicts {
            add(&mut by_spans, before, verdict);
            add(&mut self.accounts, before, verdict);
        }
        for (at, run) in before.runs.iter().enumerate().filter_map(|(at, run)| Some((at, run.as_ref()?))) {
            // A turn of which only the prompt is from before was not exported.
            let is_turn = before.verdict(run.key.span).is_some();
            let has_spans = || before.verdicts.iter().any(|verdict| verdict.run == Some(at) && verdict.delivery == Delivery::Forwarded);
            if is_over(run) && needs_synthetic_span(before, run) && (!is_turn || has_spans()) {
                let owner = Owner::of(run);
                self.accounts.add(&owner, Amounts::in_all(&run.usage).minus(by_spans.of(&owner)));
                self.synthetic.push(run.key.span);
            }
        }
    }

    /// Begins with what Tempo was found to hold, unless it has begun: the stamps there are what was exported, whatever is decided now.
    pub(super) fn begin_with(&mut self, held: &Holdings, decided: Option<&Decided>) {
        if std::mem::replace(&mut self.is_begun, true) {
            return;
        }
        let run = |id: &str| decided?.runs.iter().flatten().find(|run| run.id.get().to_string() == id);
        let own_span_of = |id: &String| run(id).map(|run| run.key.span).or_else(|| held.own_spans.get(id).copied());
        for sums in &held.sums {
            let session = sums.session.as_deref().and_then(SessionId::new);
            let owner = Owner { run: sums.run_id.as_ref().and_then(own_span_of), session };
            let Sums { cost, tokens, run_cost, run_tokens, run_calls, .. } = *sums;
            self.accounts.add(&owner, Amounts { cost, tokens, run_cost, run_tokens, run_calls });
        }
        self.synthetic.extend(held.synthetic.iter().filter_map(own_span_of));
        // Those that still come by must not be counted once more as waiting.
        held.spans().for_each(|id| self.spans.note_sent(id));
    }

    /// Whether spans were seen that are not sent yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.spans.iter().any(|span| !span.is_sent)
    }

    /// The sums that the stamps on the waiting spans will come to, as things are: mostly few spans of a trace.
    pub(super) fn expected(&self, now: &Decided) -> Accounts {
        let mut expected = Accounts::default();
        for verdict in self.spans.iter().filter(|span| !span.is_sent).filter_map(|span| now.verdict(span.id)) {
            add(&mut expected, now, verdict);
        }
        expected
    }

    fn weight(&self) -> usize {
        size_of::<(TraceId, Self)>() + self.spans.len() * SPAN_BYTES + self.accounts.weight()
    }
}

/// No span of the sender's stands for the run.
pub(super) fn needs_synthetic_span(decided: &Decided, run: &Run) -> bool {
    decided.verdict(run.key.span).is_none_or(|verdict| verdict.delivery == Delivery::WhenOver)
}

/// The stamps of one span, by this decision.
fn add(accounts: &mut Accounts, decided: &Decided, verdict: &Verdict) {
    let Some(run) = verdict.run.and_then(|run| decided.run(run)) else { return };
    if verdict.delivery != Delivery::Forwarded {
        return;
    }
    if let Some((tokens, cost)) = verdict.counted {
        accounts.add_of(run, Amounts::of_call(tokens, cost));
    }
    if own_span(run) == Some(verdict.span) {
        accounts.add_of(run, Amounts::of_run(&run.usage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(n: u128) -> TraceId {
        TraceId::from_bytes(&n.to_be_bytes()).unwrap()
    }

    fn export_state() -> (ExportState, Arc<Generations>) {
        let generations = Arc::new(Generations::new(1 << 20));
        (ExportState::new(generations.clone()), generations)
    }

    fn meet(exported: &mut ExportState, n: u128, span: u64, checksum: u32) -> Seen {
        let mut seen = Seen::Never;
        exported.meet(trace(n), std::iter::once((SpanId::from_u64(span).unwrap(), checksum, &mut seen)));
        seen
    }

    #[test]
    fn a_repetition_is_distinguished_from_a_fuller_copy_in_small_traces_and_in_large_ones() {
        let (mut exported, _) = export_state();
        for span in 1..=100 {
            assert_eq!(meet(&mut exported, 1, span, 7), Seen::Never);
            assert_eq!(meet(&mut exported, 1, span, 7), Seen::Already);
            assert_eq!(meet(&mut exported, 1, span, 8), Seen::Differently);
            assert_eq!(meet(&mut exported, 1, span, 8), Seen::Already);
        }
        assert_eq!(exported.trace(trace(1)).n_spans(), 100);
        assert_eq!(meet(&mut exported, 2, 1, 7), Seen::Never, "another trace");
    }

    #[test]
    fn a_trace_that_is_taken_out_and_put_back_weighs_what_it_did() {
        let (mut exported, generations) = export_state();
        meet(&mut exported, 1, 1, 7);
        let before = generations.young_bytes();
        let taken = exported.take(trace(1));
        assert!(generations.young_bytes() < before && !exported.knows(trace(1)));
        exported.put_back(trace(1), taken);
        assert_eq!(generations.young_bytes(), before);
    }
}
