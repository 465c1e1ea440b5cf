//! Chance that is the same for the same seed (SplitMix64), so that a demo can be repeated and checked.
//!
//! Never for anything that must not be guessed.

use std::ops::RangeInclusive;

pub(super) struct Dice(u64);

// === impl Dice ===

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `range`, both ends included.
    pub(super) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        match (high - low).checked_add(1) {
            Some(width) => low + self.next() % width,
            None => self.next(),
        }
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.within(0..=99) < chance
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.within(0..=of.len() as u64 - 1) as usize]
    }

    /// Four letters and digits, none like another: short enough to be typed, and not soon met again, as there are a million of them.
    pub(super) fn word(&mut self) -> String {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        (0..4).map(|_| char::from(LETTERS[self.within(0..=31) as usize])).collect()
    }

    /// `N` bytes that are not all zero, as the ids of OpenTelemetry must be.
    pub(super) fn id<const N: usize>(&mut self) -> Vec<u8> {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| self.next().to_le_bytes()).take(N.div_ceil(8)).flatten().take(N).collect();
        bytes[0] |= 1;
        bytes
    }
}
