//! What a span was asked, as its attributes tell it.
//!
//! - While attributes are read, texts are only held on to: which kind a span is stands at the end, and of most kinds nobody asks.
//! - The first in the order of the table that can be made out stands (`model/question`).

use super::Strings;
use crate::model::Str;
use crate::model::facts::SpanKind;
use crate::model::question::made_out;
use crate::wire::otlp::Value;

/// So many attributes of a span are looked into: dialects repeat one another.
const TEXTS_MAX: usize = 4;

#[derive(Default)]
pub(super) struct Asked<'a> {
    texts: [Option<&'a str>; TEXTS_MAX],
    /// The message whose text comes next is not a person's.
    is_of_others: bool,
}

/// Whether spans of a kind are asked something: what a tool or a database is given are arguments.
pub(super) fn is_asked(kind: SpanKind) -> bool {
    matches!(kind, SpanKind::Agent | SpanKind::Workflow | SpanKind::Llm | SpanKind::Step)
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// Whether it is the first.
    pub(super) fn offer(&mut self, value: Value<'a>) -> bool {
        let (Value::Str(text), Some(nth)) = (value, self.texts.iter().position(Option::is_none)) else { return false };
        self.texts[nth] = Some(text);
        nth == 0
    }

    /// Of a message whose role was told before.
    pub(super) fn offer_of_role(&mut self, value: Value<'a>) -> bool {
        !self.is_of_others && self.offer(value)
    }

    pub(super) fn role(&mut self, value: Value<'_>) {
        let is_person = |role: &str| role.eq_ignore_ascii_case("user") || role.eq_ignore_ascii_case("human");
        self.is_of_others = !matches!(value, Value::Str(role) if is_person(role));
    }

    /// The calls of a run mostly begin with the same question, one after another.
    pub(super) fn question(&self, kind: SpanKind, strings: &mut Strings) -> Option<Str> {
        // Of nearly all spans.
        if self.texts[0].is_none() || !is_asked(kind) {
            return None;
        }
        let question = self.texts.iter().flatten().find_map(|text| made_out(text))?;
        Some(strings.repeat(&question))
    }
}
