//! What the fold decided of a trace, in the form that readers beside the index share.

use std::sync::Arc;

use super::{Folded, Verdict};
use crate::model::ids::SpanId;
use crate::model::run::Run;

/// The runs and verdicts of one fold of one trace.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decided {
    /// In the order that the verdicts refer to; `None` is a run that is not shown.
    pub runs: Vec<Option<Arc<Run>>>,
    /// One for every span that is known, ordered by span id.
    pub verdicts: Vec<Verdict>,
    /// Some runs are not shown because their session was deleted.
    pub has_deleted: bool,
}

// === impl Decided ===

impl Decided {
    pub fn verdict(&self, span: SpanId) -> Option<&Verdict> {
        let at = self.verdicts.binary_search_by_key(&span, |verdict| verdict.span).ok()?;
        self.verdicts.get(at)
    }

    pub fn run(&self, at: usize) -> Option<&Arc<Run>> {
        self.runs.get(at)?.as_ref()
    }
}

impl From<Folded> for Decided {
    fn from(folded: Folded) -> Self {
        Self { runs: folded.runs.into_iter().map(|run| Some(Arc::new(run))).collect(), verdicts: folded.verdicts, has_deleted: false }
    }
}
