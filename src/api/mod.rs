//! Layer 6: the HTTP door for readers: sessions, agents, health, metrics.
//!
//! - Every route stands in [`ROUTES`]; `docs/openapi.yaml` describes them, and a test holds the two together.
//! - `dto` has the only types that become JSON. Numbers are written digit by digit from integers, never through floating point.
//! - Nothing of unbounded size is built in memory: a session's runs are streamed as they are read (`stream`).
//! - A streamed answer that cannot be finished breaks off, so that a client sees a broken transfer and never a short, valid one.
//! - Never writes spans, never renders HTML, never tells a client what went wrong inside: that goes to the log, once.

mod agents;
mod dto;
mod exposition;
mod head;
mod health;
mod metrics;
mod note;
mod openapi;
mod overview;
mod path;
mod query;
mod reader;
mod refusal;
mod routes;
mod run;
mod session;
mod sessions;
mod status;
mod tools;
mod totals;
mod user_totals;
mod users;
mod version;
mod whole;

use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;

use crate::auth::Authenticator;
use crate::bounds::flights::Flights;
use crate::bounds::memory::Memory;
use crate::model::ids::Tenant;
use crate::model::status::ServerStatus;
use crate::store::Store;
use crate::store::raw::TraceSource;

pub use metrics::ApiMetrics;
pub use routes::{ROUTES, Route};
pub use whole::{Question, Whole};

pub use crate::bounds::stream::StreamLimits;
pub use crate::params::explore::Grafana;
pub use refusal::Refusal;

/// What the handlers share.
pub struct Api {
    pub store: Arc<dyn Store>,
    /// Where whole spans can be asked for.
    pub tempo: Option<Arc<dyn TraceSource>>,
    /// Says who a request comes from, and whether it may do what it asks.
    pub authenticator: Arc<Authenticator>,
    /// Everything `/metrics` shows; complete before the first request.
    pub registry: Arc<Registry>,
    pub metrics: ApiMetrics,
    /// Where users reach this server, such as `https://traces.example.org/sessions`. For links; without it they are relative.
    pub public_url: Option<String>,
    /// What answers may take, lanes and memory too.
    pub streams: StreamLimits,
    /// Questions about all runs of a window that wait for their turn: the same one is answered once.
    pub asked: Flights<Question, Result<Whole, Refusal>>,
    /// For links; without it there are none to it.
    pub grafana: Option<Grafana>,
    /// How the server is, as far as a visitor of a tenant may see. Blocks on disk for some milliseconds.
    pub status: StatusSource,
}

pub type StatusSource = Arc<dyn Fn(&Tenant) -> ServerStatus + Send + Sync>;

/// The API as a router without a fallback, so that it can be merged with other doors. It answers all of `/api/` that they do not.
pub fn router(api: Arc<Api>) -> Router {
    routes::build(api)
}

// === impl Api ===

impl Api {
    /// Makes what takes some milliseconds out of the store, on a blocking thread. Answers are written there too: they may be long.
    async fn answer<T, F>(&self, make: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> Result<T, Refusal> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        self.streams.lanes.short.run(move || make(&*store)).await?
    }

    /// The same for what looks into one trace.
    async fn look<T, F>(&self, make: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Store) -> Result<T, Refusal> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        self.streams.lanes.traces.run(move || make(&*store)).await?
    }

    /// Answers a question about all runs of a window: few at a time, and all who wait with the same one get the same answer.
    async fn sum<F>(&self, question: Question, make: F) -> Result<Whole, Refusal>
    where
        F: FnOnce(&dyn Store, &Memory) -> Result<Whole, Refusal> + Send + 'static,
    {
        let (store, memory) = (Arc::clone(&self.store), self.streams.memory.clone());
        self.asked.ask(question, &self.streams.lanes.long, move || make(&*store, &memory)).await?
    }
}
