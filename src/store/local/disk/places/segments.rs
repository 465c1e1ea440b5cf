//! Segments as they are stored: consecutive pages of sorted entries.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use rusqlite::{Connection, Row, params};

use super::super::rows::unreadable;
use super::super::statements::{self, Ready};
use super::{ENTRY_BYTES, Entry, Kind};
use crate::wire::format::stored::UnreadableBlob;

/// Entries of one page: what fits a page of the database of 4,096 bytes.
pub(super) const PAGE_ENTRIES: u64 = 126;

/// Pages that are read in one go by whoever reads all of them: a few milliseconds.
const PAGES_AT_ONCE: i64 = 32;
/// Numbers of runs, ids of traces and hashes of users are as good as random, so that a few guesses find their page; what is not, halving does.
const GUESSES_MAX: u32 = 4;

/// One segment, as its row says.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) first_page: i64,
    pub(super) n_entries: u64,
    least: Entry,
    greatest: Entry,
}

/// The entries of one segment from one of them on.
pub(super) struct Cursor<'a> {
    db: &'a Connection,
    segment: Segment,
    /// The next entry, by its place in the segment.
    at: u64,
    page: Vec<u8>,
    next: Option<Entry>,
}

/// Entries of several segments in order, each once.
pub struct Places<'a> {
    cursors: Vec<Cursor<'a>>,
    last: Entry,
    given: Option<Entry>,
}

// === impl Segment ===

impl Segment {
    /// The segments of a kind, the earliest first.
    pub(super) fn all(db: &Connection, kind: Kind) -> rusqlite::Result<Vec<Self>> {
        db.ready(&statements::PLACE_SEGMENTS)?.query_map([kind as u8], Self::read)?.collect()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            first_page: row.get(0)?,
            n_entries: row.get::<_, i64>(1)?.cast_unsigned(),
            least: Entry(row.get(2)?),
            greatest: Entry(row.get(3)?),
        })
    }

    pub(super) fn last_page(&self) -> i64 {
        self.first_page + (self.n_entries.saturating_sub(1) / PAGE_ENTRIES) as i64
    }

    /// Where the first entry is that is not less than this one.
    fn lower_bound(&self, db: &Connection, least: &Entry) -> rusqlite::Result<u64> {
        if *least <= self.least {
            return Ok(0);
        }
        let (mut low, mut high) = (0, self.last_page() - self.first_page);
        let (mut rank_of_low, mut rank_of_high) = (self.least.rank(), self.greatest.rank());
        let mut n_guesses = GUESSES_MAX;
        // The last page that begins with less.
        while low < high {
            let middle = match n_guesses.checked_sub(1) {
                Some(left) => {
                    n_guesses = left;
                    let part = (least.rank() - rank_of_low) / (rank_of_high - rank_of_low);
                    // Not a number where all are of one rank, which counts as 0.
                    (low + ((high + 1 - low) as f64 * part) as i64).clamp(low + 1, high)
                }
                None => low + (high - low + 1) / 2,
            };
            let begin = page(db, self.first_page + middle, |entries| entry(entries, 0))?;
            if begin < *least {
                (low, rank_of_low) = (middle, begin.rank());
            } else {
                (high, rank_of_high) = (middle - 1, begin.rank());
            }
        }
        let within = page(db, self.first_page + low, |entries| {
            let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
            Ok(entries.partition_point(|entry| Entry(*entry) < *least))
        })?;
        Ok(low.cast_unsigned() * PAGE_ENTRIES + within as u64)
    }
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    pub(super) fn whole(db: &'a Connection, segment: Segment) -> rusqlite::Result<Self> {
        Self::from(db, segment, 0)
    }

    fn from(db: &'a Connection, segment: Segment, at: u64) -> rusqlite::Result<Self> {
        let mut cursor = Self { db, segment, at, page: Vec::new(), next: None };
        if at < cursor.segment.n_entries {
            cursor.read_page()?;
            cursor.next = Some(cursor.here()?);
        }
        Ok(cursor)
    }

    pub(super) fn peek(&self) -> Option<Entry> {
        self.next
    }

    pub(super) fn advance(&mut self) -> rusqlite::Result<()> {
        self.at += 1;
        self.next = None;
        if self.at < self.segment.n_entries {
            if self.at.is_multiple_of(PAGE_ENTRIES) {
                self.read_page()?;
            }
            self.next = Some(self.here()?);
        }
        Ok(())
    }

    fn read_page(&mut self) -> rusqlite::Result<()> {
        let no = self.segment.first_page + (self.at / PAGE_ENTRIES) as i64;
        let read = &mut self.page;
        page(self.db, no, |entries| {
            read.clear();
            read.extend_from_slice(entries);
            Ok(())
        })
    }

    fn here(&self) -> rusqlite::Result<Entry> {
        entry(&self.page, (self.at % PAGE_ENTRIES) as usize)
    }
}

// === impl Places ===

impl<'a> Places<'a> {
    /// Those of a kind within a range. All of it is read within one state of the database: the caller has begun a transaction.
    pub fn within(db: &'a Connection, kind: Kind, range: &RangeInclusive<Entry>) -> rusqlite::Result<Self> {
        debug_assert!(!db.is_autocommit(), "segments and their pages are of one state");
        let mut cursors = Vec::new();
        for segment in Segment::all(db, kind)? {
            if segment.greatest < *range.start() || segment.least > *range.end() {
                continue;
            }
            let at = segment.lower_bound(db, range.start())?;
            cursors.push(Cursor::from(db, segment, at)?);
        }
        Ok(Self::merged(cursors, *range.end()))
    }

    pub(super) fn merged(cursors: Vec<Cursor<'a>>, last: Entry) -> Self {
        Self { cursors, last, given: None }
    }

    /// The next entry in order that was not given yet.
    pub fn next(&mut self) -> rusqlite::Result<Option<Entry>> {
        Ok(self.next_of()?.map(|(entry, _)| entry))
    }

    /// The same, with the number of the segment that it is from: the newest of those that have it.
    pub(super) fn next_of(&mut self) -> rusqlite::Result<Option<(Entry, usize)>> {
        loop {
            // Few segments: looking at the head of each is cheaper than keeping them in order.
            let heads = self.cursors.iter().enumerate().filter_map(|(at, cursor)| Some((cursor.peek()?, at)));
            let first = heads.min_by_key(|(entry, at)| (*entry, Reverse(*at)));
            let Some((entry, at)) = first.filter(|(entry, _)| *entry <= self.last) else { return Ok(None) };
            self.cursors[at].advance()?;
            if self.given != Some(entry) {
                self.given = Some(entry);
                return Ok(Some((entry, at)));
            }
        }
    }
}

/// Shows the entries of a kind within a range, those of the newest segment first, until it is told to stop: for what is mostly found once,
/// and lately came. All of it is read within one state of the database: the caller has begun a transaction.
pub fn each_newest_first(
    db: &Connection,
    kind: Kind,
    range: &RangeInclusive<Entry>,
    each: &mut dyn FnMut(Entry) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    debug_assert!(!db.is_autocommit(), "segments and their pages are of one state");
    for segment in Segment::all(db, kind)?.into_iter().rev() {
        if segment.greatest < *range.start() || segment.least > *range.end() {
            continue;
        }
        let at = segment.lower_bound(db, range.start())?;
        let mut cursor = Cursor::from(db, segment, at)?;
        while let Some(entry) = cursor.peek().filter(|entry| entry <= range.end()) {
            if !each(entry)? {
                return Ok(());
            }
            cursor.advance()?;
        }
    }
    Ok(())
}

/// The entries of a kind in some pages behind one, in the order of pages, and the page to go on behind; `None` at the end. What is merged
/// meanwhile comes again, in pages behind all others. Within one state of the database, as above.
pub fn entries_after(db: &Connection, kind: Kind, after_page: i64) -> rusqlite::Result<Option<(Vec<Entry>, i64)>> {
    let Some(segment) = Segment::all(db, kind)?.into_iter().find(|segment| segment.last_page() > after_page) else { return Ok(None) };
    let first = segment.first_page.max(after_page + 1);
    let last = segment.last_page().min(first + PAGES_AT_ONCE - 1);
    let mut read = Vec::new();
    for no in first..=last {
        page(db, no, |entries| {
            let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
            read.extend(entries.iter().map(|entry| Entry(*entry)));
            Ok(())
        })?;
    }
    Ok(Some((read, last)))
}

fn page<T>(db: &Connection, no: i64, read: impl FnOnce(&[u8]) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    db.ready(&statements::PLACE_PAGE)?.query_row(params![no], |row| read(row.get_ref(0)?.as_blob()?))
}

fn entry(page: &[u8], at: usize) -> rusqlite::Result<Entry> {
    let (entries, _) = page.as_chunks::<ENTRY_BYTES>();
    entries.get(at).map(|entry| Entry(*entry)).ok_or_else(|| unreadable(0, UnreadableBlob::Impossible("page of places")))
}
