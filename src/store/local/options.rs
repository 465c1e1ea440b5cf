//! What the local store is told when it is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::state::clock::{Clock, SteadyClock};
use crate::conventions::Conventions;
use crate::fold::TraceLimit;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{Call, Cost};

/// The price of a call that states none, by model, provider and start.
pub type Price = Arc<dyn Fn(&Call, UnixNanos) -> Option<Cost> + Send + Sync>;

#[derive(Clone)]
pub struct Options {
    /// The index database's file.
    pub database: PathBuf,
    pub clock: Clock,
    /// Goes on evenly, also while the machine is suspended: tells a jump of `clock` from time that passed.
    pub steady: SteadyClock,
    pub price: Price,
    /// What is read of spans.
    pub conventions: Arc<Conventions>,
    /// A checkpoint is written this often while anything changes.
    pub checkpoint_interval: Duration,
    /// So many changed rows may be in memory, those that a checkpoint is writing included; one is begun at half of it.
    pub max_changes: usize,
    pub sweep_interval: Duration,
    /// An open trace leaves memory after this time without a span.
    pub open_trace_idle: Duration,
    /// Open traces leave memory earlier while they take more than this.
    pub open_trace_bytes: usize,
    pub trace_limit: TraceLimit,
    /// Keep with each open trace what was decided of its spans, because somebody will ask ([`super::LocalStore::decided`]).
    pub keep_verdicts: bool,
    /// A run without an end and without a sign of life for this long has timed out.
    pub run_timeout: Nanos,
    /// A run whose root span never came has ended once nothing came of it for this long.
    pub idle_after: Nanos,
    /// Sessions without activity for this long are removed, older spans are not folded. `None`: kept for ever.
    pub max_age: Option<Nanos>,
    /// The oldest sessions are removed while the database holds more. `None`: no cap.
    pub max_index_bytes: Option<u64>,
    /// Spans are refused that would wait longer than this until they are visible.
    pub max_lag: Duration,
    pub sqlite: SqliteLimits,
}

impl Options {
    /// Until when a run without an end stays one if nothing comes of it; `is_rootless`: its root span is missing.
    pub(super) fn runs_until(&self, is_rootless: bool, last_activity: UnixNanos) -> UnixNanos {
        let timeout = self.run_timeout;
        last_activity.plus(if is_rootless { timeout.min(self.idle_after) } else { timeout })
    }
}

/// What SQLite may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SqliteLimits {
    /// Connections for readers, each with a cache of its own; who finds none waits for 2 s and is then refused as busy.
    pub max_readers: usize,
    pub reader_cache_bytes: usize,
    /// The cache of the connection that writes checkpoints.
    pub writer_cache_bytes: usize,
    /// All memory of SQLite in this process; it then gives pages back before it asks for more.
    pub heap_bytes: usize,
}

impl Default for SqliteLimits {
    /// The shares of a budget of 2 GiB.
    fn default() -> Self {
        Self { max_readers: 48, reader_cache_bytes: 2 << 20, writer_cache_bytes: 32 << 20, heap_bytes: 128 << 20 }
    }
}
