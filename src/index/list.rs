//! Answering a query: which sessions fit, and one page of them in order.
//!
//! - Without a filter a page is read off an order, and the count is its length; with a window of time that is a stretch of the order, too.
//! - With filters the rows that fit are found first, the cheap conditions before the expensive ones, so the count is exact; then the page is
//!   either read off an order, skipping what does not fit, or selected from what does, whichever touches less.
//! - Asking for a session's runs comes last, and only for sessions that nothing else has ruled out or in.

use std::ops::Range;

use super::figures::Figures;
use super::order::Direction;
use super::pairs::Candidates;
use super::rowset::RowSet;
use super::text::Needle;
use super::{SessionIndex, SessionNo};
use crate::model::ids::SessionId;
use crate::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use crate::model::session::{Page, SessionSummary};
use crate::model::time::UnixNanos;

/// Selecting one row (reading its key, partitioning) costs about as much as this many steps along an order (`benches/list.rs`).
const STEPS_PER_SELECTED: usize = 12;

/// Looking into one id by itself costs about as much as passing over this many in the search text (`benches/list.rs`).
const ROWS_PER_ID: usize = 64;

/// So many ids are brought into the cache together.
const IDS_AT_ONCE: usize = 64;

/// Comparing the times of one row by itself costs about as much as taking this many off an order (`benches/list.rs`).
pub(super) const RANKED_PER_ROW: usize = 8;

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

pub(crate) type HasRunIn<'a> = dyn FnMut(SessionNo, UnixNanos, UnixNanos) -> bool + 'a;

// === impl SessionIndex ===

impl SessionIndex {
    /// One page and the exact count.
    ///
    /// `has_run_in(no, start, end)` answers for the few sessions whose runs lie on both sides of the window and none of whose ends lies
    /// inside it: whether there is a run with `started_at` at most `end` and the later of `started_at` and `last_activity` at least `start`.
    pub fn list(&self, query: &SessionQuery, has_run_in: &mut HasRunIn) -> Page<SessionSummary> {
        self.list_among(query, None, has_run_in)
    }

    /// The same of some sessions alone: those of a user, whom the index does not know.
    pub fn list_among(&self, query: &SessionQuery, among: Option<&[SessionNo]>, has_run_in: &mut HasRunIn) -> Page<SessionSummary> {
        let among = among.map(|numbers| self.rows_of(numbers));
        if query.session_id.is_some() {
            return self.list_one(query, among.as_ref(), has_run_in);
        }
        if let Some(ranks) = self.ranks_of_window(query).filter(|_| among.is_none()) {
            let n_before = if query.sort.descending { self.len() - ranks.end } else { ranks.start };
            let n_left = ranks.len().saturating_sub(query.offset).min(query.limit);
            let rows = self.walk(query.sort, n_before.saturating_add(query.offset)).take(n_left);
            return Page { items: rows.filter_map(|row| self.summary(row)).collect(), count: ranks.len() as u64 };
        }
        let (rows, count) = match self.fitting(query, among, has_run_in) {
            None => (self.walk(query.sort, query.offset).take(query.limit).collect(), self.len()),
            Some(fitting) => {
                let count = fitting.count();
                (self.page(query, &fitting, count), count)
            }
        };
        Page { items: rows.into_iter().filter_map(|row| self.summary(row)).collect(), count: count as u64 }
    }

    /// The numbers of all sessions that fit, in the order of the query, without its page. For `among` and `has_run_in` see
    /// [`Self::list_among`].
    pub fn select_all(&self, query: &SessionQuery, among: Option<&[SessionNo]>, has_run_in: &mut HasRunIn) -> Vec<SessionNo> {
        let among = among.map(|numbers| self.rows_of(numbers));
        let rows: Vec<u32> = match query.session_id {
            Some(_) => {
                let whole = SessionQuery { offset: 0, limit: 1, ..query.clone() };
                let one = self.list_one(&whole, among.as_ref(), has_run_in);
                one.items.iter().filter_map(|one| self.directory.row_of_id(&one.id)).collect()
            }
            None => match self.fitting(query, among, has_run_in) {
                None => self.walk(query.sort, 0).collect(),
                Some(fitting) => self.order(query.sort.field).walk_fitting(direction(query.sort), &fitting, 0).collect(),
            },
        };
        rows.into_iter().map(|row| self.directory.number(row)).collect()
    }

    /// The ranks of what fits, where that is one stretch of the order that is asked for: a list by latest activity since some time, as people
    /// look at most, or one by first run until some time.
    fn ranks_of_window(&self, query: &SessionQuery) -> Option<Range<usize>> {
        let SessionQuery { session_id: None, search, agent: None, status: None, bookmarked: None, sort, .. } = query else { return None };
        if search.as_ref().is_some_and(|search| !search.is_empty()) {
            return None;
        }
        let order = self.order(sort.field);
        let ranks = match (query.start, query.end, sort.field) {
            (Some(start), None, SortField::LastActivity) => order.n_below(start.0)..order.len(),
            (None, Some(end), SortField::FirstRun) => 0..end.0.checked_add(1).map_or(order.len(), |after| order.n_below(after)),
            _ => return None,
        };
        // Those whose times the order does not believe stand elsewhere in it: they are few, and where it tells the same of them it is no matter.
        let window = Window::of(query)?;
        let fits_by_order = |row: u32| {
            let figures = self.figures(row);
            window.start <= figures.sort_activity && figures.sort_first_run <= window.end
        };
        let is_elsewhere = |row: u32| (self.overlap(row, window) != Overlap::No) != fits_by_order(row);
        (!self.skewed.iter().any(is_elsewhere)).then_some(ranks)
    }

    /// At most one session can fit.
    fn list_one(&self, query: &SessionQuery, among: Option<&RowSet>, has_run_in: &mut HasRunIn) -> Page<SessionSummary> {
        let row = query.session_id.as_ref().and_then(|id| self.directory.row_of_id(id));
        let row = row.filter(|row| among.is_none_or(|among| among.contains(*row)) && self.fits(*row, query, has_run_in));
        let count = u64::from(row.is_some());
        let items = row.filter(|_| query.offset == 0 && query.limit > 0).and_then(|row| self.summary(row));
        Page { items: items.into_iter().collect(), count }
    }

    pub(super) fn rows_of(&self, numbers: &[SessionNo]) -> RowSet {
        let mut rows = RowSet::default();
        numbers.iter().filter_map(|no| self.directory.row_of(*no)).for_each(|row| rows.insert(row));
        rows.intersect(&self.listed);
        rows
    }

    fn fits(&self, row: u32, query: &SessionQuery, has_run_in: &mut HasRunIn) -> bool {
        let has_agent = |name: &String| self.agents.find(name).is_some_and(|agent| self.share(row, agent).is_some());
        let has_text = |search: &String| self.directory.id(row).is_some_and(|id| Needle::new(search).is_in(id.as_str()));
        self.listed.contains(row)
            && query.status.is_none_or(|status| self.with_status(status).contains(row))
            && query.bookmarked.is_none_or(|wanted| self.notes.bookmarked.contains(row) == wanted)
            && query.agent.as_ref().is_none_or(has_agent)
            && query.search.as_ref().is_none_or(has_text)
            && Window::of(query).is_none_or(|window| match self.overlap(row, window) {
                Overlap::Yes => true,
                Overlap::No => false,
                Overlap::Ask => has_run_in(self.directory.number(row), UnixNanos(window.start), UnixNanos(window.end)),
            })
    }

    /// The rows that fit every condition; `None` if there is no condition.
    pub(super) fn fitting(&self, query: &SessionQuery, among: Option<RowSet>, has_run_in: &mut HasRunIn) -> Option<RowSet> {
        let mut fitting: Option<RowSet> = query.status.map(|status| self.with_status(status).clone());
        if let Some(wanted) = query.bookmarked {
            narrow(&mut fitting, self.with_bookmark(wanted));
        }
        if let Some(rows) = among {
            narrow(&mut fitting, rows);
        }
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
            fitting = Some(self.containing(fitting.as_ref(), search));
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
            StatusFilter::ToolError => &self.tool_failed,
        }
    }

    /// Of these rows, those that overlap the window or may, and those of them that only may.
    fn overlapping(&self, among: &RowSet, window: Window) -> (RowSet, RowSet) {
        let (mut fitting, mut unclear) = (RowSet::default(), RowSet::default());
        if window.start > window.end {
            return (fitting, unclear);
        }
        let one_by_one = |rows: &mut dyn Iterator<Item = u32>, fitting: &mut RowSet, unclear: &mut RowSet| {
            for row in rows {
                let overlap = self.overlap(row, window);
                fitting.set(row, overlap != Overlap::No);
                unclear.set(row, overlap == Overlap::Ask);
            }
        };
        if among.count().saturating_mul(RANKED_PER_ROW) < self.len() {
            one_by_one(&mut among.iter(), &mut fitting, &mut unclear);
            return (fitting, unclear);
        }
        let (first, last) = (self.order(SortField::FirstRun), self.order(SortField::LastActivity));
        // Ranks: how many began before the window, and by its end; how many were last active before it, and by its end.
        let after_end = window.end.checked_add(1);
        let began = (first.n_below(window.start), after_end.map_or(self.len(), |after| first.n_below(after)));
        let ended = (last.n_below(window.start), after_end.map_or(self.len(), |after| last.n_below(after)));
        fitting = among.clone();
        self.keep_ranks(&mut fitting, SortField::LastActivity, ended.0..self.len());
        self.keep_ranks(&mut fitting, SortField::FirstRun, 0..began.1);
        if window.start > 0 && window.end < u64::MAX {
            unclear = fitting.clone();
            let n_inside = (began.1 - began.0) + (ended.1 - ended.0);
            let n_outside = began.0.min(self.len() - began.0) + ended.1.min(self.len() - ended.1);
            if n_inside < n_outside {
                first.each(began.0..began.1, |row| unclear.remove(row));
                last.each(ended.0..ended.1, |row| unclear.remove(row));
            } else {
                self.keep_ranks(&mut unclear, SortField::FirstRun, 0..began.0);
                self.keep_ranks(&mut unclear, SortField::LastActivity, ended.1..self.len());
            }
            unclear.subtract(&self.single);
        }
        // Where those do not stand that the orders do not believe, only their times say.
        one_by_one(&mut self.skewed.iter().filter(|row| among.contains(*row)), &mut fitting, &mut unclear);
        (fitting, unclear)
    }

    pub(super) fn rows_between(&self, start: u64, end: u64) -> RowSet {
        self.overlapping(&self.listed, Window { start, end }).0
    }

    /// Drops the rows that do not have these ranks in an order, by going over the fewer.
    fn keep_ranks(&self, rows: &mut RowSet, field: SortField, ranks: Range<usize>) {
        let order = self.order(field);
        if ranks.len() > order.len() / 2 {
            order.each(0..ranks.start, |row| rows.remove(row));
            order.each(ranks.end..order.len(), |row| rows.remove(row));
            return;
        }
        let mut kept = RowSet::from_words(vec![0; rows.words().len()]);
        order.each(ranks, |row| kept.insert(row));
        rows.intersect(&kept);
    }

    fn overlap(&self, row: u32, window: Window) -> Overlap {
        let Figures { first_run: first, last_activity: last, .. } = self.figures(row);
        if window.start > window.end || first > window.end || last < window.start {
            return Overlap::No;
        }
        // An end inside the window belongs to a run there; and a single run covers all between its ends.
        if first >= window.start || last <= window.end || self.single.contains(row) {
            return Overlap::Yes;
        }
        Overlap::Ask
    }

    /// The rows whose id contains the text: among the given ones, if there are any.
    fn containing(&self, among: Option<&RowSet>, text: &str) -> RowSet {
        let Candidates { mut rows, is_exact } = self.pairs.find(text, self.directory.n_rows());
        rows.intersect(among.unwrap_or(&self.listed));
        if is_exact {
            return rows;
        }
        let mut needle = Needle::new(text);
        if rows.count().saturating_mul(ROWS_PER_ID) > self.directory.n_rows() {
            return self.text.find(&needle, &rows);
        }
        let candidates: Vec<u32> = rows.iter().collect();
        for some in candidates.chunks(IDS_AT_ONCE) {
            // Ids lie anywhere in memory: asked for one after the other, each would be waited for.
            let ids = some.iter().map(|row| self.directory.id(*row).map_or("", SessionId::as_str));
            std::hint::black_box(ids.clone().fold(0, |all, id| all ^ id.bytes().next().unwrap_or_default()));
            for (row, id) in some.iter().zip(ids) {
                rows.set(*row, needle.is_in(id));
            }
        }
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
            let walk = self.order(query.sort.field).walk_fitting(direction(query.sort), fitting, query.offset);
            return walk.take(end - query.offset).collect();
        }
        self.select(query.sort, fitting, query.offset, end)
    }

    /// Ranks `from..to` of these rows, by partitioning instead of sorting all.
    fn select(&self, sort: Sort, fitting: &RowSet, from: usize, to: usize) -> Vec<u32> {
        // A flipped key turns descending into ascending and leaves ties ascending; ids themselves are compared the other way round.
        let flip = if sort.descending { u64::MAX } else { 0 };
        let by_id = sort.field == SortField::SessionId;
        let key = |row: u32| if by_id { self.id_key(row) } else { self.figures[row as usize].key(sort.field) };
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
        self.order(sort.field).walk(direction(sort), rank)
    }
}

fn direction(sort: Sort) -> Direction {
    match (sort.descending, sort.field) {
        (false, _) => Direction::Ascending,
        (true, SortField::SessionId) => Direction::Reversed,
        (true, _) => Direction::Descending,
    }
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
