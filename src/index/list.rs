//! Answering a query: which sessions fit, and one page of them in order.
//!
//! - Without a filter a page is read off an order, and the count is its length.
//! - With filters the rows that fit are found first, the cheap conditions before the dear ones, so the count is exact; then the page is
//!   either read off an order, skipping what does not fit, or selected from what does, whichever touches less.
//! - Asking for a session's runs comes last, and only for sessions that nothing else has ruled out or in.

use super::order::Direction;
use super::rowset::RowSet;
use super::text::Needle;
use super::{SessionIndex, SessionNo};
use crate::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use crate::model::session::{Page, SessionSummary};
use crate::model::time::UnixNanos;

/// Selecting one row (reading its key, partitioning) costs about as much as this many steps along an order (`benches/list.rs`).
const STEPS_PER_SELECTED: usize = 4;

/// Looking into one id by itself costs about as much as passing over this many bytes of search text (`benches/list.rs`).
const BYTES_PER_ID: usize = 1_500;

/// The bounds of the time filter, both included; an absent one is the end of time.
#[derive(Clone, Copy)]
struct Window {
    start: u64,
    end: u64,
}

/// Whether a session has a run that overlaps the window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overlap {
    Yes,
    No,
    /// Its runs lie on both sides, and only they can tell.
    Ask,
}

type HasRunIn<'a> = dyn FnMut(SessionNo, UnixNanos, UnixNanos) -> bool + 'a;

// === impl SessionIndex ===

impl SessionIndex {
    /// One page and the exact count.
    ///
    /// `has_run_in(no, start, end)` answers for the few sessions whose runs lie on both sides of the window and none of whose ends lies
    /// inside it: whether there is a run with `started_at` at most `end` and the later of `started_at` and `last_activity` at least `start`.
    pub fn list(&self, query: &SessionQuery, has_run_in: &mut HasRunIn) -> Page<SessionSummary> {
        if query.session_id.is_some() {
            return self.list_one(query, has_run_in);
        }
        let (rows, count) = match self.fitting(query, has_run_in) {
            None => (self.walk(query.sort, query.offset).take(query.limit).collect(), self.len()),
            Some(fitting) => {
                let count = fitting.count();
                (self.page(query, &fitting, count), count)
            }
        };
        Page { items: rows.into_iter().filter_map(|row| self.summary(row)).collect(), count: count as u64 }
    }

    /// The sessions that [`Self::list`] would ask about.
    pub fn straddling(&self, query: &SessionQuery) -> Vec<SessionNo> {
        let mut asked = Vec::new();
        let mut ask = |session, _, _| {
            asked.push(session);
            false
        };
        match &query.session_id {
            Some(id) => _ = self.directory.row_of_id(id).map(|row| self.fits(row, query, &mut ask)),
            None => _ = self.fitting(query, &mut ask),
        }
        asked
    }

    /// At most one session can fit.
    fn list_one(&self, query: &SessionQuery, has_run_in: &mut HasRunIn) -> Page<SessionSummary> {
        let row = query.session_id.as_ref().and_then(|id| self.directory.row_of_id(id)).filter(|row| self.fits(*row, query, has_run_in));
        let count = u64::from(row.is_some());
        let items = row.filter(|_| query.offset == 0 && query.limit > 0).and_then(|row| self.summary(row));
        Page { items: items.into_iter().collect(), count }
    }

    fn fits(&self, row: u32, query: &SessionQuery, has_run_in: &mut HasRunIn) -> bool {
        let has_agent = |name: &String| self.agents.find(name).is_some_and(|agent| self.share(row, agent).is_some());
        let has_text = |search: &String| self.directory.id(row).is_some_and(|id| Needle::new(search).is_in(id.as_str()));
        self.listed.contains(row)
            && query.status.is_none_or(|status| self.with_status(status).contains(row))
            && query.agent.as_ref().is_none_or(has_agent)
            && query.search.as_ref().is_none_or(has_text)
            && Window::of(query).is_none_or(|window| match self.overlap(row, window) {
                Overlap::Yes => true,
                Overlap::No => false,
                Overlap::Ask => has_run_in(self.directory.number(row), UnixNanos(window.start), UnixNanos(window.end)),
            })
    }

    /// The rows that fit every condition; `None` if there is no condition.
    fn fitting(&self, query: &SessionQuery, has_run_in: &mut HasRunIn) -> Option<RowSet> {
        let mut fitting: Option<RowSet> = query.status.map(|status| self.with_status(status).clone());
        if let Some(name) = &query.agent {
            let rows = self.agents.find(name).map(|agent| self.agents.rows(agent)).unwrap_or_default();
            narrow(&mut fitting, rows);
        }
        let window = Window::of(query);
        let mut unclear = RowSet::default();
        if let Some(window) = window {
            let (rows, ask) = self.overlapping(fitting.as_ref().unwrap_or(&self.listed), window);
            (fitting, unclear) = (Some(rows), ask);
        }
        if let Some(search) = query.search.as_ref().filter(|search| !search.is_empty()) {
            let rows = self.containing(fitting.as_ref(), Needle::new(search));
            narrow(&mut fitting, rows);
        }
        if let (Some(rows), Some(window)) = (&mut fitting, window) {
            unclear.intersect(rows);
            for row in unclear.iter() {
                if !has_run_in(self.directory.number(row), UnixNanos(window.start), UnixNanos(window.end)) {
                    rows.remove(row);
                }
            }
        }
        fitting
    }

    fn with_status(&self, status: StatusFilter) -> &RowSet {
        match status {
            StatusFilter::Running => &self.running,
            StatusFilter::Error => &self.failed,
        }
    }

    /// Of these rows, those that overlap the window or may, and those of them that only may.
    fn overlapping(&self, among: &RowSet, window: Window) -> (RowSet, RowSet) {
        let mut fitting = vec![0; among.words().len()];
        let mut unclear = vec![0; among.words().len()];
        if window.start > window.end {
            return (RowSet::from_words(fitting), RowSet::from_words(unclear));
        }
        let has_both = window.start > 0 && window.end < u64::MAX;
        let columns = self.first_run.chunks(64).zip(self.last_activity.chunks(64));
        for (index, (&word, (first_run, last_activity))) in among.words().iter().zip(columns).enumerate() {
            if word == 0 {
                continue;
            }
            let touches = |(first, last): (&u64, &u64)| (*first <= window.end) & (*last >= window.start);
            fitting[index] = word & bits(first_run.iter().zip(last_activity).map(touches));
            if has_both {
                let straddles = |(first, last): (&u64, &u64)| (*first < window.start) & (*last > window.end);
                unclear[index] = word & bits(first_run.iter().zip(last_activity).map(straddles));
            }
        }
        let mut unclear = RowSet::from_words(unclear);
        unclear.subtract(&self.single);
        (RowSet::from_words(fitting), unclear)
    }

    fn overlap(&self, row: u32, window: Window) -> Overlap {
        let (first, last) = (self.first_run[row as usize], self.last_activity[row as usize]);
        if window.start > window.end || first > window.end || last < window.start {
            return Overlap::No;
        }
        // An end inside the window belongs to a run there; and a single run covers all between its ends.
        if first >= window.start || last <= window.end || self.single.contains(row) {
            return Overlap::Yes;
        }
        Overlap::Ask
    }

    /// The rows whose id contains the needle: among the given ones if they are few, else perhaps more than those.
    fn containing(&self, among: Option<&RowSet>, mut needle: Needle) -> RowSet {
        if let Some(among) = among.filter(|among| among.count().saturating_mul(BYTES_PER_ID) < self.text.n_bytes()) {
            let mut rows = among.clone();
            for row in among.iter() {
                if !self.directory.id(row).is_some_and(|id| needle.is_in(id.as_str())) {
                    rows.remove(row);
                }
            }
            return rows;
        }
        let mut rows = self.text.find(&needle, self.directory.n_rows());
        rows.intersect(&self.listed);
        rows
    }

    /// The rows of the page among `count` fitting ones.
    fn page(&self, query: &SessionQuery, fitting: &RowSet, count: usize) -> Vec<u32> {
        if query.offset >= count {
            return Vec::new();
        }
        let end = query.offset.saturating_add(query.limit).min(count);
        // Fitting rows are taken to lie evenly in the order: an estimate, and only time depends on it.
        let n_steps = (end as u128 * self.len() as u128 / count as u128) as usize;
        if n_steps < count.saturating_mul(STEPS_PER_SELECTED) {
            return self.walk(query.sort, 0).filter(|row| fitting.contains(*row)).skip(query.offset).take(end - query.offset).collect();
        }
        self.select(query.sort, fitting, query.offset, end)
    }

    /// Ranks `from..to` of these rows, by partitioning instead of sorting all.
    fn select(&self, sort: Sort, fitting: &RowSet, from: usize, to: usize) -> Vec<u32> {
        // A flipped key turns descending into ascending and leaves ties ascending; ids themselves are compared the other way round.
        let flip = if sort.descending { u64::MAX } else { 0 };
        let by_id = sort.field == SortField::SessionId;
        let key = |row: u32| if by_id { self.id_key(row) } else { self.rest[row as usize].key(sort.field) };
        let mut keyed: Vec<(u64, u32)> = fitting.iter().map(|row| (key(row) ^ flip, row)).collect();
        let compare = |a: &(u64, u32), b: &(u64, u32)| {
            a.0.cmp(&b.0).then_with(|| {
                let ids = self.directory.id(a.1).cmp(&self.directory.id(b.1));
                if by_id && sort.descending { ids.reverse() } else { ids }
            })
        };
        if to < keyed.len() {
            keyed.select_nth_unstable_by(to, compare);
            keyed.truncate(to);
        }
        if from > 0 && from < keyed.len() {
            keyed.select_nth_unstable_by(from, compare);
        }
        let page = keyed.get_mut(from..).unwrap_or_default();
        page.sort_unstable_by(compare);
        page.iter().map(|(_, row)| *row).collect()
    }

    fn walk(&self, sort: Sort, rank: usize) -> super::order::Walk<'_> {
        let direction = match (sort.descending, sort.field) {
            (false, _) => Direction::Ascending,
            (true, SortField::SessionId) => Direction::Reversed,
            (true, _) => Direction::Descending,
        };
        self.order(sort.field).walk(direction, rank)
    }
}

/// The answers as bits, the first in the lowest.
fn bits(answers: impl Iterator<Item = bool>) -> u64 {
    answers.zip(0..64).fold(0, |word, (answer, bit)| word | u64::from(answer) << bit)
}

fn narrow(fitting: &mut Option<RowSet>, rows: RowSet) {
    match fitting {
        Some(fitting) => fitting.intersect(&rows),
        None => *fitting = Some(rows),
    }
}

// === impl Window ===

impl Window {
    fn of(query: &SessionQuery) -> Option<Self> {
        if query.start.is_none() && query.end.is_none() {
            return None;
        }
        Some(Self { start: query.start.map_or(0, |start| start.0), end: query.end.map_or(u64::MAX, |end| end.0) })
    }
}
