//! Reads whatever matches in a range of time out of Tempo's search, in windows.
//!
//! - A window is first asked only which traces it holds, which is quick, unless the one before was just right. It is halved where they are too
//!   many, and the next ones are widened where there are few. Then its two halves are asked for the spans at the same time, since Tempo reads
//!   a block on one core.
//! - Spans are grouped by their id (`by(span:id)`). Tempo combines what it finds of a trace in several blocks by keeping the larger group of
//!   spans and forgetting the other; groups of one span each are all kept. It also returns no more than 100 spans of a group.
//! - To combine groups Tempo compares each with all others: of a trace with thousands it never comes to an end. So traces with many matching
//!   spans are only named, and the caller reads them by their ids.
//! - A trace is in every window that it reaches into, whole or in parts; the caller puts them together.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::query::search::{FoundTrace, Window};
use super::query::text::QueryText;
use super::query::{QueryClient, QueryError};
use crate::model::ids::{SpanId, Tenant, TraceId};

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Only which traces there are, and how many spans of each.
    traces: QueryText,
    /// Traces that have many.
    large: QueryText,
    /// The spans of traces that do not.
    spans: QueryText,
}

/// A reading under way.
pub struct Scan<'a> {
    client: &'a QueryClient,
    tenant: &'a Tenant,
    question: Question,
    /// Where the next window begins.
    at: u64,
    end: u64,
    seconds: u64,
    /// The last window was of this length and held about as much as one may.
    is_paced: bool,
    is_streaming: bool,
    /// Requests that failed since one succeeded.
    n_failures: u32,
}

/// What one window holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Read {
    pub window: Window,
    pub traces: Vec<FoundTrace>,
    /// Traces with more than [`SPANS_MAX`] spans that match; they are not among the others.
    pub large: Vec<TraceId>,
}

/// Above it, reading a trace by its id is faster: that takes 60 ms, and combining so many groups 26 ms (measured; it grows by the square).
pub const SPANS_MAX: usize = 100;

/// Traces that one search may return; Tempo's answers grow too large with many more.
const TRACES_MAX: usize = 8_000;
/// The same in the shortest window, which cannot be halved.
const TRACES_IN_SHORTEST: usize = 100_000;
const SHORTEST_SECONDS: u64 = 1;
/// A seventh of what Tempo allows.
const LONGEST_SECONDS: u64 = 24 * 3600;
const FIRST_SECONDS: u64 = 600;
/// Copies of a span that Tempo holds twice; it allows 100.
const COPIES_MAX: usize = 100;
/// A Tempo that is busy or being restarted is asked again, after waits that double from two seconds.
const FAILURES_MAX: u32 = 5;

// === impl Question ===

impl Question {
    /// The spans that `filter` (what stands between the braces) matches, with these attributes of them.
    pub fn new<T: AsRef<str>>(filter: impl FnOnce(&mut QueryText), selected: impl IntoIterator<Item = T>) -> Self {
        let mut traces = QueryText::default();
        traces.push("{ ");
        filter(&mut traces);
        traces.push(" }");
        let mut large = traces.clone();
        large.push(&format!(" | count() > {SPANS_MAX}"));
        let mut spans = traces.clone();
        spans.push(&format!(" | count() <= {SPANS_MAX}")).push(" | by(span:id) | select(").list(selected, ", ").push(")");
        Self { traces, large, spans }
    }
}

// === impl Scan ===

impl<'a> Scan<'a> {
    pub fn new(client: &'a QueryClient, tenant: &'a Tenant, question: Question, range: Window) -> Self {
        let Window { start: at, end } = range;
        Self { client, tenant, question, at, end, seconds: FIRST_SECONDS, is_paced: false, is_streaming: true, n_failures: 0 }
    }

    /// Whether Tempo streams its answers; known once something was read.
    pub fn is_streaming(&self) -> bool {
        self.is_streaming
    }

    /// The next window; `None` at the end of the range.
    pub async fn next(&mut self) -> Result<Option<Read>, QueryError> {
        while self.at < self.end {
            let window = Window { start: self.at, end: self.end.min(self.at + self.seconds) };
            let is_shortest = window.end - window.start <= SHORTEST_SECONDS;
            let limit = if is_shortest { TRACES_IN_SHORTEST } else { TRACES_MAX };
            let (traces, large) = match self.search(window, limit).await {
                Ok(Some(found)) => found,
                Ok(None) | Err(QueryError::TooLarge(_) | QueryError::Timeout(_)) if !is_shortest => {
                    self.narrow(window);
                    continue;
                }
                Ok(None) => {
                    let words = format!("{limit} traces or more in the second {}: more than can be read by search", self.at);
                    return Err(QueryError::Answer(words));
                }
                // It hides its last seconds, and refuses a window that lies in them.
                Err(QueryError::Refused { status: 400, words }) if words.contains("start must be before end") => return Ok(None),
                Err(QueryError::NoStreaming(_)) if self.is_streaming => {
                    self.is_streaming = false;
                    continue;
                }
                Err(error) if is_passing(&error) && self.n_failures < FAILURES_MAX => {
                    self.n_failures += 1;
                    // It may have given up on so much at once.
                    self.narrow(window);
                    tokio::time::sleep(Duration::from_secs(1 << self.n_failures)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.n_failures = 0;
            self.at = window.end;
            self.is_paced = traces.len() >= TRACES_MAX / 4;
            if !self.is_paced {
                self.seconds = (self.seconds * 2).min(LONGEST_SECONDS);
            }
            return Ok(Some(Read { window, traces, large }));
        }
        Ok(None)
    }

    fn narrow(&mut self, window: Window) {
        self.seconds = ((window.end - window.start) / 2).max(SHORTEST_SECONDS);
        self.is_paced = false;
    }

    /// The traces, and the ids of the large ones; `None` if they are too many.
    async fn search(&self, window: Window, limit: usize) -> Result<Option<(Vec<FoundTrace>, Vec<TraceId>)>, QueryError> {
        let known = if self.is_paced { &self.question.large } else { &self.question.traces };
        let known = self.ask(known, window, limit, 1).await?;
        if known.len() >= limit {
            return Ok(None);
        }
        let is_large = |found: &&FoundTrace| found.matched > SPANS_MAX as u64;
        let large: HashSet<TraceId> = known.iter().filter(is_large).map(|found| found.trace).collect();
        if !self.is_paced && known.len() == large.len() {
            return Ok(Some((Vec::new(), large.into_iter().collect())));
        }
        let middle = window.start + (window.end - window.start) / 2;
        let (first, second) = (Window { end: middle, ..window }, Window { start: middle, ..window });
        let (first, second) = if middle == window.start {
            (self.ask(&self.question.spans, window, limit, COPIES_MAX).await?, Vec::new())
        } else {
            let ask = |half| self.ask(&self.question.spans, half, limit, COPIES_MAX);
            tokio::try_join!(ask(first), ask(second))?
        };
        if first.len().max(second.len()) >= limit {
            return Ok(None);
        }
        let mut traces = joined(first, second);
        // In one block it has few, in another it has many.
        traces.retain(|found| !large.contains(&found.trace));
        Ok(Some((traces, large.into_iter().collect())))
    }

    async fn ask(&self, query: &QueryText, window: Window, limit: usize, spans: usize) -> Result<Vec<FoundTrace>, QueryError> {
        if self.is_streaming {
            self.client.search_stream(self.tenant, query.as_str(), window, limit, spans).await
        } else {
            self.client.search(self.tenant, query.as_str(), window, limit, spans).await
        }
    }
}

/// What two windows hold: a trace that is in both, once, with the spans of both.
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

/// Whether it may be otherwise in some seconds.
fn is_passing(error: &QueryError) -> bool {
    match error {
        QueryError::Refused { status, .. } => matches!(status, 429 | 502..=504),
        QueryError::Request(_) | QueryError::Timeout(_) => true,
        _ => false,
    }
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
    fn of_a_trace_in_both_halves_every_span_is_there_once_and_copies_stay_copies() {
        let mut traces = joined(vec![found(1, &[1, 2, 2]), found(2, &[5])], vec![found(1, &[2, 3, 2]), found(3, &[6])]);
        traces.sort_by_key(|found| found.trace);
        assert_eq!(traces, [found(1, &[1, 2, 2, 3]), found(2, &[5]), found(3, &[6])]);
    }
}
