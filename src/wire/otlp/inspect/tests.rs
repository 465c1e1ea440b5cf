use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::checks::oracle::{check, check_rewrite};
use crate::wire::checks::samples::Dice;
use crate::wire::otlp::Value;
use crate::wire::otlp::append_attribute;
use crate::wire::otlp::rewrite::Edit;
use crate::wire::protobuf::encode::{put_bytes, put_varint};

/// Nested messages, outermost field number first, around `inner`.
fn wrap(numbers: &[u32], inner: &[u8]) -> Vec<u8> {
    numbers.iter().rev().fold(inner.to_vec(), |content, &number| {
        let mut out = Vec::new();
        put_bytes(&mut out, number, &content);
        out
    })
}

fn ids() -> Vec<u8> {
    let mut span = Vec::new();
    put_bytes(&mut span, 1, &[1; 16]);
    put_bytes(&mut span, 2, &[2; 8]);
    span
}

/// A request of one span that has the ids it needs and then `fields`.
fn request_of(fields: &[u8]) -> Vec<u8> {
    wrap(&[1, 2, 2], &[&ids(), fields].concat())
}

/// The faults of a request, after everything else about it was checked.
fn faults(request: &[u8], max_depth: u32) -> Option<Vec<(usize, SpanFault)>> {
    check(request);
    Some(inspect(request, Limits { max_depth }).ok()?.faults)
}

/// An attribute whose value is a string inside `n` arrays.
fn nested_arrays(n: usize) -> Vec<u8> {
    let path: Vec<u32> = [9, 2].into_iter().chain([5, 1].repeat(n)).collect();
    wrap(&path, &[0x0a, 1, b'x'])
}

#[test]
fn bytes_that_are_no_protobuf_are_refused_and_odd_ones_that_are_are_not() {
    let varint_of = |width: usize, last: u8| [vec![0x30], vec![0x80; width - 1], vec![last]].concat();
    let groups = |depth: usize| [[0xa3, 0x06].repeat(depth), [0xa4, 0x06].repeat(depth)].concat();
    let cases: &[(&str, Vec<u8>, bool)] = &[
        ("nothing", vec![], true),
        ("kind in ten bytes, the largest last one", varint_of(10, 1), true),
        ("kind in ten bytes, beyond 64 bits", varint_of(10, 2), false),
        ("kind in ten bytes, far beyond 64 bits", varint_of(10, 0x7f), false),
        ("kind in eleven bytes", varint_of(11, 0), false),
        ("kind of zero in ten bytes", varint_of(10, 0), true),
        ("field number zero", vec![0x00, 0x00], false),
        ("field number zero, of bytes", vec![0x02, 0x00], false),
        ("key zero in two bytes", vec![0x80, 0x00, 0x00], false),
        ("the largest field number", vec![0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00], true),
        ("a field number too large", vec![0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00], false),
        ("a key in ten bytes", vec![0xb0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01], true),
        ("wire type six", vec![0x36, 0x00], false),
        ("wire type seven of an unknown field", vec![0xa7, 0x06, 0x00], false),
        ("name as a number", vec![0x28, 0x01], false),
        ("kind as bytes", vec![0x32, 0x00], false),
        ("kind as a group", vec![0x33, 0x34], false),
        ("start as a varint", vec![0x38, 0x01], false),
        ("flags as 64 bits", vec![0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0], false),
        ("trace id as 64 bits", vec![0x09, 0, 0, 0, 0, 0, 0, 0, 0], false),
        ("a start cut off", vec![0x39, 1, 2, 3], false),
        ("flags cut off", vec![0x85, 0x01, 1, 2, 3], false),
        ("a length beyond the end", vec![0x2a, 0x05, b'a'], false),
        ("a length beyond 64 bits", [vec![0x2a], vec![0xff; 9], vec![0x01]].concat(), false),
        ("an unknown group", vec![0xa3, 0x06, 0x08, 0x01, 0x12, 0x01, 0x00, 0xa4, 0x06], true),
        ("a group closed by another", vec![0xa3, 0x06, 0xac, 0x06], false),
        ("a group closed by a smaller one", vec![0xa3, 0x06, 0x9c, 0x06], false),
        ("a group never closed", vec![0xa3, 0x06], false),
        ("an end without a group", vec![0xa4, 0x06], false),
        ("field number zero in a group", vec![0xa3, 0x06, 0x00, 0x00, 0xa4, 0x06], false),
        ("wire type six in a group", vec![0xa3, 0x06, 0x0e, 0x00, 0xa4, 0x06], false),
        ("groups as deep as prost goes", groups(97), true),
        ("groups one deeper", groups(98), false),
        ("groups far deeper", groups(100_000), false),
        ("a link whose ids are too short", wrap(&[13], &[0x0a, 1, 1, 0x12, 0]), true),
        ("an event whose time is cut off", wrap(&[11], &[0x09, 1]), false),
        ("an event whose name is a number", wrap(&[11], &[0x10, 1]), false),
        ("an index of a string, of profiles", wrap(&[9, 2], &[0x40, 3]), true),
        ("an index of a string, of a wrong type", wrap(&[9, 2], &[0x42, 0]), false),
        ("an index of a key, of a wrong type", wrap(&[9], &[0x1a, 0]), false),
        ("a status of another age", wrap(&[15], &[0x08, 1]), true),
    ];
    for (name, fields, good) in cases {
        let expect = good.then(Vec::new);
        assert_eq!(faults(&request_of(fields), 5), expect, "{name}");
    }
}

#[test]
fn every_field_of_every_message_has_its_wire_type() {
    let messages: [&[u32]; 14] = [
        &[],
        &[1],
        &[1, 1],
        &[1, 1, 3],
        &[1, 2],
        &[1, 2, 1],
        &[1, 2, 2],
        &[1, 2, 2, 9],
        &[1, 2, 2, 9, 2],
        &[1, 2, 2, 9, 2, 5],
        &[1, 2, 2, 9, 2, 6],
        &[1, 2, 2, 11],
        &[1, 2, 2, 13],
        &[1, 2, 2, 15],
    ];
    for path in messages {
        for number in 1..=20_u32 {
            for (wire_type, content) in [(0, vec![1]), (1, vec![0; 8]), (2, vec![0]), (2, vec![1, 0xff]), (3, vec![]), (5, vec![0; 4])] {
                let mut field = Vec::new();
                put_varint(&mut field, u64::from(number << 3 | wire_type));
                field.extend(content);
                if wire_type == 3 {
                    put_varint(&mut field, u64::from(number << 3 | 4));
                }
                check(&wrap(path, &field));
            }
        }
    }
}

#[test]
fn the_offset_of_an_error_is_that_of_the_bad_value_in_the_request() {
    let request = request_of(&[0x28, 0x01]);
    let expect = Malformed { offset: request.len() - 1, what: "wrong wire type" };
    assert_eq!(inspect(&request, Limits { max_depth: 5 }), Err(expect));
}

#[test]
fn every_wrong_id_has_its_own_fault_and_the_last_occurrence_counts() {
    let span = |trace: &[u8], span: &[u8], parent: &[u8]| {
        let mut fields = Vec::new();
        put_bytes(&mut fields, 1, trace);
        put_bytes(&mut fields, 2, span);
        put_bytes(&mut fields, 4, parent);
        fields
    };
    let cases = [
        (span(&[1; 16], &[1; 8], &[]), None),
        (span(&[1; 16], &[1; 8], &[0; 8]), None),
        (span(&[], &[1; 8], &[]), Some(SpanFault::TraceIdLength)),
        (span(&[1; 32], &[1; 8], &[]), Some(SpanFault::TraceIdLength)),
        (span(&[0; 16], &[1; 8], &[]), Some(SpanFault::TraceIdZero)),
        (span(&[1; 16], &[1; 7], &[]), Some(SpanFault::SpanIdLength)),
        (span(&[1; 16], &[], &[]), Some(SpanFault::SpanIdLength)),
        (span(&[1; 16], &[0; 8], &[]), Some(SpanFault::SpanIdZero)),
        (span(&[1; 16], &[1; 8], &[1; 16]), Some(SpanFault::ParentIdLength)),
    ];
    for (fields, fault) in cases {
        let expect: Vec<_> = fault.map(|fault| (0, fault)).into_iter().collect();
        assert_eq!(faults(&request_of(&fields), 5), Some(expect), "{fault:?}");
    }
    let good = request_of(&[]);
    let none = wrap(&[1, 2, 2], &[]);
    let expect = vec![(1, SpanFault::TraceIdLength)];
    assert_eq!(faults(&[good.clone(), none, good].concat(), 5), Some(expect));
}

#[test]
fn a_fault_of_a_scope_or_resource_is_one_of_the_spans_below_it() {
    let deep = |number: u32| wrap(&[number, 2].into_iter().chain([5, 1].repeat(9)).collect::<Vec<_>>(), &[0x0a, 1, b'x']);
    let good_span = wrap(&[2], &ids());
    let deep_span = wrap(&[2], &[&ids()[..], &nested_arrays(9)].concat());
    let no_id_span = wrap(&[2], &[]);
    let all = |ordinals: &[usize]| Some(ordinals.iter().map(|&n| (n, SpanFault::TooDeep)).collect::<Vec<_>>());

    let scope = wrap(&[1, 2], &[&good_span[..], &deep_span, &good_span].concat());
    assert_eq!(faults(&scope, 5), all(&[1]));

    let bad_scope = wrap(&[2], &[&good_span[..], &good_span, &wrap(&[1], &deep(3))].concat());
    let good_scope = wrap(&[2], &good_span);
    let request = wrap(&[1], &[&good_scope[..], &bad_scope, &good_scope].concat());
    assert_eq!(faults(&request, 5), all(&[1, 2]));

    let resource = [&good_scope[..], &good_scope, &wrap(&[1], &deep(1))].concat();
    let request = [wrap(&[1], &good_scope), wrap(&[1], &resource), wrap(&[1], &good_scope)].concat();
    assert_eq!(faults(&request, 5), all(&[1, 2]));

    // A fault of the span's own is not covered up by that of its scope.
    let mixed = wrap(&[2], &[&good_span[..], &no_id_span, &wrap(&[1], &deep(3))].concat());
    let expect = vec![(0, SpanFault::TooDeep), (1, SpanFault::TraceIdLength)];
    assert_eq!(faults(&wrap(&[1], &mixed), 5), Some(expect));

    // Where no span can be blamed, the request fails.
    let good = wrap(&[1, 2, 2], &ids());
    assert_eq!(faults(&[good.clone(), wrap(&[1, 1], &deep(1))].concat(), 5), None);
    assert_eq!(faults(&[good, wrap(&[1, 2, 1], &deep(3))].concat(), 5), None);
}

#[test]
fn times_in_another_unit_are_counted_by_it() {
    let now = 1_795_917_538_959_913_738_u64;
    let starts = [now, now / 1_000, now / 1_000_000, now / 1_000, 0, now / 1_000_000_000, 5];
    let spans = starts.map(|start| [vec![0x39], start.to_le_bytes().to_vec()].concat());
    let request = spans.map(|start| request_of(&start)).concat();
    check(&request);
    let found = inspect(&request, Limits { max_depth: 5 }).map(|found| found.by_time_unit);
    assert_eq!(found, Ok(vec![(TimeUnit::Microseconds, 2), (TimeUnit::Milliseconds, 1), (TimeUnit::Seconds, 1)]));
}

#[test]
fn depth_counts_arrays_and_maps_and_ends_where_prost_ends() {
    let deep = |n| faults(&request_of(&nested_arrays(n)), 3);
    assert_eq!(deep(0), Some(vec![]));
    assert_eq!(deep(3), Some(vec![]));
    assert_eq!(deep(4), Some(vec![(0, SpanFault::TooDeep)]));
    for n in [40, 46, 47, 48, 49, 60, 20_000] {
        let request = request_of(&nested_arrays(n));
        let expect = if ExportTraceServiceRequest::decode(&request[..]).is_ok() { vec![] } else { vec![(0, SpanFault::TooDeep)] };
        assert_eq!(faults(&request, u32::MAX), Some(expect), "{n}");
    }
    // The deepest message that prost enters may have the fields it knows, and no other.
    for n in 40..50 {
        let path: Vec<u32> = [9, 2].into_iter().chain([5, 1].repeat(n)).collect();
        for innermost in [&[0x0a, 0x00][..], &[0xa0, 0x06, 0x00], &[0x2a, 0x00], &[0x32, 0x00], &[0x2a, 0x03, 0xa0, 0x06, 0x00]] {
            check(&request_of(&wrap(&path, innermost)));
        }
    }
    let maps = |n: usize| request_of(&wrap(&[9, 2].into_iter().chain([6, 1, 2].repeat(n)).collect::<Vec<_>>(), &[0x18, 1]));
    assert_eq!(faults(&maps(2), 2), Some(vec![]));
    assert_eq!(faults(&maps(3), 2), Some(vec![(0, SpanFault::TooDeep)]));
    for n in 28..36 {
        check(&maps(n));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_prost_decodes_is_walked_the_same(seed in vec(any::<u8>(), 0..1500)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        check(&request);
        check(&dice.scramble(&request));
    }

    #[test]
    fn damaged_bytes_are_refused_exactly_where_prost_refuses_them(damage in vec(any::<u8>(), 8), seed in vec(any::<u8>(), 0..800)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let mut scrambled = dice.scramble(&request);
        Dice::new(&damage).damage(&mut scrambled);
        check(&scrambled);
    }

    #[test]
    fn garbage_is_refused_exactly_where_prost_refuses_it(bytes in vec(any::<u8>(), 0..64)) {
        check(&bytes);
    }

    #[test]
    fn edits_on_the_bytes_are_edits_on_the_decoded_request(choices in vec(any::<u8>(), 40), seed in vec(any::<u8>(), 0..1500)) {
        let mut dice = Dice::new(&seed);
        let request = dice.request().encode_to_vec();
        let request = dice.scramble(&request);
        let Ok(decoded) = ExportTraceServiceRequest::decode(&request[..]) else {
            return Ok(());
        };
        let found = inspect(&request, Limits { max_depth: 40 }).expect("prost decodes it");
        let edit = |ordinal: usize| match choices[ordinal % choices.len()] % 4 {
            0 | 1 => Edit::Keep,
            2 => Edit::Drop,
            _ => {
                let mut fields = Vec::new();
                append_attribute(&mut fields, "waxell.session_id", Value::Str(&"s".repeat(ordinal * 30)));
                append_attribute(&mut fields, "", Value::Int(-1));
                Edit::Append(fields)
            }
        };
        check_rewrite(&request, &Some(decoded), &found, edit);
    }
}
