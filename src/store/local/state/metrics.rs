//! What the store counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::conventions::Oddity;
use crate::fold::Joined;
use crate::journal::Position;
use crate::model::time::UnixNanos;

/// Gauges and counters of the fold, the index and the checkpoints. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    spans: Family<SpanOutcome, Counter>,
    oddities: Family<OddityLabel, Counter>,
    unreadable_entries: Counter,
    recomputed_sessions: Counter,
    expired_sessions: Counter,
    deleted_sessions: Counter,
    sessions: Gauge,
    open_traces: Gauge,
    open_trace_bytes: Gauge,
    waiting_traces: Gauge,
    /// A round: what was there, read and folded at once.
    fold_seconds: Histogram,
    checkpoints: Counter,
    checkpoint_failures: Counter,
    checkpoint_seconds: Histogram,
    checkpoint_position: Gauge,
    clock_distrusted: Gauge,
    known_traces: Gauge,
    /// Seconds since 1970; 0 before the first.
    checkpoint_at: Gauge<f64, AtomicU64>,
}

/// Seconds: from one small request to a round that everybody notices.
const FOLD_BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
/// Seconds: from a checkpoint of a quiet minute to one that outlasts its interval.
const CHECKPOINT_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct SpanOutcome {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OddityLabel {
    reason: &'static str,
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sessionfold_store");
        registry.register("spans", "Spans folded, by what they did to their trace", self.spans.clone());
        registry.register("odd_spans", "Spans with something that was not believed, by reason", self.oddities.clone());
        registry.register(
            "unreadable_entries",
            "Journal entries that could not be folded: data is missing",
            self.unreadable_entries.clone(),
        );
        registry.register(
            "recomputed_sessions",
            "Sessions whose bounds were read from all their runs because one shrank",
            self.recomputed_sessions.clone(),
        );
        registry.register("expired_sessions", "Sessions removed by retention", self.expired_sessions.clone());
        registry.register("deleted_sessions", "Sessions removed by their owners", self.deleted_sessions.clone());
        registry.register("sessions", "Sessions in the index", self.sessions.clone());
        registry.register("open_traces", "Traces in memory", self.open_traces.clone());
        registry.register_with_unit("open_traces", "Memory that open traces take", Unit::Bytes, self.open_trace_bytes.clone());
        registry.register("waiting_traces", "Large traces whose newest spans wait a moment to be folded", self.waiting_traces.clone());
        let help = "Time of a round of the fold: everything that had come was read and folded";
        registry.register_with_unit("fold_duration", help, Unit::Seconds, self.fold_seconds.clone());
        registry.register("checkpoints", "Checkpoints written to the index database", self.checkpoints.clone());
        let help = "Checkpoints that could not be written and were tried again";
        registry.register("checkpoint_failures", help, self.checkpoint_failures.clone());
        registry.register_with_unit(
            "checkpoint_duration",
            "Time of a checkpoint, with what it waited for the disk",
            Unit::Seconds,
            self.checkpoint_seconds.clone(),
        );
        registry.register("checkpoint_position", "Journal position the index database covers", self.checkpoint_position.clone());
        registry.register(
            "clock_distrusted",
            "1 while the system's clock has jumped ahead and nothing expires by it",
            self.clock_distrusted.clone(),
        );
        registry.register("known_traces", "Trace ids in the filter that tells new traces from known ones", self.known_traces.clone());
        let help = "When the last checkpoint was written, since 1970; 0 before the first";
        registry.register_with_unit("last_checkpoint_timestamp", help, Unit::Seconds, self.checkpoint_at.clone());
    }

    pub fn joined(&self, joined: Joined, n_spans: u64) {
        let outcome = match joined {
            Joined::New => "new",
            Joined::Replaced => "replaced",
            Joined::Unchanged => "duplicate",
            Joined::Refused => "trace_too_large",
        };
        self.count(outcome, n_spans);
    }

    pub fn spans_too_old(&self, n_spans: u64) {
        self.count("too_old", n_spans);
    }

    fn count(&self, outcome: &'static str, n_spans: u64) {
        self.spans.get_or_create(&SpanOutcome { outcome }).inc_by(n_spans);
    }

    pub fn oddity(&self, oddity: Oddity) {
        self.oddities.get_or_create(&OddityLabel { reason: oddity.as_str() }).inc();
    }

    pub fn entry_unreadable(&self) {
        self.unreadable_entries.inc();
    }

    pub fn session_recomputed(&self) {
        self.recomputed_sessions.inc();
    }

    pub fn sessions_expired(&self, n_sessions: usize) {
        self.expired_sessions.inc_by(n_sessions as u64);
    }

    pub fn session_deleted(&self) {
        self.deleted_sessions.inc();
    }

    pub fn sessions(&self, n_sessions: usize) {
        self.sessions.set(n_sessions as i64);
    }

    pub fn clock(&self, is_distrusted: bool) {
        self.clock_distrusted.set(i64::from(is_distrusted));
    }

    pub fn known_traces(&self, n_traces: u64) {
        self.known_traces.set(n_traces.cast_signed());
    }

    pub fn waiting(&self, n_traces: usize) {
        self.waiting_traces.set(n_traces as i64);
    }

    pub fn open_traces(&self, n_traces: usize, bytes: usize) {
        self.open_traces.set(n_traces as i64);
        self.open_trace_bytes.set(bytes as i64);
    }

    pub fn folded(&self, took: Duration) {
        self.fold_seconds.observe(took.as_secs_f64());
    }

    pub fn checkpoint_failed(&self) {
        self.checkpoint_failures.inc();
    }

    pub fn checkpoint_done(&self, position: Position, took: Duration, now: UnixNanos) {
        self.checkpoints.inc();
        self.checkpoint_seconds.observe(took.as_secs_f64());
        self.checkpoint_position.set(position.0.cast_signed());
        self.checkpoint_at.set(now.0 as f64 / 1e9);
    }

    /// Large traces whose newest spans wait a moment to be folded.
    pub fn waiting_traces(&self) -> usize {
        usize::try_from(self.waiting_traces.get()).unwrap_or(0)
    }

    /// What open traces take, as it was last looked at.
    pub fn open_trace_bytes(&self) -> u64 {
        u64::try_from(self.open_trace_bytes.get()).unwrap_or(0)
    }

    /// When the last checkpoint of this process was written.
    pub fn last_checkpoint(&self) -> Option<UnixNanos> {
        let seconds = self.checkpoint_at.get();
        (seconds > 0.0).then_some(UnixNanos((seconds * 1e9) as u64))
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            spans: Family::default(),
            oddities: Family::default(),
            unreadable_entries: Counter::default(),
            recomputed_sessions: Counter::default(),
            expired_sessions: Counter::default(),
            deleted_sessions: Counter::default(),
            sessions: Gauge::default(),
            open_traces: Gauge::default(),
            open_trace_bytes: Gauge::default(),
            waiting_traces: Gauge::default(),
            fold_seconds: Histogram::new(FOLD_BUCKETS),
            checkpoints: Counter::default(),
            checkpoint_failures: Counter::default(),
            checkpoint_seconds: Histogram::new(CHECKPOINT_BUCKETS),
            checkpoint_position: Gauge::default(),
            clock_distrusted: Gauge::default(),
            known_traces: Gauge::default(),
            checkpoint_at: Gauge::default(),
        }
    }
}
