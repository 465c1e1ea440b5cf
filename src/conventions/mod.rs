//! Layer 2: what the attributes of every dialect mean, as one `SpanFact`.
//!
//! - Which keys are read and which comes first is data (`tables`, `kind`); `docs/conventions.md` shows it and says why.
//! - Keys match as a whole. What no row names is passed over after one look-up (`lookup`).
//! - Tokens of a span come from one dialect, never from two (`usage`).
//! - What cannot be believed is left out, counted as an [`Oddity`], and spoils nothing else of the span.
//! - Never panics, whatever the values are, and never asks about other spans: that is the fold's.

pub mod agents;
mod asked;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
mod kind;
mod known;
mod lookup;
mod number;
pub mod posts;
mod reading;
mod scopes;
mod settings;
mod sources;
mod strings;
mod tables;
mod text;
mod tier;
mod usage;

#[cfg(test)]
mod tests;

pub use known::Known;
pub use settings::{Conventions, Settings, SettingsError, input_without_cache, session_keys};
pub use sources::{Answer, KindBy, Sources};
pub use strings::Strings;

use crate::model::Str;
use crate::model::digest::fnv;
use crate::model::facts::{Labels, SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{SessionId, SpanId, TraceId};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::tool_of_span;
use crate::model::usage::Call;
use crate::wire::otlp::{Attribute, Span};

use failure::{Outcome, failure};
use reading::{Said, session_of};
use text::cut;

/// How far ahead of its arrival a span may start or end before it counts as of the far future: a day, which covers every mistaken zone.
const FUTURE_SLACK: Nanos = Nanos::from_secs(24 * 60 * 60);

/// The scope and the names of spans that tell Tempo what changed after it was sent, and of runs without a span (`docs/tempo.md`).
const OWN_SCOPE: &str = "sessionfold";
const OWN_NAMES: [&str; 2] = ["sessionfold.correction", "sessionfold.run"];

/// What was odd about a span and was not believed; each is counted in a metric by this name, once a span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Oddity {
    SessionIdTooLong,
    /// A session id that is neither text nor a whole number.
    SessionIdWrongType,
    CostInvalid,
    TokensInvalid,
    FarFuture,
    EndBeforeStart,
    NoStart,
    /// A body of the SDK's HTTP path that is no JSON object.
    PostUnreadable,
}

/// A span as the fold wants it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extracted {
    pub trace: TraceId,
    pub fact: SpanFact,
    /// Each at most once, in the order of [`Oddity::ALL`].
    pub oddities: Vec<Oddity>,
}

/// What all spans of a scope have in common.
#[derive(Clone, Debug)]
pub struct Scope<'c> {
    conventions: &'c Conventions,
    name: Str,
    reading: Option<&'static scopes::Reading>,
    input_excludes_cache: bool,
}

/// What is read of a resource, once for all its spans.
#[derive(Clone, Default, Debug)]
pub struct Resource {
    session: Option<SessionId>,
    /// The number of the key that names it.
    key: Option<u16>,
    oddities: Oddities,
}

/// What a span tells outside its attributes.
#[derive(Clone, Copy)]
struct Scalars<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    /// Empty or zero for a root.
    parent_span_id: &'a [u8],
    name: &'a str,
    start: UnixNanos,
    end: UnixNanos,
    outcome: Outcome<'a>,
}

/// A set of [`Oddity`].
#[derive(Clone, Copy, Default, Debug)]
struct Oddities(u16);

/// Reads one inspected span; `None` if its ids are not valid, or if it is a correction of our own.
pub fn extract(
    span: &Span<'_>,
    scope: &Scope<'_>,
    resource: &Resource,
    received_at: UnixNanos,
    strings: &mut Strings,
) -> Option<Extracted> {
    let known = Known::collect(span.attributes().map_while(Result::ok), scope);
    extract_known(span, &known, scope, resource, received_at, strings)
}

/// As [`extract`], of a span whose attributes were taken note of already.
pub fn extract_known(
    span: &Span<'_>,
    known: &Known<'_>,
    scope: &Scope<'_>,
    resource: &Resource,
    received_at: UnixNanos,
    strings: &mut Strings,
) -> Option<Extracted> {
    extract_scalars(&Scalars::of(span), known, scope, resource, received_at, strings)
}

/// What answered each question that [`extract`] asks of a span.
pub fn sources(span: &Span<'_>, scope: &Scope<'_>, resource: &Resource) -> Sources {
    let attributes: Vec<Attribute<'_>> = span.attributes().map_while(Result::ok).collect();
    Sources::of(span.name, &attributes, scope, resource)
}

/// As [`extract`], from fields and attributes that are read already.
#[cfg(test)]
fn extract_with<'a>(
    span: Scalars<'a>,
    attributes: impl Iterator<Item = Attribute<'a>>,
    scope: &Scope<'_>,
    resource: &Resource,
    received_at: UnixNanos,
    strings: &mut Strings,
) -> Option<Extracted> {
    extract_scalars(&span, &Known::collect(attributes, scope), scope, resource, received_at, strings)
}

fn extract_scalars<'a>(
    span: &Scalars<'a>,
    known: &Known<'a>,
    scope: &Scope<'_>,
    resource: &Resource,
    received_at: UnixNanos,
    strings: &mut Strings,
) -> Option<Extracted> {
    // What we told Tempo by ourselves is no span of anybody's, should it come back to us.
    if &*scope.name == OWN_SCOPE && OWN_NAMES.contains(&span.name) {
        return None;
    }
    let trace = TraceId::from_bytes(span.trace_id)?;
    let id = SpanId::from_bytes(span.span_id)?;
    let parent = SpanId::from_bytes(span.parent_span_id);
    let (start, end) = (span.start, span.end);

    let mut oddities = Oddities::default();
    let is_future = note_times(start, end, received_at, &mut oddities);
    let said = Said::read(known, span.name, scope, &mut oddities);
    let status = if said.has_failed { SpanStatus::Error } else { span.outcome.status };
    let outcome = Outcome { status, ..span.outcome };
    let fact = SpanFact {
        end,
        call: call(&said, strings).map(Box::new),
        labels: labels(&said, resource, strings, &mut oddities).map(Box::new),
        start,
        span: id,
        parent,
        kind: said.kind,
        status: outcome.status,
        has_response_model: said.has_response_model,
        is_framework: said.is_framework,
        is_future,
        name: strings.share(cut(span.name)),
        scope: scope.name.clone(),
        failure: failure(&outcome, &said),
        tool: tool(span, &said, strings).map(Box::new),
        question: if scope.conventions.keep_questions() { said.asked.question(said.kind, strings).map(Box::new) } else { None },
    };
    Some(Extracted { trace, fact, oddities: oddities.list() })
}

/// The tool whose span it is, where the span's name does not tell it.
fn tool(span: &Scalars<'_>, said: &Said<'_>, strings: &mut Strings) -> Option<Str> {
    let tool = said.tool.filter(|tool| said.kind == SpanKind::Tool && *tool != tool_of_span(cut(span.name)))?;
    Some(strings.share(tool))
}

/// Takes note of times that cannot be right; the fact keeps them as they were sent. Returns whether they lie in the far future.
fn note_times(start: UnixNanos, end: UnixNanos, received_at: UnixNanos, oddities: &mut Oddities) -> bool {
    if start == UnixNanos::ZERO {
        oddities.insert(Oddity::NoStart);
    }
    if end != UnixNanos::ZERO && end < start {
        oddities.insert(Oddity::EndBeforeStart);
    }
    let is_future = start.max(end) > received_at.plus(FUTURE_SLACK);
    if is_future {
        oddities.insert(Oddity::FarFuture);
    }
    is_future
}

fn call(said: &Said<'_>, strings: &mut Strings) -> Option<Call> {
    if said.model.is_none() && !said.usage.is_stated() {
        return None;
    }
    Some(Call {
        usage: said.usage,
        model: strings.share(said.model.unwrap_or_default()),
        provider: strings.share(said.provider.unwrap_or_default()),
        response: said.response.map_or(0, digest),
        tier: said.tier,
    })
}

fn labels(said: &Said<'_>, resource: &Resource, strings: &mut Strings, oddities: &mut Oddities) -> Option<Labels> {
    oddities.0 |= resource.oddities.0;
    if !said.has_labels() && resource.session.is_none() {
        // As most spans.
        return None;
    }
    let (session, is_session_weak) = said.session(oddities);
    let labels = Labels {
        session,
        is_session_weak,
        // An id that is too long is still an answer.
        resource_session: resource.session.clone().filter(|_| !said.names_session()),
        run_id: said.run_id.as_deref().map(Str::from),
        agent: said.agent.map(|name| strings.share(name)),
        workflow: said.workflow.map(|name| strings.share(name)),
        user: said.user.as_deref().map(Str::from),
        user_group: said.user_group.as_deref().map(Str::from),
    };
    (labels != Labels::default()).then_some(labels)
}

/// Never 0, and the same everywhere and for ever: it is stored.
fn digest(response: &str) -> u64 {
    fnv(response.bytes()).max(1)
}

// === impl Resource ===

impl Resource {
    fn read<'a>(conventions: &Conventions, attributes: impl Iterator<Item = Attribute<'a>>) -> Self {
        let mut oddities = Oddities::default();
        let (session, key) = session_of(conventions, attributes, &mut oddities).unzip();
        Self { session, key, oddities }
    }
}

// === impl Oddity ===

impl Oddity {
    pub const ALL: [Self; 8] = [
        Self::SessionIdTooLong,
        Self::SessionIdWrongType,
        Self::CostInvalid,
        Self::TokensInvalid,
        Self::FarFuture,
        Self::EndBeforeStart,
        Self::NoStart,
        Self::PostUnreadable,
    ];

    /// A label for metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionIdTooLong => "session_id_too_long",
            Self::SessionIdWrongType => "session_id_wrong_type",
            Self::CostInvalid => "cost_invalid",
            Self::TokensInvalid => "tokens_invalid",
            Self::FarFuture => "far_future",
            Self::EndBeforeStart => "end_before_start",
            Self::NoStart => "no_start",
            Self::PostUnreadable => "post_unreadable",
        }
    }
}

// === impl Scalars ===

impl<'a> Scalars<'a> {
    fn of(span: &'a Span<'a>) -> Self {
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            name: span.name,
            start: UnixNanos::from_wire(span.start_time_unix_nano),
            end: UnixNanos::from_wire(span.end_time_unix_nano),
            outcome: Outcome { status: SpanStatus::from_code(span.status_code.into()), message: span.status_message, span: Some(span) },
        }
    }
}

// === impl Oddities ===

impl Oddities {
    fn insert(&mut self, oddity: Oddity) {
        self.0 |= 1 << oddity as u8;
    }

    fn list(self) -> Vec<Oddity> {
        // As of nearly all spans.
        if self.0 == 0 {
            return Vec::new();
        }
        Oddity::ALL.into_iter().filter(|oddity| self.0 & (1 << *oddity as u8) != 0).collect()
    }
}
