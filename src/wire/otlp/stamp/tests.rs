use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::checks::samples::Dice;
use crate::wire::otlp;

/// What the test appends to the span of this ordinal; nothing to some, and some are dropped.
fn stamp(ordinal: usize, stamps: &mut Stamps<'_>) -> Fate {
    match ordinal % 5 {
        0 => stamps.string("sessionfold.session_id", &"s".repeat(ordinal % 300)),
        1 => {
            stamps.double("sessionfold.cost", ordinal as f64 / 8.0);
            stamps.int("sessionfold.tokens", -(ordinal as i64));
        }
        2 => return Fate::Drop,
        3 => stamps.encoded(&encoded(|stamps| stamps.bool("sessionfold.synthetic", true))),
        _ => {}
    }
    Fate::Keep
}

fn expected(ordinal: usize) -> Option<Vec<KeyValue>> {
    use any_value::Value;
    let attribute =
        |key: &str, value: Value| KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() };
    Some(match ordinal % 5 {
        0 => vec![attribute("sessionfold.session_id", Value::StringValue("s".repeat(ordinal % 300)))],
        1 => vec![
            attribute("sessionfold.cost", Value::DoubleValue(ordinal as f64 / 8.0)),
            attribute("sessionfold.tokens", Value::IntValue(-(ordinal as i64))),
        ],
        2 => return None,
        3 => vec![attribute("sessionfold.synthetic", Value::BoolValue(true))],
        _ => Vec::new(),
    })
}

/// The same edit on the decoded request.
fn apply(mut request: ExportTraceServiceRequest) -> ExportTraceServiceRequest {
    let mut ordinal = 0;
    request.resource_spans.retain_mut(|resource| {
        let (first, mut n_kept) = (ordinal, 0);
        resource.scope_spans.retain_mut(|scope| {
            let n_before = scope.spans.len();
            scope.spans.retain_mut(|span: &mut proto::Span| {
                let stamps = expected(ordinal);
                ordinal += 1;
                let is_kept = stamps.is_some();
                span.attributes.extend(stamps.unwrap_or_default());
                is_kept
            });
            n_kept += scope.spans.len();
            n_before == 0 || !scope.spans.is_empty()
        });
        ordinal == first || n_kept > 0
    });
    request
}

impl Stamped {
    fn whole(&self) -> Vec<u8> {
        self.stretches().collect::<Vec<_>>().concat()
    }
}

fn span_bytes(request: &[u8]) -> Vec<&[u8]> {
    let scopes = otlp::resource_spans(request).flatten().flat_map(|resource| resource.scope_spans().flatten());
    scopes.flat_map(|scope| scope.spans().flatten()).map(|span| span.bytes).collect()
}

proptest! {
    #[test]
    fn a_stamped_request_is_what_prost_makes_of_the_same_attributes(seed in vec(any::<u8>(), 0..900)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        let Ok(decoded) = ExportTraceServiceRequest::decode(&request[..]) else {
            return Ok(());
        };
        let mut seen = Vec::new();
        let layout = Layout::of(&request, |span| seen.push(span.bytes)).expect("prost decodes it");
        prop_assert_eq!(&seen, &span_bytes(&request));
        prop_assert_eq!(layout.n_spans(), seen.len());
        let stamped = layout.write(&request.clone().into(), 0, stamp).whole();
        let again = ExportTraceServiceRequest::decode(&stamped[..]).expect("decodes");
        // Encoded, because NaN is not equal to itself.
        prop_assert_eq!(again.encode_to_vec(), apply(decoded).encode_to_vec());

        let kept: Vec<&[u8]> = seen.iter().enumerate().filter(|(n, _)| n % 5 != 2).map(|(_, bytes)| *bytes).collect();
        let after = span_bytes(&stamped);
        prop_assert_eq!(kept.len(), after.len());
        for (before, after) in kept.iter().zip(after) {
            prop_assert!(after.starts_with(before), "the span's own bytes changed");
        }
    }

    #[test]
    fn a_request_without_stamps_is_written_byte_for_byte(seed in vec(any::<u8>(), 0..900)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        if let Ok(layout) = Layout::of(&request, |_| {}) {
            prop_assert_eq!(layout.write(&request.clone().into(), 0, |_, _| Fate::Keep).whole(), request);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_laid_out_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(layout) = Layout::of(&bytes, |_| {}) {
            layout.write(&bytes.into(), 0, stamp);
        }
    }
}

#[test]
fn lengths_grow_across_the_width_of_their_number() {
    for n in [0, 1, 90, 100, 110, 120, 126, 127, 128, 129, 16_300, 16_383, 16_384, 70_000] {
        let span = proto::Span { name: "n".repeat(n), ..Default::default() };
        let scope = proto::ScopeSpans { spans: vec![span.clone(), span], ..Default::default() };
        let resource = proto::ResourceSpans { scope_spans: vec![scope], ..Default::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![resource] };
        let bytes = request.encode_to_vec();
        let layout = Layout::of(&bytes, |_| {}).expect("well formed");
        let stamped = layout.write(&bytes.into(), 0, stamp).whole();
        assert_eq!(ExportTraceServiceRequest::decode(&stamped[..]).expect("decodes"), apply(request), "{n}");
    }
}

#[test]
fn an_attribute_of_any_length_is_what_prost_makes_of_it() {
    let of_prost = |key: &str, value: any_value::Value| {
        let attribute = KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..Default::default() };
        proto::Span { attributes: vec![attribute], ..Default::default() }.encode_to_vec()
    };
    for n in (0..300).chain([16_360, 16_384, 20_000]) {
        let (key, text) = ("k".repeat(n.max(1)), "t".repeat(n));
        let expected = of_prost("sessionfold.session_id", any_value::Value::StringValue(text.clone()));
        assert_eq!(encoded(|stamps| stamps.string("sessionfold.session_id", &text)), expected, "{n}");
        let expected = of_prost(&key, any_value::Value::StringValue(text.clone()));
        assert_eq!(encoded(|stamps| stamps.string(&key, &text)), expected, "{n}");
    }
    for number in [0, 1, 127, 128, 300_000, i64::MAX, -1, i64::MIN] {
        assert_eq!(encoded(|stamps| stamps.int("tokens", number)), of_prost("tokens", any_value::Value::IntValue(number)));
    }
    for number in [0.0, -0.0015, f64::MAX] {
        assert_eq!(encoded(|stamps| stamps.double("cost", number)), of_prost("cost", any_value::Value::DoubleValue(number)));
    }
    for flag in [false, true] {
        assert_eq!(encoded(|stamps| stamps.bool("is", flag)), of_prost("is", any_value::Value::BoolValue(flag)));
    }
}

proptest! {
    /// Lengths change their width around pieces that are not copied, and spans of every size are dropped beside them.
    #[test]
    fn spans_are_shared_but_for_the_smallest_and_everything_else_is_right(
        sizes in vec(vec(vec(prop_oneof![0_usize..300, 120_usize..132, 16_000_usize..16_700], 0..6), 0..3), 0..3),
    ) {
        let span = |n: &usize| proto::Span { name: "n".repeat(*n), ..Default::default() };
        let scope = |spans: &Vec<usize>| proto::ScopeSpans { spans: spans.iter().map(span).collect(), ..Default::default() };
        let resource = |scopes: &Vec<Vec<usize>>| proto::ResourceSpans {
            scope_spans: scopes.iter().map(scope).collect(),
            ..Default::default()
        };
        let request = ExportTraceServiceRequest { resource_spans: sizes.iter().map(resource).collect() };
        let bytes = Bytes::from(request.encode_to_vec());
        let layout = Layout::of(&bytes, |_| {}).expect("well formed");
        let stamped = layout.write(&bytes, 0, stamp);
        let large = span_bytes(&bytes).into_iter().enumerate().filter(|(n, span)| n % 5 != 2 && span.len() >= SHARED_BYTES_MIN);
        let large: Vec<_> = large.map(|(_, span)| span.as_ptr_range()).collect();
        let shared: Vec<_> = stamped.stretches().skip(1).step_by(2).map(<[u8]>::as_ptr_range).collect();
        prop_assert_eq!(shared, large, "a span was copied");
        prop_assert_eq!(stamped.len(), stamped.whole().len());
        prop_assert_eq!(ExportTraceServiceRequest::decode(&stamped.whole()[..]).expect("decodes"), apply(request));
    }

    /// A length in more bytes than it needs stays as it is where nothing changes it.
    #[test]
    fn heads_in_unusual_bytes_are_kept(n in 0_usize..300, width in 1_usize..5) {
        let span = proto::Span { name: "n".repeat(n), ..Default::default() }.encode_to_vec();
        let of_length = |length: usize, width: usize| -> Vec<u8> {
            (0..width).map(|at| (length >> (7 * at)) as u8 & 0x7f | if at + 1 < width { 0x80 } else { 0 }).collect()
        };
        let width = if span.len() < 0x80 { width } else { width.max(2) };
        let framed = [vec![0x12], of_length(span.len(), width), span].concat();
        let scope = [vec![0x12], of_length(framed.len(), 3), framed].concat();
        let request = Bytes::from([vec![0x0a], of_length(scope.len(), 4), scope].concat());
        let layout = Layout::of(&request, |_| {}).expect("well formed");
        prop_assert_eq!(layout.write(&request, 0, |_, _| Fate::Keep).whole(), &request[..]);
        let stamped = layout.write(&request, 0, stamp).whole();
        let decoded = ExportTraceServiceRequest::decode(&request[..]).expect("decodes");
        prop_assert_eq!(ExportTraceServiceRequest::decode(&stamped[..]).expect("decodes"), apply(decoded));
    }
}
