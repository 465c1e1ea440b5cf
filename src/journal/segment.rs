//! One file of the log: its name, its header, and where a position lies in it (`docs/format.md`, "A segment").
//!
//! - The name is the first position in it, zero-padded, so that the names sort like the positions.
//! - Magic, version and checksum stay where they are in every future version; what else is in the 32 bytes may change with the version.

use std::path::{Path, PathBuf};

use super::Position;
use super::record::Flaw;

pub(super) const SEGMENT_HEADER_BYTES: usize = 32;
pub(super) const FORMAT_VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"sfjrnl\r\n";
const SUFFIX: &str = ".journal";
/// A segment is made under this name and renamed when its header is durable: a file with a segment's name always has a header.
const TEMPORARY_SUFFIX: &str = ".journal.new";
/// As many digits as the largest position has.
const DIGITS: usize = 20;

/// A segment that is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// The first position in it.
    pub base: Position,
    /// The end of what is durable in it.
    pub end: Position,
    /// Mixed into every record's checksum, so that bytes of another segment are never taken for records of this one.
    pub salt: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub base: Position,
    pub salt: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    Flawed(Flaw),
    /// Whole, but of a version this program does not know.
    Version(u32),
}

pub(super) fn path_of(dir: &Path, base: Position) -> PathBuf {
    dir.join(format!("{:0DIGITS$}{SUFFIX}", base.0))
}

pub(super) fn temporary_path_of(dir: &Path, base: Position) -> PathBuf {
    dir.join(format!("{:0DIGITS$}{TEMPORARY_SUFFIX}", base.0))
}

/// The first position of the segment with this file name; `None` for everybody else's files.
pub(super) fn base_of(file_name: &str) -> Option<Position> {
    parse_name(file_name, SUFFIX)
}

/// Whether this is a segment whose making was interrupted.
pub(super) fn is_temporary(file_name: &str) -> bool {
    parse_name(file_name, TEMPORARY_SUFFIX).is_some()
}

fn parse_name(file_name: &str, suffix: &str) -> Option<Position> {
    let digits = file_name.strip_suffix(suffix)?;
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().map(Position)
}

// === impl Segment ===

impl Segment {
    /// Where `position` lies in the file. Meaningful from `base` on.
    pub fn offset_of(&self, position: Position) -> u64 {
        SEGMENT_HEADER_BYTES as u64 + position.0.saturating_sub(self.base.0)
    }

    pub fn file_bytes(&self) -> u64 {
        self.offset_of(self.end)
    }

    pub fn is_empty(&self) -> bool {
        self.base == self.end
    }
}

// === impl SegmentHeader ===

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        self.encode_as(FORMAT_VERSION)
    }

    pub(super) fn encode_as(&self, version: u32) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.0.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[0..28]);
        bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() >= MAGIC.len() && !bytes.starts_with(&MAGIC) {
            return Err(HeaderError::Flawed(Flaw::NotASegment));
        }
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else {
            return Err(HeaderError::Flawed(Flaw::CutShort));
        };
        let (words, _) = bytes.as_chunks::<4>();
        let [_, _, version, salt, base_low, base_high, _, checksum] = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
        if crc32fast::hash(&bytes[0..28]) != checksum {
            return Err(HeaderError::Flawed(Flaw::SegmentChecksum));
        }
        if version != FORMAT_VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Self { base: Position(u64::from(base_high) << 32 | u64::from(base_low)), salt })
    }
}
