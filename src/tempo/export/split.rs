//! Cuts an encoded request into smaller ones, between spans, on the original bytes.
//!
//! - Every span ends up in exactly one part, in order, byte for byte; each part repeats the resources and scopes of its spans.
//! - A single span is never cut.

use bytes::Bytes;

use crate::model::digest::hex;
use crate::model::ids::{SpanId, TraceId};
use crate::wire::otlp::Malformed;
use crate::wire::otlp::rewrite::{Edit, rewrite};

/// The two halves of a request by number of spans, or `None` if it has fewer than two.
pub(super) fn halve(request: &[u8]) -> Result<Option<(Bytes, Bytes)>, Malformed> {
    let n_spans = span_bytes(request)?.len();
    if n_spans < 2 {
        return Ok(None);
    }
    let middle = n_spans / 2;
    Ok(Some((keep(request, 0..middle)?, keep(request, middle..n_spans)?)))
}

/// Parts whose spans have at most `max_bytes` together; a larger span is alone in its part. What their resources and scopes add is not
/// counted: a part that is still too large is halved again when it is refused.
pub(super) fn chunks(request: &[u8], max_bytes: usize) -> Result<Vec<Bytes>, Malformed> {
    let sizes = span_bytes(request)?;
    let mut parts = Vec::new();
    let mut first = 0;
    let mut part_bytes = 0_usize;
    for (ordinal, bytes) in sizes.iter().enumerate() {
        if ordinal > first && part_bytes + bytes > max_bytes {
            parts.push(keep(request, first..ordinal)?);
            first = ordinal;
            part_bytes = 0;
        }
        part_bytes += bytes;
    }
    if first < sizes.len() {
        parts.push(keep(request, first..sizes.len())?);
    }
    Ok(parts)
}

/// The ids of a request's spans, in hexadecimal, at most `max` of them, and how many spans there are.
pub(super) fn name_spans(request: &[u8], max: usize) -> (usize, Vec<String>) {
    let mut names = Vec::new();
    let mut n_spans = 0;
    let walked = rewrite(request, |_, span| {
        if n_spans < max {
            names.push(format!("{}/{}", hex(span.trace_id), hex(span.span_id)));
        }
        n_spans += 1;
        Edit::Drop
    });
    // What cannot be walked is still something that is lost.
    if walked.is_err() { (n_spans.max(1), names) } else { (n_spans, names) }
}

/// Shows the ids of each span that has valid ones.
pub(super) fn each_span(request: &[u8], mut see: impl FnMut(TraceId, SpanId)) {
    // What cannot be walked was inspected before it was journaled; it is sent as it is.
    let _ = rewrite(request, |_, span| {
        if let Some((trace, span)) = TraceId::from_bytes(span.trace_id).zip(SpanId::from_bytes(span.span_id)) {
            see(trace, span);
        }
        Edit::Drop
    });
}

/// The request without these spans; as it is if it cannot be walked.
pub(super) fn without(request: &Bytes, is_left_out: impl Fn(TraceId, SpanId) -> bool) -> Bytes {
    let kept = rewrite(request, |_, span| match TraceId::from_bytes(span.trace_id).zip(SpanId::from_bytes(span.span_id)) {
        Some((trace, span)) if is_left_out(trace, span) => Edit::Drop,
        _ => Edit::Keep,
    });
    kept.map_or_else(|_| request.clone(), Bytes::from)
}

/// The encoded length of each span with its frame, in order.
fn span_bytes(request: &[u8]) -> Result<Vec<usize>, Malformed> {
    // Tag and length before a span.
    const FRAME_BYTES: usize = 6;
    let mut sizes = Vec::new();
    rewrite(request, |_, span| {
        sizes.push(span.bytes.len() + FRAME_BYTES);
        Edit::Drop
    })?;
    Ok(sizes)
}

fn keep(request: &[u8], ordinals: std::ops::Range<usize>) -> Result<Bytes, Malformed> {
    let kept = rewrite(request, |ordinal, _| if ordinals.contains(&ordinal) { Edit::Keep } else { Edit::Drop })?;
    Ok(Bytes::from(kept))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    /// Resources of scopes of so many spans; each span's id is its ordinal plus one, and its name has the given length.
    fn request(shape: &[Vec<Vec<usize>>]) -> Vec<u8> {
        let mut ordinal = 0_u64;
        let mut span = |name_bytes: &usize| {
            ordinal += 1;
            let name = "n".repeat(*name_bytes);
            Span { trace_id: vec![7; 16], span_id: ordinal.to_be_bytes().to_vec(), name, ..Default::default() }
        };
        let mut scope = |names: &Vec<usize>| ScopeSpans { spans: names.iter().map(&mut span).collect(), ..Default::default() };
        let mut resource =
            |scopes: &Vec<Vec<usize>>| ResourceSpans { scope_spans: scopes.iter().map(&mut scope).collect(), ..Default::default() };
        ExportTraceServiceRequest { resource_spans: shape.iter().map(&mut resource).collect() }.encode_to_vec()
    }

    fn spans(request: &[u8]) -> Vec<Span> {
        let request = ExportTraceServiceRequest::decode(request).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    proptest! {
        #[test]
        fn cutting_keeps_every_span_once_and_in_order(
            shape in prop::collection::vec(prop::collection::vec(prop::collection::vec(0_usize..60, 0..5), 0..3), 0..4),
            max_bytes in 1_usize..300,
        ) {
            let whole = request(&shape);
            let all = spans(&whole);
            let parts = chunks(&whole, max_bytes).unwrap();
            prop_assert_eq!(parts.iter().flat_map(|part| spans(part)).collect::<Vec<_>>(), all.clone());
            for part in &parts {
                let inside = spans(part);
                let bytes: usize = inside.iter().map(Message::encoded_len).sum();
                prop_assert!(inside.len() == 1 || bytes <= max_bytes, "{} spans of {bytes} bytes", inside.len());
            }
            match halve(&whole).unwrap() {
                None => prop_assert!(all.len() < 2),
                Some((first, second)) => {
                    prop_assert!(!spans(&first).is_empty() && !spans(&second).is_empty());
                    prop_assert_eq!([spans(&first), spans(&second)].concat(), all);
                }
            }
        }
    }

    #[test]
    fn a_lost_span_is_named_by_its_ids_only() {
        let (n_spans, names) = name_spans(&request(&[vec![vec![5, 5, 5]]]), 2);
        assert_eq!(n_spans, 3);
        assert_eq!(names, ["07070707070707070707070707070707/0000000000000001", "07070707070707070707070707070707/0000000000000002"]);
        assert_eq!(name_spans(b"\xff\xff", 2).0, 1);
    }
}
