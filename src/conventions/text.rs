//! What the value of an attribute says as text: a name, an id, or a text of any length.

use std::borrow::Cow;

use super::tables::{Convention, Row};
use crate::wire::otlp::Value;

/// The longest text of a label or name that is kept, in bytes; the rest is cut off (`docs/conventions.md`). Session ids have a limit of
/// their own and are never cut.
const SHOWN_MAX_BYTES: usize = 256;

/// `text` up to what is kept of it, cut between characters.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= SHOWN_MAX_BYTES {
        return text;
    }
    &text[..text.floor_char_boundary(SHOWN_MAX_BYTES)]
}

/// What is meant by the value of a row: some write every text as JSON, and some scrub what they take for a secret.
#[inline(always)]
pub(super) fn plain<'a>(row: Option<&Row>, value: Value<'a>) -> Value<'a> {
    match value {
        Value::Str(_) if row.is_some_and(|row| row.convention == Convention::Waxell) => value,
        Value::Str(text) => match text.as_bytes().first() {
            Some(b'"') => Value::Str(unquoted(text)),
            Some(b'[') if text.starts_with(SCRUBBED) => Value::Empty,
            _ => value,
        },
        other => other,
    }
}

/// How what Logfire scrubbed begins.
const SCRUBBED: &str = "[Scrubbed due to ";

/// The text in a JSON string that escapes nothing; any other text as it is.
pub(super) fn unquoted(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.filter(|inner| !inner.is_empty() && !inner.contains(['"', '\\'])).unwrap_or(text)
}

/// What names one of many: text as it is, or a whole number as its digits. Spaces alone are an id too.
pub(super) fn id(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) => (!text.is_empty()).then_some(Cow::Borrowed(text)),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

pub(super) fn cut_id(id: Cow<'_, str>) -> Cow<'_, str> {
    match id {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        digits => digits,
    }
}

/// A text of any length.
pub(super) fn telling(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(text) => Some(text).filter(|text| !text.trim().is_empty()),
        _ => None,
    }
}

pub(super) fn name(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(text) => (!text.is_empty()).then(|| cut(text)),
        _ => None,
    }
}
