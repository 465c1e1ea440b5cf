//! `/metrics`, and what the API counts about itself.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Api;
use super::exposition::Exposition;
use super::reader::Reader;
use super::refusal::Refusal;
use crate::answered::Answered;
use crate::bounds::stream::Aborted;

/// The counters of the API; a clone counts into the same ones.
#[derive(Clone)]
pub struct ApiMetrics {
    answered: Answered,
    aborted: Family<AbortLabels, Counter>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AbortLabels {
    reason: &'static str,
}

/// Seconds: from an answer out of memory (0.5 ms) to one that nobody waits for.
const DURATION_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// `GET /metrics`: with authentication on it needs the read right, since what goes on here is not for everybody.
pub(super) async fn show(State(api): State<Arc<Api>>, _: Reader, headers: HeaderMap) -> Result<Response, Refusal> {
    let mut page = String::new();
    if let Err(error) = text::encode(&mut page, &api.registry) {
        tracing::error!(%error, "cannot write the metrics");
        return Err(Refusal::Internal);
    }
    let format = Exposition::of(&headers);
    let headers = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, HeaderValue::from_static("Accept"))];
    Ok((headers, format.of_page(page)).into_response())
}

/// Counts and times a request, and gives its answer the headers that all answers have.
pub(super) async fn observe(State((api, route)): State<(Arc<Api>, &'static str)>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut response = next.run(request).await;
    api.metrics.answered.count(route, response.status(), started.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

// === impl ApiMetrics ===

impl ApiMetrics {
    pub fn register(&self, registry: &mut Registry) {
        // There from the start: what is counted first in a new series is no increase to Prometheus.
        for why in [Aborted::Error, Aborted::Stalled, Aborted::Gone] {
            self.counter(why);
        }
        let durations = "Time from an API request's head to its answer's head";
        self.answered.register(registry, "sessionfold_api", "API requests by route and status", durations);
        let help = "Streamed API answers that ended early: error, stalled (the client took nothing), gone (the client left)";
        registry.register("sessionfold_api_aborted_answers", help, self.aborted.clone());
    }

    pub(super) fn aborted(&self, why: Aborted) {
        self.counter(why).inc();
    }

    fn counter(&self, why: Aborted) -> Counter {
        let reason = match why {
            Aborted::Error => "error",
            Aborted::Stalled => "stalled",
            Aborted::Gone => "gone",
        };
        self.aborted.get_or_create(&AbortLabels { reason }).clone()
    }
}

impl Default for ApiMetrics {
    fn default() -> Self {
        Self { answered: Answered::new(|| Histogram::new(DURATION_BUCKETS)), aborted: Family::default() }
    }
}
