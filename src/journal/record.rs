//! One record as bytes: a header of 20 bytes, then the head, then the body (`docs/format.md`, "A record").
//!
//! - Two checksums: one over the payload, which any thread can compute, and one over the header, which binds the lengths, the payload's
//!   checksum, the place in the log and the segment's salt. Bytes that lie at the wrong place, come from another segment, or were
//!   forged inside somebody's payload are not taken for a record.
//! - `back_bytes` says where the record's group began. Everything before that was durable when this record was written, which is how
//!   recovery tells a torn last write from damage to something acknowledged.

use bytes::Bytes;

use super::{AppendError, Position, Record};

/// Head and body together; a limit on what one length field can make a reader allocate.
pub const MAX_RECORD_BYTES: u64 = 1 << 30;

pub(super) const RECORD_HEADER_BYTES: usize = 20;

/// Why bytes are not a record or a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    #[error("not a journal segment")]
    NotASegment,
    #[error("the segment header's checksum does not match")]
    SegmentChecksum,
    #[error("the segment header names another position than the file name")]
    WrongBase,
    #[error("no valid record header")]
    RecordHeader,
    #[error("a record's payload does not match its checksum")]
    Payload,
    #[error("a record runs past the end of the segment")]
    PastEnd,
    #[error("the file ends before the record does")]
    CutShort,
}

/// A record on its way in: its checksum is known, its place is not.
#[derive(Debug)]
pub(super) struct Payload {
    pub record: Record,
    pub checksum: u32,
    /// As encoded: header, head and body.
    pub encoded_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RecordHeader {
    pub head_bytes: u32,
    pub body_bytes: u32,
    /// From the beginning of the group (what one fsync covered) to this record.
    pub back_bytes: u32,
    pub payload_checksum: u32,
}

/// What lies at the beginning of some bytes.
#[derive(Debug)]
pub(super) enum Parsed<'a> {
    Whole {
        head: &'a [u8],
        body: &'a [u8],
        encoded_bytes: u64,
    },
    /// Valid so far; the record needs this many bytes.
    Needs {
        encoded_bytes: u64,
    },
    Flawed(Flaw),
}

/// Reads the record at `position` from bytes that begin there. Never panics, whatever the bytes.
pub(super) fn parse(bytes: &[u8], salt: u32, position: Position) -> Parsed<'_> {
    let Some((header, payload)) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>() else {
        return Parsed::Needs { encoded_bytes: RECORD_HEADER_BYTES as u64 };
    };
    let Some(header) = RecordHeader::decode(header, salt, position) else {
        return Parsed::Flawed(Flaw::RecordHeader);
    };
    let encoded_bytes = header.encoded_bytes();
    let Some(payload) = payload.get(..header.head_bytes as usize + header.body_bytes as usize) else {
        return Parsed::Needs { encoded_bytes };
    };
    let (head, body) = payload.split_at(header.head_bytes as usize);
    if checksum(head, body) != header.payload_checksum {
        return Parsed::Flawed(Flaw::Payload);
    }
    Parsed::Whole { head, body, encoded_bytes }
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

// === impl Payload ===

impl Payload {
    pub fn new(record: Record) -> Result<Self, AppendError> {
        let bytes = record.head.len() as u64 + record.body.len() as u64;
        if bytes > MAX_RECORD_BYTES {
            return Err(AppendError::TooLarge { bytes, max_bytes: MAX_RECORD_BYTES });
        }
        let checksum = checksum(&record.head, &record.body);
        Ok(Self { record, checksum, encoded_bytes: RECORD_HEADER_BYTES as u64 + bytes })
    }

    /// The header for this payload, `back_bytes` after the beginning of its group.
    pub fn header(&self, back_bytes: u32) -> RecordHeader {
        RecordHeader {
            head_bytes: length(&self.record.head),
            body_bytes: length(&self.record.body),
            back_bytes,
            payload_checksum: self.checksum,
        }
    }
}

fn length(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).expect("Payload::new refuses what is longer than MAX_RECORD_BYTES")
}

// === impl RecordHeader ===

impl RecordHeader {
    pub fn encode(&self, salt: u32, position: Position) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.head_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.back_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_checksum.to_le_bytes());
        let checksum = Self::checksum(&bytes, salt, position);
        bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` if these bytes are not the header of a record at this position of a segment with this salt.
    pub fn decode(bytes: &[u8; RECORD_HEADER_BYTES], salt: u32, position: Position) -> Option<Self> {
        let [a, b, c, d, checksum] = fields(bytes);
        let header = Self { head_bytes: a, body_bytes: b, back_bytes: c, payload_checksum: d };
        // The cheap test first: recovery calls this for every offset behind a damaged place.
        if u64::from(a) + u64::from(b) > MAX_RECORD_BYTES || u64::from(c) > position.0 {
            return None;
        }
        (Self::checksum(bytes, salt, position) == checksum).then_some(header)
    }

    pub fn encoded_bytes(&self) -> u64 {
        RECORD_HEADER_BYTES as u64 + u64::from(self.head_bytes) + u64::from(self.body_bytes)
    }

    fn checksum(bytes: &[u8; RECORD_HEADER_BYTES], salt: u32, position: Position) -> u32 {
        let mut covered = [0; 28];
        covered[0..4].copy_from_slice(&salt.to_le_bytes());
        covered[4..12].copy_from_slice(&position.0.to_le_bytes());
        covered[12..28].copy_from_slice(&bytes[0..16]);
        crc32fast::hash(&covered)
    }
}

fn fields(bytes: &[u8; RECORD_HEADER_BYTES]) -> [u32; 5] {
    let (words, _) = bytes.as_chunks::<4>();
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}
