//! Layer 2: from the facts of a trace to its runs. Pure: facts, prices and time come in as arguments; no bytes, no disk, no clock.

use crate::model::facts::SpanFact;
use crate::model::ids::{SpanId, TraceId};
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd};

/// The set of facts of one trace: the stored unit. Joining is idempotent, commutative and associative.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TraceFacts {}

/// What a fact did to its trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joined {
    New,
    /// It supersedes an earlier copy.
    Replaced,
    /// The copy that is there stays: a duplicate.
    Unchanged,
    /// The trace is over its limit and this fact bears nothing.
    Refused,
}

/// How much of a trace is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceLimit {
    pub max_spans: usize,
}

/// What the fold needs to know besides the facts.
pub struct Rules<'a> {
    /// The price of a call that states none, by its model, provider and start; `None` if nobody knows.
    pub price: &'a dyn Fn(&Call, UnixNanos) -> Option<NanoUsd>,
    /// A run without an end whose last activity lies before this has timed out.
    pub silent_since: UnixNanos,
}

/// What the fold decided about one span: whose it is and what of it counts. Stamps are made from this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub span: SpanId,
    /// Index into the runs; `None` is an orphan.
    pub run: Option<usize>,
    /// Tokens and cost that count, if its call counts.
    pub counted: Option<(u64, Option<NanoUsd>)>,
}

/// The runs of a trace, ordered by start and key, and a verdict on every span, ordered by span id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Folded {
    pub runs: Vec<Run>,
    pub verdicts: Vec<Verdict>,
}

impl TraceFacts {
    pub fn join(&mut self, fact: SpanFact, limit: TraceLimit) -> Joined {
        let _ = (fact, limit);
        Joined::New
    }

    /// Every fact, ordered by span id.
    pub fn iter(&self) -> impl Iterator<Item = &SpanFact> {
        std::iter::empty()
    }

    pub fn len(&self) -> usize {
        0
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Spans beyond the limit that were refused: distinct spans are not known, so this counts arrivals.
    pub fn n_refused(&self) -> u64 {
        0
    }

    pub fn weight(&self) -> usize {
        0
    }

    /// Puts back what was stored.
    pub fn restore(facts: Vec<SpanFact>, n_refused: u64) -> Self {
        let _ = (facts, n_refused);
        Self::default()
    }
}

/// Computes the runs of a trace from all of its facts.
pub fn fold(trace: TraceId, facts: &TraceFacts, rules: &Rules<'_>) -> Folded {
    let _ = (trace, facts, rules);
    Folded::default()
}
