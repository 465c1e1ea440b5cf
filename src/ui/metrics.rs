//! What the pages count about themselves.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::answered::Answered;

/// The counters of the pages; a clone counts into the same ones.
#[derive(Clone)]
pub struct UiMetrics(Answered);

/// Seconds: from a page out of memory (1 ms) to one that nobody waits for.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

// === impl UiMetrics ===

impl UiMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let durations = "Time from a page request's head to its answer's head, by route; of an event stream that is its beginning";
        self.0.register(registry, "sessionfold_ui", "Requests for pages by route and status", durations);
    }

    pub(super) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.0.count(route, status, took);
    }
}

impl Default for UiMetrics {
    fn default() -> Self {
        Self(Answered::new(|| Histogram::new(DURATION_BUCKETS)))
    }
}
