use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Map, Value, json};

use super::*;
use crate::wire::checks::samples::Dice;
use crate::wire::otlp::inspect::{Limits, SpanFault, inspect};
use crate::wire::otlp::json::mend::mend;
use crate::wire::protobuf::reader::{Raw, Reader};

fn decode(json: &Value) -> Result<ExportTraceServiceRequest, String> {
    let bytes = to_protobuf(json.to_string().as_bytes()).map_err(|error| error.to_string())?;
    Ok(ExportTraceServiceRequest::decode(&bytes[..]).expect("what was written decodes"))
}

fn decode_span(span: Value) -> Result<Span, String> {
    let request = decode(&json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))?;
    Ok(request.resource_spans[0].scope_spans[0].spans[0].clone())
}

fn decode_value(value: Value) -> Result<Option<Any>, String> {
    let mut span = decode_span(json!({"attributes": [{"key": "k", "value": value}]}))?;
    Ok(span.attributes.remove(0).value.expect("there is one").value)
}

#[test]
fn the_example_of_the_specification_is_read() {
    let span = decode_span(json!({
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "eee19b7ec3c1b174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "I'm a server span",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": "1544712661000000000",
        "kind": 2,
        "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
        "status": {},
    }))
    .expect("valid");
    assert_eq!(span.trace_id[..3], [0x5b, 0x8e, 0xff]);
    assert_eq!(span.span_id, [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74]);
    assert_eq!(span.parent_span_id[7], 0x73);
    assert_eq!((span.kind, span.start_time_unix_nano, span.end_time_unix_nano), (2, 1_544_712_660_000_000_000, 1_544_712_661_000_000_000));
    assert_eq!(span.attributes[0].value.clone().and_then(|value| value.value), Some(Any::StringValue("some value".into())));
}

#[test]
fn numbers_are_read_in_every_form_a_sender_may_write_them() {
    let start = |value| decode_span(json!({"startTimeUnixNano": value})).map(|span| span.start_time_unix_nano);
    assert_eq!(start(json!("18446744073709551615")), Ok(u64::MAX));
    assert_eq!(start(json!(18_446_744_073_709_551_615_u64)), Ok(u64::MAX));
    assert_eq!(start(json!(1.7e18)), Ok(1_700_000_000_000_000_000));
    assert_eq!(start(json!(null)), Ok(0));
    for bad in [
        json!(-1),
        json!("-1"),
        json!("18446744073709551616"),
        json!(1.5),
        json!(1e20),
        json!(""),
        json!("x"),
        json!(true),
        json!([]),
        json!({}),
    ] {
        let error = start(bad.clone()).expect_err("refused");
        assert!(error.contains("resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano: expected an unsigned 64-bit"), "{bad}: {error}");
    }
    let int = |value| decode_value(json!({"intValue": value}));
    assert_eq!(int(json!("-9223372036854775808")), Ok(Some(Any::IntValue(i64::MIN))));
    assert_eq!(int(json!(i64::MAX)), Ok(Some(Any::IntValue(i64::MAX))));
    assert_eq!(int(json!("9007199254740993")), Ok(Some(Any::IntValue(9_007_199_254_740_993))));
    assert_eq!(int(json!("1e3")), Ok(Some(Any::IntValue(1000))));
    assert_eq!(int(json!(-2.0)), Ok(Some(Any::IntValue(-2))));
    assert!(int(json!(9_223_372_036_854_775_808_u64)).is_err());
    assert!(int(json!("inf")).is_err());
    let double = |value| decode_value(json!({"doubleValue": value}));
    assert_eq!(double(json!(1)), Ok(Some(Any::DoubleValue(1.0))));
    assert_eq!(double(json!(-3)), Ok(Some(Any::DoubleValue(-3.0))));
    assert_eq!(double(json!("0.25")), Ok(Some(Any::DoubleValue(0.25))));
    assert_eq!(double(json!("Infinity")), Ok(Some(Any::DoubleValue(f64::INFINITY))));
    assert_eq!(double(json!("-Infinity")), Ok(Some(Any::DoubleValue(f64::NEG_INFINITY))));
    assert!(matches!(double(json!("NaN")), Ok(Some(Any::DoubleValue(nan))) if nan.is_nan()));
    assert!(double(json!("inf")).is_err());
    assert!(double(json!("1e999")).is_err());
    let dropped =
        |value| decode_span(json!({"droppedEventsCount": value, "flags": value})).map(|span| (span.dropped_events_count, span.flags));
    assert_eq!(dropped(json!(4_294_967_295_u64)), Ok((u32::MAX, u32::MAX)));
    assert_eq!(dropped(json!("257")), Ok((257, 257)));
    assert!(dropped(json!(4_294_967_296_u64)).is_err());
}

#[test]
fn enums_are_numbers_or_names() {
    let kind = |value| decode_span(json!({"kind": value})).map(|span| span.kind);
    assert_eq!(kind(json!(3)), Ok(3));
    assert_eq!(kind(json!("3")), Ok(3));
    assert_eq!(kind(json!("SPAN_KIND_SERVER")), Ok(2));
    assert_eq!(kind(json!("SPAN_KIND_UNSPECIFIED")), Ok(0));
    assert_eq!(kind(json!(99)), Ok(99));
    assert_eq!(kind(json!(-1)), Ok(-1));
    assert!(kind(json!("SERVER")).is_err());
    assert!(kind(json!(1_u64 << 31)).is_err());
    let status = decode_span(json!({"status": {"code": "STATUS_CODE_ERROR", "message": "m"}})).expect("valid").status;
    assert_eq!(status.map(|status| (status.code, status.message)), Some((2, "m".into())));
}

#[test]
fn ids_of_a_wrong_length_reach_the_inspection_and_odd_digits_do_not() {
    let request = |id: &str| json!({"resourceSpans": [{"scopeSpans": [{"spans": [{}, {"traceId": id, "spanId": "0102030405060708"}]}]}]});
    let bytes = to_protobuf(request("abcd").to_string().as_bytes()).expect("valid");
    let found = inspect(&bytes, Limits { max_depth: 5 }).expect("well formed");
    assert_eq!(found.faults, [(0, SpanFault::TraceIdLength), (1, SpanFault::TraceIdLength)]);
    for (bad, what) in [
        ("abc", "an odd number of characters"),
        ("xy", "another character"),
        ("é", "another character"),
        ("W47/95gDgQPSabYzgT/GDA==", "another character"),
    ] {
        let error = decode(&request(bad)).expect_err("refused");
        let expect = format!(
            "resourceSpans[0].scopeSpans[0].spans[1].traceId: expected a string of hexadecimal digits, got {what} at line 1 column "
        );
        assert!(error.contains(&expect), "{error}");
    }
}

#[test]
fn bytes_are_base64_of_either_alphabet() {
    let bytes = |text: &str| match decode_value(json!({"bytesValue": text})) {
        Ok(Some(Any::BytesValue(bytes))) => Some(bytes),
        _ => None,
    };
    assert_eq!(bytes(""), Some(vec![]));
    assert_eq!(bytes("+/8="), Some(vec![0xfb, 0xff]));
    assert_eq!(bytes("-_8"), Some(vec![0xfb, 0xff]));
    assert_eq!(bytes("AA=="), Some(vec![0]));
    assert_eq!(bytes("aGVsbG8="), Some(b"hello".to_vec()));
    for bad in ["A", "AA=", "AAA==", "====", "=", "AA==AA==", "A A=", "é"] {
        assert_eq!(bytes(bad), None, "{bad}");
    }
}

#[test]
fn null_and_unknown_fields_and_empty_values_change_nothing() {
    let plain = decode(&json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "n"}]}]}]}));
    let noisy = decode(&json!({
        "resourceSpans": [{
            "resource": null, "schemaUrl": null, "later": {"deep": [[[{"x": "y"}]]]},
            "scopeSpans": [{"scope": null, "spans": [{
                "name": "n", "traceId": null, "kind": null, "attributes": null, "events": null, "links": null, "status": null,
                "flags": null, "startTimeUnixNano": null, "": 1, "resourceSpans": 7,
            }]}],
        }],
        "partialSuccess": [1, 2.5, null, true],
    }));
    assert_eq!(plain, noisy);
    assert_eq!(decode(&json!({})), Ok(ExportTraceServiceRequest::default()));
    assert_eq!(decode(&json!({"resourceSpans": null})), Ok(ExportTraceServiceRequest::default()));
    assert_eq!(decode_value(json!({})), Ok(None));
    assert_eq!(decode_value(json!({"stringValue": null, "other": 1})), Ok(None));
    assert_eq!(decode_value(json!({"arrayValue": {"values": [null]}})), decode_value(json!({"arrayValue": {"values": [{}]}})));
    assert_eq!(decode_value(json!({"boolValue": false})), Ok(Some(Any::BoolValue(false))));
    assert_eq!(decode_value(json!({"stringValue": ""})), Ok(Some(Any::StringValue(String::new()))));
}

#[test]
fn what_is_no_otlp_json_is_refused_with_its_place_and_without_its_content() {
    let secret = "secret".repeat(1000);
    let cases = [
        (String::new(), "EOF while parsing"),
        ("null".into(), "expected an object, got null"),
        ("[]".into(), "expected an object, got an array"),
        (format!("\"{secret}\""), "expected an object, got a string"),
        ("{} {}".into(), "trailing characters"),
        (r#"{"resourceSpans": {}}"#.into(), "resourceSpans: expected an array, got an object"),
        (r#"{"resourceSpans": "x"}"#.into(), "resourceSpans: expected an array, got a string"),
        (r#"{"resourceSpans": 3}"#.into(), "resourceSpans: expected an array, got a number"),
        (r#"{"resourceSpans": true}"#.into(), "resourceSpans: expected an array, got true or false"),
        (r#"{"resourceSpans": 1.5}"#.into(), "resourceSpans: expected an array, got a number"),
        (r#"{"resourceSpans": [{}, []]}"#.into(), "resourceSpans[1]: expected an object, got an array"),
        (r#"{"resourceSpans": [{}, 7]}"#.into(), "resourceSpans[1]: expected an object, got a number"),
        (
            r#"{"resource_spans": [{"resource": {"attributes": [{"key": 1}]}}]}"#.into(),
            "resourceSpans[0].resource.attributes[0].key: expected a string, got a number",
        ),
        (r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"name""#.into(), "resourceSpans[0].scopeSpans[0].spans[0].name: EOF"),
        (r#"{"resourceSpans": [{"schemaUrl": "\ud800"}]}"#.into(), "resourceSpans[0].schemaUrl: "),
        ("{\"resourceSpans\": NaN}".into(), "resourceSpans: "),
        (format!("{}1", r#"{"resourceSpans":["#.repeat(100)), "resourceSpans[0]: EOF"),
        ("[".repeat(100_000), "expected an object, got an array"),
        (format!(r#"{{"x": {}"#, "[".repeat(100_000)), "EOF"),
    ];
    for (json, expect) in cases {
        let error = to_protobuf(json.as_bytes()).expect_err(expect).to_string();
        assert!(error.starts_with("invalid OTLP JSON: ") && error.contains(expect), "{error}");
        assert!(error.len() < 400, "{error}");
    }
    // Who reads this mends it first.
    for broken in [&b"{\"resourceSpans\": [{\"schemaUrl\": \"\xff\"}]}"[..], br#"{"resourceSpans": [{"schemaUrl": "\ud83d"}]}"#] {
        let error = to_protobuf(broken).expect_err("refused").to_string();
        assert!(error.contains("resourceSpans[0].schemaUrl: "), "{error}");
        assert!(to_protobuf(&mend(broken).expect("broken").json).is_ok());
    }
}

/// An attribute of `n` arrays, or maps, in one another, as OTLP/JSON; the parts of a level go around the next.
fn nested(n: usize, (before, after): (&str, &str)) -> String {
    let value = format!("{}{{}}{}", before.repeat(n), after.repeat(n));
    let good = r#"{"traceId":"01010101010101010101010101010101","spanId":"0101010101010101"}"#;
    let deep = good.replace("}", &format!(r#","attributes":[{{"key":"k","value":{value}}},{{"key":"l"}}]}}"#));
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{good},{deep},{good}]}}]}}]}}"#)
}

#[test]
fn a_value_that_is_nested_too_deep_is_a_fault_of_its_span_however_deep_it_is() {
    const LEVELS: [(&str, &str); 2] =
        [(r#"{"arrayValue":{"values":["#, "]}}"), (r#"{"kvlistValue":{"values":[{"key":"m","value":"#, "}]}}")];
    for (level, least) in LEVELS.into_iter().zip([37, 28]) {
        let faults = |n: usize| {
            let bytes = to_protobuf(nested(n, level).as_bytes()).expect("the others are fine");
            assert!(bytes.len() < 4_000, "{n}");
            let found = inspect(&bytes, Limits { max_depth: u32::MAX }).expect("well formed");
            assert_eq!((found.n_spans, found.faults.is_empty()), (3, ExportTraceServiceRequest::decode(&bytes[..]).is_ok()), "{n}");
            found.faults
        };
        for n in 0..=least {
            assert_eq!(faults(n), [], "{n}");
        }
        for n in (least..60).chain([1_000, 100_000]) {
            assert!(n < 48 && faults(n).is_empty() || faults(n) == [(1, SpanFault::TooDeep)], "{n}");
        }
    }
}

#[test]
fn what_is_too_deep_must_be_json_all_the_same() {
    let broken = nested(1_000, (r#"{"arrayValue":{"values":["#, "]}}")).replace("{}]", "{]");
    assert!(to_protobuf(broken.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn whatever_a_sender_means_is_said_again_in_protobuf(seed in vec(any::<u8>(), 0..1200), style in vec(any::<u8>(), 0..800)) {
        let request = Dice::new(&seed).request().encode_to_vec();
        let json = write_json(&request, &REQUEST, &mut Dice::new(&style)).to_string();
        let bytes = to_protobuf(json.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error} in {json}")))?;
        let again = ExportTraceServiceRequest::decode(&bytes[..]).expect("decodes");
        // Encoded, because NaN is not equal to itself.
        prop_assert_eq!(again.encode_to_vec(), request);
    }

    #[test]
    fn what_another_implementation_writes_is_read(seed in vec(any::<u8>(), 0..1200)) {
        let request = Dice::new(&seed).request();
        let json = serde_json::to_string(&request).expect("serializes");
        // It writes NaN and infinity as null, and knows string indices that are no OTLP.
        prop_assume!(!json.contains("\"doubleValue\":null"));
        let bytes = to_protobuf(json.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error} in {json}")))?;
        let again = ExportTraceServiceRequest::decode(&bytes[..]).expect("decodes");
        prop_assert_eq!(again.encode_to_vec(), request.encode_to_vec());
    }

    #[test]
    fn no_text_makes_it_panic_and_what_it_takes_is_protobuf(seed in vec(any::<u8>(), 0..400), damage in vec(any::<u8>(), 8)) {
        let mut json = serde_json::to_vec(&Dice::new(&seed).request()).expect("serializes");
        Dice::new(&damage).damage(&mut json);
        if let Ok(bytes) = to_protobuf(&json) {
            prop_assert!(ExportTraceServiceRequest::decode(&bytes[..]).is_ok());
        }
    }
}

/// Writes an encoded message as JSON in one of the forms that are allowed.
fn write_json(message: &[u8], place: &Field, dice: &mut Dice<'_>) -> Value {
    let Kind::Message(fields) = place.kind else {
        panic!("{} is no message", place.name);
    };
    let mut object = Map::new();
    let mut reader = Reader::new(message);
    while let Some(encoded) = reader.field().expect("well formed") {
        let field = fields.iter().find(|field| field.number == encoded.number).expect("a field the schema knows");
        let name = if dice.one_in(3) { field.original } else { field.name };
        let value = match (field.kind, encoded.raw) {
            (Kind::Message(_), Raw::Delimited(content)) => write_json(content.rest(), field, dice),
            (kind, raw) => write_scalar(kind, raw, dice),
        };
        if !field.repeated {
            object.insert(name.into(), value);
            continue;
        }
        // All elements under one name, whichever came first.
        let name = if object.contains_key(field.original) { field.original } else { name };
        let name = if object.contains_key(field.name) { field.name } else { name };
        let list = object.entry(name).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(value);
    }
    if dice.one_in(5) {
        object.insert("unknownField".into(), json!({"a": [1, {"b": null}]}));
    }
    for field in fields.iter().filter(|_| dice.one_in(5)) {
        if !object.contains_key(field.name) && !object.contains_key(field.original) {
            object.insert(field.name.into(), Value::Null);
        }
    }
    Value::Object(object)
}

fn write_scalar(kind: Kind, raw: Raw<'_>, dice: &mut Dice<'_>) -> Value {
    let integer = |value: i128, dice: &mut Dice<'_>| match (i64::try_from(value), u64::try_from(value)) {
        _ if dice.one_in(2) => json!(value.to_string()),
        (Ok(value), _) => json!(value),
        (_, Ok(value)) => json!(value),
        _ => panic!("no number of the protocol"),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match (kind, raw) {
        (Kind::Text, Raw::Delimited(text)) => json!(std::str::from_utf8(text.rest()).expect("UTF-8")),
        (Kind::Hex, Raw::Delimited(id)) if dice.one_in(2) => json!(hex(id.rest()).to_uppercase()),
        (Kind::Hex, Raw::Delimited(id)) => json!(hex(id.rest())),
        (Kind::Base64, Raw::Delimited(bytes)) => json!(base64(bytes.rest(), dice.one_in(2))),
        (Kind::Bool, Raw::Varint(value)) => json!(value != 0),
        (Kind::Enum(names), Raw::Varint(value)) if (value as usize) < names.len() && dice.one_in(2) => json!(names[value as usize]),
        (Kind::Int64 | Kind::Int32 | Kind::Enum(_), Raw::Varint(value)) => integer((value as i64).into(), dice),
        (Kind::Uint32, Raw::Varint(value)) => integer(value.into(), dice),
        (Kind::Fixed64, Raw::Fixed64(value)) => integer(value.into(), dice),
        (Kind::Fixed32, Raw::Fixed32(value)) => integer(value.into(), dice),
        (Kind::Double, Raw::Fixed64(bits)) => match f64::from_bits(bits) {
            value if value.is_nan() => json!("NaN"),
            f64::INFINITY => json!("Infinity"),
            f64::NEG_INFINITY => json!("-Infinity"),
            value if dice.one_in(3) => json!(value.to_string()),
            value => json!(value),
        },
        _ => panic!("a field of another wire type"),
    }
}

fn base64(bytes: &[u8], url: bool) -> String {
    let alphabet: Vec<u8> =
        [b"AZ", b"az", b"09"].iter().flat_map(|[from, to]| *from..=*to).chain(*if url { b"-_" } else { b"+/" }).collect();
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for n in 0..=group.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * n) & 63) as usize]));
        }
        if !url {
            text.extend(std::iter::repeat_n('=', 3 - group.len()));
        }
    }
    text
}
