//! A part of all ids, so that a question can be halved where no time is left to halve: by bits of the ids' hex digits.
//!
//! - Digits are looked at from the end and from the middle in turn: some senders draw only one half of their ids at random.
//! - TraceQL compares ids as text, a trace's without its leading zeros, and by regular expressions only (`=~` is anchored). An id without dots or
//!   stars in it would be compared as bytes instead, which `=~` cannot do; no expression of ours is one.

/// Ids whose first `n_bits` bits, in the order of `Slice::place`, are those of `bits`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slice {
    bits: u128,
    n_bits: u32,
    n_digits: u32,
}

const BITS_OF_DIGIT: u32 = 4;

// === impl Slice ===

impl Slice {
    /// All traces.
    pub const TRACES: Self = Self { bits: 0, n_bits: 0, n_digits: 32 };
    /// All spans of a trace.
    pub const SPANS: Self = Self { bits: 0, n_bits: 0, n_digits: 16 };

    /// `None` of a slice that holds one id.
    pub fn halves(self) -> Option<[Self; 2]> {
        if self.n_bits == self.n_digits * BITS_OF_DIGIT {
            return None;
        }
        let n_bits = self.n_bits + 1;
        Some([Self { n_bits, ..self }, Self { n_bits, bits: self.bits | 1 << self.n_bits, ..self }])
    }

    /// It in 2^`depth` parts, or as many as there are ids.
    pub fn parts(self, depth: u32) -> Vec<Self> {
        let mut parts = vec![self];
        for _ in 0..depth {
            parts = parts.into_iter().flat_map(|part| part.halves().map_or(vec![part], Vec::from)).collect();
        }
        parts
    }

    /// How many times it was halved.
    pub fn depth(self) -> u32 {
        self.n_bits
    }

    pub fn contains(self, id: u128) -> bool {
        (0..self.n_bits).all(|bit| {
            let (position, within) = self.place(bit);
            (id >> (position * BITS_OF_DIGIT + within)) & 1 == (self.bits >> bit) & 1
        })
    }

    /// The digit in which this bit of a slice lies, counted from the end, and the bit's place in it.
    fn place(self, bit: u32) -> (u32, u32) {
        let (digit, within) = (bit / BITS_OF_DIGIT, bit % BITS_OF_DIGIT);
        let middle = self.n_digits / 2;
        (digit / 2 + if digit % 2 == 1 { middle } else { 0 }, within)
    }

    /// A regular expression for its ids as text; `None` for all of them.
    pub fn expression(self) -> Option<String> {
        let mut digits: Vec<(u32, String)> = Vec::new();
        for digit in 0..self.n_bits.div_ceil(BITS_OF_DIGIT) {
            let (position, _) = self.place(digit * BITS_OF_DIGIT);
            let n_fixed = (self.n_bits - digit * BITS_OF_DIGIT).min(BITS_OF_DIGIT);
            let fixed = (self.bits >> (digit * BITS_OF_DIGIT)) as u32 & ((1 << n_fixed) - 1);
            let fitting = (0..16_u32).filter(|value| value & ((1 << n_fixed) - 1) == fixed);
            digits.push((position, fitting.map(|value| format!("{value:x}")).collect()));
        }
        digits.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        // What stands before the digit that is next, and whether nothing may stand there, since all that was wanted so far can be zero.
        let mut before: Option<(String, bool)> = None;
        let mut last = 0;
        for (position, digits) in digits {
            let head = match &before {
                None => ".*".to_owned(),
                Some((text, can_be_absent)) => stretched(text, *can_be_absent, last - position - 1),
            };
            let can_be_absent = digits.contains('0') && before.as_ref().is_none_or(|(_, can_be_absent)| *can_be_absent);
            before = Some((format!("{head}[{digits}]"), can_be_absent));
            last = position;
        }
        before.map(|(text, can_be_absent)| stretched(&text, can_be_absent, last))
    }
}

/// `text`, and so many digits of any value behind it. Where `text` may be absent, there may be fewer of them.
fn stretched(text: &str, can_be_absent: bool, n: u32) -> String {
    match (can_be_absent, n) {
        (false, 0) => text.to_owned(),
        (false, n) => format!("{text}.{{{n}}}"),
        (true, 0) => format!("({text})?"),
        (true, n) => format!("({text}.{{{n}}}|.{{0,{n}}})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    fn ids() -> Vec<u128> {
        let mut seed = 7_u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u128::from(seed >> 11)
        };
        let mut ids: Vec<u128> = (0..200).map(|_| draw() << 64 | draw() << 21 | draw() & 0xfff).collect();
        ids.extend((1..200).map(|n| n << 64 | 0xbeef));
        ids.extend([1, 2, 0xf, 0x10, 0x100, 1 << 64, (1 << 64) + 1, 1 << 68, u128::MAX]);
        ids
    }

    #[test]
    fn an_expression_matches_the_ids_of_its_slice_whether_zeros_lead_them_or_not() {
        let mut slices = vec![Slice::TRACES];
        for _ in 0..9 {
            let halves: Vec<_> = slices.iter().flat_map(|slice| slice.halves().unwrap()).collect();
            for slice in &halves {
                let expression = Regex::new(&format!("^(?:{})$", slice.expression().unwrap())).unwrap();
                for id in ids() {
                    let (bare, padded) = (format!("{id:x}"), format!("{id:032x}"));
                    let holds = slice.contains(id);
                    assert_eq!((expression.is_match(&bare), expression.is_match(&padded)), (holds, holds), "{expression} {bare}");
                }
            }
            // Not all of them: they would be too many.
            slices = halves.into_iter().step_by(3).take(24).collect();
        }
    }

    #[test]
    fn the_parts_of_a_slice_hold_every_id_once() {
        for id in ids() {
            assert_eq!(Slice::TRACES.parts(6).iter().filter(|part| part.contains(id)).count(), 1);
        }
        let mut one = Slice::SPANS;
        while let Some([half, _]) = one.halves() {
            one = half;
        }
        assert_eq!((one.depth(), one.parts(3)), (64, vec![one]));
    }

    #[test]
    fn an_expression_is_never_an_id_itself() {
        assert_eq!(Slice::TRACES.expression(), None);
        assert_eq!(Slice::TRACES.parts(1)[1].expression().unwrap(), ".*[13579bdf]");
        assert_eq!(Slice::TRACES.parts(1)[0].expression().unwrap(), "(.*[02468ace])?");
        assert_eq!(Slice::TRACES.parts(5)[31].expression().unwrap(), ".*[13579bdf].{15}[f]");
        assert_eq!(Slice::SPANS.parts(5)[31].expression().unwrap(), ".*[13579bdf].{7}[f]");
    }
}
