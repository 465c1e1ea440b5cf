//! A set of rows, one bit each.
//!
//! - Dense on purpose: a million rows are 125 KB, which stay in a core's cache while a page is looked for.
//! - Rows beyond the end are simply absent; the set grows as rows are put in.

#[derive(Clone, Debug, Default)]
pub(super) struct RowSet {
    words: Vec<u64>,
}

// === impl RowSet ===

impl RowSet {
    /// `words[i]` holds rows `64 * i` and up, the lowest in the lowest bit.
    pub(super) fn from_words(words: Vec<u64>) -> Self {
        Self { words }
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, row: u32) {
        let word = row as usize / 64;
        if word >= self.words.len() {
            // An eighth more than needed, so that a set that grows row by row neither copies nor wastes much.
            if word >= self.words.capacity() {
                self.words.reserve_exact(word + 1 + word / 8 - self.words.len());
            }
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (row % 64);
    }

    pub(super) fn remove(&mut self, row: u32) {
        if let Some(word) = self.words.get_mut(row as usize / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    pub(super) fn set(&mut self, row: u32, is_in: bool) {
        if is_in { self.insert(row) } else { self.remove(row) }
    }

    /// Keeps what is in both.
    pub(super) fn intersect(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= theirs;
        }
    }

    /// Drops what is in the other.
    pub(super) fn subtract(&mut self, other: &Self) {
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= !theirs;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Rows in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let base = index as u32 * 64;
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let row = base + rest.trailing_zeros();
                rest &= rest - 1;
                Some(row)
            })
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_exactly_what_was_put_in() {
        let mut set = RowSet::default();
        for row in [0, 63, 64, 1_000, 64] {
            set.insert(row);
        }
        set.remove(63);
        set.remove(5_000);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 1_000]);
        assert_eq!(set.count(), 3);
        assert!(set.contains(64) && !set.contains(63) && !set.contains(u32::MAX));
    }

    #[test]
    fn an_intersection_with_a_shorter_set_drops_what_lies_beyond_it() {
        let mut long = RowSet::default();
        let mut short = RowSet::default();
        long.insert(1);
        long.insert(500);
        short.insert(1);
        long.intersect(&short);
        assert_eq!(long.iter().collect::<Vec<_>>(), [1]);
    }
}
