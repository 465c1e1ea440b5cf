//! What each run was asked first.
//!
//! - What the run's own span says stands, then what its report was started with, then what the earliest of its spans says that says
//!   anything; ties by span id.

use super::boundary::Territory;
use super::scratch::{List, Scratch};
use super::tree::Forest;
use crate::model::Str;
use crate::model::ids::SpanId;
use crate::model::question::made_out;
use crate::model::time::UnixNanos;

/// The best span of each run so far, by its place among the seeds; empty where no span says anything.
pub(super) struct Questions<'a>(List<'a, Option<Asked>>);

/// The least of a run's is its question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    is_inside: bool,
    start: UnixNanos,
    id: SpanId,
    span: u32,
}

// === impl Questions ===

impl<'a> Questions<'a> {
    pub(super) fn none(scratch: &'a Scratch) -> Self {
        Self(scratch.list(0))
    }

    /// Takes note of a span that says what it was asked, and that is a run's.
    pub(super) fn note(&mut self, forest: &Forest<'_>, territory: &Territory<'_>, span: u32) {
        if self.0.is_empty() {
            self.0.resize(territory.seeds.len(), None);
        }
        let owner = territory.owner[span as usize] as usize;
        let is_inside = territory.seeds[owner].span != span;
        let asked = Asked { is_inside, start: forest.start[span as usize], id: forest.fact(span).span, span };
        let best = &mut self.0[owner];
        *best = Some(best.map_or(asked, |best| best.min(asked)));
    }

    /// In the order of the territory's seeds; empty where nobody says anything.
    pub(super) fn by_run(&self, forest: &Forest<'a>, territory: &Territory<'_>) -> List<'a, Option<Str>> {
        let mut asked = forest.scratch.list(0);
        if self.0.is_empty() && forest.reports.is_empty() {
            return asked;
        }
        let question = |(at, seed): (usize, &super::boundary::Seed)| {
            let best = self.0.get(at).copied().flatten();
            let said = |asked: Asked| forest.fact(asked.span).question.as_deref().cloned();
            let reported = || made_out(forest.report(seed.span)?.report.start.as_ref()?.inputs.as_deref()?).map(Str::from);
            best.filter(|asked| !asked.is_inside).and_then(said).or_else(reported).or_else(|| best.and_then(said))
        };
        asked.extend(territory.seeds.iter().enumerate().map(question));
        asked
    }
}
