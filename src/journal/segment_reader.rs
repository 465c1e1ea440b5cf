//! Reads the records of one segment in large steps, and checks every checksum.
//!
//! - Holds one buffer of [`CHUNK_BYTES`], or of one record if that is larger.
//! - Never looks beyond the limit it is given, so that readers never see what is not durable.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;

use super::files::Files;
use super::record::{Flaw, Parsed, parse};
use super::segment::Segment;
use super::{Item, Position, Record};

/// One read of a lagging reader: large enough that the disk streams, small enough that many readers are cheap.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct SegmentReader {
    pub segment: Segment,
    file: File,
    buffer: Vec<u8>,
    /// The position of the buffer's first byte.
    buffer_at: Position,
}

impl SegmentReader {
    pub fn open(segment: Segment, files: &dyn Files) -> io::Result<Self> {
        let file = files.open_to_read(&segment.path)?;
        Ok(Self { buffer_at: segment.base, segment, file, buffer: Vec::new() })
    }

    /// The record at `position` if all of it is in memory. The payload's checksum is checked here, on every read.
    pub fn item(&self, position: Position) -> Option<Result<Item, Flaw>> {
        match parse(self.buffered(position), self.segment.salt, position) {
            Parsed::Whole { head, body, encoded_bytes } => {
                // Copied out: a consumer that holds on to one record does not hold on to the whole buffer.
                let record = Record { head: Bytes::copy_from_slice(head), body: Bytes::copy_from_slice(body) };
                Some(Ok(Item { position, end: Position(position.0 + encoded_bytes), record }))
            }
            Parsed::Needs { .. } => None,
            Parsed::Flawed(flaw) => Some(Err(flaw)),
        }
    }

    /// The end of the record at `position`, read and checked; nothing behind `limit` is looked at.
    pub fn check(&mut self, position: Position, limit: Position) -> io::Result<Result<Position, Flaw>> {
        if let Err(flaw) = self.load(position, limit)? {
            return Ok(Err(flaw));
        }
        Ok(match parse(self.buffered(position), self.segment.salt, position) {
            Parsed::Whole { encoded_bytes, .. } => Ok(Position(position.0 + encoded_bytes)),
            Parsed::Needs { .. } => Err(Flaw::CutShort),
            Parsed::Flawed(flaw) => Err(flaw),
        })
    }

    /// Brings the record at `position` into memory whole, if it is sound and ends at or before `limit`.
    pub fn load(&mut self, position: Position, limit: Position) -> io::Result<Result<(), Flaw>> {
        let available = limit.0.saturating_sub(position.0);
        let mut wanted = 0;
        // At most three rounds: nothing in memory, the header in memory, all in memory.
        loop {
            let encoded_bytes = match parse(self.buffered(position), self.segment.salt, position) {
                Parsed::Whole { .. } => return Ok(Ok(())),
                Parsed::Flawed(flaw) => return Ok(Err(flaw)),
                Parsed::Needs { encoded_bytes } => encoded_bytes,
            };
            if encoded_bytes > available {
                return Ok(Err(Flaw::PastEnd));
            }
            if encoded_bytes <= wanted {
                return Ok(Err(Flaw::CutShort));
            }
            wanted = encoded_bytes;
            self.fill(position, wanted, available)?;
        }
    }

    /// What is in memory from `position` on, after making sure that it is at least `wanted` bytes unless the limit or the file ends before.
    pub fn bytes(&mut self, position: Position, wanted: u64, limit: Position) -> io::Result<&[u8]> {
        if (self.buffered(position).len() as u64) < wanted {
            self.fill(position, wanted, limit.0.saturating_sub(position.0))?;
        }
        Ok(self.buffered(position))
    }

    fn buffered(&self, position: Position) -> &[u8] {
        let skipped = position.0.checked_sub(self.buffer_at.0).and_then(|skipped| usize::try_from(skipped).ok());
        skipped.and_then(|skipped| self.buffer.get(skipped..)).unwrap_or_default()
    }

    /// Reads on from the end of what is buffered from `position`, to `wanted` bytes or a chunk, but no further than `available`.
    fn fill(&mut self, position: Position, wanted: u64, available: u64) -> io::Result<()> {
        let kept = self.buffered(position).len();
        self.buffer.drain(..self.buffer.len() - kept);
        if self.buffer.capacity() > 4 * CHUNK_BYTES {
            self.buffer.shrink_to(CHUNK_BYTES);
        }
        self.buffer_at = position;
        let missing = wanted.max(CHUNK_BYTES as u64).min(available).saturating_sub(kept as u64);
        self.buffer.reserve(usize::try_from(missing).map_err(io::Error::other)?);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.segment.offset_of(position) + kept as u64))?;
        file.take(missing).read_to_end(&mut self.buffer)?;
        Ok(())
    }
}
