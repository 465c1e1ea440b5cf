//! Spans and traces in a few words.

use crate::fold::{Folded, Joined, Rules, TraceFacts, TraceLimit, Verdict, fold};
use crate::model::facts::{Labels, SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{RunKey, SessionId, SpanId, TraceId};
use crate::model::reason::Reason;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd, Usage};

pub(super) const WAXELL: &str = "waxell.observe";
pub(super) const CLAUDE_SDK: &str = "openinference.instrumentation.claude_agent_sdk";
pub(super) const ANTHROPIC_SDK: &str = "com.anthropic.sdk.python";
pub(super) const ROOMY: TraceLimit = TraceLimit { max_spans: 1_000_000 };

/// A second of the tests' day, in milliseconds of which the spans' times count.
pub(super) fn ms(millis: u64) -> UnixNanos {
    UnixNanos(1_700_000_000_000_000_000 + millis * 1_000_000)
}

pub(super) fn trace() -> TraceId {
    TraceId::from_bytes(&[7; 16]).unwrap()
}

pub(super) fn id(number: u64) -> SpanId {
    SpanId::from_u64(number).unwrap()
}

pub(super) fn run_key(span: u64) -> RunKey {
    RunKey { trace: trace(), span: id(span) }
}

/// A span of its own, from 0 to 1000 ms.
pub(super) fn span(number: u64) -> SpanFact {
    SpanFact {
        end: ms(1000),
        call: None,
        labels: None,
        start: ms(0),
        span: id(number),
        parent: None,
        kind: SpanKind::Other,
        status: SpanStatus::Unset,
        has_response_model: false,
        is_framework: false,
        is_future: false,
        name: "span".into(),
        scope: "app".into(),
        failure: None,
        tool: None,
        question: None,
    }
}

pub(super) fn agent(number: u64, name: &str) -> SpanFact {
    span(number).kind(SpanKind::Agent).label(|labels| labels.agent = (!name.is_empty()).then(|| name.into()))
}

/// A chat of the model `gpt` that took 10 ms.
pub(super) fn chat(number: u64, parent: u64, start_ms: u64, tokens: (u64, u64)) -> SpanFact {
    span(number).kind(SpanKind::Llm).under(parent).at(start_ms, start_ms + 10).used("gpt", tokens)
}

pub(super) trait Build: Sized {
    fn kind(self, kind: SpanKind) -> Self;
    fn under(self, parent: u64) -> Self;
    /// Milliseconds.
    fn at(self, start_ms: u64, end_ms: u64) -> Self;
    fn label(self, set: impl FnOnce(&mut Labels)) -> Self;
    fn session(self, session: &str) -> Self;
    /// One that a framework may have made up.
    fn weak_session(self, session: &str) -> Self;
    fn resource_session(self, session: &str) -> Self;
    fn run_id(self, run_id: &str) -> Self;
    fn used(self, model: &str, tokens: (u64, u64)) -> Self;
    /// Nano-dollars, as the span itself states them.
    fn costs(self, nanos: u64) -> Self;
    /// Tokens that were read from a cache.
    fn cached(self, tokens: u64) -> Self;
    /// By the id of the provider's answer, whose digest this is.
    fn response(self, digest: u64) -> Self;
    /// The call stays, and says nothing of what it used.
    fn without_usage(self) -> Self;
    fn named(self, name: &str) -> Self;
    fn scope(self, scope: &str) -> Self;
    /// As the SDK marks the span of the provider's call.
    fn answered(self) -> Self;
    fn framework(self) -> Self;
    fn failed(self) -> Self;
    /// Failed, and says why.
    fn failed_of(self, why: &str) -> Self;
    fn future(self) -> Self;
}

impl Build for SpanFact {
    fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    fn under(mut self, parent: u64) -> Self {
        self.parent = Some(id(parent));
        self
    }

    fn at(mut self, start_ms: u64, end_ms: u64) -> Self {
        (self.start, self.end) = (ms(start_ms), ms(end_ms));
        self
    }

    fn label(mut self, set: impl FnOnce(&mut Labels)) -> Self {
        let mut labels = self.labels.take().map_or_else(Labels::default, |labels| *labels);
        set(&mut labels);
        self.labels = (labels != Labels::default()).then(|| Box::new(labels));
        self
    }

    fn session(self, session: &str) -> Self {
        self.label(|labels| labels.session = SessionId::new(session))
    }

    fn weak_session(self, session: &str) -> Self {
        self.session(session).label(|labels| labels.is_session_weak = true)
    }

    fn resource_session(self, session: &str) -> Self {
        self.label(|labels| labels.resource_session = SessionId::new(session))
    }

    fn run_id(self, run_id: &str) -> Self {
        self.label(|labels| labels.run_id = Some(run_id.into()))
    }

    fn used(mut self, model: &str, (input, output): (u64, u64)) -> Self {
        let usage = Usage { input_tokens: Some(input), output_tokens: Some(output), ..Usage::default() };
        self.call = Some(Box::new(Call { usage, model: model.into(), provider: "openai".into(), response: 0, tier: None }));
        self
    }

    fn costs(mut self, nanos: u64) -> Self {
        self.call.as_mut().expect("a cost belongs to a call").usage.cost = Some(NanoUsd(nanos));
        self
    }

    fn cached(mut self, tokens: u64) -> Self {
        self.call.as_mut().expect("cached tokens belong to a call").usage.cache_read_tokens = Some(tokens);
        self
    }

    fn response(mut self, digest: u64) -> Self {
        self.call.as_mut().expect("an answer belongs to a call").response = digest;
        self
    }

    fn without_usage(mut self) -> Self {
        self.call.as_mut().expect("usage belongs to a call").usage = Usage::default();
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    fn scope(mut self, scope: &str) -> Self {
        self.scope = scope.into();
        self
    }

    fn answered(mut self) -> Self {
        self.has_response_model = true;
        self.scope(WAXELL)
    }

    fn framework(mut self) -> Self {
        self.is_framework = true;
        self.answered()
    }

    fn failed(mut self) -> Self {
        self.status = SpanStatus::Error;
        self
    }

    fn failed_of(mut self, why: &str) -> Self {
        self.failure = Reason::of(why).map(Box::new);
        self.failed()
    }

    fn future(mut self) -> Self {
        self.is_future = true;
        self
    }
}

/// What the SDK records at once, beside or instead of the real call.
pub(super) fn echo(number: u64, parent: u64, at_ms: u64, tokens: (u64, u64)) -> SpanFact {
    chat(number, parent, at_ms, tokens).at(at_ms, at_ms).scope(WAXELL)
}

pub(super) fn facts_of(spans: impl IntoIterator<Item = SpanFact>) -> TraceFacts {
    let mut facts = TraceFacts::default();
    for span in spans {
        assert_ne!(facts.join(span, ROOMY), Joined::Refused);
    }
    facts
}

/// Folds where nobody knows a price.
pub(super) fn folded(spans: impl IntoIterator<Item = SpanFact>) -> Folded {
    fold_facts(&facts_of(spans))
}

pub(super) fn fold_facts(facts: &TraceFacts) -> Folded {
    fold(
        trace(),
        facts,
        &[],
        &Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO },
    )
}

pub(super) fn session(run: &Run) -> &str {
    run.session.as_ref().map_or("", SessionId::as_str)
}

/// The runs as (span number, session, tokens).
pub(super) fn shown(folded: &Folded) -> Vec<(u64, &str, u64)> {
    folded.runs.iter().map(|run| (run.key.span.to_u64(), session(run), run.usage.tokens)).collect()
}

pub(super) fn run(folded: &Folded, span: u64) -> &Run {
    folded.runs.iter().find(|run| run.key == run_key(span)).expect("the span is a run")
}

pub(super) fn verdict(folded: &Folded, span: u64) -> &Verdict {
    folded.verdicts.iter().find(|verdict| verdict.span == id(span)).expect("every span has a verdict")
}

/// The span number of the run that a span belongs to.
pub(super) fn owner(folded: &Folded, span: u64) -> Option<u64> {
    verdict(folded, span).run.map(|run| folded.runs[run].key.span.to_u64())
}
