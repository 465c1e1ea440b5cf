use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::wire::checks::oracle::assert_walk;
use crate::wire::otlp::{Value, array_values, map_entries};
use crate::wire::protobuf::encode::put_bytes;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, content);
    out
}

fn string(text: &str) -> Vec<u8> {
    field(1, text.as_bytes())
}

/// The value of the one attribute of a span, after comparing all of it with what prost decodes.
fn show_value(attribute: &[&[u8]]) -> String {
    let span = field(9, &attribute.concat());
    let request = field(1, &field(2, &field(2, &span)));
    let decoded = ExportTraceServiceRequest::decode(&request[..]).expect("decodes");
    assert_walk(&request, &decoded);
    let span = Span::read(Reader::new(&span)).expect("well formed");
    let attribute = span.attributes().next().expect("one").expect("well formed");
    show(attribute.value)
}

fn show(value: Value<'_>) -> String {
    match value {
        Value::Str(text) => text.to_owned(),
        Value::Array(array) => format!("{:?}", array_values(array).flatten().map(show).collect::<Vec<_>>()),
        Value::Map(map) => {
            let entries = map_entries(map).flatten().map(|entry| format!("{}:{}", entry.key, show(entry.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_value_in_pieces_reads_as_one() {
    let array = |texts: &[&str]| field(5, &texts.iter().map(|text| field(1, &string(text))).collect::<Vec<_>>().concat());
    let map = |key: &str| field(6, &field(1, &[string(key), field(2, &string("v"))].concat()));
    let value = |pieces: &[Vec<u8>]| field(2, &pieces.concat());

    assert_eq!(show_value(&[]), "Empty");
    assert_eq!(show_value(&[&value(&[])]), "Empty");
    assert_eq!(show_value(&[&value(&[string("a"), string("b")])]), "b");
    assert_eq!(show_value(&[&value(&[string("a")]), &value(&[])]), "a");
    assert_eq!(show_value(&[&value(&[string("a")]), &value(&[vec![0x10, 2]])]), "Bool(true)");
    assert_eq!(show_value(&[&value(&[array(&["a"]), array(&[]), array(&["b", "c"])])]), r#"["a", "b", "c"]"#);
    assert_eq!(show_value(&[&value(&[array(&["a"])]), &string("key"), &value(&[array(&["b"])])]), r#"["a", "b"]"#);
    assert_eq!(show_value(&[&value(&[array(&["lost"]), string("lost"), array(&["a"])]), &value(&[array(&["b"])])]), r#"["a", "b"]"#);
    assert_eq!(show_value(&[&value(&[array(&["lost"])]), &value(&[string("s")])]), "s");
    assert_eq!(show_value(&[&value(&[array(&["lost"])]), &value(&[vec![0x40, 1], array(&["b"])])]), r#"["b"]"#);
    assert_eq!(show_value(&[&value(&[array(&["lost"]), map("k"), map("l")]), &value(&[map("m")])]), "{k:v,l:v,m:v}");
}

#[test]
fn a_status_or_resource_or_scope_in_pieces_reads_as_one() {
    let key = |key: &str| field(1, &field(1, key.as_bytes()));
    let scope_key = |key: &str| field(3, &field(1, key.as_bytes()));
    let span = [field(15, &[0x18, 1]), field(15, &field(2, b"why")), field(15, &[0x18, 2]), field(15, &[])].concat();
    let scope = [
        field(1, &[string("old"), scope_key("a")].concat()),
        field(2, &span),
        field(1, &[string("name"), scope_key("b")].concat()),
        field(1, &field(2, b"v1")),
    ];
    let resource = [field(1, &key("x")), field(2, &scope.concat()), field(1, &key("y"))];
    let request = field(1, &resource.concat());
    let decoded = ExportTraceServiceRequest::decode(&request[..]).expect("decodes");
    assert_walk(&request, &decoded);

    let resource = resource_spans(&request).next().expect("one").expect("well formed");
    let keys: Vec<_> = resource.attributes().flatten().map(|attribute| attribute.key).collect();
    assert_eq!(keys, ["x", "y"]);
    let scope = resource.scope_spans().next().expect("one").expect("well formed");
    assert_eq!((scope.scope_name, scope.scope_version), ("name", "v1"));
    let span = scope.spans().next().expect("one").expect("well formed");
    assert_eq!((span.status_code, span.status_message), (2, "why"));
}

#[test]
fn after_an_error_there_is_nothing() {
    let good = field(9, &string("k"));
    let bad_text = field(9, &[0x0a, 1, 0xff]);
    let bad_type = field(9, &[0x08, 1]);
    for bad in [bad_text, bad_type, vec![0x4a, 9]] {
        let bytes = [&good[..], &bad, &good].concat();
        let span = Span { bytes: &bytes, ..Span::default() };
        let mut attributes = span.attributes();
        assert!(attributes.next().is_some_and(|attribute| attribute.is_ok()));
        assert!(attributes.next().is_some_and(|attribute| attribute.is_err()));
        assert!(attributes.next().is_none());
        assert!(attributes.next().is_none());
    }
}

/// Every attribute that a walk gives, as key and value.
#[derive(Default)]
struct Visited(Vec<(Vec<u8>, String)>);

impl<'a> VisitAttributes<'a> for Visited {
    fn visit(&mut self, key: &'a [u8], any_value: &'a [u8]) {
        let value = crate::wire::otlp::read_value(any_value).map_or_else(|_| "malformed".to_owned(), show);
        self.0.push((key.to_vec(), value));
    }

    fn visit_read(&mut self, attribute: Attribute<'a>) {
        self.0.push((attribute.key.as_bytes().to_vec(), show(attribute.value)));
    }
}

/// With its length in as many bytes as are asked for, of which the last ones say nothing.
fn field_with_long_length(number: u32, content: &[u8], length_bytes: usize) -> Vec<u8> {
    let mut out = vec![(number << 3 | DELIMITED) as u8];
    let mut length = content.len();
    for nth in 1.. {
        let is_last = nth >= length_bytes && length < 0x80;
        out.push((length & 0x7f) as u8 | if is_last { 0 } else { 0x80 });
        length >>= 7;
        if is_last {
            break;
        }
    }
    [&out[..], content].concat()
}

#[test]
fn a_walk_ends_at_a_field_that_is_not_as_a_spans_are() {
    // The id of the trace as a number, and an attribute behind it.
    let bytes = [&[0x08, 6][..], &field(9, &[field(1, b"k"), field(2, &string("v"))].concat())].concat();
    assert_eq!(Span { bytes: &bytes, ..Span::default() }.attributes().flatten().count(), 1);
    let scope = field(2, &bytes);
    let mut visited = Visited::default();
    assert!(SpanWalk { reader: Some(Reader::new(&scope)) }.next(&mut visited).is_some_and(|span| span.is_err()));
    assert!(visited.0.is_empty());
}

proptest! {
    /// The walk does not unpack attributes of the usual form.
    #[test]
    fn a_walk_gives_the_attributes_that_reading_them_one_by_one_gives(
        attributes in prop::collection::vec((0_usize..300, 0_usize..20_000, 1_usize..4, 1_usize..4, 1_usize..4), 0..6),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = Vec::new();
        for (key_len, value_len, of_attribute, of_key, of_value) in attributes {
            let key = field_with_long_length(1, &vec![b'k'; key_len], of_key);
            let value = field_with_long_length(2, &string(&"v".repeat(value_len)), of_value);
            bytes.extend(field_with_long_length(9, &[key, value].concat(), of_attribute));
        }
        if let Some((at, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let one_by_one: Vec<_> = Span { bytes: &bytes, ..Span::default() }
            .attributes()
            .map_while(Result::ok)
            .map(|attribute| (attribute.key.as_bytes().to_vec(), show(attribute.value)))
            .collect();
        let scope = field(2, &bytes);
        let mut walk = SpanWalk { reader: Some(Reader::new(&scope)) };
        let mut visited = Visited::default();
        let Some(span) = walk.next(&mut visited) else { return Err(TestCaseError::fail("no span")) };
        if damage.is_none() {
            prop_assert_eq!(visited.0, one_by_one);
        } else {
            // Of a key or value that is malformed it is for whoever is visited to find out, and a walk ends at a field that is not as a
            // span's are.
            prop_assert!(span.is_err() || visited.0.len() >= one_by_one.len());
            prop_assert!(visited.0.iter().zip(&one_by_one).all(|(a, b)| a == b));
        }
    }
}
