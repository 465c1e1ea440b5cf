//! Layer 6: the pages people look at.
//!
//! - HTML made on the server. Without JavaScript every page shows everything, and every action is a link or a form.
//! - Every state is in the address, under the names that the API has for it.
//! - `Content-Security-Policy: default-src 'self'`: no inline script, no inline style, nothing from elsewhere. What needs a measure from
//!   data is an SVG attribute.
//! - A page that can change is also an event stream, at the same address: its parts are sent again when they differ (`live`).
//! - Text of agents is hostile: it is escaped, set apart in `bdi`, and its control characters are shown, not obeyed (`words`).
//! - Every read happens on a blocking thread and is of bounded size. Never writes to the store, never answers with JSON.

mod assets;
mod frame;
mod icons;
mod list;
mod live;
mod login;
mod messages;
mod refusal;
mod routes;
mod run;
mod session;
mod source;
mod spans;
mod theme;
mod trace;
mod visitor;
mod words;

use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::model::time::UnixNanos;
use crate::params::explore::Grafana;
use crate::store::{Store, StoreError};

pub use routes::ROUTES;
pub use source::TraceSource;

use refusal::Refusal;

/// What the pages share.
pub struct Ui {
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    /// Where users reach this server; its path goes before every link. Without it the request's own headers tell.
    pub public_url: Option<String>,
    /// Where whole spans can be asked for.
    pub tempo: Option<Arc<dyn TraceSource>>,
    /// Where people look into traces.
    pub grafana: Option<Grafana>,
    /// The port that agents send OTLP over HTTP to, for the page that says how.
    pub otlp_http_port: u16,
    /// Grows whenever what readers see may have changed.
    pub version: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub clock: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    /// Ends the event streams, so that a stop need not wait for them.
    pub shutdown: CancellationToken,
    pub limits: Limits,
}

/// What all visitors together may take.
pub struct Limits {
    /// One permit for each open event stream.
    pub streams: Arc<Semaphore>,
    /// One permit for each export that is being made; each may hold some tens of megabytes.
    pub exports: Arc<Semaphore>,
}

/// The pages as a router without a fallback, so that it can be merged with other doors.
pub fn router(ui: Arc<Ui>) -> Router {
    routes::build(ui)
}

// === impl Ui ===

impl Ui {
    /// Reads from the store on a blocking thread.
    async fn read<T, F>(self: &Arc<Self>, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Ui) -> Result<T, Refusal> + Send + 'static,
    {
        let ui = Arc::clone(self);
        match tokio::task::spawn_blocking(move || read(&ui)).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "making a page panicked");
                Err(Refusal::Internal)
            }
        }
    }

    fn now(&self) -> UnixNanos {
        (self.clock)()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: Arc::new(Semaphore::new(256)), exports: Arc::new(Semaphore::new(4)) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a read failed for want of something that is short at the moment");
            return Self::Busy;
        }
        tracing::error!(%error, "a read failed");
        Self::Internal
    }
}
