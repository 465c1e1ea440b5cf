//! Rows of sessions by their numbers on disk.
//!
//! Numbers are given one after another and sessions leave about in that order, so those that live lie close together: pieces of 64 rows
//! take five bytes a session, where a hash table takes five to eleven.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::SessionNo;

const PIECE: u32 = 64;
const NO_ROW: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Numbers {
    pieces: FxHashMap<u32, Box<[u32; PIECE as usize]>>,
}

// === impl Numbers ===

impl Numbers {
    pub(super) fn get(&self, no: SessionNo) -> Option<u32> {
        let piece = self.pieces.get(&(no.0 / PIECE))?;
        Some(piece[(no.0 % PIECE) as usize]).filter(|row| *row != NO_ROW)
    }

    pub(super) fn insert(&mut self, no: SessionNo, row: u32) {
        let piece = self.pieces.entry(no.0 / PIECE).or_insert_with(|| Box::new([NO_ROW; PIECE as usize]));
        piece[(no.0 % PIECE) as usize] = row;
    }

    pub(super) fn remove(&mut self, no: SessionNo) {
        if let Entry::Occupied(mut piece) = self.pieces.entry(no.0 / PIECE) {
            piece.get_mut()[(no.0 % PIECE) as usize] = NO_ROW;
            if piece.get().iter().all(|row| *row == NO_ROW) {
                piece.remove();
            }
        }
    }

    /// Bytes that are held.
    pub(super) fn memory_bytes(&self) -> usize {
        // A bucket has a byte of control, and at most seven of eight are used.
        let bucket = size_of::<(u32, Box<[u32; PIECE as usize]>)>() + 1;
        self.pieces.capacity() * 8 / 7 * bucket + self.pieces.len() * PIECE as usize * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(changes in proptest::collection::vec((0_u32..300, proptest::option::of(0_u32..1_000)), 1..400)) {
            let (mut numbers, mut map) = (Numbers::default(), HashMap::new());
            for (no, row) in changes {
                match row {
                    Some(row) => _ = (numbers.insert(SessionNo(no), row), map.insert(no, row)),
                    None => _ = (numbers.remove(SessionNo(no)), map.remove(&no)),
                }
            }
            for no in 0..300 {
                assert_eq!(numbers.get(SessionNo(no)), map.get(&no).copied());
            }
            let kept: std::collections::HashSet<u32> = map.keys().map(|no| no / PIECE).collect();
            assert_eq!(numbers.pieces.len(), kept.len(), "what is empty is given back");
        }
    }
}
