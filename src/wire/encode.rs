//! Writing protobuf: varints, and messages whose length is known only when they are written.

use super::otlp::Value;

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

/// A message being written: its key is out, its length follows.
#[must_use]
pub(super) struct Message {
    body: usize,
}

#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        return out.push(value as u8);
    }
    let (bytes, width) = varint(value);
    out.extend_from_slice(&bytes[..width]);
}

pub(super) fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, 0);
    put_varint(out, value);
}

pub(super) fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_key(out, number, 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A string, bytes or an encoded message.
pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_key(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Makes everything after `body` the content of a message whose length stands at `length_at .. body`.
pub(super) fn mend_length(out: &mut Vec<u8>, length_at: usize, body: usize) {
    mend_length_with(out, length_at, body, 0);
}

/// The same where the content is `more` bytes longer than what was written. Gives how far the content moved.
pub(super) fn mend_length_with(out: &mut Vec<u8>, length_at: usize, body: usize, more: usize) -> isize {
    let (bytes, width) = varint((out.len() - body + more) as u64);
    if width == body - length_at {
        out[length_at..body].copy_from_slice(&bytes[..width]);
        return 0;
    }
    out.splice(length_at..body, bytes[..width].iter().copied());
    width as isize - (body - length_at) as isize
}

#[inline]
fn put_key(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number << 3 | wire_type));
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

pub(super) fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

fn varint(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut width = 0;
    while value >= 0x80 {
        bytes[width] = value as u8 | 0x80;
        value >>= 7;
        width += 1;
    }
    bytes[width] = value as u8;
    (bytes, width + 1)
}

// === impl Message ===

impl Message {
    pub(super) fn begin(out: &mut Vec<u8>, number: u32) -> Self {
        put_key(out, number, 2);
        // Most messages are shorter than 128 bytes; a longer one is moved once to make room.
        out.push(0);
        Self { body: out.len() }
    }

    pub(super) fn end(self, out: &mut Vec<u8>) {
        mend_length(out, self.body - 1, self.body);
    }
}
