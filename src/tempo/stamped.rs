//! What Tempo holds of stamped spans, read by search: for `sessionfold verify`.
//!
//! - It walks over the time in windows, halved where one holds too many traces and widened where there is little.
//! - Of a trace with more matching spans than search returns, the rest is read by its id.
//! - A span that Tempo holds twice is there twice.

use std::collections::HashMap;

use bytes::Bytes;

use super::query::search::{FoundSpan, FoundTrace, Window};
use super::query::{QueryClient, QueryError};
use super::stamp::{CORRECTION_NAME, COST, RUN_COST, RUN_ID, RUN_LLM_CALLS, RUN_TOKENS, SESSION_ID, SYNTHETIC_NAME, TOKENS};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::wire::otlp::{self, Value};

/// One span that carries amounts. Money in nano-dollars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    pub trace: TraceId,
    pub span: SpanId,
    pub session: Option<String>,
    pub run_id: Option<String>,
    pub cost: i64,
    pub tokens: i64,
    pub run_cost: i64,
    pub run_tokens: i64,
    /// It stands for the run: its own span, or ours in its place.
    pub is_run: bool,
    pub is_error: bool,
    /// A sender's span, as opposed to one of ours.
    pub is_of_sender: bool,
    pub start_unix_nanos: u64,
}

/// Traces that one search may return; Tempo's answers grow too large with many more.
const TRACES_MAX: usize = 1_000;
/// Tempo's own limit.
const SPANS_MAX: usize = 100;
const SHORTEST_SECONDS: u64 = 1;
/// Below what makes an answer too large for Tempo itself.
const TRACES_IN_SHORTEST: usize = 20_000;
/// A seventh of what Tempo allows.
const LONGEST_SECONDS: u64 = 24 * 3600;
const FIRST_SECONDS: u64 = 3600;

/// A text as TraceQL writes it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Every span with amounts of one session, or of all, of traces in the range. `progress` is told how many seconds are read.
pub async fn read(
    client: &QueryClient,
    tenant: &Tenant,
    session: Option<&str>,
    range: Window,
    mut progress: impl FnMut(u64),
) -> Result<Vec<Stamped>, QueryError> {
    let of_session = session.map_or(format!("span.{SESSION_ID} != nil"), |session| format!("span.{SESSION_ID} = {}", quoted(session)));
    let amounts = [COST, TOKENS, RUN_COST, RUN_TOKENS, RUN_LLM_CALLS];
    let any: Vec<_> = amounts.iter().map(|key| format!("span.{key} != nil")).collect();
    let selected: Vec<_> = [SESSION_ID, RUN_ID].iter().chain(&amounts).map(|key| format!("span.{key}")).collect();
    let query = format!("{{ {of_session} && ({}) }} | select({}, status)", any.join(" || "), selected.join(", "));

    let mut traces: HashMap<TraceId, Vec<Stamped>> = HashMap::new();
    let (mut start, mut seconds) = (range.start, FIRST_SECONDS);
    while start < range.end {
        let window = Window { start, end: range.end.min(start + seconds) };
        let limit = if seconds == SHORTEST_SECONDS { TRACES_IN_SHORTEST } else { TRACES_MAX };
        let found = match client.search(tenant, &query, window, limit, SPANS_MAX).await {
            Ok(found) => found,
            // It hides its last seconds, and refuses a window that lies in them.
            Err(QueryError::Refused { status: 400, words }) if words.contains("start must be before end") => break,
            Err(error) => return Err(error),
        };
        if found.len() >= limit && seconds > SHORTEST_SECONDS {
            seconds = (seconds / 2).max(SHORTEST_SECONDS);
            continue;
        }
        if found.len() >= limit {
            return Err(QueryError::Answer(format!("{limit} traces or more in the second {start}: more than can be read by search")));
        }
        for trace in &found {
            let spans = spans_of(client, tenant, trace).await?;
            // A trace that reaches over several windows is in each of them.
            let known = traces.entry(trace.trace).or_default();
            if spans.len() > known.len() {
                *known = spans;
            }
        }
        start = window.end;
        progress(start - range.start);
        if found.len() < TRACES_MAX / 4 {
            seconds = (seconds * 2).min(LONGEST_SECONDS);
        }
    }
    Ok(traces.into_values().flatten().filter(|span| session.is_none() || span.session.as_deref() == session).collect())
}

async fn spans_of(client: &QueryClient, tenant: &Tenant, found: &FoundTrace) -> Result<Vec<Stamped>, QueryError> {
    if found.matched <= found.spans.len() as u64 {
        return Ok(found.spans.iter().map(|span| of_found(found.trace, span)).collect());
    }
    let whole = client.trace(tenant, found.trace).await?;
    whole.map_or(Ok(Vec::new()), |bytes| of_bytes(&bytes))
}

fn of_found(trace: TraceId, span: &FoundSpan) -> Stamped {
    let dollars = |key: &str| span.double(key).map(nanos);
    Stamped {
        trace,
        span: span.span,
        session: span.text(SESSION_ID).map(str::to_owned),
        run_id: span.text(RUN_ID).map(str::to_owned),
        cost: dollars(COST).unwrap_or(0),
        tokens: span.int(TOKENS).unwrap_or(0),
        run_cost: dollars(RUN_COST).unwrap_or(0),
        run_tokens: span.int(RUN_TOKENS).unwrap_or(0),
        is_run: dollars(RUN_COST).is_some() && span.name != CORRECTION_NAME,
        is_error: span.text("status") == Some("error"),
        is_of_sender: is_of_sender(&span.name),
        start_unix_nanos: span.start_unix_nanos,
    }
}

/// The stamped spans of a trace as it was read by its id.
pub fn of_bytes(trace: &Bytes) -> Result<Vec<Stamped>, QueryError> {
    let malformed = |error: otlp::Malformed| QueryError::Answer(error.to_string());
    let mut stamped = Vec::new();
    for resource in otlp::resource_spans(trace) {
        for scope in resource.map_err(malformed)?.scope_spans() {
            for span in scope.map_err(malformed)?.spans() {
                stamped.extend(of_span(&span.map_err(malformed)?));
            }
        }
    }
    Ok(stamped)
}

/// `None` without amounts.
fn of_span(span: &otlp::Span<'_>) -> Option<Stamped> {
    let mut stamped = Stamped {
        trace: TraceId::from_bytes(span.trace_id)?,
        span: SpanId::from_bytes(span.span_id)?,
        session: None,
        run_id: None,
        cost: 0,
        tokens: 0,
        run_cost: 0,
        run_tokens: 0,
        is_run: false,
        is_error: span.status_code == 2,
        is_of_sender: is_of_sender(span.name),
        start_unix_nanos: span.start_time_unix_nano,
    };
    let mut has_amounts = false;
    for attribute in span.attributes().map_while(Result::ok) {
        let is_amount = match (attribute.key, attribute.value) {
            (SESSION_ID, Value::Str(text)) => {
                stamped.session = Some(text.to_owned());
                false
            }
            (RUN_ID, Value::Str(text)) => {
                stamped.run_id = Some(text.to_owned());
                false
            }
            (COST, Value::Double(dollars)) => {
                stamped.cost = nanos(dollars);
                true
            }
            (TOKENS, Value::Int(tokens)) => {
                stamped.tokens = tokens;
                true
            }
            (RUN_COST, Value::Double(dollars)) => {
                stamped.run_cost = nanos(dollars);
                stamped.is_run = span.name != CORRECTION_NAME;
                true
            }
            (RUN_TOKENS, Value::Int(tokens)) => {
                stamped.run_tokens = tokens;
                true
            }
            (RUN_LLM_CALLS, _) => true,
            _ => false,
        };
        has_amounts |= is_amount;
    }
    has_amounts.then_some(stamped)
}

fn is_of_sender(name: &str) -> bool {
    name != CORRECTION_NAME && name != SYNTHETIC_NAME
}

fn nanos(dollars: f64) -> i64 {
    (dollars * 1e9).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_quoted_so_that_it_means_itself() {
        assert_eq!(quoted("conv/1"), "\"conv/1\"");
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\n\"");
    }
}
