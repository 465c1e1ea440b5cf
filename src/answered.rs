//! Layer 5: how many requests a door answered, by route and status, and how long each took: counted alike behind every door.
//!
//! - Labels have few values: the routes of a door's table, and the statuses that it sends.
//! - A clone counts into the same counters.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The counters of one door.
#[derive(Clone, Debug)]
pub struct Answered {
    requests: Family<RequestLabels, Counter>,
    /// From the arrival of a request's head to that of the answer's; a streamed body takes longer.
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

// === impl Answered ===

impl Answered {
    /// `histogram` has the buckets, in seconds.
    pub fn new(histogram: fn() -> Histogram) -> Self {
        Self { requests: Family::default(), durations: Family::new_with_constructor(histogram) }
    }

    /// Under names that begin with `door`; the help texts are of the two metrics.
    pub fn register(&self, registry: &mut Registry, door: &str, requests: &str, durations: &str) {
        registry.register(format!("{door}_requests"), requests, self.requests.clone());
        registry.register_with_unit(format!("{door}_request_duration"), durations, Unit::Seconds, self.durations.clone());
    }

    pub fn count(&self, route: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&RequestLabels { route, status: u32::from(status.as_u16()) }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }
}
