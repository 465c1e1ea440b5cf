//! Traces that are looked at again once the whole journal has been read: only then is it known what was exported of them before.

use rustc_hash::FxHashSet;

use crate::model::ids::TraceId;

/// So many traces of one tenant wait at most; what is beyond is corrected when a further span of it comes.
const MAX_TRACES: usize = 10_000;

/// Room for more is given back once they were looked at.
const USUAL_TRACES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Unsure(FxHashSet<TraceId>);

// === impl Unsure ===

impl Unsure {
    pub(super) fn add(&mut self, trace: TraceId) {
        if self.0.len() < MAX_TRACES {
            self.0.insert(trace);
        }
    }

    /// It became known in another way.
    pub(super) fn remove(&mut self, trace: TraceId) {
        if !self.0.is_empty() {
            self.0.remove(&trace);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, to be looked at now.
    pub(super) fn take(&mut self) -> Vec<TraceId> {
        let traces = self.0.drain().collect();
        self.0.shrink_to(USUAL_TRACES);
        traces
    }
}
