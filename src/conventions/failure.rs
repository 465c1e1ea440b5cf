//! Why a span failed, in the words that it brings.
//!
//! - Asked only of spans that failed: of all others nothing is looked at but their status and, where they are tools, what the table's rows
//!   found on the way.
//! - Its status says it, else its first exception, else its attributes; what says nothing (`error`) yields to what does.

use serde_json::Value as Json;

use super::reading::Said;
use crate::model::facts::{SpanKind, SpanStatus};
use crate::model::reason::Reason;
use crate::wire::otlp::{Span, SpanEvent, Value};

/// A longer JSON text is shown as it is.
const JSON_MAX_BYTES: usize = 16 << 10;

/// What a span says of its failure outside its attributes.
#[derive(Clone, Copy, Default)]
pub(super) struct Outcome<'a> {
    pub status: SpanStatus,
    pub message: &'a str,
    /// With its events; none where there is no span but its parts.
    pub span: Option<&'a Span<'a>>,
}

/// `None`: it has not failed, or nobody says why.
pub(super) fn failure(outcome: &Outcome<'_>, said: &Said<'_>) -> Option<Box<Reason>> {
    match outcome.status {
        SpanStatus::Error => why(outcome, said).map(Box::new),
        // The Waxell SDK leaves the status of a tool unset that failed (`docs/sdk.md`).
        SpanStatus::Unset if said.kind == SpanKind::Tool => said.failure.and_then(reason).map(Box::new),
        _ => None,
    }
}

fn why(outcome: &Outcome<'_>, said: &Said<'_>) -> Option<Reason> {
    let mut vague = None;
    let mut is_telling = |reason: &Reason| {
        let is_telling = reason.is_telling();
        if !is_telling && vague.is_none() {
            vague = Some(reason.clone());
        }
        is_telling
    };
    let told = reason(outcome.message)
        .filter(&mut is_telling)
        .or_else(|| exception(outcome.span?).filter(&mut is_telling))
        .or_else(|| [said.failure, said.weak_failure].into_iter().flatten().filter_map(reason).find(&mut is_telling));
    told.or(vague)
}

/// The first exception of the span.
fn exception(span: &Span<'_>) -> Option<Reason> {
    let event = span.events().map_while(Result::ok).find(|event| event.name == "exception")?;
    let (kind, said) = (text(&event, "exception.type"), text(&event, "exception.message"));
    match reason(said.unwrap_or_default()) {
        Some(said) => Reason::of_exception(kind.unwrap_or_default(), &said),
        None => Reason::of_exception(kind.unwrap_or_default(), "")
            .filter(Reason::is_telling)
            .or_else(|| text(&event, "exception.stacktrace").and_then(Reason::of)),
    }
}

fn text<'a>(event: &SpanEvent<'a>, key: &str) -> Option<&'a str> {
    event.attributes().map_while(Result::ok).filter(|attribute| attribute.key == key).find_map(|attribute| match attribute.value {
        Value::Str(text) => Some(text),
        _ => None,
    })
}

/// Of a text, or of the JSON that providers and Logfire make of one.
fn reason(said: &str) -> Option<Reason> {
    let read = Some(said.trim()).filter(|said| said.starts_with('{') && said.len() <= JSON_MAX_BYTES);
    let json = read.and_then(|said| serde_json::from_str::<Json>(said).ok());
    let inner = json.as_ref().and_then(|json| {
        let text = |path: &str| json.pointer(path).and_then(Json::as_str).filter(|text| !text.trim().is_empty());
        match (text("/message"), text("/data/error")) {
            (Some(message), Some(error)) => Reason::of(&format!("{message}: {error}")),
            (message, _) => message.or_else(|| text("/error/message")).or_else(|| text("/error")).and_then(Reason::of),
        }
    });
    inner.or_else(|| Reason::of(said))
}
