//! The appends that wait for the writer, first come, first served.
//!
//! - The writer takes a bounded group from the front; everyone else waits in line. A place in line belongs to a live caller: when the
//!   caller's future is dropped, the record leaves the line with it. So the line holds no memory but what its callers hold anyway, and
//!   what is taken out of it is bounded in bytes and in records.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::record::Payload;
use super::segment::SEGMENT_HEADER_BYTES;
use super::{AppendError, Position};

/// The most one write and one fsync cover, in bytes (a single larger record is a group of its own). At the 1 to 2 ms of a
/// typical fdatasync this is far above what a disk takes, so it does not limit throughput; it limits how long the others wait.
pub(super) const GROUP_BYTES: u64 = 16 << 20;
/// The same in records: bounds the slices handed to one vectored write.
pub(super) const GROUP_RECORDS: usize = 4096;

#[derive(Debug)]
pub(super) struct Pending {
    pub payload: Payload,
    pub ack: oneshot::Sender<Result<Position, AppendError>>,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Pending>,
    next_number: u64,
    /// What the records in line, and in the group being written, may take on disk.
    reserved_bytes: u64,
}

impl Pending {
    /// The most the record can take on disk: a segment may have to be started for it.
    pub fn reserved_bytes(&self) -> u64 {
        reserved_bytes(&self.payload)
    }
}

pub(super) fn reserved_bytes(payload: &Payload) -> u64 {
    payload.encoded_bytes + SEGMENT_HEADER_BYTES as u64
}

// === impl Line ===

impl Line {
    pub fn push(&mut self, pending: Pending) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.reserved_bytes += pending.reserved_bytes();
        self.waiting.insert(number, pending);
        number
    }

    /// The caller has gone. Nothing happens if the writer already has the record.
    pub fn withdraw(&mut self, number: u64) {
        if let Some(pending) = self.waiting.remove(&number) {
            self.reserved_bytes -= pending.reserved_bytes();
        }
    }

    /// The encoded size of the first record.
    pub fn first_bytes(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(_, pending)| pending.payload.encoded_bytes)
    }

    /// The first record, and those after it that fit. Their space stays reserved until `settle`.
    pub fn take(&mut self, room_bytes: u64) -> Vec<Pending> {
        let max_bytes = room_bytes.min(GROUP_BYTES);
        let mut group = Vec::new();
        let mut group_bytes: u64 = 0;
        while let Some(first) = self.waiting.first_entry() {
            group_bytes = group_bytes.saturating_add(first.get().payload.encoded_bytes);
            if !group.is_empty() && (group_bytes > max_bytes || group.len() == GROUP_RECORDS) {
                break;
            }
            group.push(first.remove());
        }
        group
    }

    /// The group with this reservation was written or refused.
    pub fn settle(&mut self, reserved_bytes: u64) {
        self.reserved_bytes -= reserved_bytes;
    }

    pub fn reserved_bytes(&self) -> u64 {
        self.reserved_bytes
    }

    pub fn drain(&mut self) -> impl Iterator<Item = Pending> {
        self.reserved_bytes = 0;
        std::mem::take(&mut self.waiting).into_values()
    }
}
