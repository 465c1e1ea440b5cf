//! What the pages count about themselves.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The counters of the pages; a clone counts into the same ones.
#[derive(Clone)]
pub struct UiMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

/// Both labels have few values: the routes of the table, and the statuses we send.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

/// Seconds: from a page out of memory (1 ms) to one that nobody waits for.
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

// === impl UiMetrics ===

impl UiMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sessionfold_ui");
        registry.register("requests", "Requests for pages by route and status", self.requests.clone());
        let help = "Time from a page request's head to its answer's head, by route; of an event stream that is its beginning";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.durations.clone());
    }

    pub(super) fn answered(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status: u32::from(status.as_u16()) }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }
}

impl Default for UiMetrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        Self { requests: Family::default(), durations: Family::new_with_constructor(histogram) }
    }
}
