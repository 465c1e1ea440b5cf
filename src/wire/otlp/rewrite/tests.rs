use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::checks::samples::Dice;
use crate::wire::otlp::{self, append_attribute};
use crate::wire::protobuf::encode::put_bytes;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, content);
    out
}

fn named(name: &str) -> Vec<u8> {
    field(2, &field(5, name.as_bytes()))
}

/// Drops the spans called "drop", appends to those called "append", keeps the rest.
fn by_name(_: usize, span: &Span<'_>) -> Edit {
    match span.name {
        "drop" => Edit::Drop,
        "append" => Edit::Append(vec![0xa0, 0x06, 0x01]),
        _ => Edit::Keep,
    }
}

#[test]
fn everything_around_an_edit_stays_byte_for_byte() {
    // A field nobody knows before, between and after, the resource behind its spans, and lengths in more bytes than they need.
    let unknown = [0xa0, 0x06, 0x81, 0x00];
    let clumsy = |number: u8, content: &[u8]| [&[number << 3 | 2, 0x80 | content.len() as u8, 0x80, 0x00][..], content].concat();
    let untouched = clumsy(1, &clumsy(2, &clumsy(2, &clumsy(5, b"keep"))));

    let scope = |spans: &[Vec<u8>]| field(2, &[&unknown[..], &spans.concat(), &unknown, &field(3, b"url")].concat());
    let resource = |scopes: &[Vec<u8>]| field(1, &[&scopes.concat()[..], &unknown, &field(1, b"")].concat());
    let appended = field(2, &[&field(5, b"append")[..], &[0xa0, 0x06, 0x01]].concat());

    let before = [
        untouched.clone(),
        resource(&[scope(&[named("keep"), named("drop"), named("append")]), scope(&[named("drop")])]),
        unknown.to_vec(),
        resource(&[scope(&[named("drop")]), scope(&[named("drop"), named("drop")]), scope(&[])]),
        resource(&[scope(&[])]),
        untouched.clone(),
    ];
    let after = [untouched.clone(), resource(&[scope(&[named("keep"), appended])]), unknown.to_vec(), resource(&[scope(&[])]), untouched];
    assert_eq!(rewrite(&before.concat(), by_name), Ok(after.concat()));
}

#[test]
fn lengths_grow_and_shrink_across_the_width_of_their_number() {
    for n in [0, 1, 100, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 200, 16_370, 16_383, 16_384, 70_000] {
        let long = named(&"n".repeat(n));
        let request = field(1, &field(2, &[long, named("drop"), named("append")].concat()));
        let rewritten = rewrite(&request, by_name).expect("well formed");
        let decoded = ExportTraceServiceRequest::decode(&rewritten[..]).expect("decodes");
        let names: Vec<_> = decoded.resource_spans[0].scope_spans[0].spans.iter().map(|span| span.name.len()).collect();
        assert_eq!(names, [n, 6], "{n}");
        assert_eq!(rewrite(&rewritten, |_, _| Edit::Keep), Ok(rewritten));
    }
}

#[test]
fn malformed_bytes_are_an_error_and_a_bad_string_is_not() {
    assert!(rewrite(&[0x0a, 0x05, 0x12], |_, _| Edit::Keep).is_err());
    assert!(rewrite(&field(1, &field(2, &[0x10, 0x01])), |_, _| Edit::Keep).is_err());
    assert!(rewrite(&field(1, &field(2, &field(2, &[0x28, 0x01]))), |_, _| Edit::Keep).is_err());
    let bad = field(1, &field(2, &field(2, &field(5, &[0xff]))));
    let keep = |_, span: &Span<'_>| {
        assert_eq!(span.name, "");
        Edit::Keep
    };
    assert_eq!(rewrite(&bad, keep), Ok(bad.clone()));
}

#[test]
fn appending_nothing_keeps_the_meaning() {
    let request = field(1, &field(2, &named("x")));
    assert_eq!(rewrite(&request, |_, _| Edit::Append(Vec::new())), Ok(request.clone()));
}

proptest! {
    #[test]
    fn an_attribute_read_and_appended_again_is_the_same(seed in vec(any::<u8>(), 0..600)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        let Ok(decoded) = ExportTraceServiceRequest::decode(&request[..]) else {
            return Ok(());
        };
        let scopes = otlp::resource_spans(&request).flatten().flat_map(|resource| resource.scope_spans().flatten());
        let spans = scopes.flat_map(|scope| scope.spans().flatten());
        let theirs = decoded.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        for (ours, theirs) in spans.zip(theirs) {
            let mut fields = Vec::new();
            for attribute in ours.attributes() {
                let attribute = attribute.expect("prost decodes it");
                append_attribute(&mut fields, attribute.key, attribute.value);
            }
            let again = proto::Span::decode(&fields[..]).expect("decodes");
            prop_assert_eq!(comparable(again.attributes), comparable(theirs.attributes.clone()));
        }
    }
}

/// Encoded, because NaN is not equal to itself; and without what only profiles have, which is not carried over.
fn comparable(mut attributes: Vec<KeyValue>) -> Vec<Vec<u8>> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    for attribute in &mut attributes {
        attribute.key_strindex = 0;
        let value = attribute.value.get_or_insert_default();
        if let Some(Value::StringValueStrindex(_)) = value.value {
            value.value = None;
        }
    }
    attributes.iter().map(prost::Message::encode_to_vec).collect()
}
