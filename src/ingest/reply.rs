//! The answer to an export that was taken, wholly or in part: `Export…ServiceResponse` in the format of the request.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;

use super::Signal;
use super::encoding::Coding;

/// What became of the records of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Taken {
    pub(super) n_rejected: u64,
    /// Why, and what else the sender should know; empty if there is nothing, and then `partial_success` stays unset, as OTLP demands.
    pub(super) message: String,
    /// It held nothing that belongs here.
    pub(super) is_misplaced: bool,
    /// How the request was compressed, for metrics.
    pub(super) coding: Coding,
}

// === impl Taken ===

impl Taken {
    /// The label `outcome` in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self.n_rejected {
            0 if self.is_misplaced => "misplaced",
            0 => "accepted",
            _ => "partial",
        }
    }

    pub(super) fn to_protobuf(&self, signal: Signal) -> Vec<u8> {
        if self.is_plain() {
            return Vec::new();
        }
        let (rejected, error_message) = (i64::try_from(self.n_rejected).unwrap_or(i64::MAX), self.message.clone());
        match signal {
            Signal::Traces => {
                let partial_success = Some(ExportTracePartialSuccess { rejected_spans: rejected, error_message });
                ExportTraceServiceResponse { partial_success }.encode_to_vec()
            }
            Signal::Logs => {
                let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: rejected, error_message });
                ExportLogsServiceResponse { partial_success }.encode_to_vec()
            }
            Signal::Metrics => {
                let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message });
                ExportMetricsServiceResponse { partial_success }.encode_to_vec()
            }
        }
    }

    fn is_plain(&self) -> bool {
        self.n_rejected == 0 && self.message.is_empty()
    }

    /// Protobuf's JSON mapping: 64-bit integers are strings, and what is unset is absent.
    pub(super) fn to_json(&self, signal: Signal) -> Vec<u8> {
        if self.is_plain() {
            return b"{}".to_vec();
        }
        let field = match signal {
            Signal::Traces => "rejectedSpans",
            Signal::Logs => "rejectedLogRecords",
            Signal::Metrics => "rejectedDataPoints",
        };
        let partial = serde_json::json!({ field: self.n_rejected.to_string(), "errorMessage": self.message });
        serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
    }
}
