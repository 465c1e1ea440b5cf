//! Which ids hold which two bytes one after the other: what a search looks at before any text.
//!
//! - One or two characters are answered by this alone. More are narrowed down to the ids that hold every pair of them.
//! - As the search text, it folds ASCII letters and takes every other byte for itself.
//! - About two bytes for each byte of an id.

use super::chunks::Chunks;
use super::rowset::RowSet;

/// What follows the last byte of an id.
const END: u8 = 0;

#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// By byte: its number among the bytes that were met, 0 if it was not. Empty at first.
    numbers: Vec<u8>,
    n_numbers: u8,
    /// By the number of the first byte and that of the second.
    rows: Vec<Vec<Chunks>>,
}

/// So many pairs of a text are asked for at most: what else they leave costs less to look into.
const RAREST_MAX: usize = 6;

/// The ids that may contain what is searched for.
pub(super) struct Candidates {
    pub(super) rows: RowSet,
    /// All of them do.
    pub(super) is_exact: bool,
}

// === impl Pairs ===

impl Pairs {
    pub(super) fn insert(&mut self, row: u32, id: &str) {
        let mut first = END;
        for byte in id.bytes() {
            let second = self.number(byte);
            if first != END {
                self.of(first, second).insert(row);
            }
            first = second;
        }
        if first != END {
            self.of(first, END).insert(row);
        }
    }

    pub(super) fn remove(&mut self, row: u32, id: &str) {
        let mut first = END;
        for byte in id.bytes() {
            let second = self.known(byte);
            if first != END {
                self.of(first, second).remove(row);
            }
            first = second;
        }
        if first != END {
            self.of(first, END).remove(row);
        }
    }

    /// Of `n_rows` rows, those whose id contains each pair of the text, which is not empty.
    pub(super) fn find(&self, text: &str, n_rows: usize) -> Candidates {
        let mut words = vec![0; n_rows.div_ceil(64)];
        let numbers: Vec<u8> = text.bytes().map(|byte| self.known(byte)).collect();
        if let [first] = numbers[..] {
            // It is in an id if anything follows it there, be it the end.
            let follow = self.rows.get(usize::from(first)).filter(|_| first != END);
            follow.into_iter().flatten().for_each(|rows| rows.add_to(&mut words));
            return Candidates { rows: RowSet::from_words(words), is_exact: true };
        }
        let rows = |pair: &[u8]| self.rows.get(usize::from(pair[0]))?.get(usize::from(pair[1])).filter(|_| !pair.contains(&END));
        let Some(mut pairs) = numbers.windows(2).map(rows).collect::<Option<Vec<_>>>() else {
            return Candidates { rows: RowSet::default(), is_exact: true };
        };
        let is_exact = pairs.len() == 1;
        pairs.sort_unstable_by_key(|rows| rows.len());
        for (at, rows) in pairs.iter().take(RAREST_MAX).enumerate() {
            if at == 0 { rows.add_to(&mut words) } else { rows.narrow(&mut words) }
        }
        Candidates { rows: RowSet::from_words(words), is_exact }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let followers = self.rows.iter().flatten().map(|rows| size_of::<Chunks>() + rows.memory_bytes());
        followers.sum::<usize>() + self.rows.capacity() * size_of::<Vec<Chunks>>() + self.numbers.capacity()
    }

    fn of(&mut self, first: u8, second: u8) -> &mut Chunks {
        let (first, second) = (usize::from(first), usize::from(second));
        if self.rows.len() <= first {
            self.rows.resize_with(first + 1, Vec::new);
        }
        let followers = &mut self.rows[first];
        if followers.len() <= second {
            followers.reserve_exact(second + 1 - followers.len());
            followers.resize_with(second + 1, Chunks::default);
        }
        &mut followers[second]
    }

    /// The number of a byte, which gets one if it has none.
    fn number(&mut self, byte: u8) -> u8 {
        if self.numbers.is_empty() {
            self.numbers.resize(1 << u8::BITS, END);
        }
        let number = &mut self.numbers[usize::from(byte.to_ascii_lowercase())];
        if *number == END {
            // There are fewer bytes in UTF-8 without capitals than numbers.
            self.n_numbers += 1;
            *number = self.n_numbers;
        }
        *number
    }

    fn known(&self, byte: u8) -> u8 {
        self.numbers.get(usize::from(byte.to_ascii_lowercase())).copied().unwrap_or(END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three chunks, dense and sparse pairs, rows out of order, and rows that are used again.
    #[test]
    fn pairs_find_what_looking_at_every_id_finds() {
        const N: u32 = 150_000;
        let id = |row: u32| format!("{}-{:05x}", if row % 1_000 == 7 { "Rare" } else { "id" }, row.wrapping_mul(0x9e37_79b1) >> 12);
        let mut pairs = Pairs::default();
        (0..N).for_each(|row| pairs.insert(row * 7_919 % N, &id(row * 7_919 % N)));
        (0..N).filter(|row| row % 3 > 0).for_each(|row| pairs.remove(row, &id(row)));
        (0..N).filter(|row| row % 3 == 1).for_each(|row| pairs.insert(row, &id(row + 1)));
        let held = |row: u32| match row % 3 {
            0 => Some(id(row)),
            1 => Some(id(row + 1)),
            _ => None,
        };
        for text in ["a", "A", "-", "z", "id", "D-", "rare", "aR", "e-0", "00", "0f", "1c3", "abcd", "zz", "ä"] {
            let Candidates { rows, is_exact } = pairs.find(text, N as usize);
            let expected: Vec<u32> =
                (0..N).filter(|row| held(*row).is_some_and(|id| id.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))).collect();
            assert!(expected.iter().all(|row| rows.contains(*row)), "{text}");
            assert!(!is_exact || rows.count() == expected.len(), "{text}: {} are not {}", rows.count(), expected.len());
            assert!(is_exact || text.len() > 2);
        }
        assert!(pairs.memory_bytes() < N as usize * 30, "{}", pairs.memory_bytes());
    }
}
