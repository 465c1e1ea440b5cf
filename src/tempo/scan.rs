//! Reads whatever matches in a range of time out of Tempo's search, in windows.
//!
//! - A window is halved where it holds too many traces, and the next ones are widened where there is little.
//! - Spans are grouped by their id (`by(span:id)`). Tempo combines what it finds of a trace in several blocks by keeping the larger group of
//!   spans and forgetting the other; groups of one span each are all kept. It also returns no more than 100 spans of a group.
//! - To combine groups Tempo compares each with all others: of a trace with thousands it never comes to an end. So traces with many matching
//!   spans are only named, and the caller reads them by their ids.
//! - A trace is in every window that it reaches into, whole or in parts; the caller puts them together.

use std::collections::HashSet;
use std::time::Duration;

use super::query::search::{FoundTrace, Window};
use super::query::text::QueryText;
use super::query::{QueryClient, QueryError};
use crate::model::ids::{Tenant, TraceId};

/// What is searched for.
#[derive(Clone, Debug)]
pub struct Question {
    /// Spans of traces that have few.
    few: QueryText,
    /// Traces that have many.
    many: QueryText,
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
const TRACES_MAX: usize = 4_000;
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
        let mut few = QueryText::default();
        few.push("{ ");
        filter(&mut few);
        few.push(" }");
        let mut many = few.clone();
        many.push(&format!(" | count() > {SPANS_MAX}"));
        few.push(&format!(" | count() <= {SPANS_MAX}")).push(" | by(span:id) | select(").list(selected, ", ").push(")");
        Self { few, many }
    }
}

// === impl Scan ===

impl<'a> Scan<'a> {
    pub fn new(client: &'a QueryClient, tenant: &'a Tenant, question: Question, range: Window) -> Self {
        let Window { start: at, end } = range;
        Self { client, tenant, question, at, end, seconds: FIRST_SECONDS, is_streaming: true, n_failures: 0 }
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
                Ok((traces, large)) if traces.len().max(large.len()) < limit => (traces, large),
                Ok(_) | Err(QueryError::TooLarge(_) | QueryError::Timeout(_)) if !is_shortest => {
                    self.seconds = ((window.end - window.start) / 2).max(SHORTEST_SECONDS);
                    continue;
                }
                Ok(_) => {
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
                    self.seconds = ((window.end - window.start) / 2).max(SHORTEST_SECONDS);
                    tokio::time::sleep(Duration::from_secs(1 << self.n_failures)).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.n_failures = 0;
            self.at = window.end;
            if traces.len() < TRACES_MAX / 4 {
                self.seconds = (self.seconds * 2).min(LONGEST_SECONDS);
            }
            return Ok(Some(Read { window, traces, large }));
        }
        Ok(None)
    }

    async fn search(&self, window: Window, limit: usize) -> Result<(Vec<FoundTrace>, Vec<TraceId>), QueryError> {
        let many = self.ask(&self.question.many, window, limit, 1).await?;
        let large: HashSet<TraceId> = many.into_iter().map(|found| found.trace).collect();
        let mut traces = self.ask(&self.question.few, window, limit, COPIES_MAX).await?;
        // In one block it has few, in another it has many.
        traces.retain(|found| !large.contains(&found.trace));
        Ok((traces, large.into_iter().collect()))
    }

    async fn ask(&self, query: &QueryText, window: Window, limit: usize, spans: usize) -> Result<Vec<FoundTrace>, QueryError> {
        if self.is_streaming {
            self.client.search_stream(self.tenant, query.as_str(), window, limit, spans).await
        } else {
            self.client.search(self.tenant, query.as_str(), window, limit, spans).await
        }
    }
}

/// Whether it may be otherwise in some seconds.
fn is_passing(error: &QueryError) -> bool {
    match error {
        QueryError::Refused { status, .. } => matches!(status, 429 | 502..=504),
        QueryError::Request(_) | QueryError::Timeout(_) => true,
        _ => false,
    }
}
