//! What is counted before any door.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The counters; a clone counts into the same ones.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    refused_requests: Family<ReasonLabels, Counter>,
    failed_connections: Family<ReasonLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
}

/// All of them constants of this program.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReloadLabels {
    /// `keys` or `tls`.
    what: &'static str,
    /// `done` or `failed`.
    outcome: &'static str,
}

// === impl Metrics ===

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sessionfold_server");
        let help = "Requests refused before any door: host (a name that is not served), origin (a page of another site that writes), transfer_coding (another than chunked)";
        registry.register("refused_requests", help, self.refused_requests.clone());
        let help = "Connections without a request: tls_handshake, tls_timeout, plain_on_tls, tls_on_plain";
        registry.register("failed_connections", help, self.failed_connections.clone());
        registry.register("reloads", "Keys and certificates read again while running", self.reloads.clone());
    }

    pub(super) fn refused_request(&self, reason: &'static str) {
        self.refused_requests.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(super) fn failed_connection(&self, reason: &'static str) {
        self.failed_connections.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub fn reloaded(&self, what: &'static str, is_done: bool) {
        self.reloads.get_or_create(&ReloadLabels { what, outcome: if is_done { "done" } else { "failed" } }).inc();
    }
}
