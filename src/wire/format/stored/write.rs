//! Blobs written straight from what they hold: every checkpoint does it for every trace and run that changed.
//!
//! The bytes are those that prost writes of the messages of `stored.proto`; a test compares them.

use prost::Message as _;
use rustc_hash::FxHashMap;

use super::{HAS_RESPONSE_MODEL, IS_FRAMEWORK, IS_FUTURE, RunRef, mark, run_marks};
use crate::model::Str;
use crate::model::facts::{Labels, SpanFact};
use crate::model::ids::{RunId, SessionId, SpanId};
use crate::model::report::RunReport;
use crate::model::run::Run;
use crate::model::stretches::Stretches;
use crate::model::tool::ToolUsage;
use crate::model::usage::{Call, Usage, UsageTotal};
use crate::wire::format::reported::{encode_report, encode_score};
use crate::wire::protobuf::encode::{Message, put_bytes, put_fixed64, put_varint, put_varint_field, varint_len};

/// About what a fact takes, and its call and its labels.
const FACT_BYTES: usize = 56;
const CALL_BYTES: usize = 16;
const NUMBER_BYTES: usize = 4;
const LABELS_BYTES: usize = 64;

/// The texts of a trace that repeat, each once, in the order in which they were met.
struct Texts<'a> {
    texts: Vec<&'a str>,
    /// Where those stand that are not among the first.
    numbers: FxHashMap<&'a str, u32>,
}

/// So many texts are looked for one by one: most traces have no more.
const FIRST: usize = 16;

pub(super) fn trace<'a>(
    facts: impl Iterator<Item = &'a SpanFact> + Clone,
    n_refused: u64,
    runs: &[RunRef],
    report: Option<&RunReport>,
    joined: &[RunId],
    stretches: &Stretches,
) -> Vec<u8> {
    let mut texts = Texts { texts: Vec::with_capacity(FIRST), numbers: FxHashMap::default() };
    let mut written = Vec::with_capacity(facts.clone().map(room).sum());
    let stretches_bytes = stretches.distances().map(varint_len).sum::<usize>() + 4;
    for fact in facts {
        put_fact(&mut written, fact, &mut texts);
    }
    let texts_bytes: usize = texts.texts.iter().map(|text| text.len() + 3).sum();
    let mut out = Vec::with_capacity(written.len() + texts_bytes + 40 * (runs.len() + 1) + stretches_bytes);
    texts.texts.iter().for_each(|text| put_bytes(&mut out, 1, text.as_bytes()));
    out.extend_from_slice(&written);
    put_number(&mut out, 3, n_refused);
    for run in runs {
        let message = Message::begin(&mut out, 4);
        put_number(&mut out, 1, run.session_no.into());
        put_bits(&mut out, 2, run.started_at.0);
        put_number(&mut out, 3, run.id.get());
        put_bits(&mut out, 4, run.span.to_u64());
        message.end(&mut out);
    }
    if let Some(report) = report {
        put_bytes(&mut out, 5, &encode_report(report).encode_to_vec());
    }
    if !joined.is_empty() {
        let packed = Message::begin(&mut out, 6);
        joined.iter().for_each(|run| put_varint(&mut out, run.get()));
        packed.end(&mut out);
    }
    if !stretches.is_empty() {
        let packed = Message::begin(&mut out, 7);
        stretches.distances().for_each(|distance| put_varint(&mut out, distance));
        packed.end(&mut out);
    }
    out
}

/// About what a fact takes, its shared texts left out.
///
/// All facts of a trace are looked at before the first is written, and not only for that: they were folded some seconds ago and have left
/// the cache, and what is asked for here, each without waiting for the other, comes while the next one is asked for.
fn room(fact: &SpanFact) -> usize {
    let call = fact.call.as_ref().map_or(0, |call| {
        let Usage { input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost, .. } =
            call.usage;
        let numbers = [input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens];
        CALL_BYTES + NUMBER_BYTES * numbers.iter().flatten().count() + cost.map_or(0, |cost| 1 + varint_len(cost.0))
    });
    let labels = fact.labels.as_ref().map_or(0, |labels| match &labels.session {
        Some(session) => LABELS_BYTES + session.as_str().len(),
        None => LABELS_BYTES,
    });
    let failure = fact.failure.as_ref().map_or(0, |failure| failure.len() + 3);
    let texts = [&fact.tool, &fact.question].into_iter().flatten();
    FACT_BYTES + call + labels + failure + texts.filter(|text| !text.is_empty()).count() * 3
}

pub(super) fn run_detail(run: &Run) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(128 + 96 * run.models.len() + 64 * run.tools.len() + run.question.as_ref().map_or(0, |asked| asked.len()));
    put_total(&mut out, 1, &run.usage);
    put_total(&mut out, 2, &run.suppressed);
    for model in &run.models {
        let message = Message::begin(&mut out, 3);
        put_text(&mut out, 1, &model.model);
        put_text(&mut out, 2, &model.provider);
        put_total(&mut out, 3, &model.total);
        message.end(&mut out);
    }
    put_number(&mut out, 5, run.n_spans.into());
    put_number(&mut out, 6, run.is_provisional.into());
    put_number(&mut out, 7, run.is_future.into());
    put_number(&mut out, 8, run.is_truncated.into());
    put_optional_text(&mut out, 9, run.user_group.as_deref());
    put_number(&mut out, 10, run.parent.map_or(0, RunId::get));
    run.scores.iter().for_each(|score| put_bytes(&mut out, 11, &encode_score(score).encode_to_vec()));
    put_number(&mut out, 12, run_marks(run).into());
    put_optional_text(&mut out, 13, run.error.as_deref());
    put_number(&mut out, 14, run.tool_errors.into());
    run.tools.iter().for_each(|tool| put_tool(&mut out, tool));
    put_optional_text(&mut out, 16, run.question.as_deref());
    out
}

fn put_tool(out: &mut Vec<u8>, usage: &ToolUsage) {
    let (calls, bins) = (&usage.calls, usage.calls.durations.bins());
    let message = Message::begin(out, 15);
    put_text(out, 1, &usage.tool);
    put_number(out, 2, calls.n_calls);
    put_number(out, 3, calls.n_errors);
    put_number(out, 4, calls.total.0);
    if !bins.is_empty() {
        let packed = Message::begin(out, 5);
        bins.iter().for_each(|(bin, _)| put_varint(out, u64::from(*bin)));
        packed.end(out);
        let packed = Message::begin(out, 6);
        bins.iter().for_each(|(_, count)| put_varint(out, u64::from(*count)));
        packed.end(out);
    }
    message.end(out);
}

fn put_fact<'a>(out: &mut Vec<u8>, fact: &'a SpanFact, texts: &mut Texts<'a>) {
    let marks = mark(fact.has_response_model, HAS_RESPONSE_MODEL) | mark(fact.is_framework, IS_FRAMEWORK) | mark(fact.is_future, IS_FUTURE);
    let message = Message::begin(out, 2);
    put_bits(out, 1, fact.span.to_u64());
    put_bits(out, 2, fact.parent.map_or(0, SpanId::to_u64));
    put_bits(out, 3, fact.start.0);
    put_bits(out, 4, fact.end.0);
    put_number(out, 5, fact.kind as u64);
    put_number(out, 6, fact.status as u64);
    put_number(out, 7, marks.into());
    put_number(out, 8, texts.number(&fact.name));
    put_number(out, 9, texts.number(&fact.scope));
    if let Some(call) = &fact.call {
        put_call(out, call, texts);
    }
    if let Some(labels) = &fact.labels {
        put_labels(out, labels);
    }
    put_optional_text(out, 12, fact.failure.as_ref().map(|failure| &***failure));
    if let Some(tool) = &fact.tool {
        put_number(out, 13, texts.number(tool) + 1);
    }
    if let Some(question) = &fact.question {
        put_number(out, 14, texts.number(question) + 1);
    }
    message.end(out);
}

fn put_call<'a>(out: &mut Vec<u8>, call: &'a Call, texts: &mut Texts<'a>) {
    let usage = &call.usage;
    let message = Message::begin(out, 10);
    put_number(out, 1, texts.number(&call.model));
    put_number(out, 2, texts.number(&call.provider));
    put_optional_number(out, 3, usage.input_tokens);
    put_optional_number(out, 4, usage.output_tokens);
    put_optional_number(out, 5, usage.total_tokens);
    put_optional_number(out, 6, usage.cache_read_tokens);
    put_optional_number(out, 7, usage.cache_write_tokens);
    put_optional_number(out, 8, usage.reasoning_tokens);
    put_optional_number(out, 9, usage.cost.map(|cost| cost.0));
    put_bits(out, 10, call.response);
    put_number(out, 11, usage.cache_write_1h_tokens);
    put_number(out, 12, call.tier.map_or(0, |tier| tier as u64));
    message.end(out);
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    let message = Message::begin(out, 11);
    put_optional_text(out, 1, labels.session.as_ref().map(SessionId::as_str));
    put_optional_text(out, 2, labels.run_id.as_deref());
    put_optional_text(out, 3, labels.agent.as_deref());
    put_optional_text(out, 4, labels.workflow.as_deref());
    put_optional_text(out, 5, labels.user.as_deref());
    put_optional_text(out, 6, labels.user_group.as_deref());
    put_number(out, 7, labels.is_session_weak.into());
    put_optional_text(out, 8, labels.resource_session.as_ref().map(SessionId::as_str));
    message.end(out);
}

fn put_total(out: &mut Vec<u8>, number: u32, total: &UsageTotal) {
    let message = Message::begin(out, number);
    put_number(out, 1, total.calls);
    put_number(out, 2, total.tokens);
    put_number(out, 3, total.input_tokens);
    put_number(out, 4, total.output_tokens);
    put_number(out, 5, total.cache_read_tokens);
    put_number(out, 6, total.cache_write_tokens);
    put_number(out, 7, total.reasoning_tokens);
    put_number(out, 8, total.cost.0);
    put_number(out, 9, total.unpriced_calls);
    put_number(out, 10, total.override_calls);
    put_number(out, 11, total.table_calls);
    put_number(out, 12, total.emitted_calls);
    message.end(out);
}

// === fields: what proto3 takes for granted is not written ===

fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_varint_field(out, number, value);
    }
}

fn put_optional_number(out: &mut Vec<u8>, number: u32, value: Option<u64>) {
    if let Some(value) = value {
        put_varint_field(out, number, value);
    }
}

fn put_bits(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_fixed64(out, number, value);
    }
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, number, text.as_bytes());
    }
}

fn put_optional_text(out: &mut Vec<u8>, number: u32, text: Option<&str>) {
    if let Some(text) = text {
        put_bytes(out, number, text.as_bytes());
    }
}

// === impl Texts ===

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a Str) -> u64 {
        let (text, first): (&str, _) = (text, &self.texts[..self.texts.len().min(FIRST)]);
        // What repeats mostly is one allocation.
        if let Some(at) = first.iter().position(|known| known.len() == text.len() && (std::ptr::eq(*known, text) || *known == text)) {
            return at as u64;
        }
        if let Some(number) = self.numbers.get(text) {
            return (*number).into();
        }
        let number = self.texts.len() as u32;
        self.texts.push(text);
        if self.texts.len() > FIRST {
            self.numbers.insert(text, number);
        }
        number.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::tests::{facts, runs};
    use super::*;
    use crate::model::time::UnixNanos;
    use crate::wire::format::proto::stored;

    proptest! {
        /// What it holds, `super::tests` reads back; here it is what prost makes of it. Many texts too, so that not all are among the first.
        #[test]
        fn the_bytes_of_a_trace_are_those_that_prost_writes(
            mut facts in prop::collection::vec(facts(), 0..40),
            n_refused: u64,
            n_names in 1..40_usize,
        ) {
            for (n, fact) in facts.iter_mut().enumerate().filter(|(n, _)| n % 2 == 0) {
                fact.name = format!("GET /{}", n % n_names).into();
            }
            let (id, span) = (RunId::new(1).unwrap(), SpanId::from_u64(3).unwrap());
            let run = |session_no, started_at| RunRef { session_no, started_at: UnixNanos(started_at), id, span };
            let report = RunReport::new(id, UnixNanos(5));
            let mut stretches = Stretches::default();
            (0..n_names as u64).for_each(|n| stretches.add(n * n_refused.min(1 << 40)));
            let bytes = trace(facts.iter(), n_refused, &[run(0, 9), run(700, 0)], Some(&report), &[RunId::mint(9), id], &stretches);
            let message = stored::Trace::decode(&*bytes).unwrap();
            prop_assert!(message.strings.iter().enumerate().all(|(n, text)| !message.strings[..n].contains(text)), "a text stands twice");
            prop_assert_eq!(message.encode_to_vec(), bytes);
        }

        #[test]
        fn the_bytes_of_a_run_are_those_that_prost_writes(run in runs()) {
            let bytes = run_detail(&run);
            prop_assert_eq!(stored::RunDetail::decode(&*bytes).unwrap().encode_to_vec(), bytes);
        }
    }
}
