//! From an attribute key to its row of the table.
//!
//! Every key of every span passes through here, and nearly all of them are nobody's. So: one multiplication over the length and the last
//! eight bytes (keys differ at their ends, not at their beginnings), one read of a 4 KiB table that the compiler filled, and for nearly
//! all strangers that is all. A key is compared as a whole, byte by byte, before it is believed.

use super::tables::{ROWS, ROWS_MAX};

const SLOTS: usize = 2048;
const VACANT: u16 = u16::MAX;

/// Open addressing with linear probing: the number of a row, or vacant.
static TABLE: [u16; SLOTS] = build();

/// The number of the row whose key this is.
#[inline(always)]
pub(super) fn row_number(key: &[u8]) -> Option<u16> {
    let mut at = slot(key);
    loop {
        let number = TABLE[at];
        if number == VACANT {
            return None;
        }
        if ROWS[number as usize].key.as_bytes() == key {
            return Some(number);
        }
        at = (at + 1) % SLOTS;
    }
}

const fn build() -> [u16; SLOTS] {
    assert!(ROWS.len() < ROWS_MAX && ROWS.len() * 4 < SLOTS, "the look-up table is too small");
    let mut table = [VACANT; SLOTS];
    let mut number = 0;
    while number < ROWS.len() {
        let mut at = slot(ROWS[number].key.as_bytes());
        while table[at] != VACANT {
            at = (at + 1) % SLOTS;
        }
        table[at] = number as u16;
        number += 1;
    }
    table
}

const fn slot(key: &[u8]) -> usize {
    let tail = match key.last_chunk::<8>() {
        Some(tail) => u64::from_le_bytes(*tail),
        None => pack(key),
    };
    let mixed = (tail ^ (key.len() as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - SLOTS.ilog2())) as usize
}

/// Fewer than eight bytes as a number.
const fn pack(key: &[u8]) -> u64 {
    let mut packed = 0;
    let mut i = 0;
    while i < key.len() {
        packed = packed << 8 | key[i] as u64;
        i += 1;
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_at_its_own_row_and_stands_once() {
        for (number, row) in ROWS.iter().enumerate() {
            assert_eq!(row_number(row.key.as_bytes()), Some(number as u16), "{} stands twice or is lost", row.key);
        }
    }

    #[test]
    fn a_key_is_matched_as_a_whole() {
        for row in ROWS {
            let key = row.key;
            for stranger in
                [key[1..].to_owned(), key[..key.len() - 1].to_owned(), format!("x.{key}"), format!("{key}.x"), key.to_uppercase()]
            {
                let listed = ROWS.iter().any(|row| row.key == stranger);
                assert_eq!(row_number(stranger.as_bytes()).is_some(), listed, "{stranger}");
            }
        }
        assert_eq!(row_number(b""), None);
    }

    #[test]
    fn no_key_is_looked_for_longer_than_a_few_steps() {
        let longest = TABLE.split(|&number| number == VACANT).map(<[u16]>::len).max();
        assert!(longest <= Some(8), "a cluster of {longest:?}");
    }
}
