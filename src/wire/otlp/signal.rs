//! What an encoded export request holds, where nothing else says so. In all three requests records lie in scopes in resources, under the
//! same numbers; the records differ.

use super::Malformed;
use super::walk::next_message;
use crate::wire::protobuf::reader::{Raw, Reader};

/// The records of one signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Records {
    Spans,
    Logs,
    Metrics,
}

/// What the first record of an encoded request is; `None` where there is none.
///
/// # Errors
/// [`Malformed`] if what leads to it is no protobuf.
pub fn records(request: &[u8]) -> Result<Option<Records>, Malformed> {
    let mut resources = Reader::new(request);
    while let Some(mut scopes) = next_message(&mut resources, 1)? {
        while let Some(mut records) = next_message(&mut scopes, 2)? {
            if let Some(record) = next_message(&mut records, 2)? {
                return kind(record).map(Some);
            }
        }
    }
    Ok(None)
}

/// A span begins with its two ids, a metric with its name, a log record with a time or with none.
fn kind(mut record: Reader<'_>) -> Result<Records, Malformed> {
    let mut lengths = [None; 2];
    while let Some(field) = record.field()? {
        if let (1 | 2, Raw::Delimited(content)) = (field.number, field.raw) {
            lengths[field.number as usize - 1] = Some(content.rest().len());
        }
    }
    Ok(match lengths {
        [Some(16), Some(8)] => Records::Spans,
        [Some(_), _] => Records::Metrics,
        [None, _] => Records::Logs,
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn of_span(span: Span) -> Vec<u8> {
        let scope_spans = vec![ScopeSpans::default(), ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans::default(), ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn of_log(record: LogRecord) -> Vec<u8> {
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }.encode_to_vec()
    }

    fn of_metric(name: &str, description: &str) -> Vec<u8> {
        let metrics = vec![Metric { name: name.into(), description: description.into(), ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }

    #[test]
    fn the_first_record_tells_what_a_request_holds() {
        let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "x".into(), ..Span::default() };
        assert_eq!(records(&of_span(span)), Ok(Some(Records::Spans)));
        let timed = LogRecord { time_unix_nano: 1, trace_id: vec![1; 16], span_id: vec![2; 8], ..LogRecord::default() };
        // Codex leaves the time out.
        let observed = LogRecord { observed_time_unix_nano: 1, severity_number: 9, ..LogRecord::default() };
        for record in [timed, observed, LogRecord::default()] {
            assert_eq!(records(&of_log(record)), Ok(Some(Records::Logs)));
        }
        for (name, description) in [("claude_code.cost.usage", ""), ("sixteen.letters.", "a cost"), ("x", "8 letters")] {
            assert_eq!(records(&of_metric(name, description)), Ok(Some(Records::Metrics)));
        }
        assert_eq!(records(&[]), Ok(None));
        assert_eq!(records(&ExportTraceServiceRequest { resource_spans: vec![ResourceSpans::default()] }.encode_to_vec()), Ok(None));
        assert!(records(b"\x0a\xff").is_err());
    }
}
