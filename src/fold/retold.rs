//! Calls that another trace tells of too: what is needed to see it, since no fold of one trace can.
//!
//! An instrumentation whose spans are never the current ones (`ScopeTraits::is_never_current`) cannot hold what is made inside its calls: a
//! client that is instrumented too begins a trace of its own there. A call of that one is retold if it lies within one of the other's, has
//! the same tokens and another scope. Elsewhere equal tokens at one time are also what two calls at once look like.

use super::{Folded, TraceFacts};
use crate::model::Str;
use crate::model::facts::SpanFact;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::Usage;

/// One span's telling of a call that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    scope: Str,
    start: UnixNanos,
    end: UnixNanos,
    /// Input and output.
    tokens: (Option<u64>, Option<u64>),
}

/// Whether all of a run may be told by another one: it has calls and names no agent.
pub fn may_be_retold(run: &Run) -> bool {
    run.agent.is_empty() && run.usage.calls > 0 && run.session.is_some() && !run.is_retelling && !run.is_reported
}

impl Telling {
    /// The calls that count in a run, as their spans tell of them.
    pub fn all_of(run: &Run, facts: &TraceFacts, folded: &Folded) -> Vec<Self> {
        let at = folded.runs.iter().position(|known| known.id == run.id);
        let counted = folded.verdicts.iter().filter(|verdict| verdict.counted.is_some() && verdict.run == at && at.is_some());
        let calls = counted.filter_map(|verdict| facts.get(verdict.span)).filter_map(|fact| Some((fact, fact.call.as_deref()?.usage)));
        let telling = |(fact, usage): (&SpanFact, Usage)| Self {
            scope: fact.scope.clone(),
            start: fact.start,
            end: fact.end.max(fact.start),
            tokens: (usage.input_tokens, usage.output_tokens),
        };
        calls.map(telling).collect()
    }

    /// Whether `outer`, of a run that retells, tells of this call.
    pub fn is_retold_by(&self, outer: &Self) -> bool {
        let is_inside = self.start >= outer.start && self.end <= outer.end;
        is_inside && self.scope != outer.scope && self.tokens == outer.tokens && self.tokens != (None, None)
    }
}
