//! From the attributes of a span to what they say.

use std::borrow::Cow;

use super::kind::classify;
use super::lookup::row_number;
use super::tables::{Meaning, ROWS, ROWS_MAX};
use super::usage::Claims;
use super::{Oddities, Oddity};
use crate::model::facts::SpanKind;
use crate::model::ids::SessionId;
use crate::model::usage::Usage;
use crate::wire::otlp::{Attribute, Value};

/// The longest text of a label or name that is kept, in bytes; the rest is cut off (`docs/conventions.md`). Session ids have a limit of
/// their own and are never cut.
const SHOWN_MAX_BYTES: usize = 256;

/// What the attributes of one span say, each question answered once.
#[derive(Default)]
pub(super) struct Said<'a> {
    session: Option<Cow<'a, str>>,
    pub run_id: Option<Cow<'a, str>>,
    pub agent: Option<&'a str>,
    pub workflow: Option<&'a str>,
    pub user: Option<Cow<'a, str>>,
    pub user_group: Option<Cow<'a, str>>,
    pub model: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub usage: Usage,
    pub kind: SpanKind,
    pub has_response_model: bool,
    pub is_framework: bool,
}

/// The attributes of a span that have a row in the table, in the order of the rows, each once.
#[derive(Default)]
struct Known<'a> {
    seen: [u64; ROWS_MAX.div_ceil(64)],
    values: Vec<(u8, Value<'a>)>,
}

// === impl Said ===

impl<'a> Said<'a> {
    pub(super) fn read(attributes: impl Iterator<Item = Attribute<'a>>, oddities: &mut Oddities) -> Self {
        let known = Known::collect(attributes);
        let mut said = Self::default();
        let (mut entity, mut weak_model, mut kind, mut claims) = (None, None, None, None);
        let mut is_agent_entity = false;
        for (number, value) in known.values {
            let row = &ROWS[usize::from(number)];
            match row.meaning {
                Meaning::Session => answer(&mut said.session, session_id(value, oddities)),
                Meaning::RunId => answer(&mut said.run_id, id(value).map(cut_id)),
                Meaning::Agent => answer(&mut said.agent, name(value)),
                Meaning::EntityName => entity = name(value),
                Meaning::Workflow => answer(&mut said.workflow, name(value)),
                Meaning::User => answer(&mut said.user, id(value).map(cut_id)),
                Meaning::UserGroup => answer(&mut said.user_group, id(value).map(cut_id)),
                Meaning::Model => answer(&mut said.model, name(value)),
                Meaning::ResponseModel => {
                    said.has_response_model = name(value).is_some();
                    answer(&mut said.model, name(value));
                }
                Meaning::WeakModel => weak_model = name(value),
                Meaning::Provider => answer(&mut said.provider, name(value)),
                Meaning::Kind => {
                    let told = name(value).and_then(|word| classify(row.key, word));
                    is_agent_entity |= row.key == "traceloop.span.kind" && told == Some(SpanKind::Agent);
                    answer(&mut kind, told);
                }
                Meaning::Framework => said.is_framework = !matches!(value, Value::Bool(false)),
                Meaning::Usage(namespace, part) => claims.get_or_insert_with(Claims::new).add(namespace, part, value, oddities),
            }
        }
        if is_agent_entity {
            answer(&mut said.agent, entity);
        }
        said.usage = claims.map_or_else(Usage::default, |claims| claims.settle(oddities));
        let uses_model = said.usage.is_stated() || kind.is_some_and(SpanKind::is_model);
        if uses_model {
            answer(&mut said.model, weak_model);
        }
        let is_call = said.usage.is_stated() && said.model.is_some();
        said.kind = kind.unwrap_or(if is_call { SpanKind::Llm } else { SpanKind::Other });
        said
    }

    /// The session the span names. An id that is too long is still its answer: no lesser key may put the span into another session.
    /// `resource` are attributes that are asked where the span names none.
    pub(super) fn session(&self, resource: &[Attribute<'_>], oddities: &mut Oddities) -> Option<SessionId> {
        let session = match &self.session {
            Some(id) => SessionId::new(id),
            None => SessionId::new(&session_of(resource, oddities)?),
        };
        if session.is_none() {
            oddities.insert(Oddity::SessionIdTooLong);
        }
        session
    }
}

/// The session id among the attributes of a resource.
fn session_of<'a>(resource: &[Attribute<'a>], oddities: &mut Oddities) -> Option<Cow<'a, str>> {
    let of_session = |number: u8| ROWS[usize::from(number)].meaning == Meaning::Session;
    let ids = resource.iter().filter_map(|attribute| {
        let number = row_number(attribute.key).filter(|&number| of_session(number))?;
        Some((number, session_id(attribute.value, oddities)?))
    });
    ids.min_by_key(|(number, _)| *number).map(|(_, id)| id)
}

/// `text` up to what is kept of it, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN_MAX_BYTES)]
}

// === impl Known ===

impl<'a> Known<'a> {
    fn collect(attributes: impl Iterator<Item = Attribute<'a>>) -> Self {
        let mut known = Self::default();
        for Attribute { key, value } in attributes {
            if let Some(number) = row_number(key) {
                known.push(number, value);
            }
        }
        known.values.sort_unstable_by_key(|(number, _)| *number);
        known
    }

    /// A key that comes twice is against the protocol; what it said first stands.
    fn push(&mut self, number: u8, value: Value<'a>) {
        if matches!(value, Value::Empty | Value::Str("")) {
            return;
        }
        let (word, bit) = (usize::from(number / 64), 1u64 << (number % 64));
        if self.seen[word] & bit != 0 {
            return;
        }
        self.seen[word] |= bit;
        if self.values.is_empty() {
            self.values.reserve(16);
        }
        self.values.push((number, value));
    }
}

fn answer<T>(slot: &mut Option<T>, said: Option<T>) {
    if slot.is_none() {
        *slot = said;
    }
}

/// What names one of many: text as it is, or a whole number as its digits. Spaces alone are an id too.
fn id(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) => (!text.is_empty()).then_some(Cow::Borrowed(text)),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// What names a session; what is there and cannot is noted.
fn session_id<'a>(value: Value<'a>, oddities: &mut Oddities) -> Option<Cow<'a, str>> {
    if !matches!(value, Value::Empty | Value::Str(_) | Value::Int(_)) {
        oddities.insert(Oddity::SessionIdWrongType);
    }
    id(value)
}

fn cut_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match id {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        digits => digits,
    }
}

fn name(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(text) => (!text.is_empty()).then(|| cut(text)),
        _ => None,
    }
}
