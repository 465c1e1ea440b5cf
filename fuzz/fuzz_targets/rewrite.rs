//! Any bytes that inspection takes, any edits: the same as the edits on the decoded request.
//!
//! The first eight bytes are the edits, two bits a span, over and over; the rest is the request.

#![no_main]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use wire::inspect::{Limits, inspect};
use wire::otlp::Value;
use wire::rewrite::{Edit, append_attribute};

#[path = "../../src/wire"]
mod wire {
    pub use sessionfold::wire::*;

    // Of all that must hold, this target checks one thing.
    #[allow(dead_code)]
    pub mod oracle;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choices, request)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let Ok(found) = inspect(request, Limits { max_depth: u32::MAX }) else {
        return;
    };
    let choices = u64::from_le_bytes(*choices);
    let edit = |ordinal: usize| match choices >> (ordinal % 32 * 2) & 3 {
        0 | 1 => Edit::Keep,
        2 => Edit::Drop,
        _ => {
            let mut fields = Vec::new();
            append_attribute(&mut fields, "stamp", Value::Str(&"s".repeat(ordinal % 300)));
            Edit::Append(fields)
        }
    };
    let decoded = ExportTraceServiceRequest::decode(request).ok();
    wire::oracle::check_rewrite(request, &decoded, &found, edit);
});
