//! The body of a fuzz target: what must hold for anything that may be sent as logs.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::{Told, tell};
use crate::model::ids::{SpanId, TraceId};
use crate::wire::otlp::inspect::{Limits, inspect};

/// What was told of a request: every record is accounted for, as prost counts them, and every span can be taken as if it had been sent.
pub fn check(request: &[u8], told: &Told) {
    if let Ok(decoded) = ExportLogsServiceRequest::decode(request) {
        let scopes = decoded.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        let n_records: usize = scopes.map(|scope| scope.log_records.len()).sum();
        assert_eq!(n_records as u64, told.n_taken + told.n_noise + told.n_strange);
        let again = tell(request, "acme", true).expect("it was read before");
        assert!(again.n_taken >= told.n_taken && again.n_strange == told.n_strange, "content adds what says nothing else");
    }
    for spans in [&told.spans, &told.unforwarded] {
        let inspected = inspect(spans, Limits { max_depth: 0 }).expect("what is told is well formed");
        assert!(inspected.faults.is_empty() && inspected.n_broken_texts == 0);
        let decoded = ExportTraceServiceRequest::decode(&spans[..]).expect("and can be decoded by anyone");
        for span in decoded.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans) {
            assert!(
                TraceId::from_bytes(&span.trace_id).is_some_and(|trace| !trace.is_reserved())
                    && SpanId::from_bytes(&span.span_id).is_some()
            );
        }
    }
}
