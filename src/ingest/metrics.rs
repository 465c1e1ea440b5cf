//! What the doors count. Every label has a fixed set of values, so the number of series is bounded.

use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::admission::Admission;
use super::encoding::Coding;

/// The metrics of the receivers, under `sessionfold_receive_`.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests answered, by signal, transport and outcome.
    pub requests: Family<RequestLabels, Counter>,
    /// Requests of the Waxell SDK's HTTP path, by endpoint and outcome.
    pub posts: Family<PostLabels, Counter>,
    /// Spans that are durable.
    pub spans_accepted: Counter,
    /// Spans taken out of requests whose other spans were accepted.
    pub spans_rejected: Family<ReasonLabels, Counter>,
    /// Texts that could not be read and were repaired, in spans that were taken.
    pub texts_repaired: Family<ReasonLabels, Counter>,
    /// Spans whose times are in another unit than nanoseconds.
    pub spans_in_other_unit: Family<UnitLabels, Counter>,
    /// Log records and metric points of strangers, which are not stored here.
    pub records_rejected: Family<SignalLabels, Counter>,
    /// Log records of coding agents, by what became of them.
    pub agent_records: Family<RecordLabels, Counter>,
    /// Bytes of bodies read, as they came over the wire.
    pub body_bytes: Counter,
    /// From the head of a request that was taken until its answer, by door and content coding.
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
}

/// Both labels have fixed values: five doors and four codings.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DurationLabels {
    /// As `transport` of [`RequestLabels`], or `waxell` for a post of the Waxell SDK.
    door: &'static str,
    coding: &'static str,
}

/// Seconds: from a request that found the disk idle to one whose sender has given up (OpenTelemetry's exporters: after 10 s).
const DURATION_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The `door` of what the Waxell SDK posts.
pub(super) const WAXELL: &str = "waxell";

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RequestLabels {
    /// `traces`, `logs` or `metrics`; `unknown` for what was sent to a path that is nobody's.
    pub signal: &'static str,
    /// `grpc`, `http_protobuf`, `http_json`, or `http` where the content type was neither.
    pub transport: &'static str,
    /// `accepted`, `partial`, `misplaced` for what is no traces, `unknown_path`, or the reason of a refusal.
    pub outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct PostLabels {
    /// The last part of the path, such as `llm-calls`; `no_run` for a post about no run, `unknown` for what is not known.
    pub endpoint: &'static str,
    /// `accepted`, or the reason of a refusal.
    pub outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct ReasonLabels {
    pub reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct UnitLabels {
    pub unit: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct RecordLabels {
    /// `told` for what became a span, `noise` for what says nothing about a run.
    pub outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub struct SignalLabels {
    pub signal: &'static str,
}

/// Reads the bytes in flight when asked, so that the hot path keeps one counter, not two.
#[derive(Debug)]
struct InflightBytes(Admission);

// === impl Metrics ===

impl Metrics {
    /// Times a request that was taken.
    pub(super) fn took(&self, door: &'static str, coding: Coding, took: Duration) {
        let labels = DurationLabels { door, coding: coding.as_str() };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Registers everything; `registry` must have no prefix of its own.
    pub fn register(&self, admission: &Admission, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("sessionfold_receive");
        registry.register("requests", "OTLP requests answered", self.requests.clone());
        registry.register("posts", "Requests of the Waxell SDK's HTTP path", self.posts.clone());
        registry.register("spans_accepted", "Spans that are durable", self.spans_accepted.clone());
        registry.register("spans_rejected", "Spans taken out of requests, by reason", self.spans_rejected.clone());
        let help = "Texts that could not be read and were repaired, by reason: invalid_utf8, half_surrogate (in JSON)";
        registry.register("texts_repaired", help, self.texts_repaired.clone());
        let help = "Spans whose times look like another unit than nanoseconds, by that unit";
        registry.register("spans_in_other_unit", help, self.spans_in_other_unit.clone());
        let help = "Log records and metric points of strangers, which are not stored here";
        registry.register("records_rejected", help, self.records_rejected.clone());
        let help = "Log records of coding agents, by what became of them: told (a span), noise (nothing about a run)";
        registry.register("agent_records", help, self.agent_records.clone());
        registry.register("body_bytes", "Bytes of request bodies as they came over the wire", self.body_bytes.clone());
        let help = "Time from the head of a request to its answer, of requests that were taken, by door and content coding";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.durations.clone());
        registry.register_collector(Box::new(InflightBytes(admission.clone())));
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        Self {
            requests: Family::default(),
            posts: Family::default(),
            spans_accepted: Counter::default(),
            spans_rejected: Family::default(),
            texts_repaired: Family::default(),
            spans_in_other_unit: Family::default(),
            records_rejected: Family::default(),
            agent_records: Family::default(),
            body_bytes: Counter::default(),
            durations: Family::new_with_constructor(histogram),
        }
    }
}

impl Collector for InflightBytes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let gauge = ConstGauge::new(i64::try_from(self.0.inflight_bytes()).unwrap_or(i64::MAX));
        let descriptor = encoder.encode_descriptor("inflight_bytes", "Bytes of requests held now", None, gauge.metric_type())?;
        gauge.encode(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_exposed_under_its_documented_name() {
        let (metrics, admission, mut registry) = (Metrics::default(), Admission::new(100), Registry::default());
        metrics.register(&admission, &mut registry);
        let _permit = admission.admit(42);
        metrics.requests.get_or_create(&RequestLabels { signal: "traces", transport: "grpc", outcome: "accepted" }).inc();
        metrics.spans_rejected.get_or_create(&ReasonLabels { reason: "too_deep" }).inc_by(3);
        metrics.texts_repaired.get_or_create(&ReasonLabels { reason: "invalid_utf8" }).inc_by(2);
        metrics.spans_in_other_unit.get_or_create(&UnitLabels { unit: "seconds" }).inc();
        metrics.records_rejected.get_or_create(&SignalLabels { signal: "logs" }).inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "sessionfold_receive_requests_total{signal=\"traces\",transport=\"grpc\",outcome=\"accepted\"} 1",
            "sessionfold_receive_spans_accepted_total 0",
            "sessionfold_receive_spans_rejected_total{reason=\"too_deep\"} 3",
            "sessionfold_receive_texts_repaired_total{reason=\"invalid_utf8\"} 2",
            "sessionfold_receive_spans_in_other_unit_total{unit=\"seconds\"} 1",
            "sessionfold_receive_records_rejected_total{signal=\"logs\"} 1",
            "sessionfold_receive_body_bytes_total 0",
            "sessionfold_receive_inflight_bytes 42",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
