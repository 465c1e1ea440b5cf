//! Which of the numbers on a span stand (`docs/conventions.md`, "Tokens and cost").
//!
//! A span may state the same usage in several dialects at once. Its tokens come from one namespace and its cost from one, so that nothing
//! is ever added across dialects; a zero never hides a real number.

use super::json;
use super::number::{self, Reading};
use super::sources::Settled;
use super::tables::{Namespace, Part};
use super::{Oddities, Oddity};
use crate::model::usage::{NanoUsd, SPAN_COST_MAX, SPAN_TOKENS_MAX, Usage};
use crate::wire::otlp::Value;

/// What each namespace claims of one span.
#[derive(Default)]
pub(super) struct Claims {
    /// By namespace: mostly one or two of them claim anything.
    told: Vec<(Namespace, Claim)>,
}

#[derive(Clone, Copy, Default)]
struct Claim {
    usage: Usage,
    cost_of_input: Option<NanoUsd>,
    cost_of_output: Option<NanoUsd>,
    /// Once settled: the cost is the sum of these two, and not what was claimed.
    is_cost_of_halves: bool,
}

// === impl Claims ===

impl Claims {
    /// Takes note of one attribute, and says whether it is what stands for its number so far. Attributes must come in the order of their
    /// rows.
    pub(super) fn add(&mut self, namespace: Namespace, part: Part, value: Value<'_>, oddities: &mut Oddities) -> bool {
        let claim = self.claim(namespace);
        let usage = &mut claim.usage;
        match part {
            Part::Input => take_tokens(&mut usage.input_tokens, value, oddities),
            Part::Output => take_tokens(&mut usage.output_tokens, value, oddities),
            Part::Total => take_tokens(&mut usage.total_tokens, value, oddities),
            Part::CacheRead => take_tokens(&mut usage.cache_read_tokens, value, oddities),
            Part::CacheWrite => take_tokens(&mut usage.cache_write_tokens, value, oddities),
            Part::CacheWrite1h => take_part(&mut usage.cache_write_1h_tokens, value, oddities),
            Part::Reasoning => take_tokens(&mut usage.reasoning_tokens, value, oddities),
            Part::Cost => take_dollars(&mut usage.cost, value, oddities),
            Part::CostOfInput => take_dollars(&mut claim.cost_of_input, value, oddities),
            Part::CostOfOutput => take_dollars(&mut claim.cost_of_output, value, oddities),
            Part::TokensJson if namespace == Namespace::LiteLlm => take_printed_tokens(usage, value, oddities),
            Part::TokensJson => take_tokens_json(usage, value, oddities),
            Part::AnswerJson => take_answer_json(usage, value, oddities),
            Part::CostJson => take_cost_json(&mut usage.cost, value, oddities),
        }
    }

    fn claim(&mut self, namespace: Namespace) -> &mut Claim {
        let at = match self.told.last() {
            Some((last, _)) if *last == namespace => self.told.len() - 1,
            _ => self.told.partition_point(|(known, _)| *known < namespace),
        };
        if self.told.get(at).is_none_or(|(known, _)| *known != namespace) {
            self.told.insert(at, (namespace, Claim::default()));
        }
        &mut self.told[at].1
    }

    /// The usage of the span, and which namespace told each part of it.
    pub(super) fn settle(mut self, oddities: &mut Oddities) -> (Usage, Settled) {
        self.told.iter_mut().for_each(|(_, claim)| claim.settle(oddities));
        if let Some((_, claim)) = self.told.iter_mut().find(|(namespace, _)| *namespace == Namespace::ClaudeCode) {
            // Its bare keys leave cached tokens out of the input.
            let usage = &mut claim.usage;
            let cached = usage.cache_read_tokens.unwrap_or(0) + usage.cache_write_tokens.unwrap_or(0);
            usage.input_tokens = usage.input_tokens.map(|input| (input + cached).min(SPAN_TOKENS_MAX));
        }
        let states_tokens = |usage: &Usage| usage.input_tokens.or(usage.output_tokens).or(usage.total_tokens).is_some();
        let first = |speaks: &dyn Fn(&Usage) -> bool| self.told.iter().position(|(_, claim)| speaks(&claim.usage));
        let speaker = first(&|usage| usage.tokens() > 0).or_else(|| first(&states_tokens));
        let spoken = speaker.map(|speaker| self.told[speaker].1.usage).unwrap_or_default();
        // Of each other number what stands first that is not zero, else what stands first: of the namespace that told the tokens, and then
        // of each in turn.
        let mut told = [None; 5];
        for at in speaker.into_iter().chain(0..self.told.len()) {
            let Usage { cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, cost, .. } = self.told[at].1.usage;
            let write_1h = Some(cache_write_1h_tokens).filter(|&tokens| tokens > 0);
            let parts = [cache_read_tokens, cache_write_tokens, write_1h, reasoning_tokens, cost.map(|cost| cost.0)];
            for (told, part) in told.iter_mut().zip(parts) {
                if let Some(number) = part.filter(|&number| told.is_none_or(|(_, known)| known == 0 && number > 0)) {
                    *told = Some((at, number));
                }
            }
        }
        let [cache_read, cache_write, write_1h, reasoning, cost] = told;
        let number = |told: Option<(usize, u64)>| told.map(|(_, number)| number);
        let namespace = |told: Option<(usize, u64)>| told.map(|(at, _)| self.told[at].0 as usize);
        let usage = Usage {
            cache_read_tokens: number(cache_read),
            // A part that is told without the whole is all of it that is known.
            cache_write_tokens: number(cache_write).max(number(write_1h)),
            cache_write_1h_tokens: number(write_1h).unwrap_or(0),
            reasoning_tokens: number(reasoning),
            cost: number(cost).map(NanoUsd),
            ..spoken
        };
        let settled = Settled {
            tokens: speaker.map(|at| self.told[at].0 as usize),
            cache_read: namespace(cache_read),
            cache_write: namespace(cache_write),
            cache_write_1h: namespace(write_1h),
            reasoning: namespace(reasoning),
            cost: namespace(cost),
            is_cost_of_halves: cost.is_some_and(|(at, _)| self.told[at].1.is_cost_of_halves),
        };
        (usage, settled)
    }
}

// === impl Claim ===

impl Claim {
    /// Makes of what was claimed what is believed.
    fn settle(&mut self, oddities: &mut Oddities) {
        let usage = &mut self.usage;
        let is_split_empty = usage.input_tokens.unwrap_or(0) + usage.output_tokens.unwrap_or(0) == 0;
        if is_split_empty && usage.total_tokens.is_some_and(|total| total > 0) {
            // Zeros beside a real total: the split is not known.
            usage.input_tokens = None;
            usage.output_tokens = None;
        }
        if usage.cost.is_none_or(|cost| cost.0 == 0) {
            let parts = [self.cost_of_input, self.cost_of_output];
            let sum = parts.iter().flatten().map(|cost| cost.0).reduce(|a, b| a + b).map(NanoUsd);
            match sum {
                Some(sum) if sum > SPAN_COST_MAX => oddities.insert(Oddity::CostInvalid),
                Some(sum) if usage.cost != Some(sum) => {
                    usage.cost = Some(sum);
                    self.is_cost_of_halves = true;
                }
                _ => {}
            }
        }
    }
}

fn take_tokens(slot: &mut Option<u64>, value: Value<'_>, oddities: &mut Oddities) -> bool {
    match number::tokens(value) {
        Reading::Stated(count) => return put(slot, count),
        Reading::Invalid => oddities.insert(Oddity::TokensInvalid),
        Reading::Absent => {}
    }
    false
}

/// A number of which zero says as much as silence.
fn take_part(slot: &mut u64, value: Value<'_>, oddities: &mut Oddities) -> bool {
    let mut told = Some(*slot);
    let is_new = take_tokens(&mut told, value, oddities);
    *slot = told.unwrap_or(0);
    is_new
}

fn take_dollars(slot: &mut Option<NanoUsd>, value: Value<'_>, oddities: &mut Oddities) -> bool {
    match number::dollars(value) {
        Reading::Stated(cost) => return put(slot, cost),
        Reading::Invalid => oddities.insert(Oddity::CostInvalid),
        Reading::Absent => {}
    }
    false
}

fn take_tokens_json(usage: &mut Usage, value: Value<'_>, oddities: &mut Oddities) -> bool {
    let Value::Str(text) = value else { return false };
    // Python's LangSmith writes parts of it once more as Python does, not as JSON.
    if text.starts_with("{'") || (Usage { cost: None, ..*usage }) != Usage::default() {
        return false;
    }
    let (stated, is_sound) = json::tokens(text);
    if !is_sound {
        oddities.insert(Oddity::TokensInvalid);
    }
    *usage = Usage { cost: usage.cost, ..stated };
    true
}

/// LiteLLM has Python print them.
fn take_printed_tokens(usage: &mut Usage, value: Value<'_>, oddities: &mut Oddities) -> bool {
    let Value::Str(text) = value else { return false };
    let json = json::of_python(text);
    take_tokens_json(usage, Value::Str(json.as_deref().unwrap_or(text)), oddities)
}

/// What is no answer, or tells no usage, is no claim: the key may hold anything.
fn take_answer_json(usage: &mut Usage, value: Value<'_>, oddities: &mut Oddities) -> bool {
    let Value::Str(text) = value else { return false };
    let (stated, is_sound) = json::answer(text);
    if !is_sound {
        oddities.insert(Oddity::TokensInvalid);
    }
    *usage = stated;
    stated != Usage::default()
}

fn take_cost_json(slot: &mut Option<NanoUsd>, value: Value<'_>, oddities: &mut Oddities) -> bool {
    let Value::Str(text) = value else { return false };
    let (cost, is_sound) = json::dollars(text);
    if !is_sound {
        oddities.insert(Oddity::CostInvalid);
    }
    cost.is_some_and(|cost| put(slot, cost))
}

/// The first that is stated stands, unless it is zero and a later one is not.
fn put<T: Default + PartialEq>(slot: &mut Option<T>, stated: T) -> bool {
    let is_open = slot.as_ref().is_none_or(|known| *known == T::default());
    // A zero after a zero says nothing new.
    if !is_open || slot.is_some() && stated == T::default() {
        return false;
    }
    *slot = Some(stated);
    true
}
