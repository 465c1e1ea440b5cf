//! What Tempo holds of stamped spans, as its search or a trace by id returns them.
//!
//! - A span that Tempo holds twice is there twice.

use std::collections::HashMap;

use bytes::Bytes;

use super::restored::STATUS_MESSAGE;
use super::scan::unread::Unread;
use super::scan::whole::Whole;
use super::scan::{Question, Scan};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::keys::{
    AGENT_NAME, CORRECTION_NAME, COST, ERROR, RUN_COST, RUN_ID, RUN_LLM_CALLS, RUN_TOKENS, SESSION_ID, STATUS, SYNTHETIC_NAME, TOKENS,
    USER_GROUP, USER_ID, WORKFLOW_NAME,
};
use crate::tempo::query::search::{Attribute, FoundSpan, Window};
use crate::tempo::query::text::QueryText;
use crate::tempo::query::{QueryClient, QueryError};
use crate::wire::otlp::{self, Value};

/// One span with stamps. Money in nano-dollars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    pub trace: TraceId,
    pub span: SpanId,
    pub role: Role,
    pub session: Option<String>,
    pub run_id: Option<String>,
    pub agent: Option<String>,
    /// These four on a span of ours only.
    pub workflow: Option<String>,
    pub user: Option<String>,
    pub user_group: Option<String>,
    pub status: Option<String>,
    /// Why the run failed; of a span of ours from before there was a stamp for it, the message of its status.
    pub error: Option<String>,
    pub cost: i64,
    /// `None`: the span is no call that counts.
    pub tokens: Option<i64>,
    pub run_cost: i64,
    pub run_tokens: i64,
    pub run_calls: i64,
    /// It says more than whose it is.
    pub has_amounts: bool,
    /// It stands for the run: its own span, or ours in its place.
    pub is_run: bool,
    pub is_error: bool,
    pub start_unix_nanos: u64,
    pub end_unix_nanos: u64,
}

/// Whose span it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    OfSender,
    /// Ours: a correction of what was exported before.
    Correction,
    /// Ours: a run that no span of the sender's stands for.
    Synthetic,
}

const LABELS: [&str; 8] = [SESSION_ID, RUN_ID, AGENT_NAME, WORKFLOW_NAME, USER_ID, USER_GROUP, STATUS, ERROR];
const AMOUNTS: [&str; 5] = [COST, TOKENS, RUN_COST, RUN_TOKENS, RUN_LLM_CALLS];

/// What search has to give of a span for [`Stamped::of_found`].
pub fn selected() -> impl Iterator<Item = String> {
    let keys = LABELS.into_iter().chain(AMOUNTS);
    // Tempo gives the name only where it is asked for.
    ["name", "status"].into_iter().map(str::to_owned).chain(keys.map(|key| format!("span.{key}")))
}

/// What Tempo holds.
#[derive(Debug, Default)]
pub struct Held {
    pub spans: Vec<Stamped>,
    /// What it could not be asked for.
    pub unread: Vec<Unread>,
}

/// Every span with amounts of one session, or of all, of traces in the range. `progress` gets how many seconds were read.
pub async fn read(
    client: &QueryClient,
    tenant: &Tenant,
    session: Option<&str>,
    range: Window,
    mut progress: impl FnMut(u64),
) -> Result<Held, QueryError> {
    let wanted = session.map(str::to_owned);
    let filter = move |query: &mut QueryText| {
        match &wanted {
            Some(session) => query.push(&format!("span.{SESSION_ID} = ")).literal(session),
            None => query.push(&format!("span.{SESSION_ID} != nil")),
        };
        query.push(" && (").list(AMOUNTS.iter().map(|key| format!("span.{key} != nil")), " || ").push(")");
    };
    let mut scan = Scan::new(client, tenant, Question::new(filter, selected()), range);
    let mut held: HashMap<(TraceId, SpanId), Vec<Stamped>> = HashMap::new();
    while let Some(read) = scan.next().await? {
        for found in &read.traces {
            keep_most(&mut held, found.spans.iter().filter_map(|span| Stamped::of_found(found.trace, span)));
        }
        for trace in read.large {
            match scan.whole(trace, read.window).await? {
                Whole::Absent => {}
                Whole::Encoded(bytes) => keep_most(&mut held, of_bytes(&bytes)?.into_iter()),
                Whole::Spans(found) => keep_most(&mut held, found.spans.iter().filter_map(|span| Stamped::of_found(trace, span))),
                Whole::Unread(unread) => scan.note_unread(unread),
            }
        }
        progress(read.window.end - range.start);
    }
    let spans = held.into_values().flatten().filter(|span| session.is_none() || span.session.as_deref() == session).collect();
    Ok(Held { spans, unread: scan.unread().to_vec() })
}

/// A trace that reaches over several windows is in each of them, and some of its spans are perhaps held twice.
fn keep_most(held: &mut HashMap<(TraceId, SpanId), Vec<Stamped>>, stamped: impl Iterator<Item = Stamped>) {
    let mut copies: HashMap<(TraceId, SpanId), Vec<Stamped>> = HashMap::new();
    for stamped in stamped.filter(|stamped| stamped.has_amounts) {
        copies.entry((stamped.trace, stamped.span)).or_default().push(stamped);
    }
    for (span, copies) in copies {
        let known = held.entry(span).or_default();
        if copies.len() > known.len() {
            *known = copies;
        }
    }
}

/// The stamped spans of a trace as it was read by its id.
pub fn of_bytes(trace: &Bytes) -> Result<Vec<Stamped>, QueryError> {
    let malformed = |error: otlp::Malformed| QueryError::Answer(error.to_string());
    let mut stamped = Vec::new();
    for resource in otlp::resource_spans(trace) {
        for scope in resource.map_err(malformed)?.scope_spans() {
            for span in scope.map_err(malformed)?.spans() {
                stamped.extend(Stamped::of_span(&span.map_err(malformed)?));
            }
        }
    }
    Ok(stamped)
}

// === impl Stamped ===

impl Stamped {
    /// `None` without stamps.
    pub fn of_found(trace: TraceId, span: &FoundSpan) -> Option<Self> {
        let end = span.start_unix_nanos.wrapping_add(span.duration_nanos);
        let mut stamped = Self::bare(trace, span.span, &span.name, (span.start_unix_nanos, end));
        stamped.is_error = span.text("status") == Some("error");
        stamped.note_error(span.text(STATUS_MESSAGE));
        let mut is_stamped = false;
        for (key, value) in &span.attributes {
            is_stamped |= match value {
                Attribute::Text(text) => stamped.note(key, Value::Str(text)),
                Attribute::Int(number) => stamped.note(key, Value::Int(*number)),
                Attribute::Double(number) => stamped.note(key, Value::Double(*number)),
                Attribute::Bool(is) => stamped.note(key, Value::Bool(*is)),
            };
        }
        is_stamped.then_some(stamped)
    }

    pub(in crate::tempo) fn of_span(span: &otlp::Span<'_>) -> Option<Self> {
        let (trace, id) = (TraceId::from_bytes(span.trace_id)?, SpanId::from_bytes(span.span_id)?);
        let mut stamped = Self::bare(trace, id, span.name, (span.start_time_unix_nano, span.end_time_unix_nano));
        stamped.is_error = span.status_code == 2;
        stamped.note_error(Some(span.status_message));
        let mut is_stamped = false;
        for attribute in span.attributes().map_while(Result::ok) {
            is_stamped |= stamped.note(attribute.key, attribute.value);
        }
        is_stamped.then_some(stamped)
    }

    fn bare(trace: TraceId, span: SpanId, name: &str, (start_unix_nanos, end_unix_nanos): (u64, u64)) -> Self {
        let role = match name {
            CORRECTION_NAME => Role::Correction,
            SYNTHETIC_NAME => Role::Synthetic,
            _ => Role::OfSender,
        };
        let (session, run_id, agent, workflow, user, user_group, status, error) = (None, None, None, None, None, None, None, None);
        let (cost, tokens, run_cost, run_tokens, run_calls) = (0, None, 0, 0, 0);
        let (has_amounts, is_run, is_error) = (false, false, false);
        Self {
            trace,
            span,
            role,
            session,
            run_id,
            agent,
            workflow,
            user,
            user_group,
            status,
            error,
            cost,
            tokens,
            run_cost,
            run_tokens,
            run_calls,
            has_amounts,
            is_run,
            is_error,
            start_unix_nanos,
            end_unix_nanos,
        }
    }

    /// What the message of a sender's own span says is read with it.
    fn note_error(&mut self, message: Option<&str>) {
        self.error = message.filter(|message| self.role == Role::Synthetic && !message.is_empty()).map(str::to_owned);
    }

    /// Takes note of one attribute; whether it is a stamp.
    fn note(&mut self, key: &str, value: Value<'_>) -> bool {
        match (key, value) {
            (SESSION_ID, Value::Str(text)) => self.session = Some(text.to_owned()),
            (RUN_ID, Value::Str(text)) => self.run_id = Some(text.to_owned()),
            (AGENT_NAME, Value::Str(text)) => self.agent = Some(text.to_owned()),
            (WORKFLOW_NAME, Value::Str(text)) => self.workflow = Some(text.to_owned()),
            (USER_ID, Value::Str(text)) => self.user = Some(text.to_owned()),
            (USER_GROUP, Value::Str(text)) => self.user_group = Some(text.to_owned()),
            (STATUS, Value::Str(text)) => self.status = Some(text.to_owned()),
            (ERROR, Value::Str(text)) => self.error = Some(text.to_owned()),
            (COST, Value::Double(dollars)) => self.cost = nanos(dollars),
            (TOKENS, Value::Int(tokens)) => self.tokens = Some(tokens),
            (RUN_COST, Value::Double(dollars)) => {
                self.run_cost = nanos(dollars);
                self.is_run = self.role != Role::Correction;
            }
            (RUN_TOKENS, Value::Int(tokens)) => self.run_tokens = tokens,
            (RUN_LLM_CALLS, Value::Int(calls)) => self.run_calls = calls,
            _ => return false,
        }
        self.has_amounts |= !LABELS.contains(&key);
        true
    }
}

fn nanos(dollars: f64) -> i64 {
    (dollars * 1e9).round() as i64
}
