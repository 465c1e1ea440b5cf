//! Claims about the room as a whole, made through the door the others use.

mod dialects;
mod docs;
mod laws;
mod rules;

use super::*;
use crate::model::usage::{NanoUsd, Usage};
use crate::wire::otlp::Value;

const NOW: UnixNanos = UnixNanos(1_760_000_000_000_000_000);

/// An ended root span that came in time and says nothing.
pub(super) fn plain_span() -> Scalars<'static> {
    Scalars {
        trace_id: &[1; 16],
        span_id: &[2; 8],
        parent_span_id: &[],
        name: "a span",
        start: NOW.minus(Nanos::from_secs(2)),
        end: NOW.minus(Nanos::from_secs(1)),
        status: SpanStatus::Unset,
    }
}

pub(super) fn attribute<'a>((key, value): (&'a str, Value<'a>)) -> Attribute<'a> {
    Attribute { key, value }
}

pub(super) fn extract_from(span: Scalars<'_>, attributes: &[(&str, Value<'_>)], resource: &[(&str, Value<'_>)]) -> Option<Extracted> {
    let resource: Vec<_> = resource.iter().copied().map(attribute).collect();
    let attributes = attributes.iter().copied().map(attribute);
    extract_with(span, attributes, "a.scope", &resource, NOW, &mut Strings::default())
}

pub(super) fn extracted(attributes: &[(&str, Value<'_>)]) -> Extracted {
    extract_from(plain_span(), attributes, &[]).expect("the ids are valid")
}

/// The fact of a plain span with these attributes, none of them odd.
pub(super) fn fact(attributes: &[(&str, Value<'_>)]) -> SpanFact {
    let extracted = extracted(attributes);
    assert_eq!(extracted.oddities, [], "{attributes:?}");
    extracted.fact
}

pub(super) fn usage(attributes: &[(&str, Value<'_>)]) -> Usage {
    fact(attributes).call.map_or_else(Usage::default, |call| call.usage)
}

pub(super) fn session(attributes: &[(&str, Value<'_>)]) -> Option<String> {
    fact(attributes).session().map(|id| id.as_str().to_owned())
}

pub(super) fn label(attributes: &[(&str, Value<'_>)], pick: fn(Labels) -> Option<Str>) -> Option<String> {
    fact(attributes).labels.and_then(|labels| pick(*labels)).map(|text| text.to_string())
}

pub(super) fn nanos(n: u64) -> Option<NanoUsd> {
    Some(NanoUsd(n))
}
