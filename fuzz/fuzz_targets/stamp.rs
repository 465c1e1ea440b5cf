//! Any bytes that inspection takes, any stamps: the same as the same attributes on the decoded request.
//!
//! The first eight bytes say what is done, two bits a span, over and over; the rest is the request.

#![no_main]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use sessionfold::wire::inspect::{Limits, inspect};
use sessionfold::wire::otlp::Value;
use sessionfold::wire::rewrite::{Edit, append_attribute, rewrite};
use sessionfold::wire::stamp::{Fate, Layout};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choices, request)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let Ok(found) = inspect(request, Limits { max_depth: u32::MAX }) else {
        return;
    };
    let choices = u64::from_le_bytes(*choices);
    let choice = |ordinal: usize| choices >> (ordinal % 32 * 2) & 3;
    let text = |ordinal: usize| "s".repeat(ordinal % 300);
    let layout = Layout::of(request, |_| {}).expect("inspected bytes can be walked");
    assert_eq!(layout.n_spans(), found.n_spans);
    let stamped = layout.write(&request.to_vec().into(), 0, |ordinal, stamps| match choice(ordinal) {
        0 | 1 => Fate::Keep,
        2 => Fate::Drop,
        _ => {
            stamps.string("stamp", &text(ordinal));
            Fate::Keep
        }
    });
    let stamped = stamped.concat();
    // The other way to the same bytes, which its own target compares with prost.
    let rewritten = rewrite(request, |ordinal, _| match choice(ordinal) {
        0 | 1 => Edit::Keep,
        2 => Edit::Drop,
        _ => {
            let mut fields = Vec::new();
            append_attribute(&mut fields, "stamp", Value::Str(&text(ordinal)));
            Edit::Append(fields)
        }
    });
    assert_eq!(Ok(&stamped), rewritten.as_ref());
    if ExportTraceServiceRequest::decode(request).is_ok() {
        ExportTraceServiceRequest::decode(&stamped[..]).expect("stamped bytes decode");
    }
});
