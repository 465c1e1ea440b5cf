//! How the server is: gathered here once, shown as a page and as JSON.
//!
//! - Everything is read when it is asked for, at most once a second whoever asks: a page that is reloaded by many costs no more than one.
//! - A visitor with a key sees the whole where all keys are one tenant's; else what concerns every tenant and the visitor's own
//!   (`docs/decisions/045-the-status-page-tells-each-tenant-its-own.md`).

mod advice;
mod facts;
mod limits;
mod sections;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::facts::Facts;
use crate::app::budget::Budget;
use crate::auth::Authenticator;
use crate::bounds::memory::Memory;
use crate::config::{Config, UnknownVariable};
use crate::ingest::Receiver;
use crate::journal::{Journal, Position};
use crate::model::ids::Tenant;
use crate::model::status::{Scope, ServerStatus};
use crate::model::time::UnixNanos;
use crate::server::Connections;
use crate::store::local::{LocalStore, TenantFacts};
use crate::tempo::export::forwarder::Status as ForwarderStatus;
use crate::tempo::metrics::ForwardMetrics;
use parking_lot::Mutex;

/// What was read is shown for this long.
const FRESH: Duration = Duration::from_secs(1);

/// What is read, and the last that was read.
pub(super) struct StatusBoard {
    sources: Sources,
    last: Mutex<Option<(Instant, Arc<Facts>)>>,
    /// When the record at the start of the journal came; asked again only when that start moves.
    oldest_entry: Mutex<Option<(Position, UnixNanos)>>,
}

/// Where the figures are.
pub(super) struct Sources {
    pub(super) config: Config,
    pub(super) budget: Budget,
    pub(super) memory: Memory,
    /// Most of one listener: less than is configured where file descriptors are short.
    pub(super) max_connections: usize,
    pub(super) database: PathBuf,
    pub(super) misspelled: Vec<UnknownVariable>,
    pub(super) authenticator: Arc<Authenticator>,
    /// OTLP gRPC, OTLP HTTP, HTTP.
    pub(super) addresses: [SocketAddr; 3],
    pub(super) connections: [Connections; 3],
    pub(super) journal: Journal,
    pub(super) store: LocalStore,
    /// The store as the doors see it: it knows when the server stops.
    pub(super) receiver: Receiver,
    pub(super) forwarding: Option<(ForwarderStatus, ForwardMetrics)>,
    pub(super) started: (Instant, UnixNanos),
}

impl StatusBoard {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, last: Mutex::default(), oldest_entry: Mutex::default() }
    }

    /// What a visitor of this tenant may see. Blocks on disk for some milliseconds.
    pub(super) fn show(&self, tenant: &Tenant) -> ServerStatus {
        let facts = self.facts();
        let scope = if self.sources.authenticator.has_one_tenant() { Scope::Server } else { Scope::Tenant };
        let own = self.sources.store.tenant_facts(tenant);
        self.compose(&facts, scope, own)
    }

    fn compose(&self, facts: &Facts, scope: Scope, own: TenantFacts) -> ServerStatus {
        let mut limits = limits::gauges(&self.sources, facts, scope);
        let mut warnings = advice::warnings(facts, &limits, scope);
        // The sort is stable: what is equally urgent stays in the order of the sections.
        warnings.sort_by_key(|warning| warning.severity);
        limits.sort_by(|a, b| b.ratio().total_cmp(&a.ratio()));
        ServerStatus { at: facts.at, scope, warnings, limits, sections: sections::sections(&self.sources.config, facts, scope, own) }
    }

    fn facts(&self) -> Arc<Facts> {
        // Held while they are read: who comes meanwhile gets the same.
        let mut last = self.last.lock();
        if let Some((read_at, facts)) = &*last
            && read_at.elapsed() < FRESH
        {
            return facts.clone();
        }
        let facts = Arc::new(self.read());
        *last = Some((Instant::now(), facts.clone()));
        facts
    }
}
