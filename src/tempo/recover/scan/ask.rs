//! One question to Tempo's search, streamed where Tempo streams, within the limits that it has stated.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::model::ids::Tenant;
use crate::tempo::query::search::{FoundTrace, Window};
use crate::tempo::query::text::QueryText;
use crate::tempo::query::{QueryClient, QueryError};

/// Asks for one tenant. What it learns of Tempo holds for all questions that follow.
pub(super) struct Asker<'a> {
    pub(super) client: &'a QueryClient,
    pub(super) tenant: &'a Tenant,
    is_streaming: AtomicBool,
    has_streamed: AtomicBool,
    /// The most traces that Tempo returns (`max_result_limit`).
    traces_max: AtomicUsize,
    /// The most spans of a group (`max_spans_per_span_set`).
    spans_max: AtomicUsize,
}

pub(super) struct Found {
    pub(super) traces: Vec<FoundTrace>,
    /// There may be more.
    pub(super) is_cut: bool,
}

/// How often a Tempo that is busy or being restarted is asked again, after waits that double from two seconds.
pub(super) const FAILURES_MAX: u32 = 5;

/// Returns after the wait that follows so many failures.
pub(super) async fn wait(n_failures: u32) {
    tokio::time::sleep(Duration::from_secs(1 << n_failures)).await;
}

// === impl Asker ===

impl<'a> Asker<'a> {
    pub(super) fn new(client: &'a QueryClient, tenant: &'a Tenant) -> Self {
        Self {
            client,
            tenant,
            is_streaming: AtomicBool::new(true),
            has_streamed: AtomicBool::new(false),
            traces_max: AtomicUsize::new(usize::MAX),
            spans_max: AtomicUsize::new(usize::MAX),
        }
    }

    pub(super) fn is_streaming(&self) -> bool {
        self.is_streaming.load(Relaxed)
    }

    /// At most `limit` traces, of each at most `spans` spans of a group.
    pub(super) async fn ask(&self, query: &QueryText, window: Window, limit: usize, spans: usize) -> Result<Found, QueryError> {
        loop {
            let limit = limit.min(self.traces_max.load(Relaxed));
            let spans = spans.min(self.spans_max.load(Relaxed));
            let is_streaming = self.is_streaming();
            let answer = if is_streaming {
                self.client.search_stream(self.tenant, query.as_str(), window, limit, spans).await
            } else {
                self.client.search(self.tenant, query.as_str(), window, limit, spans).await
            };
            match answer {
                Ok(traces) => {
                    self.has_streamed.fetch_or(is_streaming, Relaxed);
                    return Ok(Found { is_cut: traces.len() >= limit, traces });
                }
                // It did stream: the connection is gone.
                Err(QueryError::NoStreaming(words)) if self.has_streamed.load(Relaxed) => return Err(QueryError::Request(words)),
                Err(QueryError::NoStreaming(_)) if is_streaming => self.is_streaming.store(false, Relaxed),
                Err(QueryError::TooManyTraces { max }) if max < limit => self.traces_max.store(max, Relaxed),
                Err(QueryError::TooManySpans { max }) if max < spans => self.spans_max.store(max, Relaxed),
                Err(error) => return Err(error),
            }
        }
    }
}
