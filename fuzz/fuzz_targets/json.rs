//! Any text at all: it never panics, and what it becomes is well-formed protobuf, no deeper than prost decodes.

#![no_main]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use sessionfold::wire::inspect::{Limits, SpanFault, inspect};
use sessionfold::wire::json::to_protobuf;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(bytes) = to_protobuf(text) else {
        return;
    };
    ExportTraceServiceRequest::decode(&bytes[..]).expect("prost decodes it");
    let found = inspect(&bytes, Limits { max_depth: 100 }).expect("it is well formed");
    assert!(found.faults.iter().all(|fault| !matches!(fault.1, SpanFault::Utf8 | SpanFault::TooDeep)));
});
