//! Bodies of fuzz targets: what must hold for any bytes that come over the wire or out of the index database.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::oracle;
use crate::wire::format::entry::Entry;
use crate::wire::format::stored;
use crate::wire::otlp::Value;
use crate::wire::otlp::inspect::{Limits, SpanFault, inspect};
use crate::wire::otlp::json::mend::mend;
use crate::wire::otlp::json::misplaced::misplaced;
use crate::wire::otlp::json::to_protobuf;
use crate::wire::otlp::stamp::{Fate, Layout};
use crate::wire::otlp::{
    append_attribute,
    rewrite::{self, Edit},
};

const NO_LIMIT: Limits = Limits { max_depth: u32::MAX };

/// Any bytes at all: inspected, walked and rewritten as prost says.
pub fn check_inspect(bytes: &[u8]) {
    oracle::check(bytes);
}

/// Any text at all: it never panics, and what it becomes is well-formed protobuf, of which prost decodes all but what is nested too deep.
/// The same text mended is read or refused too, and there is nothing left to mend.
pub fn check_json(text: &[u8]) {
    check_translated(text);
    if let Some(mended) = mend(text) {
        assert!(mend(&mended.json).is_none());
        check_translated(&mended.json);
    }
    let _ = misplaced(text);
}

fn check_translated(text: &[u8]) {
    let Ok(bytes) = to_protobuf(text) else {
        return;
    };
    let found = inspect(&bytes, Limits { max_depth: 100 });
    let Ok(found) = found else {
        // A value that is nested too deep, outside every span.
        ExportTraceServiceRequest::decode(&bytes[..]).expect_err("prost refuses it too");
        return;
    };
    assert_eq!(found.n_broken_texts, 0);
    if found.faults.iter().all(|fault| fault.1 != SpanFault::TooDeep) {
        ExportTraceServiceRequest::decode(&bytes[..]).expect("prost decodes it");
    }
}

/// Any bytes that inspection takes: with their text repaired and without the faulted spans, prost decodes them.
pub fn check_repair(bytes: &[u8]) {
    let Ok(found) = inspect(bytes, NO_LIMIT) else {
        return;
    };
    let repaired = oracle::check_repair(bytes, &found);
    let drop = |ordinal| if found.faults.iter().any(|fault| fault.0 == ordinal) { Edit::Drop } else { Edit::Keep };
    let kept = rewrite::rewrite(&repaired, |ordinal, _| drop(ordinal)).expect("inspected bytes can be rewritten");
    ExportTraceServiceRequest::decode(&kept[..]).expect("prost decodes what is kept");
}

/// Any bytes that inspection takes, any edits: the same as the edits on the decoded request.
///
/// The first eight bytes are the edits, two bits a span, over and over; the rest is the request.
pub fn check_rewrite(bytes: &[u8]) {
    let Some((choices, request)) = split_choices(bytes) else {
        return;
    };
    let Ok(found) = inspect(request, NO_LIMIT) else {
        return;
    };
    let decoded = ExportTraceServiceRequest::decode(request).ok();
    oracle::check_rewrite(request, &decoded, &found, |ordinal| edit(choices, ordinal));
}

/// Any bytes that inspection takes, any stamps: the same as the same attributes on the decoded request.
///
/// The input is that of [`check_rewrite`].
pub fn check_stamp(bytes: &[u8]) {
    let Some((choices, request)) = split_choices(bytes) else {
        return;
    };
    let Ok(found) = inspect(request, NO_LIMIT) else {
        return;
    };
    let layout = Layout::of(request, |_| {}).expect("inspected bytes can be walked");
    assert_eq!(layout.n_spans(), found.n_spans);
    let stamped = layout.write(&request.to_vec().into(), 0, |ordinal, stamps| match choice(choices, ordinal) {
        0 | 1 => Fate::Keep,
        2 => Fate::Drop,
        _ => {
            stamps.string("stamp", &text(ordinal));
            Fate::Keep
        }
    });
    let whole = stamped.stretches().collect::<Vec<_>>().concat();
    assert_eq!(whole.len(), stamped.len());
    // The other way to the same bytes, which its own target compares with prost.
    let rewritten = rewrite::rewrite(request, |ordinal, _| edit(choices, ordinal));
    assert_eq!(Ok(&whole), rewritten.as_ref());
    if ExportTraceServiceRequest::decode(request).is_ok() {
        ExportTraceServiceRequest::decode(&whole[..]).expect("stamped bytes decode");
    }
}

/// Any record of the journal: it is an entry or it is refused, and an entry is written as it was read.
///
/// The first byte is the length of the head, then come head and body.
pub fn check_entry(bytes: &[u8]) {
    let Some((n_head_bytes, rest)) = bytes.split_first() else {
        return;
    };
    let (head, body) = rest.split_at(rest.len().min(usize::from(*n_head_bytes)));
    let Ok(entry) = Entry::decode(head, body.to_vec().into()) else {
        return;
    };
    let (head, body) = entry.encode();
    assert_eq!(Entry::decode(&head, body), Ok(entry));
}

/// Any blob of the index database: it is read or refused, and what was read is stored and read again as the same.
///
/// The first byte chooses the kind of blob.
pub fn check_stored(bytes: &[u8]) {
    let Some((kind, blob)) = bytes.split_first() else {
        return;
    };
    match kind % 3 {
        0 => {
            // Encoded, because NaN is not equal to itself.
            let encode = |blob: &[u8]| {
                let trace = stored::decode_trace(blob).ok()?;
                let (report, joined) = (trace.report.as_ref(), &trace.joined);
                Some(stored::encode_trace(trace.facts.iter(), trace.n_refused, &trace.runs, report, joined, &trace.stretches))
            };
            if let Some(encoded) = encode(blob) {
                assert_eq!(encode(&encoded), Some(encoded));
            }
        }
        1 => {
            let _ = stored::decode_run_detail(blob);
        }
        _ => {
            if let Ok(agents) = stored::agent_parts(blob).collect::<Result<Vec<_>, _>>() {
                let encoded = stored::encode_agents(agents.iter().copied());
                assert_eq!(stored::agent_parts(&encoded).collect::<Result<Vec<_>, _>>(), Ok(agents));
            }
        }
    }
}

fn split_choices(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (choices, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*choices), rest))
}

fn choice(choices: u64, ordinal: usize) -> u64 {
    choices >> (ordinal % 32 * 2) & 3
}

fn edit(choices: u64, ordinal: usize) -> Edit {
    match choice(choices, ordinal) {
        0 | 1 => Edit::Keep,
        2 => Edit::Drop,
        _ => {
            let mut fields = Vec::new();
            append_attribute(&mut fields, "stamp", Value::Str(&text(ordinal)));
            Edit::Append(fields)
        }
    }
}

fn text(ordinal: usize) -> String {
    "s".repeat(ordinal % 300)
}
