//! What is searched for, as TraceQL.

use std::sync::Arc;

use super::SPANS_MAX;
use super::slice::Slice;
use crate::model::ids::TraceId;
use crate::tempo::query::text::{QueryText, quoted};

/// Writes what a span must be.
type Filter = Arc<dyn Fn(&mut QueryText) + Send + Sync>;

/// The spans that are searched for, and the attributes that are wanted of them.
#[derive(Clone)]
pub struct Question {
    filter: Option<Filter>,
    selected: Vec<String>,
}

/// Where the spans are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Traces(Slice),
    /// A part of one trace.
    Spans(TraceId, Slice),
}

// === impl Question ===

impl Question {
    /// The spans that `filter` (what stands between the braces) matches.
    pub fn new<T: AsRef<str>>(filter: impl Fn(&mut QueryText) + Send + Sync + 'static, selected: impl IntoIterator<Item = T>) -> Self {
        Self { filter: Some(Arc::new(filter)), ..Self::of_all_spans(selected) }
    }

    pub fn of_all_spans<T: AsRef<str>>(selected: impl IntoIterator<Item = T>) -> Self {
        Self { filter: None, selected: selected.into_iter().map(|attribute| attribute.as_ref().to_owned()).collect() }
    }

    /// Only which traces there are, and how many spans of each.
    pub(super) fn traces(&self, part: Part) -> QueryText {
        let mut text = QueryText::default();
        text.push("{");
        let mut is_first = true;
        let mut and = |text: &mut QueryText| {
            if !std::mem::take(&mut is_first) {
                text.push(" &&");
            }
            text.push(" ");
        };
        if let Part::Spans(trace, _) = part {
            and(&mut text);
            text.push(&format!("trace:id = \"{trace}\""));
        }
        let (name, slice) = match part {
            Part::Traces(slice) => ("trace:id", slice),
            Part::Spans(_, slice) => ("span:id", slice),
        };
        if let Some(expression) = slice.expression() {
            and(&mut text);
            text.push(&format!("{name} =~ {}", quoted(&expression)));
        }
        if let Some(filter) = &self.filter {
            and(&mut text);
            text.push("(");
            filter(&mut text);
            text.push(")");
        }
        text.push(" }");
        text
    }

    /// Traces that have many of them.
    pub(super) fn large(&self, part: Part) -> QueryText {
        let mut text = self.traces(part);
        text.push(&format!(" | count() > {SPANS_MAX}"));
        text
    }

    /// The spans of traces that do not.
    pub(super) fn spans(&self, part: Part) -> QueryText {
        let mut text = self.traces(part);
        text.push(&format!(" | count() <= {SPANS_MAX}"));
        self.select(&mut text);
        text
    }

    /// The spans, however many.
    pub(super) fn all_spans(&self, part: Part) -> QueryText {
        let mut text = self.traces(part);
        self.select(&mut text);
        text
    }

    fn select(&self, text: &mut QueryText) {
        text.push(" | by(span:id) | select(").list(&self.selected, ", ").push(")");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_the_part_that_it_is_about() {
        let all = Question::of_all_spans(["name"]);
        assert_eq!(all.traces(Part::Traces(Slice::TRACES)).as_str(), "{ }");
        let odd = Slice::TRACES.parts(1)[1];
        let some = Question::new(|query| _ = query.push("span.a != nil || span.b != nil"), ["name", "span.a"]);
        assert_eq!(
            some.spans(Part::Traces(odd)).as_str(),
            "{ trace:id =~ \".*[13579bdf]\" && (span.a != nil || span.b != nil) } | count() <= 100 | by(span:id) | select(name, span.a)"
        );
        let trace = TraceId::from_bytes(&[7; 16]).unwrap();
        assert_eq!(
            all.all_spans(Part::Spans(trace, Slice::SPANS)).as_str(),
            "{ trace:id = \"07070707070707070707070707070707\" } | by(span:id) | select(name)"
        );
    }
}
