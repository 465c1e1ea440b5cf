//! A set of rows that is compact whether it is sparse or dense.
//!
//! - Chunks of 65,536 rows, each a sorted list while its rows are few and one bit for every row once that is smaller.
//! - Two bytes a row where it is sparse: what [`super::rowset::RowSet`] would take 125 KB for in a million rows.

const CHUNK_ROWS: usize = 1 << 16;
const CHUNK_WORDS: usize = CHUNK_ROWS / 64;

/// A list of so many rows takes as much as the bits of all.
const LIST_MAX: usize = CHUNK_ROWS / 16;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    len: usize,
}

#[derive(Debug)]
enum Chunk {
    Few(Vec<u16>),
    Many(Box<[u64; CHUNK_WORDS]>),
}

// === impl Chunks ===

impl Chunks {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, row: u32) {
        let (chunk, low) = split(row);
        while self.chunks.len() <= chunk {
            self.chunks.reserve_exact(1);
            self.chunks.push(Chunk::Few(Vec::new()));
        }
        self.len += usize::from(self.chunks[chunk].insert(low));
    }

    pub(super) fn remove(&mut self, row: u32) {
        let (chunk, low) = split(row);
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            self.len -= usize::from(chunk.remove(low));
        }
    }

    /// Puts every row into the set, as far as that reaches.
    pub(super) fn add_to(&self, words: &mut [u64]) {
        for (chunk, words) in self.chunks.iter().zip(words.chunks_mut(CHUNK_WORDS)) {
            chunk.add_to(words);
        }
    }

    /// Takes every other row out of the set.
    pub(super) fn narrow(&self, words: &mut [u64]) {
        for (number, words) in words.chunks_mut(CHUNK_WORDS).enumerate() {
            let mut listed = [0; CHUNK_WORDS];
            let bits = match self.chunks.get(number) {
                Some(Chunk::Many(bits)) => bits,
                few => {
                    few.iter().for_each(|few| few.add_to(&mut listed));
                    &listed
                }
            };
            words.iter_mut().zip(bits).for_each(|(word, bits)| *word &= bits);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of_chunk = |chunk: &Chunk| match chunk {
            Chunk::Few(rows) => rows.capacity() * size_of::<u16>(),
            Chunk::Many(_) => size_of::<[u64; CHUNK_WORDS]>(),
        };
        self.chunks.capacity() * size_of::<Chunk>() + self.chunks.iter().map(of_chunk).sum::<usize>()
    }
}

fn split(row: u32) -> (usize, u16) {
    (row as usize / CHUNK_ROWS, row as u16)
}

// === impl Chunk ===

impl Chunk {
    /// Whether it was not there.
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::Many(bits) => {
                let (word, bit) = (&mut bits[usize::from(low) / 64], 1 << (low % 64));
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
            Self::Few(rows) => {
                // Rows are mostly taken in order.
                let at = match rows.last() {
                    Some(last) if *last >= low => match rows.binary_search(&low) {
                        Ok(_) => return false,
                        Err(at) => at,
                    },
                    _ => rows.len(),
                };
                if rows.len() == LIST_MAX {
                    let mut bits = Box::new([0; CHUNK_WORDS]);
                    self.add_to(&mut bits[..]);
                    *self = Self::Many(bits);
                    return self.insert(low);
                }
                if rows.len() == rows.capacity() {
                    rows.reserve_exact((rows.len() / 8).max(4));
                }
                rows.insert(at, low);
                true
            }
        }
    }

    /// Whether it was there.
    fn remove(&mut self, low: u16) -> bool {
        match self {
            Self::Many(bits) => {
                let (word, bit) = (&mut bits[usize::from(low) / 64], 1 << (low % 64));
                let was_there = *word & bit != 0;
                *word &= !bit;
                was_there
            }
            Self::Few(rows) => {
                let at = rows.binary_search(&low);
                at.is_ok_and(|at| rows.remove(at) == low)
            }
        }
    }

    fn add_to(&self, words: &mut [u64]) {
        match self {
            Self::Many(bits) => words.iter_mut().zip(bits.iter()).for_each(|(word, bits)| *word |= bits),
            Self::Few(rows) => {
                for low in rows {
                    if let Some(word) = words.get_mut(usize::from(*low) / 64) {
                        *word |= 1 << (low % 64);
                    }
                }
            }
        }
    }
}
