//! Adding and merging segments, within the transaction of a checkpoint.

use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::load::number;
use super::super::rows::{NO_SESSION, TenantNo, TraceNo, unsigned};
use super::super::statements::{self, Ready};
use super::super::write::put_number;
use super::segments::{Cursor, PAGE_ENTRIES, Places, Segment};
use super::{ENTRY_BYTES, Entry, Kind, NewPlaces, OfRun};
use crate::index::SessionNo;
use crate::model::time::UnixNanos;

/// So many segments of about the same size become one.
const MERGED: usize = 4;
/// Segments of fewer entries are all of one size.
const SMALL: u64 = 1_024;
/// Merges of at most so many entries find out which are of the same run, which takes up to 64 MB for a moment. Four checkpoints of as many
/// runs as one may have are fewer.
const COMPARED_MAX: u64 = 1 << 20;
/// Rows that went, beside half of all entries, before everything is merged and what points nowhere is left out.
const SLACK: u64 = 64;
/// In `meta`: how many runs and traces went since that was done.
const RUNS_GONE: &str = "places:gone";
const TRACES_GONE: &str = "places:traces_gone";

/// How many rows went in a checkpoint.
#[derive(Clone, Copy, Default)]
pub struct Gone {
    pub n_runs: u64,
    pub n_traces: u64,
}

/// The pages of one segment as they are written.
struct Writer<'a> {
    db: &'a Connection,
    first_page: i64,
    n_entries: u64,
    least: Option<Entry>,
    greatest: Option<Entry>,
    page: Vec<u8>,
}

/// Adds the places of a checkpoint's runs and traces. Runs without a session that started before the floor are gone.
pub fn add(db: &Connection, new: NewPlaces, gone: Gone, sessionless_floor: UnixNanos) -> rusqlite::Result<()> {
    // First: what is added now is there, however long ago it started.
    if gone.n_runs > 0 {
        forget_runs(db, gone.n_runs, sessionless_floor)?;
    }
    if gone.n_traces > 0 {
        forget_traces(db, gone.n_traces)?;
    }
    for (kind, entries) in Kind::ALL.into_iter().zip(new.0) {
        if !entries.is_empty() {
            put(db, kind, entries)?;
            merge_newest(db, kind)?;
        }
    }
    Ok(())
}

fn put(db: &Connection, kind: Kind, mut entries: Vec<Entry>) -> rusqlite::Result<()> {
    entries.sort_unstable();
    entries.dedup();
    let mut writer = Writer::begin(db)?;
    entries.into_iter().try_for_each(|entry| writer.push(entry))?;
    writer.finish(kind)
}

/// Merges the newest segment with those before it that are smaller, and with those of its size once there are enough of them. So sizes
/// never grow from the oldest to the newest, there are few segments of each, and what is merged lies together in time.
fn merge_newest(db: &Connection, kind: Kind) -> rusqlite::Result<()> {
    let segments = Segment::all(db, kind)?;
    let mut from = segments.len().saturating_sub(1);
    let n_entries = |from: usize| segments[from..].iter().map(|segment| segment.n_entries).sum::<u64>();
    loop {
        let merged = size(n_entries(from));
        let is_smaller = |segment: &&Segment| size(segment.n_entries) < merged;
        let is_alike = |segment: &&Segment| size(segment.n_entries) == merged;
        let n_smaller = segments[..from].iter().rev().take_while(is_smaller).count();
        let n_alike = segments[..from].iter().rev().take_while(is_alike).count();
        match (n_smaller, n_alike) {
            (0, n_alike) if n_alike + 1 < MERGED => break,
            (n_smaller, n_alike) => from -= n_smaller.max(n_alike),
        }
    }
    match &segments[from..] {
        group if group.len() < 2 => Ok(()),
        group => replace(db, kind, group, &|_| true),
    }
}

/// How large a segment is, in steps of [`MERGED`].
pub(super) fn size(n_entries: u64) -> u32 {
    (n_entries / SMALL).checked_ilog(MERGED as u64).map_or(0, |step| step + 1)
}

/// The newest segment that has each run: what older ones say of it is not true any more. `None` where that would take too much memory.
fn newest_of_each_run(db: &Connection, kind: Kind, group: &[Segment]) -> rusqlite::Result<Option<FxHashMap<OfRun, usize>>> {
    // A run that goes on is in each checkpoint with another activity; its number and its user stay.
    if kind != Kind::Activity || group.iter().map(|segment| segment.n_entries).sum::<u64>() > COMPARED_MAX {
        return Ok(None);
    }
    let mut newest = FxHashMap::default();
    for (at, segment) in group.iter().enumerate() {
        let mut cursor = Cursor::whole(db, segment.clone())?;
        while let Some(entry) = cursor.peek() {
            newest.insert(entry.of_run(), at);
            cursor.advance()?;
        }
    }
    Ok(Some(newest))
}

/// How many traces have a row: each has one entry from when it got it.
pub fn n_traces(db: &Connection) -> rusqlite::Result<u64> {
    Ok(n_entries(db, Kind::Trace)?.saturating_sub(number(db, TRACES_GONE)?))
}

fn n_entries(db: &Connection, kind: Kind) -> rusqlite::Result<u64> {
    Ok(Segment::all(db, kind)?.iter().map(|segment| segment.n_entries).sum())
}

/// Counts the runs that went, and leaves out what points nowhere once there is much of it.
fn forget_runs(db: &Connection, n_gone: u64, sessionless_floor: UnixNanos) -> rusqlite::Result<()> {
    let mut n_gone = number(db, RUNS_GONE)? + n_gone;
    if n_gone > SLACK + n_entries(db, Kind::Number)? / 2 {
        let sessions = live_sessions(db)?;
        for kind in Kind::OF_RUNS {
            replace(db, kind, &Segment::all(db, kind)?, &|entry| match entry.session() {
                NO_SESSION => entry.started_at() >= sessionless_floor,
                session => sessions.contains(&(entry.tenant(), session)),
            })?;
        }
        n_gone = 0;
    }
    put_number(db, RUNS_GONE, n_gone)
}

/// The same of traces.
fn forget_traces(db: &Connection, n_gone: u64) -> rusqlite::Result<()> {
    let mut n_gone = number(db, TRACES_GONE)? + n_gone;
    if n_gone > SLACK + n_entries(db, Kind::Trace)? / 2 {
        let live = live_traces(db)?;
        replace(db, Kind::Trace, &Segment::all(db, Kind::Trace)?, &|entry| live.binary_search(&entry.trace_no()).is_ok())?;
        n_gone = 0;
    }
    put_number(db, TRACES_GONE, n_gone)
}

/// In order.
fn live_traces(db: &Connection) -> rusqlite::Result<Vec<TraceNo>> {
    let mut select = db.ready(&statements::TRACE_NUMBERS)?;
    let mut live: Vec<_> = select.query_map([], |row| Ok(TraceNo(unsigned(row.get(0)?))))?.collect::<rusqlite::Result<_>>()?;
    live.sort_unstable();
    Ok(live)
}

fn live_sessions(db: &Connection) -> rusqlite::Result<FxHashSet<(TenantNo, SessionNo)>> {
    let mut select = db.ready(&statements::SESSION_NUMBERS)?;
    select.query_map([], |row| Ok((TenantNo(row.get(0)?), SessionNo(row.get(1)?))))?.collect()
}

/// Puts one segment in the place of several, which follow one another in age.
fn replace(db: &Connection, kind: Kind, segments: &[Segment], is_kept: &dyn Fn(&Entry) -> bool) -> rusqlite::Result<()> {
    let newest = newest_of_each_run(db, kind, segments)?;
    let is_true = |entry: &Entry, at| newest.as_ref().is_none_or(|newest| newest.get(&entry.of_run()) == Some(&at));
    let cursors = segments.iter().map(|segment| Cursor::whole(db, segment.clone())).collect::<rusqlite::Result<_>>()?;
    let mut places = Places::merged(cursors, Entry([u8::MAX; ENTRY_BYTES]));
    let mut writer = Writer::begin(db)?;
    while let Some((entry, at)) = places.next_of()? {
        if is_true(&entry, at) && is_kept(&entry) {
            writer.push(entry)?;
        }
    }
    writer.finish(kind)?;
    for segment in segments {
        db.ready(&statements::DELETE_PLACE_PAGES)?.execute(params![segment.first_page, segment.last_page()])?;
        db.ready(&statements::DELETE_PLACE_SEGMENT)?.execute(params![kind as u8, segment.first_page])?;
    }
    Ok(())
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn begin(db: &'a Connection) -> rusqlite::Result<Self> {
        let last: Option<i64> = db.ready(&statements::LAST_PLACE_PAGE)?.query_row([], |row| row.get(0)).optional()?;
        let page = Vec::with_capacity(PAGE_ENTRIES as usize * ENTRY_BYTES);
        Ok(Self { db, first_page: last.unwrap_or(0) + 1, n_entries: 0, least: None, greatest: None, page })
    }

    fn push(&mut self, entry: Entry) -> rusqlite::Result<()> {
        self.least.get_or_insert(entry);
        self.greatest = Some(entry);
        self.page.extend_from_slice(&entry.0);
        self.n_entries += 1;
        if self.n_entries.is_multiple_of(PAGE_ENTRIES) { self.put_page() } else { Ok(()) }
    }

    fn put_page(&mut self) -> rusqlite::Result<()> {
        let no = self.first_page + ((self.n_entries - 1) / PAGE_ENTRIES) as i64;
        self.db.ready(&statements::PUT_PLACE_PAGE)?.execute(params![no, self.page])?;
        self.page.clear();
        Ok(())
    }

    fn finish(mut self, kind: Kind) -> rusqlite::Result<()> {
        if !self.page.is_empty() {
            self.put_page()?;
        }
        let (Some(least), Some(greatest)) = (self.least, self.greatest) else { return Ok(()) };
        let values = params![kind as u8, self.first_page, self.n_entries.cast_signed(), least.0, greatest.0];
        self.db.ready(&statements::PUT_PLACE_SEGMENT)?.execute(values)?;
        Ok(())
    }
}
