//! Numbers that depend on nothing but what they are asked for (SplitMix64's mixer), so that any span can be made at any time.

/// 64 bits for the pair.
pub fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A stream of them.
pub struct Random {
    seed: u64,
    n: u64,
}

// === impl Random ===

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { seed, n: 0 }
    }

    pub fn below(&mut self, upper: u64) -> u64 {
        self.n += 1;
        mix(self.seed, self.n) % upper
    }
}
