//! Reads whatever matches in a range of time out of Tempo's search, in parts that Tempo can answer.
//!
//! - A window of time is first asked only which traces it holds, which is quick, unless the one before was just right. It is halved where the
//!   answer would be too much in any way: too many traces, too many bytes, too long a time; or, once, cut where what was found lies. A second is
//!   the shortest window there is; it is halved by ids (`slice`). The next windows are wider where there is little, and much wider where there is
//!   nothing.
//! - Then two halves are asked for the spans at the same time, since Tempo reads a block on one core.
//! - Spans are grouped by their id (`by(span:id)`). Tempo combines what it finds of a trace in several blocks by keeping the larger group of
//!   spans and forgetting the other; groups of one span each are all kept. It also returns no more than 100 spans of a group.
//! - To combine groups Tempo compares each with all others: of a trace with thousands it never comes to an end. So traces with many matching
//!   spans are only named; [`Scan::whole`] reads one of them.
//! - A trace is in every window that it reaches into, whole or in parts; the caller puts them together.
//! - What does not fit even so is named and counted, and the scan goes on.

mod ask;
mod question;
mod slice;
pub(super) mod tags;
pub mod unread;
pub mod whole;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use self::ask::{Asker, FAILURES_MAX, wait};
use self::question::Part;
pub use self::question::Question;
use self::slice::Slice;
use self::unread::{Lot, Unread};
use self::whole::Whole;
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::query::search::{FoundTrace, Window};
use crate::tempo::query::{QueryClient, QueryError};

/// A reading under way.
pub struct Scan<'a> {
    asker: Asker<'a>,
    question: Question,
    /// Where the next window begins.
    at: u64,
    end: u64,
    pace: Pace,
    /// What is left of the window that is being read.
    pending: Vec<Slice>,
    window: Window,
    unread: Vec<Unread>,
    /// Parts that could not be read since one could.
    n_unread_in_a_row: u32,
    /// Requests that failed since one succeeded.
    n_failures: u32,
}

/// How large the next part is.
struct Pace {
    seconds: u64,
    /// Tempo's own limit, once an answer has stated it.
    longest_seconds: u64,
    /// How often the shortest window is halved to begin with.
    depth: u32,
    /// The last part was of this size and held about as much as one may.
    is_right: bool,
    /// A window that begins here was cut short by where its traces lay, and has not been read yet.
    has_leapt: bool,
    /// Traces in the fullest part of this window.
    n_most: usize,
}

/// What came of asking for a part.
enum Searched {
    /// The traces, and the ids of the large ones.
    All(Vec<FoundTrace>, Vec<TraceId>),
    /// There are more than these.
    Some(Vec<FoundTrace>),
}

/// What one part holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    pub window: Window,
    /// Nothing more of this window follows.
    pub is_last: bool,
    pub traces: Vec<FoundTrace>,
    /// Traces with more than [`SPANS_MAX`] spans that match; they are not among the others.
    pub large: Vec<TraceId>,
}

/// Above it, reading a trace by its id is faster: that takes 60 ms, and combining so many groups 26 ms (measured; it grows by the square).
pub const SPANS_MAX: usize = 100;

/// Traces that one search may return; Tempo's answers grow too large with many more.
const TRACES_MAX: usize = 8_000;
const SHORTEST_SECONDS: u64 = 1;
/// Where something was found; a seventh of what Tempo allows.
const LONG_SECONDS: u64 = 24 * 3600;
/// Where nothing was found: what Tempo allows unless it is configured otherwise.
const LONGEST_SECONDS: u64 = 168 * 3600;
const FIRST_SECONDS: u64 = 600;
/// A window of one second is begun in at most 2^8 parts, and not taken apart further because Tempo was too slow.
const DEPTH_MAX: u32 = 8;
const HALVES: u32 = 1;
const EIGHTHS: u32 = 3;
/// Copies of a span that Tempo holds twice; it allows 100.
const COPIES_MAX: usize = 100;
/// So many parts one after the other that cannot be read are no giants among the traces: Tempo answers nothing.
const UNREAD_IN_A_ROW_MAX: u32 = 4;

// === impl Scan ===

impl<'a> Scan<'a> {
    pub fn new(client: &'a QueryClient, tenant: &'a Tenant, question: Question, range: Window) -> Self {
        Self {
            asker: Asker::new(client, tenant),
            question,
            at: range.start,
            end: range.end,
            pace: Pace { seconds: FIRST_SECONDS, longest_seconds: LONGEST_SECONDS, depth: 0, is_right: false, has_leapt: false, n_most: 0 },
            pending: Vec::new(),
            window: Window { start: range.start, end: range.start },
            unread: Vec::new(),
            n_unread_in_a_row: 0,
            n_failures: 0,
        }
    }

    /// Whether Tempo streams its answers; known once something was read.
    pub fn is_streaming(&self) -> bool {
        self.asker.is_streaming()
    }

    /// What could not be read so far.
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// Takes note of what could not be read otherwise.
    pub fn note_unread(&mut self, unread: Unread) {
        if !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
    }

    /// All spans of a trace that was only named, as far as the window has them.
    pub async fn whole(&self, trace: TraceId, window: Window) -> Result<Whole, QueryError> {
        whole::read(&self.asker, &self.question, trace, window).await
    }

    /// The same of a trace that is known to be too large to be read by its id.
    pub async fn whole_in_parts(&self, trace: TraceId, window: Window) -> Result<Whole, QueryError> {
        whole::in_parts(&self.asker, &self.question, trace, window).await
    }

    /// The next part; `None` at the end of the range.
    pub async fn next(&mut self) -> Result<Option<Read>, QueryError> {
        loop {
            let Some(slice) = self.next_part() else { return Ok(None) };
            let window = self.window;
            let (traces, large) = match self.search(window, slice).await {
                Ok(Searched::All(traces, large)) => (traces, large),
                Ok(Searched::Some(traces)) if self.leap(&traces) => continue,
                Ok(Searched::Some(_)) => {
                    let why = QueryError::TooLarge(format!("more than {TRACES_MAX} traces"));
                    if let Some(read) = self.halve(slice, why)? {
                        return Ok(Some(read));
                    }
                    continue;
                }
                // It hides its last seconds, and refuses a window that lies in them.
                Err(QueryError::Refused { status: 400, words }) if words.contains("start must be before end") => return Ok(None),
                Err(error) if error.is_passing() && self.n_failures < FAILURES_MAX && !self.can_be_halved(&error) => {
                    self.n_failures += 1;
                    // It may have given up on so much at once.
                    if !self.narrow(slice, HALVES) {
                        self.pending.push(slice);
                    }
                    wait(self.n_failures).await;
                    continue;
                }
                Err(error) if error.is_too_much() => {
                    if let Some(read) = self.halve(slice, error)? {
                        return Ok(Some(read));
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            (self.n_failures, self.n_unread_in_a_row) = (0, 0);
            self.pace.note(traces.len() + large.len());
            return Ok(Some(self.read(traces, large)));
        }
    }

    /// Begins a window where none is being read.
    fn next_part(&mut self) -> Option<Slice> {
        if self.pending.is_empty() {
            if self.at >= self.end {
                return None;
            }
            self.window = Window { start: self.at, end: self.end.min(self.at + self.pace.seconds) };
            let depth = if is_shortest(&self.window) { self.pace.depth } else { 0 };
            self.pending = Slice::TRACES.parts(depth);
        }
        self.pending.pop()
    }

    fn read(&mut self, traces: Vec<FoundTrace>, large: Vec<TraceId>) -> Read {
        let is_last = self.pending.is_empty();
        if is_last {
            self.at = self.window.end;
            self.pace.conclude(&self.window);
        }
        Read { window: self.window, is_last, traces, large }
    }

    /// Whether a smaller part is certain to help, and quick to be refused if it does not.
    fn can_be_halved(&self, error: &QueryError) -> bool {
        error.is_too_much() && !is_shortest(&self.window)
    }

    /// Has the part asked in halves; where that is the smallest there is, notes that it is unread, and gives an empty read in its place.
    fn halve(&mut self, slice: Slice, why: QueryError) -> Result<Option<Read>, QueryError> {
        if let QueryError::TooLong(_) = why {
            self.pace.longest_seconds = ((self.window.end - self.window.start) / 2).max(SHORTEST_SECONDS);
        }
        // A question that takes too long is seldom half as long where it is about half as much; and each refusal takes its time.
        let can_be_narrowed = !why.is_slow() || slice.depth() <= DEPTH_MAX;
        if can_be_narrowed && self.narrow(slice, if why.is_slow() { EIGHTHS } else { HALVES }) {
            return Ok(None);
        }
        self.n_unread_in_a_row += 1;
        if self.n_unread_in_a_row > UNREAD_IN_A_ROW_MAX {
            return Err(why);
        }
        self.note_unread(Unread { what: Lot::Second(self.window.start, slice), why });
        Ok(Some(self.read(Vec::new(), Vec::new())))
    }

    /// Ends the window where the middle one of these traces begins, since a burst may lie there: what is before it is then read at once, and no
    /// window around it is halved again and again. Not twice in a row, for Tempo may have found them at the end of many.
    fn leap(&mut self, found: &[FoundTrace]) -> bool {
        if is_shortest(&self.window) || self.pace.has_leapt {
            return false;
        }
        let Some(middle) = middle_second(found, self.window) else { return false };
        self.pace.seconds = (middle - self.window.start).max(SHORTEST_SECONDS);
        (self.pace.is_right, self.pace.has_leapt) = (false, true);
        self.pending.clear();
        true
    }

    /// Puts smaller parts in the place of one: it, halved so often. `false` if there are none.
    fn narrow(&mut self, slice: Slice, n_halvings: u32) -> bool {
        self.pace.is_right = false;
        if !is_shortest(&self.window) {
            self.pace.seconds = ((self.window.end - self.window.start) >> n_halvings).max(SHORTEST_SECONDS);
            self.pending.clear();
            return true;
        }
        let parts = slice.parts(n_halvings);
        if parts.len() == 1 {
            return false;
        }
        self.pace.depth = self.pace.depth.max(parts[0].depth().min(DEPTH_MAX));
        self.pending.extend(parts);
        true
    }

    async fn search(&self, window: Window, slice: Slice) -> Result<Searched, QueryError> {
        let part = Part::Traces(slice);
        let known = if self.pace.is_right { self.question.large(part) } else { self.question.traces(part) };
        let known = self.asker.ask(&known, window, TRACES_MAX, 1).await?;
        if known.is_cut {
            return Ok(Searched::Some(known.traces));
        }
        let is_large = |found: &&FoundTrace| found.matched > SPANS_MAX as u64;
        let large: HashSet<TraceId> = known.traces.iter().filter(is_large).map(|found| found.trace).collect();
        if !self.pace.is_right && known.traces.len() == large.len() {
            return Ok(Searched::All(Vec::new(), large.into_iter().collect()));
        }
        let ask = async |slice: Slice, window: Window| {
            self.asker.ask(&self.question.spans(Part::Traces(slice)), window, TRACES_MAX, COPIES_MAX).await
        };
        let middle = window.start + (window.end - window.start) / 2;
        let (first, second) = match slice.halves() {
            _ if middle > window.start => {
                tokio::try_join!(ask(slice, Window { end: middle, ..window }), ask(slice, Window { start: middle, ..window }))?
            }
            Some([first, second]) => tokio::try_join!(ask(first, window), ask(second, window))?,
            None => (ask(slice, window).await?, ask::Found { traces: Vec::new(), is_cut: false }),
        };
        let is_cut = first.is_cut || second.is_cut;
        let mut traces = joined(first.traces, second.traces);
        if is_cut {
            return Ok(Searched::Some(traces));
        }
        // In one block it has few, in another it has many.
        traces.retain(|found| !large.contains(&found.trace));
        Ok(Searched::All(traces, large.into_iter().collect()))
    }
}

/// When the middle one of the traces begins, in seconds since 1970; `None` if most reach into the window from before it.
fn middle_second(traces: &[FoundTrace], window: Window) -> Option<u64> {
    const NANOS: u64 = 1_000_000_000;
    let starts = traces.iter().filter_map(|found| found.spans.iter().map(|span| span.start_unix_nanos / NANOS).min());
    let mut starts: Vec<u64> = starts.filter(|second| (window.start..window.end).contains(second)).collect();
    starts.sort_unstable();
    starts.get(starts.len() / 2).copied().filter(|_| starts.len() > traces.len() / 2)
}

fn is_shortest(window: &Window) -> bool {
    window.end - window.start <= SHORTEST_SECONDS
}

// === impl Pace ===

impl Pace {
    /// Takes note of how much a part held.
    fn note(&mut self, n_traces: usize) {
        self.is_right = n_traces >= TRACES_MAX / 4;
        self.n_most = self.n_most.max(n_traces);
    }

    /// The window is read.
    fn conclude(&mut self, window: &Window) {
        self.has_leapt = false;
        let n_traces = std::mem::take(&mut self.n_most);
        if n_traces >= TRACES_MAX / 4 {
            return;
        }
        if is_shortest(window) && self.depth > 0 {
            self.depth -= 1;
        } else {
            let longest = if n_traces == 0 { LONGEST_SECONDS } else { LONG_SECONDS };
            self.seconds = (self.seconds * 2).min(longest.min(self.longest_seconds));
        }
    }
}

/// What two parts hold: a trace that is in both, once, with the spans of both.
fn joined(first: Vec<FoundTrace>, second: Vec<FoundTrace>) -> Vec<FoundTrace> {
    let mut traces: HashMap<TraceId, FoundTrace> = first.into_iter().map(|found| (found.trace, found)).collect();
    for found in second {
        match traces.entry(found.trace) {
            Entry::Vacant(place) => _ = place.insert(found),
            Entry::Occupied(mut known) => {
                let there: HashSet<SpanId> = known.get().spans.iter().map(|span| span.span).collect();
                known.get_mut().spans.extend(found.spans.into_iter().filter(|span| !there.contains(&span.span)));
            }
        }
    }
    traces.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tempo::query::search::FoundSpan;

    fn found(trace: u8, spans: &[u64]) -> FoundTrace {
        let span = |id: &u64| FoundSpan {
            span: SpanId::from_u64(*id).unwrap(),
            name: String::new(),
            start_unix_nanos: 0,
            duration_nanos: 0,
            attributes: Vec::new(),
        };
        FoundTrace { trace: TraceId::from_bytes(&[trace; 16]).unwrap(), matched: 0, spans: spans.iter().map(span).collect() }
    }

    #[test]
    fn a_window_ends_before_the_burst_that_lies_in_it() {
        let at = |second: u64| {
            let mut found = found(1, &[1]);
            found.spans[0].start_unix_nanos = second * 1_000_000_000 + 7;
            found
        };
        let window = Window { start: 100, end: 200 };
        assert_eq!(middle_second(&[at(120), at(180), at(180), at(180), at(190)], window), Some(180));
        assert_eq!(middle_second(&[at(100), at(100), at(150)], window), Some(100));
        // They say nothing of when there is less.
        assert_eq!(middle_second(&[at(20), at(30), at(180)], window), None);
        assert_eq!(middle_second(&[], window), None);
    }

    #[test]
    fn of_a_trace_in_both_halves_every_span_is_there_once_and_copies_stay_copies() {
        let mut traces = joined(vec![found(1, &[1, 2, 2]), found(2, &[5])], vec![found(1, &[2, 3, 2]), found(3, &[6])]);
        traces.sort_by_key(|found| found.trace);
        assert_eq!(traces, [found(1, &[1, 2, 2, 3]), found(2, &[5]), found(3, &[6])]);
    }
}
