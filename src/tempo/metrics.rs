//! What operators can see of the forwarder.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::link::failure::Cause;

/// Counters and gauges; clones share them.
#[derive(Clone, Debug, Default)]
pub struct ForwardMetrics {
    pub accepted_requests: Counter,
    /// Encoded spans that Tempo took, before compression.
    pub accepted_bytes: Counter,
    /// Journal entries that are done with.
    pub settled_entries: Counter,
    retries: Family<RetryLabels, Counter>,
    /// Requests that were split because they were too large or held a bad span.
    pub splits: Counter,
    dropped_spans: Family<DropLabels, Counter>,
    /// Spans of runs that got their attributes.
    pub stamped_spans: Counter,
    /// Spans of our own that correct what was exported before.
    pub corrections: Counter,
    /// Spans of our own that stand for runs without a span of the sender's.
    pub synthetic_spans: Counter,
    /// Spans that a sender sent again, byte for byte, and that were forwarded once.
    pub duplicate_spans: Counter,
    maybe_doubled_spans: Family<DoubtLabels, Counter>,
    /// How often a Tempo that was restarted was given its last seconds again.
    pub rewinds: Counter,
    /// Spans that Tempo had taken before it was restarted, and of which could not be found out whether it has them.
    pub unchecked_spans: Counter,
    /// Traces that Tempo was asked for because it may have had spans of them.
    pub asked_traces: Counter,
    /// Spans that it had, and that were not sent again.
    pub held_back_spans: Counter,
    /// Entries that had to leave before their traces had settled, because memory was short.
    pub released_early: Counter,
    /// Bytes of entries that wait for their traces.
    pub held_bytes: Gauge,
    pub lag_bytes: Gauge,
    /// For how long the oldest entry has waited that Tempo does not have.
    pub waiting_seconds: Gauge,
    /// What Tempo took in a second, over the last ten.
    pub rate_bytes: Gauge,
    /// Until Tempo has everything; -1 while the backlog is not shrinking.
    pub eta_seconds: Gauge,
    /// Tenants for which something arrived recently.
    pub lanes: Gauge,
    /// 1 while the last request was answered by Tempo, 0 while it is away.
    pub tempo_up: Gauge,
}

/// Why a span was given up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// Tempo refused this span alone.
    BadData,
    /// The span alone is larger than Tempo takes.
    TooLarge,
    /// Tempo took the request and said that it left spans out.
    Rejected,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RetryLabels {
    cause: &'static str,
}

/// Why Tempo may hold a span twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Doubt {
    /// A request was not answered, and was sent again.
    Unanswered,
    /// The process ended while it was sent.
    Restart,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DoubtLabels {
    cause: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

// === impl ForwardMetrics ===

impl ForwardMetrics {
    /// Adds the metrics under names that begin with `sessionfold_forward_`.
    pub fn register(&self, registry: &mut Registry) {
        // There from the start: what is counted first in a new series is no increase to Prometheus.
        for reason in [DropReason::BadData, DropReason::TooLarge, DropReason::Rejected] {
            self.dropped_spans(reason);
        }
        for doubt in [Doubt::Unanswered, Doubt::Restart] {
            self.maybe_doubled_spans(doubt);
        }
        let forward = registry.sub_registry_with_prefix("sessionfold_forward");
        forward.register("accepted_requests", "Requests that Tempo took", self.accepted_requests.clone());
        forward.register_with_unit("accepted", "Encoded spans that Tempo took", Unit::Bytes, self.accepted_bytes.clone());
        forward.register("settled_entries", "Journal entries that are done with", self.settled_entries.clone());
        forward.register("retries", "Failed requests that are sent again, by cause", self.retries.clone());
        forward.register("splits", "Requests split in two: too large, or a bad span inside", self.splits.clone());
        forward.register("dropped_spans", "Spans that Tempo never took, by reason", self.dropped_spans.clone());
        forward.register("stamped_spans", "Spans of runs that got their attributes", self.stamped_spans.clone());
        forward.register("corrections", "Spans that correct what was exported to Tempo before", self.corrections.clone());
        forward.register("synthetic_spans", "Spans that stand for runs without a span of their sender", self.synthetic_spans.clone());
        forward.register("duplicate_spans", "Spans that senders repeated and that were forwarded once", self.duplicate_spans.clone());
        forward.register("maybe_doubled_spans", "Spans that Tempo may hold twice, by cause", self.maybe_doubled_spans.clone());
        forward.register("rewinds", "Restarts of Tempo after which it was given what it had lost", self.rewinds.clone());
        forward.register("unchecked_spans", "Spans taken before a restart of Tempo and not asked for", self.unchecked_spans.clone());
        forward.register(
            "asked_traces",
            "Traces that Tempo was asked for, because it may have had spans of them",
            self.asked_traces.clone(),
        );
        forward.register("held_back_spans", "Spans that Tempo had when it was asked, not sent again", self.held_back_spans.clone());
        forward.register("released_early", "Entries that could not wait for their traces, for want of memory", self.released_early.clone());
        forward.register_with_unit("held", "Entries that wait until their traces have settled", Unit::Bytes, self.held_bytes.clone());
        forward.register_with_unit("lag", "Journal bytes that Tempo does not have yet", Unit::Bytes, self.lag_bytes.clone());
        let (waiting, eta) = (self.waiting_seconds.clone(), self.eta_seconds.clone());
        forward.register_with_unit("waiting", "How long the oldest entry has waited that Tempo does not have", Unit::Seconds, waiting);
        forward.register_with_unit("eta", "Time until Tempo has everything, -1 while the backlog is not shrinking", Unit::Seconds, eta);
        forward.register("rate_bytes_per_second", "Journal bytes that Tempo took in a second, over the last ten", self.rate_bytes.clone());
        forward.register("lanes", "Tenants for which something arrived recently", self.lanes.clone());
        forward.register("tempo_up", "1 while Tempo answers, 0 while it is away", self.tempo_up.clone());
    }

    /// Failed requests, by cause.
    pub fn retries(&self, cause: Cause) -> Counter {
        self.retries.get_or_create(&RetryLabels { cause: cause.as_str() }).clone()
    }

    /// Spans that Tempo may hold twice, by cause.
    pub fn maybe_doubled_spans(&self, doubt: Doubt) -> Counter {
        let cause = match doubt {
            Doubt::Unanswered => "unanswered",
            Doubt::Restart => "restart",
        };
        self.maybe_doubled_spans.get_or_create(&DoubtLabels { cause }).clone()
    }

    /// Spans given up, by reason.
    pub fn dropped_spans(&self, reason: DropReason) -> Counter {
        self.dropped_spans.get_or_create(&DropLabels { reason: reason.as_str() }).clone()
    }
}

// === impl DropReason ===

impl DropReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_are_those_dashboards_use() {
        let metrics = ForwardMetrics::default();
        metrics.retries(Cause::Timeout).inc();
        metrics.dropped_spans(DropReason::BadData).inc_by(2);
        metrics.accepted_bytes.inc_by(7);
        metrics.maybe_doubled_spans(Doubt::Restart).inc_by(3);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "sessionfold_forward_accepted_requests_total 0",
            "sessionfold_forward_accepted_bytes_total 7",
            "sessionfold_forward_settled_entries_total 0",
            "sessionfold_forward_retries_total{cause=\"timeout\"} 1",
            "sessionfold_forward_splits_total 0",
            "sessionfold_forward_dropped_spans_total{reason=\"bad_data\"} 2",
            "sessionfold_forward_stamped_spans_total 0",
            "sessionfold_forward_corrections_total 0",
            "sessionfold_forward_synthetic_spans_total 0",
            "sessionfold_forward_duplicate_spans_total 0",
            "sessionfold_forward_maybe_doubled_spans_total{cause=\"restart\"} 3",
            "sessionfold_forward_rewinds_total 0",
            "sessionfold_forward_unchecked_spans_total 0",
            "sessionfold_forward_asked_traces_total 0",
            "sessionfold_forward_held_back_spans_total 0",
            "sessionfold_forward_released_early_total 0",
            "sessionfold_forward_held_bytes 0",
            "sessionfold_forward_lag_bytes 0",
            "sessionfold_forward_waiting_seconds 0",
            "sessionfold_forward_eta_seconds 0",
            "sessionfold_forward_rate_bytes_per_second 0",
            "sessionfold_forward_lanes 0",
            "sessionfold_forward_tempo_up 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
