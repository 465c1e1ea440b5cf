//! Metrics that no module has for itself: those of the process, of the server as a whole, and of memory.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::budget::{self, Budget};
use crate::bounds::memory::Memory;
use crate::config::Config;
use crate::ingest::Receiver;
use crate::journal::Journal;
use crate::server;
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::telemetry::{self, OtherUse};

/// Metrics of the process and the server as a whole.
pub(super) fn server(
    config: &Config,
    max_connections: usize,
    journal: &Journal,
    store: &LocalStore,
    connections: &[server::Connections; 3],
    registry: &mut Registry,
) {
    let store = store.clone();
    telemetry::build::register(registry);
    telemetry::process::register(registry);
    telemetry::register_journal(journal, registry);
    let [otlp_grpc, otlp_http, http] = connections.clone();
    let health = telemetry::health::Health {
        is_ready: Arc::new(move || store.not_ready().is_none()),
        memory_available_bytes: budget::available(),
        data_dir: config.server.data_dir.clone(),
        connections: [("otlp_grpc", otlp_grpc), ("otlp_http", otlp_http), ("http", http)],
        max_connections,
    };
    telemetry::health::register(health, registry);
}

/// What takes memory and counts for itself.
pub(super) fn memory(budget: &Budget, memory: &Memory, store: &LocalStore, receiver: &Receiver, registry: &mut Registry) {
    let (index, traces, admission) = (store.clone(), store.metrics().clone(), receiver.admission().clone());
    let others = vec![
        OtherUse { of: "index", limit_bytes: 0, used_bytes: Box::new(move || index.index_bytes()) },
        OtherUse { of: "open_traces", limit_bytes: budget.open_traces, used_bytes: Box::new(move || traces.open_trace_bytes()) },
        OtherUse { of: "receiving", limit_bytes: budget.inflight, used_bytes: Box::new(move || admission.inflight_bytes()) },
    ];
    telemetry::register_memory(memory, others, registry);
}
