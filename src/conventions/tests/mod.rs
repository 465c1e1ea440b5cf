//! Claims about the module as a whole, made through the door the others use.

mod dialects;
mod docs;
mod failure;
mod keys;
mod laws;
mod questions;
mod rules;
mod settings;
mod sources;
mod vendors;

use std::sync::LazyLock;

use super::*;
use crate::model::facts::SpanKind;
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
        outcome: Outcome::default(),
    }
}

pub(super) fn attribute<'a>((key, value): (&'a str, Value<'a>)) -> Attribute<'a> {
    Attribute { key, value }
}

/// What is read where nothing is configured.
pub(super) static PLAIN: LazyLock<Conventions> = LazyLock::new(Conventions::default);

pub(super) fn scope(name: &str) -> Scope<'static> {
    PLAIN.scope(name, &mut Strings::default())
}

pub(super) fn extract_from(span: Scalars<'_>, attributes: &[(&str, Value<'_>)], resource: &[(&str, Value<'_>)]) -> Option<Extracted> {
    let resource = PLAIN.resource(resource.iter().copied().map(attribute));
    let attributes = attributes.iter().copied().map(attribute);
    extract_with(span, attributes, &scope("a.scope"), &resource, NOW, &mut Strings::default())
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

/// What is expected of a span: kind, session, agent, model, provider, (input, output) tokens and nano-dollars.
pub(super) struct Expect {
    pub kind: SpanKind,
    pub session: Option<&'static str>,
    pub agent: Option<&'static str>,
    pub model: &'static str,
    pub provider: &'static str,
    pub tokens: (Option<u64>, Option<u64>),
    pub cost: Option<u64>,
}

pub(super) const NOTHING: Expect =
    Expect { kind: SpanKind::Other, session: None, agent: None, model: "", provider: "", tokens: (None, None), cost: None };

pub(super) fn check(attributes: &[(&str, Value<'_>)], expect: Expect) {
    let fact = fact(attributes);
    let call = fact.call.as_deref();
    let usage = call.map(|call| call.usage).unwrap_or_default();
    assert_eq!(fact.kind, expect.kind);
    assert_eq!(fact.session().map(|id| id.as_str()), expect.session);
    assert_eq!(fact.labels.as_ref().and_then(|labels| labels.agent.as_deref()), expect.agent);
    assert_eq!(call.map_or("", |call| &call.model), expect.model);
    assert_eq!(call.map_or("", |call| &call.provider), expect.provider);
    assert_eq!((usage.input_tokens, usage.output_tokens), expect.tokens);
    assert_eq!(usage.cost.map(|cost| cost.0), expect.cost);
}
