//! Traces for properties: wild ones, where anything can hang from anything, and ones as programs make them.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::build::*;
use crate::model::facts::{SpanFact, SpanKind, SpanStatus};
use crate::model::ids::SessionId;
use crate::model::reason::Reason;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd, Usage};

/// Any trace of up to 24 spans: cycles, self-parents, missing parents and starts, several roots, every kind and scope.
pub(super) fn wild() -> impl Strategy<Value = Vec<SpanFact>> {
    vec(wild_span(), 0..24).prop_map(|spans| {
        let n = spans.len() as u64;
        let number = |at: usize| 1 + (at as u64 * 7) % 29;
        let place = |(at, (mut fact, hang)): (usize, (SpanFact, Hang))| {
            fact.span = id(number(at));
            fact.parent = match hang {
                Hang::Nowhere => None,
                Hang::Lost(missing) => Some(id(1000 + missing)),
                Hang::Self_ => Some(fact.span),
                Hang::Earlier(which) => (at > 0).then(|| id(number((which % at.max(1) as u64) as usize))),
                Hang::Any(which) => Some(id(number((which % n) as usize))),
            };
            fact
        };
        spans.into_iter().enumerate().map(place).collect()
    })
}

#[derive(Clone, Copy, Debug)]
enum Hang {
    Nowhere,
    Lost(u64),
    Self_,
    /// From a span that was listed before: a tree.
    Earlier(u64),
    /// From any span: cycles.
    Any(u64),
}

fn wild_span() -> impl Strategy<Value = (SpanFact, Hang)> {
    let hang = prop_oneof![
        2 => Just(Hang::Nowhere),
        3 => (0..3_u64).prop_map(Hang::Lost),
        1 => Just(Hang::Self_),
        12 => (0..100_u64).prop_map(Hang::Earlier),
        2 => (0..100_u64).prop_map(Hang::Any),
    ];
    let kind = prop_oneof![
        3 => Just(SpanKind::Other),
        4 => Just(SpanKind::Agent),
        1 => Just(SpanKind::Workflow),
        5 => Just(SpanKind::Llm),
        1 => Just(SpanKind::Embedding),
        1 => Just(SpanKind::Tool),
        1 => Just(SpanKind::Step),
    ];
    let times =
        (prop_oneof![1 => Just(None), 12 => (0..40_u64).prop_map(Some)], prop_oneof![1 => Just(None), 12 => (0..60_u64).prop_map(Some)]);
    let sessions = (weighted(0.25, select(vec!["s", "t"])), weighted(0.3, Just(())), weighted(0.1, select(vec!["s", "r"])));
    let names = (sessions, weighted(0.1, select(vec!["4711", "4712"])), weighted(0.3, select(vec!["a", "b"])));
    let scope = select(vec![WAXELL, WAXELL, "app", "other", ANTHROPIC_SDK, CLAUDE_SDK]);
    let marks = (any::<bool>(), weighted(0.2, Just(())), scope, 0..10_u8);
    (hang, kind, times, names, weighted(0.6, call()), marks).prop_map(|(hang, kind, (start, end), names, call, marks)| {
        let ((session, weak, of_resource), run_id, name) = names;
        let mut fact = span(1).kind(kind).label(|labels| {
            labels.session = session.and_then(SessionId::new);
            labels.is_session_weak = session.is_some() && weak.is_some();
            labels.resource_session = of_resource.and_then(SessionId::new).filter(|_| session.is_none());
            labels.run_id = run_id.map(Into::into);
            labels.agent = name.map(Into::into);
            labels.user = name.map(Into::into);
        });
        fact.start = start.map_or(UnixNanos::ZERO, ms);
        fact.end = end.map_or(UnixNanos::ZERO, ms);
        fact.call = call;
        let (answered, framework, scope, dice) = marks;
        (fact.has_response_model, fact.is_framework, fact.scope) = (answered, framework.is_some(), scope.into());
        fact.is_future = dice == 0;
        fact.status = if matches!(dice, 1..=3) { SpanStatus::Error } else { SpanStatus::Unset };
        fact.question = ["hi", "Where is\nmy order?"].get(usize::from(dice).wrapping_sub(1)).map(|asked| Box::new((*asked).into()));
        fact.failure = ["error", "no such order"].get(usize::from(dice).wrapping_sub(2)).and_then(|why| Reason::of(why)).map(Box::new);
        (fact, hang)
    })
}

fn call() -> impl Strategy<Value = Box<Call>> {
    let cost = prop_oneof![Just(None), Just(Some(0)), (1..2000_u64).prop_map(Some)];
    let tokens = prop_oneof![
        1 => Just(None),
        5 => (select(vec![0_u64, 5, 7]), select(vec![0_u64, 3])).prop_map(Some),
    ];
    let response = prop_oneof![2 => Just(0), 1 => 1..4_u64];
    let cached = weighted(0.2, 1..5_u64);
    (tokens, select(vec!["gpt", "claude"]), cost, response, cached).prop_map(|(tokens, model, cost, response, cached)| {
        let usage = tokens.map_or_else(Usage::default, |(input, output)| Usage {
            input_tokens: Some(input),
            output_tokens: (output > 0).then_some(output),
            cache_read_tokens: cached.filter(|&cached| cached <= input),
            cost: cost.map(NanoUsd),
            ..Usage::default()
        });
        Box::new(Call { usage, model: model.into(), provider: "openai".into(), response, tier: None })
    })
}

/// What a program does, step by step.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Starts an agent run within what is open.
    Agent { session: Option<&'static str> },
    /// Opens a tool span; one of another exporter never arrives.
    Tool { is_lost: bool },
    /// Ends what was opened last.
    Close,
    /// Calls a model, `times` alike; how each call shows.
    Call { tokens: u64, shows: Shows, times: u64 },
    /// Has the open agent claim the sum of what was called below it so far.
    Claim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Plain,
    /// An echo just after it: streams.
    EchoAfter,
    /// An echo within it: Ollama, Mistral.
    EchoInside,
    /// A framework's wrapper beside it: LangChain, two spans.
    Wrapped,
    /// Wrapper, call, and an echo of each: LangChain's streams, four spans.
    WrappedWithEchoes,
    /// Another instrumentation's model span above it.
    Stacked,
}

pub(super) fn program() -> impl Strategy<Value = Vec<Act>> {
    let shows = select(vec![Shows::Plain, Shows::EchoAfter, Shows::EchoInside, Shows::Wrapped, Shows::WrappedWithEchoes, Shows::Stacked]);
    let act = prop_oneof![
        2 => select(vec![None, Some("s"), Some("t")]).prop_map(|session| Act::Agent { session }),
        2 => any::<bool>().prop_map(|is_lost| Act::Tool { is_lost }),
        3 => Just(Act::Close),
        5 => (1..50_u64, shows, 1..3_u64).prop_map(|(tokens, shows, times)| Act::Call { tokens, shows, times }),
        1 => Just(Act::Claim),
    ];
    vec(act, 0..30)
}

/// A program's spans, and the truth: the tokens of each run by the number of its span.
#[derive(Default)]
pub(super) struct Recorded {
    pub spans: Vec<SpanFact>,
    pub runs: Vec<(u64, &'static str, u64)>,
    now_ms: u64,
    n_spans: u64,
    open: Vec<Open>,
}

struct Open {
    number: u64,
    /// Index into `spans`, if it will arrive.
    at: Option<usize>,
    /// Index into `runs`, if it is an agent's.
    run: Option<usize>,
}

impl Recorded {
    /// Runs a program below one agent of the session `s`.
    pub fn of(program: &[Act]) -> Self {
        let mut recorded = Self::default();
        recorded.act(&Act::Agent { session: Some("s") });
        for act in program {
            recorded.act(act);
        }
        while recorded.open.len() > 1 {
            recorded.act(&Act::Close);
        }
        recorded.close();
        recorded
    }

    fn act(&mut self, act: &Act) {
        // Between two acts, so that one call's echo is never near another call of the same tokens.
        self.now_ms += 100;
        match *act {
            Act::Agent { session } => self.open_agent(session),
            Act::Tool { is_lost } => {
                let number = self.number();
                let fact = self.hang(span(number).kind(SpanKind::Tool));
                self.open.push(Open { number, at: (!is_lost).then_some(self.spans.len()), run: None });
                self.spans.extend((!is_lost).then_some(fact));
            }
            Act::Close if self.open.len() > 1 => self.close(),
            Act::Close => {}
            Act::Call { tokens, shows, times } => {
                for _ in 0..times {
                    self.call(tokens, shows);
                    self.now_ms += 100;
                }
            }
            Act::Claim => {
                let Some(run) = self.open.last().and_then(|open| open.run) else { return };
                let (number, _, tokens) = self.runs[run];
                let agent = self.spans.iter_mut().find(|fact| fact.span == id(number)).expect("an agent's span arrives");
                *agent = agent.clone().used("gpt", (tokens, 0));
            }
        }
    }

    fn open_agent(&mut self, session: Option<&'static str>) {
        let number = self.number();
        let inherited = self.open.iter().rev().find_map(|open| open.run).map_or("", |run| self.runs[run].1);
        let fact = agent(number, "a").run_id("7").scope(WAXELL);
        let fact = self.hang(session.map_or(fact.clone(), |session| fact.session(session)));
        self.open.push(Open { number, at: Some(self.spans.len()), run: Some(self.runs.len()) });
        self.spans.push(fact);
        self.runs.push((number, session.unwrap_or(inherited), 0));
    }

    fn close(&mut self) {
        let end = ms(self.now_ms + 50);
        if let Some(at) = self.open.pop().and_then(|open| open.at) {
            self.spans[at].end = end;
        }
    }

    fn call(&mut self, tokens: u64, shows: Shows) {
        let run = self.open.iter().rev().find_map(|open| open.run).expect("an agent is always open");
        self.runs[run].2 += tokens;
        let now = self.now_ms;
        let chat = |number, from, to| chat(number, 1, 0, (tokens, 0)).at(from, to).scope(WAXELL);
        let (outer, inner) = (self.number(), self.number());
        let call = self.hang(chat(inner, now + 2, now + 40).answered());
        let wrapper = self.hang(chat(outer, now + 1, now + 42).framework());
        match shows {
            Shows::Plain => self.spans.push(call),
            Shows::EchoAfter | Shows::EchoInside => {
                self.spans.push(call);
                self.echo(tokens, if shows == Shows::EchoAfter { 42 } else { 30 });
            }
            Shows::Wrapped => self.spans.extend([wrapper, call]),
            Shows::WrappedWithEchoes => {
                self.spans.extend([wrapper, call]);
                self.echo(tokens, 41);
                self.echo(tokens, 43);
            }
            Shows::Stacked => self.spans.extend([wrapper.scope("app"), call.under(outer)]),
        }
    }

    fn echo(&mut self, tokens: u64, after_ms: u64) {
        let number = self.number();
        let fact = self.hang(echo(number, 1, self.now_ms + after_ms, (tokens, 0)));
        self.spans.push(fact);
    }

    fn number(&mut self) -> u64 {
        self.n_spans += 1;
        // Scattered, as random ids are.
        self.n_spans.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8
    }

    fn hang(&self, mut fact: SpanFact) -> SpanFact {
        if fact.kind != SpanKind::Llm {
            fact.start = ms(self.now_ms);
        }
        fact.parent = self.open.last().map(|open| id(open.number));
        fact
    }
}
