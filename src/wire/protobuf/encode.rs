//! Writing protobuf: varints, and messages whose length is known only when they are written.

/// A message being written: its key is out, its length follows.
#[must_use]
pub struct Message {
    body: usize,
}

#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, 0);
    put_varint(out, value);
}

#[inline]
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    if number >= 16 {
        put_key(out, number, 1);
        return out.extend_from_slice(&value.to_le_bytes());
    }
    // The key is one byte: both at once.
    let mut field = [(number << 3 | 1) as u8; 9];
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

pub fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_key(out, number, 5);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A string, bytes or an encoded message.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_key(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Makes everything after `body` the content of a message whose length stands at `length_at .. body`.
pub fn mend_length(out: &mut Vec<u8>, length_at: usize, body: usize) {
    mend_length_with(out, length_at, body, 0);
}

/// The same where the content is `more` bytes longer than what was written. Gives how far the content moved.
pub fn mend_length_with(out: &mut Vec<u8>, length_at: usize, body: usize, more: usize) -> isize {
    let (bytes, width) = varint((out.len() - body + more) as u64);
    if width == body - length_at {
        out[length_at..body].copy_from_slice(&bytes[..width]);
        return 0;
    }
    out.splice(length_at..body, bytes[..width].iter().copied());
    width as isize - (body - length_at) as isize
}

#[inline]
pub fn put_key(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number << 3 | wire_type));
}

pub fn varint_len(value: u64) -> usize {
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
    pub fn begin(out: &mut Vec<u8>, number: u32) -> Self {
        put_key(out, number, 2);
        // Most messages are shorter than 128 bytes; a longer one is moved once to make room.
        out.push(0);
        Self { body: out.len() }
    }

    #[inline]
    pub fn end(self, out: &mut Vec<u8>) {
        match out.len() - self.body {
            length @ ..0x80 => out[self.body - 1] = length as u8,
            _ => mend_length(out, self.body - 1, self.body),
        }
    }
}
