//! Substring search over session ids.
//!
//! - The ids lie lower-cased one behind the other, so that many of them are looked into in one pass over memory.
//! - The text is cut into segments of at most 64 KB: a removed id is blanked, and a segment that is mostly blanks is rewritten, so no
//!   change of the index takes long.
//! - Only ASCII letters are folded; every other byte means itself.

use memchr::memmem::Finder;

use super::directory::push_tight;
use super::rowset::RowSet;

/// The row of a blanked id.
const NO_ROW: u32 = u32::MAX;

/// Starts in a segment are 16-bit numbers.
const SEGMENT_MAX_BYTES: usize = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Text {
    segments: Vec<Segment>,
    /// By row.
    segment_of_row: Vec<u32>,
    /// Segments that were rewritten and have room.
    roomy: Vec<u32>,
    /// Where new ids go.
    current: usize,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    /// Where each id starts, ascending.
    starts: Vec<u16>,
    rows: Vec<u32>,
    /// What all ids begin with.
    prefix: Vec<u8>,
    blank_bytes: usize,
    is_roomy: bool,
}

/// What is searched for, prepared once.
pub struct Needle {
    finder: Finder<'static>,
    /// Reused between ids that are looked at one by one.
    scratch: Vec<u8>,
}

// === impl Text ===

impl Text {
    /// Makes room for so many rows more.
    pub(super) fn reserve(&mut self, n: usize) {
        self.segment_of_row.reserve_exact(n);
    }

    pub(super) fn insert(&mut self, row: u32, id: &str) {
        if self.segments.get(self.current).is_none_or(|segment| segment.bytes.len() + id.len() >= SEGMENT_MAX_BYTES) {
            self.turn_over();
        }
        self.segments[self.current].push(row, id.as_bytes());
        while self.segment_of_row.len() <= row as usize {
            push_tight(&mut self.segment_of_row, 0);
        }
        self.segment_of_row[row as usize] = self.current as u32;
    }

    pub(super) fn remove(&mut self, row: u32) {
        let Some(&number) = self.segment_of_row.get(row as usize) else { return };
        let Some(segment) = self.segments.get_mut(number as usize) else { return };
        segment.blank(row);
        if segment.blank_bytes * 2 > segment.bytes.len() {
            segment.rewrite();
            if !segment.is_roomy && number as usize != self.current {
                segment.is_roomy = true;
                self.roomy.push(number);
            }
        }
    }

    /// Of these rows, those whose id contains the needle.
    pub(super) fn find(&self, needle: &Needle, among: &RowSet) -> RowSet {
        let mut words = vec![0; among.words().len()];
        for segment in &self.segments {
            segment.find(&needle.finder, among, &mut words);
        }
        RowSet::from_words(words)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of_segment = |segment: &Segment| {
            segment.bytes.capacity() + segment.prefix.capacity() + segment.starts.capacity() * 2 + segment.rows.capacity() * 4
        };
        self.segments.iter().map(of_segment).sum::<usize>()
            + self.segments.capacity() * size_of::<Segment>()
            + (self.segment_of_row.capacity() + self.roomy.capacity()) * size_of::<u32>()
    }

    /// The current segment is full: goes on in one that has room, or in a new one.
    fn turn_over(&mut self) {
        if let Some(full) = self.segments.get_mut(self.current) {
            full.shrink();
        }
        self.current = match self.roomy.pop() {
            Some(number) => number as usize,
            None => {
                self.segments.push(Segment::default());
                self.segments.len() - 1
            }
        };
        self.segments[self.current].is_roomy = false;
    }
}

// === impl Segment ===

impl Segment {
    fn push(&mut self, row: u32, id: &[u8]) {
        let start = self.bytes.len();
        self.starts.push(start as u16);
        self.rows.push(row);
        self.bytes.extend(id.iter().map(u8::to_ascii_lowercase));
        let id = &self.bytes[start..];
        if start == 0 {
            self.prefix = id.to_vec();
        } else if !id.starts_with(&self.prefix) {
            let n_shared = self.prefix.iter().zip(id).take_while(|(a, b)| a == b).count();
            self.prefix.truncate(n_shared);
        }
    }

    /// Blanks an id.
    fn blank(&mut self, row: u32) {
        let Some(slot) = self.rows.iter().position(|other| *other == row) else { return };
        let range = self.range(slot);
        let n_bytes = range.len();
        // Nothing of a deleted session stays behind.
        self.bytes[range].fill(0);
        self.rows[slot] = NO_ROW;
        self.blank_bytes += n_bytes;
    }

    /// Leaves the blanks out.
    fn rewrite(&mut self) {
        let mut kept = Self { is_roomy: self.is_roomy, ..Self::default() };
        for slot in (0..self.rows.len()).filter(|slot| self.rows[*slot] != NO_ROW) {
            kept.push(self.rows[slot], &self.bytes[self.range(slot)]);
        }
        kept.shrink();
        *self = kept;
    }

    fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    fn range(&self, slot: usize) -> std::ops::Range<usize> {
        let end = self.starts.get(slot + 1).map_or(self.bytes.len(), |start| usize::from(*start));
        usize::from(self.starts[slot])..end
    }

    fn find(&self, finder: &Finder, among: &RowSet, words: &mut [u64]) {
        // Ids are made to a pattern: where one matched, the next ones often match too, which costs less to see than to search.
        let mut offset = 0;
        let all_match = finder.find(&self.prefix).is_some();
        for (slot, row) in self.rows.iter().enumerate().filter(|(_, row)| among.contains(**row)) {
            let id = &self.bytes[self.range(slot)];
            let is_there = all_match || id.get(offset..).is_some_and(|tail| tail.starts_with(finder.needle()));
            if !is_there {
                match finder.find(id) {
                    Some(found) => offset = found,
                    None => continue,
                }
            }
            if let Some(word) = words.get_mut(*row as usize / 64) {
                *word |= 1 << (row % 64);
            }
        }
    }
}

// === impl Needle ===

impl Needle {
    pub fn new(search: &str) -> Self {
        Self { finder: Finder::new(&search.to_ascii_lowercase()).into_owned(), scratch: Vec::new() }
    }

    /// ASCII letters are folded on both sides.
    pub fn is_in(&mut self, id: &str) -> bool {
        if !id.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.finder.find(id.as_bytes()).is_some();
        }
        self.scratch.clear();
        self.scratch.extend(id.bytes().map(|byte| byte.to_ascii_lowercase()));
        self.finder.find(&self.scratch).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_removed_ids_leave_is_used_again() {
        let mut text = Text::default();
        let id = |row: u32| format!("an-id-of-some-length-{row:06}");
        (0..20_000).for_each(|row| text.insert(row, &id(row)));
        let n_segments = text.segments.len();
        assert!(n_segments > 5);
        for _ in 0..5 {
            (0..20_000).filter(|row| row % 4 > 0).for_each(|row| text.remove(row));
            assert!(text.memory_bytes() < 20_000 * 28, "{} bytes for a quarter", text.memory_bytes());
            (0..20_000).filter(|row| row % 4 > 0).for_each(|row| text.insert(row, &id(row)));
        }
        assert!(text.segments.len() <= n_segments + 2, "{} segments became {}", n_segments, text.segments.len());
        let mut all = RowSet::default();
        (0..20_000).rev().for_each(|row| all.insert(row));
        let found = text.find(&Needle::new("-0123"), &all);
        assert_eq!(found.iter().collect::<Vec<_>>(), (12_300..12_400).collect::<Vec<_>>());
    }

    #[test]
    fn a_removed_id_leaves_no_text_behind() {
        let mut text = Text::default();
        for (row, id) in ["keep this one here", "secret", "and this"].iter().enumerate() {
            text.insert(row as u32, id);
        }
        text.remove(1);
        let mut alone = Text::default();
        alone.insert(0, "secret");
        alone.remove(0);
        text.segments.append(&mut alone.segments);
        let has = |bytes: &[u8]| bytes.windows(6).any(|bytes| bytes == b"secret");
        assert!(!text.segments.iter().any(|segment| has(&segment.bytes) || has(&segment.prefix)));
    }
}
