//! Calls that a run in another trace of the session seems to tell of too: by two instrumentations that know nothing of one another.
//!
//! Both count: equal tokens at one time are also what two calls at once look like (decision 054). Whoever asks why is told.

use super::view::Unit;
use crate::fold::Folded;
use crate::model::facts::SpanFact;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::StoreError;
use crate::store::explain::ToldElsewhere;
use crate::store::local::disk::read::Reader;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::view::RunBrief;

/// Runs that are looked into, and calls of each.
const RUNS_MAX: usize = 20;
const CALLS_MAX: usize = 200;

impl LocalStore {
    /// The first run found that tells of a call of `run`, which is one of those that `unit` was folded to.
    pub(in crate::store::local) fn told_elsewhere(
        &self,
        cell: &TenantCell,
        reader: &Reader,
        run: &Run,
        (unit, folded): (&Unit, &Folded),
    ) -> Result<Option<ToldElsewhere>, StoreError> {
        let failed = |error| store_error("look for other tellings of a run", error);
        let Some((session, no)) = run.session.as_ref().and_then(|session| Some((session, cell.read().index.find(session)?))) else {
            return Ok(None);
        };
        let own = calls(unit, folded, run);
        let end = run.completed_at.unwrap_or(UnixNanos::MAX);
        let is_beside = |other: &Run| other.key.trace != run.key.trace && other.usage.calls > 0;
        let goes_on = |other: &Run| other.started_at <= end && other.completed_at.is_none_or(|end| end >= run.started_at);
        let beside = self.runs_beside(cell, reader, no, session, run)?;
        for other in beside.iter().filter(|other| is_beside(other) && goes_on(other)).take(RUNS_MAX) {
            let Some(unit) = self.unit(cell, reader, other.key.trace).map_err(failed)? else { continue };
            let folded = self.fold_unit(cell, reader, other.key.trace, &unit).map_err(failed)?;
            let theirs = calls(&unit, &folded, other);
            if let Some(twin) = theirs.iter().find(|theirs| own.iter().any(|own| is_twin(own, theirs))) {
                return Ok(Some(ToldElsewhere { run: RunBrief::of(other), scope: twin.scope.clone() }));
            }
        }
        Ok(None)
    }
}

/// The calls that count in a run.
fn calls<'a>(unit: &'a Unit, folded: &Folded, run: &Run) -> Vec<&'a SpanFact> {
    let at = folded.runs.iter().position(|known| known.id == run.id);
    let counted = folded.verdicts.iter().filter(|verdict| verdict.counted.is_some() && verdict.run == at && at.is_some());
    let facts = counted.filter_map(|verdict| unit.facts.get(verdict.span)).filter(|fact| fact.kind.is_model());
    facts.take(CALLS_MAX).collect()
}

/// As `fold::twins` finds them in one trace: nothing contradicts it, the tokens are equal, and one lies within the other's time.
fn is_twin(a: &SpanFact, b: &SpanFact) -> bool {
    let (Some(one), Some(other)) = (&a.call, &b.call) else { return false };
    let tokens = |call: &crate::model::usage::Call| (call.usage.input_tokens, call.usage.output_tokens);
    let is_same_answer = one.response == 0 || other.response == 0 || one.response == other.response;
    let lies_in = |inner: &SpanFact, outer: &SpanFact| inner.start >= outer.start && inner.end <= outer.end;
    a.scope != b.scope && one.usage.tokens() > 0 && tokens(one) == tokens(other) && is_same_answer && (lies_in(a, b) || lies_in(b, a))
}
