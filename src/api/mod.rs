//! Layer 6: the HTTP door for readers: sessions, agents, health, metrics.
//!
//! - Every route stands in [`ROUTES`]; `docs/openapi.yaml` describes them, and a test holds the two together.
//! - `dto` has the only types that become JSON. Numbers are written digit by digit from integers, never through floating point.
//! - Nothing of unbounded size is built in memory: a session's runs are streamed as they are read (`stream`).
//! - A streamed answer that cannot be finished breaks off, so that a client sees a broken transfer and never a short, valid one.
//! - Never writes spans, never renders HTML, never tells a client what went wrong inside: that goes to the log, once.

mod agents;
mod dto;
mod guard;
mod head;
mod health;
mod metrics;
mod openapi;
mod path;
mod query;
mod refusal;
mod routes;
mod run;
mod scores;
mod session;
mod sessions;
mod stream;
mod totals;
mod user_totals;
mod users;

use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;

use crate::store::{Store, StoreError};

pub use guard::Guard;
pub use metrics::ApiMetrics;
pub use routes::{ROUTES, Route};
pub use stream::StreamLimits;

pub use crate::params::explore::Grafana;
use refusal::Refusal;

/// What the handlers share.
pub struct Api {
    pub store: Arc<dyn Store>,
    /// Says who a request comes from, and whether it may do what it asks.
    pub guard: Arc<dyn Guard>,
    /// Everything `/metrics` shows; complete before the first request.
    pub registry: Arc<Registry>,
    pub metrics: ApiMetrics,
    /// Where users reach this server, such as `https://traces.example.org/sessions`. For links; without it the request's own
    /// headers tell.
    pub public_url: Option<String>,
    pub streams: StreamLimits,
    /// For links; without it there are none to it.
    pub grafana: Option<Grafana>,
}

/// The API as a router without a fallback, so that it can be merged with other doors. It answers all of `/api/` that they do not.
pub fn router(api: Arc<Api>) -> Router {
    routes::build(api)
}

// === impl Api ===

impl Api {
    /// Reads from the store on a blocking thread.
    async fn read<T, F>(&self, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || read(&*store)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Refusal::from(error)),
            Err(error) => {
                tracing::error!(%error, "reading from the store panicked");
                Err(Refusal::Internal)
            }
        }
    }
}
