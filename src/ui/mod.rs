//! Layer 6: the pages people look at.
//!
//! - HTML made on the server. Without JavaScript every page shows everything, and every action is a link or a form.
//! - Every state is in the address, under the names that the API has for it.
//! - `Content-Security-Policy: default-src 'self'`: no inline script, no inline style, nothing from elsewhere. What needs a measure from
//!   data is an SVG attribute. An image is drawn from `data:`, after a look at its bytes (`messages`).
//! - A page that can change is also an event stream, at the same address: its parts are sent again when they differ (`live`).
//! - Text of agents is hostile: it is escaped, set apart in `bdi`, and its control characters are shown, not obeyed (`words`).
//! - Every read happens on a blocking thread, in a lane ([`crate::bounds::lanes`]), and is of bounded size. Writes nothing to the
//!   store but notes of sessions (`session::note`), never makes JSON: who asks `/status` for it is answered by the API.

mod api_page;
mod assets;
mod cell;
mod compare;
mod copy;
mod explained;
mod failed;
mod folds;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod groups;
mod icons;
mod list;
mod live;
mod login;
mod messages;
mod metrics;
mod overview;
mod pager;
mod refusal;
mod routes;
mod run;
mod search;
mod session;
mod source;
mod spans;
mod start;
mod status;
mod table;
mod theme;
mod tool;
mod trace;
mod visitor;
mod words;

use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticator;
use crate::bounds::lanes::{Lane, Undone};
use crate::bounds::memory::Spent;
use crate::bounds::stream::{Cut, Stop, StreamLimits};
use crate::model::ids::Tenant;
use crate::model::status::ServerStatus;
use crate::model::time::UnixNanos;
use crate::params::explore::Grafana;
use crate::store::raw::TraceSource;
use crate::store::{Store, StoreError};

pub use live::Hub;
pub use metrics::UiMetrics;
pub use routes::{ROUTES, unknown};

use refusal::Refusal;

/// What the pages share.
pub struct Ui {
    pub store: Arc<dyn Store>,
    pub authenticator: Arc<Authenticator>,
    /// Where users reach this server; its path goes before every link.
    pub public_url: Option<String>,
    /// Where it listens itself, for what is pasted elsewhere, where no public URL is known. What a request calls it is not repeated.
    pub own_url: String,
    /// Where whole spans can be asked for.
    pub tempo: Option<Arc<dyn TraceSource>>,
    /// Where people look into traces.
    pub grafana: Option<Grafana>,
    /// Where agents send OTLP over HTTP to, for the page that says how.
    pub otlp_url: String,
    /// Grows whenever what readers see may have changed.
    pub version: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub clock: Arc<dyn Fn() -> UnixNanos + Send + Sync>,
    /// Ends the event streams, so that a stop need not wait for them.
    pub shutdown: CancellationToken,
    pub limits: Limits,
    /// What answers may take, lanes and memory too; shared with the API.
    pub answers: StreamLimits,
    /// The parts of pages that are looked at now.
    pub live: Hub,
    /// How the server is, as far as a visitor of a tenant may see. Blocks on disk for some milliseconds.
    pub status: Arc<dyn Fn(&Tenant) -> ServerStatus + Send + Sync>,
    /// Who answers a program that asks the address of a page for JSON.
    pub api: Router,
    pub metrics: UiMetrics,
}

/// How much work a page is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Effort {
    /// Some milliseconds.
    Short,
    /// As much as one trace may be.
    Trace,
    /// All runs of a long session.
    Long,
}

/// What all visitors together may take.
pub struct Limits {
    /// One permit for each open event stream.
    pub streams: Arc<Semaphore>,
}

/// The pages as a router without a fallback, so that it can be merged with other doors.
pub fn router(ui: Arc<Ui>) -> Router {
    routes::build(ui)
}

// === impl Ui ===

impl Ui {
    /// Reads from the store on a blocking thread, and makes the page there, as large as it may be.
    async fn read<T, F>(self: &Arc<Self>, effort: Effort, read: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Ui) -> Result<T, Refusal> + Send + 'static,
    {
        let ui = Arc::clone(self);
        self.lane(effort).run(move || read(&ui)).await?
    }

    fn lane(&self, effort: Effort) -> &Lane {
        match effort {
            Effort::Short => &self.answers.lanes.short,
            Effort::Trace => &self.answers.lanes.traces,
            Effort::Long => &self.answers.lanes.long,
        }
    }

    fn now(&self) -> UnixNanos {
        (self.clock)()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: Arc::new(Semaphore::new(1_024)) }
    }
}

impl From<Undone> for Refusal {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Busy => Self::Busy,
            Undone::Panicked => Self::Internal,
        }
    }
}

impl From<Spent> for Refusal {
    fn from(_: Spent) -> Self {
        Self::Busy
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        // Of those who have stalled or left nobody hears it.
        if stop == Stop::Busy { Self::Busy } else { Self::Internal }
    }
}

impl From<Refusal> for Cut<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Cut<Refusal> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a read failed for want of something that is short at the moment");
            return Self::Busy;
        }
        if error.is_busy() {
            return Self::Busy;
        }
        tracing::error!(%error, "a read failed");
        Self::Internal
    }
}
