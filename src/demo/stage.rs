//! Plays one conversation: tale in, spans and the truth about them out. Times are nanoseconds since the first message.

use std::ops::RangeInclusive;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::dice::Dice;
use super::span::{self, Called, Failure, Identity, SpanOutline};
use super::tale::{Act, EMBEDDING, INSTRUCTION_TOKENS, Model, Tale};
use super::truth::RunTruth;
use crate::model::usage::NanoUsd;

const MILLISECOND: u64 = 1_000_000;
/// What a model needs for one token of its answer.
const TOKEN_NS: u64 = 14 * MILLISECOND;
const USERS: &[&str] = &["ana", "jonas", "mei", "priya", "tom", "lucia", "omar", "hanna", "kofi", "elif", "nora", "diego"];
const CITIES: &[&str] = &["Leipzig", "Utrecht", "Porto", "Graz", "Ghent", "Aarhus", "Lyon", "Turin"];

/// A conversation as it was played.
pub(super) struct Played {
    pub session_id: String,
    pub service: &'static str,
    pub turns: Vec<PlayedTurn>,
}

/// One trace.
pub(super) struct PlayedTurn {
    /// As the SDK exports them: by their ends, so every child before its parent.
    pub spans: Vec<Span>,
    pub runs: Vec<RunTruth>,
    pub end: u64,
}

/// Who does something, and on whose behalf.
struct Role<'a> {
    agent: &'a str,
    model: &'a Model,
    prompt: &'a str,
    answer: &'a str,
}

struct Stage<'a> {
    /// Throws what happens.
    dice: &'a mut Dice,
    /// Throws the ids of traces and spans.
    id_dice: &'a mut Dice,
    session_id: &'a str,
    user_id: &'a str,
    workflow: &'a str,
    clock: u64,
    trace_id: Vec<u8>,
    /// Tokens of what was said before.
    context: u64,
    spans: Vec<Span>,
    runs: Vec<RunTruth>,
}

/// Plays `tale` as `session_id`; between two turns the user thinks for `pause_ms`.
pub(super) fn play(tale: &Tale, session_id: String, dice: &mut Dice, id_dice: &mut Dice, pause_ms: RangeInclusive<u64>) -> Played {
    let user_id = format!("{}.{:03}", dice.pick(USERS), dice.within(1..=999));
    let name = user_id.split('.').next().unwrap_or_default();
    let words = [
        ("{name}", name[..1].to_uppercase() + &name[1..]),
        ("{order}", dice.within(10_000..=99_999).to_string()),
        ("{city}", dice.pick(CITIES).to_owned()),
        ("{amount}", dice.within(4..=120).to_string()),
    ];
    let mut stage = Stage {
        dice,
        id_dice,
        session_id: &session_id,
        user_id: &user_id,
        workflow: tale.workflow,
        clock: 0,
        trace_id: Vec::new(),
        context: INSTRUCTION_TOKENS,
        spans: Vec::new(),
        runs: Vec::new(),
    };
    let mut turns = Vec::new();
    for turn in tale.turns {
        let (prompt, answer) = (fill(turn.ask, &words), fill(turn.answer, &words));
        stage.trace_id = stage.id_dice.id::<16>();
        stage.run(&Role { agent: tale.agent, model: tale.model, prompt: &prompt, answer: &answer }, turn.acts, None);
        stage.context += tokens_of(&prompt) + tokens_of(&answer);
        let (spans, runs) = (std::mem::take(&mut stage.spans), std::mem::take(&mut stage.runs));
        turns.push(PlayedTurn { spans, runs, end: stage.clock });
        stage.pass(pause_ms.clone());
    }
    Played { session_id, service: tale.service, turns }
}

// === impl Stage ===

impl Stage<'_> {
    fn run(&mut self, role: &Role<'_>, acts: &[Act], parent: Option<&[u8]>) {
        let span_id = self.id_dice.id::<8>();
        let start = self.clock;
        let mut run = RunTruth { agent: role.agent.to_owned(), start, ..RunTruth::default() };
        self.pass(1..=6);
        let failure = self.act(role, acts, &span_id, &mut run);
        self.pass(1..=4);
        run.end = self.clock;
        run.is_error = failure.is_some();
        let who = Identity {
            agent: role.agent,
            workflow: self.workflow,
            session_id: self.session_id,
            user_id: self.user_id,
            n_calls: run.n_calls,
        };
        let trace_id = self.trace_id.clone();
        let outline = SpanOutline { trace_id: &trace_id, span_id, parent, start, end: self.clock };
        self.spans.push(span::agent(outline, &who, failure.as_ref()));
        self.runs.push(run);
    }

    /// Does all of `acts` below the span `parent`; what ended it early, if anything did.
    fn act(&mut self, role: &Role<'_>, acts: &[Act], parent: &[u8], run: &mut RunTruth) -> Option<Failure> {
        for (position, act) in acts.iter().enumerate() {
            let said = said(role, acts, position);
            match act {
                Act::Call => self.call(role, &said, parent, run),
                Act::Stream => self.stream(role, &said, parent, run),
                Act::EchoedCall => self.echoed_call(role, &said, parent, run),
                Act::Refused => drop(self.refused(role, parent)),
                Act::Fatal => return Some(self.refused(role, parent)),
                Act::Embed => self.embed(role, parent, run),
                Act::Step(name) => self.moment(parent, |outline| span::step(outline, name, position as u64)),
                Act::Decide(name, options) => self.moment(parent, |outline| span::decision(outline, name, options)),
                Act::Search(source) => self.moment(parent, |outline| span::retrieval(outline, source, role.prompt)),
                Act::Tool(name) => self.tool(parent, name, None),
                Act::BrokenTool(name, error) => self.tool(parent, name, Some(error)),
                Act::UnseenTool(inner) => {
                    let unseen = self.id_dice.id::<8>();
                    let within = Role { answer: "Nothing else in the repository depends on this.", ..*role };
                    if let failure @ Some(_) = self.act(&within, inner, &unseen, run) {
                        return failure;
                    }
                }
                Act::Delegate(helper) => {
                    let prompt = format!("[{}] {}", role.agent, role.prompt);
                    let helper_role = Role { agent: helper.agent, model: helper.model, prompt: &prompt, answer: helper.answer };
                    self.run(&helper_role, helper.acts, Some(parent));
                }
            }
            self.pass(2..=40);
        }
        None
    }

    fn call(&mut self, role: &Role<'_>, answer: &str, parent: &[u8], run: &mut RunTruth) {
        let called = self.usage(role, answer);
        let start = self.clock;
        self.clock += called.output_tokens * TOKEN_NS;
        self.pass(300..=900);
        self.emit(parent, start, self.clock, |outline| span::call(outline, &called, None));
        run.count(&called);
    }

    fn stream(&mut self, role: &Role<'_>, answer: &str, parent: &[u8], run: &mut RunTruth) {
        let called = self.usage(role, answer);
        let start = self.clock;
        let first_token_ms = self.dice.within(180..=700);
        self.clock += first_token_ms * MILLISECOND + called.output_tokens * TOKEN_NS;
        self.emit(parent, start, self.clock, |outline| span::call(outline, &called, Some(first_token_ms)));
        let echo_start = self.clock + self.dice.within(200_000..=1_200_000);
        let echo_end = echo_start + self.dice.within(4_000..=9_000);
        self.emit(parent, echo_start, echo_end, |outline| span::echo(outline, &called));
        self.clock = echo_end;
        run.count(&called);
    }

    fn echoed_call(&mut self, role: &Role<'_>, answer: &str, parent: &[u8], run: &mut RunTruth) {
        let called = self.usage(role, answer);
        let start = self.clock;
        self.clock += called.output_tokens * TOKEN_NS;
        self.pass(300..=900);
        let echo_start = self.clock - self.dice.within(900_000..=1_900_000);
        self.emit(parent, echo_start, echo_start + 7_000, |outline| span::echo(outline, &called));
        self.emit(parent, start, self.clock, |outline| span::call(outline, &called, None));
        run.count(&called);
    }

    fn refused(&mut self, role: &Role<'_>, parent: &[u8]) -> Failure {
        let failure = Failure {
            kind: "openai.RateLimitError",
            message: format!(
                "Error code: 429 - Rate limit reached for {} on tokens per min (TPM). Please try again in 6s.",
                role.model.name
            ),
        };
        let start = self.clock;
        self.pass(40..=160);
        self.emit(parent, start, self.clock, |outline| span::refused_call(outline, role.model, role.prompt, &failure));
        failure
    }

    fn embed(&mut self, role: &Role<'_>, parent: &[u8], run: &mut RunTruth) {
        let input_tokens = tokens_of(role.prompt);
        let cost_usd = dollars(&EMBEDDING, input_tokens, 0);
        let called = Called { model: &EMBEDDING, input_tokens, output_tokens: 0, cost_usd, prompt: role.prompt, answer: "" };
        let start = self.clock;
        self.pass(30..=120);
        self.emit(parent, start, self.clock, |outline| span::embedding(outline, &called));
        run.count(&called);
    }

    fn tool(&mut self, parent: &[u8], name: &str, error: Option<&str>) {
        let start = self.clock;
        self.pass(20..=600);
        self.clock += self.dice.within(3_000..=9_000);
        self.emit(parent, start, self.clock, |outline| span::tool(outline, name, error));
    }

    /// What the SDK notes by hand: a span without a length worth the name.
    fn moment(&mut self, parent: &[u8], make: impl FnOnce(SpanOutline<'_>) -> Span) {
        self.pass(20..=600);
        let start = self.clock;
        self.clock += self.dice.within(3_000..=9_000);
        self.emit(parent, start, self.clock, make);
    }

    fn emit(&mut self, parent: &[u8], start: u64, end: u64, make: impl FnOnce(SpanOutline<'_>) -> Span) {
        let span_id = self.id_dice.id::<8>();
        self.spans.push(make(SpanOutline { trace_id: &self.trace_id, span_id, parent: Some(parent), start, end }));
    }

    fn usage<'a>(&mut self, role: &'a Role<'_>, answer: &'a str) -> Called<'a> {
        let input_tokens = self.context + tokens_of(role.prompt) + self.dice.within(0..=90);
        let output_tokens = tokens_of(answer) + self.dice.within(0..=12);
        let cost_usd = dollars(role.model, input_tokens, output_tokens);
        Called { model: role.model, input_tokens, output_tokens, cost_usd, prompt: role.prompt, answer }
    }

    fn pass(&mut self, milliseconds: RangeInclusive<u64>) {
        self.clock += self.dice.within(milliseconds) * MILLISECOND + self.dice.within(0..=999_999);
    }
}

// === impl RunTruth ===

impl RunTruth {
    fn count(&mut self, called: &Called<'_>) {
        self.n_calls += 1;
        self.tokens += called.input_tokens + called.output_tokens;
        let is_priced = called.cost_usd > 0.0;
        self.unpriced_calls += u64::from(!is_priced);
        self.cost_nanos += NanoUsd::from_dollars(called.cost_usd).unwrap_or_default().0;
    }
}

/// What the model says: the answer where no call follows, else which tool it wants.
fn said(role: &Role<'_>, acts: &[Act], position: usize) -> String {
    let after = &acts[position + 1..];
    let is_last = !after.iter().any(|act| matches!(act, Act::Call | Act::Stream | Act::EchoedCall | Act::Delegate(_)));
    let wanted = after.iter().find_map(|act| match act {
        Act::Tool(name) | Act::BrokenTool(name, _) => Some(*name),
        _ => None,
    });
    match wanted {
        _ if is_last => role.answer.to_owned(),
        Some(tool) => format!("I will use {tool}."),
        None => "Let me look at that more closely first.".to_owned(),
    }
}

/// As the SDK computes it, in floating point.
fn dollars(model: &Model, input_tokens: u64, output_tokens: u64) -> f64 {
    input_tokens as f64 * model.input_price / 1e6 + output_tokens as f64 * model.output_price / 1e6
}

/// Four letters a token, roughly.
fn tokens_of(text: &str) -> u64 {
    text.len() as u64 / 4 + 3
}

fn fill(text: &str, words: &[(&str, String)]) -> String {
    words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
}
