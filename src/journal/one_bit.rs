//! Whether one flipped bit explains why a record is not sound: then it was written whole once, and storage lost a bit of it since.
//!
//! A write that a stopped machine tore lacks whole sectors; that one bit of what is there would explain it has a chance of bits in the
//! record to 2^32. So only small payloads are looked at, for which that is one in eight thousand at most.

use super::Position;
use super::record::{RECORD_HEADER_BYTES, RecordHeader};

/// 64 KiB are 2^19 bits.
pub(super) const MAX_PAYLOAD_BYTES: usize = 64 << 10;

/// The remainder of each single bit of one byte: the rows of the table of CRC-32 that are powers of two (reflected polynomial 0xEDB88320).
const BITS: [u32; 8] = {
    let mut bits = [0; 8];
    let mut i = 0;
    while i < 8 {
        bits[i] = remainder(1 << i);
        i += 1;
    }
    bits
};
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = remainder(i as u32);
        i += 1;
    }
    table
};

const fn remainder(byte: u32) -> u32 {
    let mut crc = byte;
    let mut n = 0;
    while n < 8 {
        crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        n += 1;
    }
    crc
}

/// Whether one flipped bit in these bytes makes them the header of a record that ends at or before `limit`.
pub(super) fn explains_header(bytes: &[u8; RECORD_HEADER_BYTES], salt: u32, position: Position, limit: Position) -> bool {
    (0..8 * RECORD_HEADER_BYTES).any(|bit| {
        let mut mended = *bytes;
        mended[bit / 8] ^= 1 << (bit % 8);
        RecordHeader::decode(&mended, salt, position).is_some_and(|header| position.0 + header.encoded_bytes() <= limit.0)
    })
}

/// Whether one flipped bit in `payload` explains that its checksum is not `expected`.
pub(super) fn explains_payload(payload: &[u8], expected: u32) -> bool {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return false;
    }
    // A checksum is linear: what differs in it depends on where the flipped bit lies, and on nothing else.
    let difference = crc32fast::hash(payload) ^ expected;
    let mut flipped = BITS;
    for _ in payload {
        if flipped.contains(&difference) {
            return true;
        }
        flipped = flipped.map(|crc| TABLE[(crc & 0xff) as usize] ^ crc >> 8);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_is_found_and_two_are_not() {
        let sound: Vec<u8> = (0..200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let expected = crc32fast::hash(&sound);
        assert!(!explains_payload(&sound, expected), "nothing to explain");
        for bit in 0..8 * sound.len() {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(explains_payload(&flipped, expected), "bit {bit}");
            let other = (bit * 7 + 13) % (8 * sound.len());
            if other != bit {
                flipped[other / 8] ^= 1 << (other % 8);
                assert!(!explains_payload(&flipped, expected), "bits {bit} and {other}");
            }
        }
    }
}
