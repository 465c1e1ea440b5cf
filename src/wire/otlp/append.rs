//! Attributes written behind what a span has.

use super::Value;
use crate::wire::protobuf::encode::{Message, put_bytes, put_fixed64, put_key, put_varint, put_varint_field, varint_len};

/// Appends one `Span.attributes` field.
pub fn append_attribute(out: &mut Vec<u8>, key: &str, value: Value<'_>) {
    if let Some(value_bytes) = encoded_len(&value).filter(|value_bytes| *value_bytes < 0x80) {
        // The lengths are known before, as they are for nearly all that is appended.
        let key_bytes = 1 + varint_len(key.len() as u64) + key.len();
        put_key(out, 9, 2);
        put_varint(out, (key_bytes + 2 + value_bytes) as u64);
        put_bytes(out, 1, key.as_bytes());
        put_key(out, 2, 2);
        out.push(value_bytes as u8);
        return put_value(out, value);
    }
    let attribute = Message::begin(out, 9);
    put_bytes(out, 1, key.as_bytes());
    let any_value = Message::begin(out, 2);
    put_value(out, value);
    any_value.end(out);
    attribute.end(out);
}

fn put_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Empty => {}
        Value::Str(text) => put_bytes(out, 1, text.as_bytes()),
        Value::Bool(flag) => put_varint_field(out, 2, u64::from(flag)),
        Value::Int(number) => put_varint_field(out, 3, number as u64),
        Value::Double(number) => put_fixed64(out, 4, number.to_bits()),
        Value::Array(array) => put_elements(out, 5, array.elements().map_while(Result::ok)),
        Value::Map(map) => put_elements(out, 6, map.elements().map_while(Result::ok)),
        Value::Bytes(bytes) => put_bytes(out, 7, bytes),
    }
}

/// How long [`put_value`] makes a value; `None` where only writing it tells.
fn encoded_len(value: &Value<'_>) -> Option<usize> {
    let delimited = |bytes: usize| 1 + varint_len(bytes as u64) + bytes;
    Some(match value {
        Value::Empty => 0,
        Value::Str(text) => delimited(text.len()),
        Value::Bool(_) => 2,
        Value::Int(number) => 1 + varint_len(*number as u64),
        Value::Double(_) => 9,
        Value::Bytes(bytes) => delimited(bytes.len()),
        Value::Array(_) | Value::Map(_) => return None,
    })
}

fn put_elements<'a>(out: &mut Vec<u8>, number: u32, elements: impl Iterator<Item = &'a [u8]>) {
    let list = Message::begin(out, number);
    for element in elements {
        put_bytes(out, 1, element);
    }
    list.end(out);
}
