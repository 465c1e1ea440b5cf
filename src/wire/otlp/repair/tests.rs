use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::checks::oracle::{check, check_repair};
use crate::wire::checks::samples::Dice;
use crate::wire::otlp::inspect::{Inspection, Limits, inspect};
use crate::wire::protobuf::encode::put_bytes;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, content);
    out
}

/// Nested messages, outermost field number first, around `inner`.
fn wrap(numbers: &[u32], inner: &[u8]) -> Vec<u8> {
    numbers.iter().rev().fold(inner.to_vec(), |content, &number| field(number, &content))
}

fn ids() -> Vec<u8> {
    [field(1, &[1; 16]), field(2, &[2; 8])].concat()
}

fn inspected(request: &[u8]) -> Inspection {
    inspect(request, Limits { max_depth: 30 }).expect("well formed")
}

/// The request with its text repaired, and where the first broken one stood.
fn repaired(request: &[u8]) -> Repaired {
    check(request);
    repair(request, inspected(request).repair_bytes).expect("well formed")
}

#[test]
fn text_of_every_message_is_repaired_where_it_stands_and_named() {
    let string = |text: &[u8]| field(1, text);
    let attribute = |key: &[u8], value: &[u8]| [field(1, key), field(2, value)].concat();
    let (bad, good): (&[u8], &[u8]) = (b"caf\xc3", "caf\u{fffd}".as_bytes());
    let place = |path: &[u32], text: &[u8]| match path {
        [1, 2, 2, ..] => wrap(&path[..3], &[ids(), wrap(&path[3..], text)].concat()),
        path => [wrap(path, text), wrap(&[1, 2, 2], &ids())].concat(),
    };
    type Case<'a> = (&'a str, &'a [u32], &'a dyn Fn(&[u8]) -> Vec<u8>);
    let cases: &[Case<'_>] = &[
        ("attribute \"preview\"", &[1, 2, 2, 9], &|text| attribute(b"preview", &string(text))),
        ("attribute \"preview\"", &[1, 2, 2, 9], &|text| [field(2, &string(text)), field(1, b"preview")].concat()),
        ("attribute \"caf\u{fffd}\"", &[1, 2, 2, 9], &|text| attribute(text, &string(b"x"))),
        ("attribute \"list\"", &[1, 2, 2, 9], &|text| attribute(b"list", &wrap(&[5, 1], &string(text)))),
        ("attribute \"map\"", &[1, 2, 2, 9], &|text| attribute(b"map", &wrap(&[6, 1], &attribute(b"inner", &string(text))))),
        ("attribute \"service.name\"", &[1, 1, 1], &|text| attribute(b"service.name", &string(text))),
        ("attribute \"of.scope\"", &[1, 2, 1, 3], &|text| attribute(b"of.scope", &string(text))),
        ("a text of the span", &[1, 2, 2], &|text| field(5, text)),
        ("a text of the span", &[1, 2, 2], &|text| field(3, text)),
        ("a text of the status", &[1, 2, 2, 15], &|text| field(2, text)),
        ("a text of the event", &[1, 2, 2, 11], &|text| field(2, text)),
        ("attribute \"of.event\"", &[1, 2, 2, 11, 3], &|text| attribute(b"of.event", &string(text))),
        ("a text of the link", &[1, 2, 2, 13], &|text| field(3, text)),
        ("a text of the scope", &[1, 2, 1], &|text| field(1, text)),
        ("a text of the scope", &[1, 2], &|text| field(3, text)),
        ("a text of the resource", &[1], &|text| field(3, text)),
        ("a text of the resource", &[1, 1, 3], &|text| field(3, text)),
    ];
    for (first, path, content) in cases {
        let request = place(path, &content(bad));
        assert_eq!(inspected(&request).n_broken_texts, 1, "{first}");
        assert!(inspected(&request).faults.is_empty(), "{first}");
        assert_eq!(repaired(&request), Repaired { bytes: place(path, &content(good)), first: (*first).to_owned() });
    }
}

#[test]
fn what_is_no_text_is_left_alone() {
    let bytes_value = wrap(&[9], &[field(1, b"k"), wrap(&[2, 7], b"\xff\xfe")].concat());
    let unknown = wrap(&[100], b"\xff");
    let span = [field(1, &[0xff; 16]), field(2, &[0xfe; 8]), field(4, &[0xfd; 8]), bytes_value, unknown].concat();
    let request = wrap(&[1, 2, 2], &span);
    assert_eq!(repaired(&request), Repaired { bytes: request.clone(), first: String::new() });
}

#[test]
fn lengths_around_a_repair_grow_with_it() {
    // Each of these bytes becomes three: the lengths of span, scope and resource need a byte more.
    let request = wrap(&[1, 2, 2], &[ids(), field(5, &[0xff; 60])].concat());
    let grown = wrap(&[1, 2, 2], &[ids(), field(5, "\u{fffd}".repeat(60).as_bytes())].concat());
    assert_eq!((inspected(&request).n_broken_texts, inspected(&request).repair_bytes), (1, 120));
    assert_eq!(repaired(&request).bytes, grown);
}

#[test]
fn a_long_key_is_cut_where_it_is_named() {
    let request = wrap(&[1, 2, 2], &[ids(), wrap(&[9], &[field(1, &[b'k'; 5_000]), wrap(&[2, 1], b"\xff")].concat())].concat());
    assert_eq!(repaired(&request).first, format!("attribute {:?}", "k".repeat(100)));
}

/// A text that is no other's, and no id's: two noncharacters.
const MARK: &str = "\u{10ffff}\u{10ffff}";

fn replaced(bytes: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + MARK.len()..];
    }
    out.extend_from_slice(rest);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is broken here is as long as what it becomes, so that the lengths around it are right in both.
    #[test]
    fn broken_text_is_repaired_and_nothing_else_changes(seed in vec(any::<u8>(), 0..1500)) {
        let mut dice = Dice::marked(&seed, MARK);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        let (broken, expect) = (replaced(&request, b"\xf4\x8f\xbfA\xf4\x8f\xbfA"), replaced(&request, "\u{fffd}A\u{fffd}A".as_bytes()));
        check(&broken);
        let Ok(expect) = ExportTraceServiceRequest::decode(&expect[..]) else { return Ok(()) };
        let repaired = repair(&broken, inspected(&broken).repair_bytes).expect("well formed");
        let decoded = ExportTraceServiceRequest::decode(&repaired.bytes[..]).expect("prost decodes it");
        // Encoded, because NaN is not equal to itself.
        prop_assert_eq!(decoded.encode_to_vec(), expect.encode_to_vec());
    }

    #[test]
    fn damaged_requests_are_repaired_to_what_prost_decodes(damage in vec(any::<u8>(), 8), seed in vec(any::<u8>(), 0..800)) {
        let mut dice = Dice::marked(&seed, "\u{7f}\u{7f}");
        let request = dice.request().encode_to_vec();
        let mut broken: Vec<u8> = dice.scramble(&request).iter().map(|byte| if *byte == 0x7f { 0xc3 } else { *byte }).collect();
        Dice::new(&damage).damage(&mut broken);
        check(&broken);
        if let Ok(found) = inspect(&broken, Limits { max_depth: u32::MAX }) {
            check_repair(&broken, &found);
        }
    }
}
