//! Spans of our own: corrections of what was exported before, and runs that no span of the sender's stands for.
//!
//! - They carry attributes of our namespace only, and a name that every query can leave out.
//! - Ids are computed from what is said: the same correction twice is one span.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::account::{Amounts, Owner, Subject};
use super::dollars;
use super::run_attributes::{put_identity, put_outcome, put_run};
use crate::model::ids::{SpanId, TraceId};
use crate::model::logs;
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::tempo::keys::{
    CORRECTION_NAME, COST, RUN_COST, RUN_LLM_CALLS, RUN_TOKENS, SCOPE, STATUS, SYNTHETIC_KEY, SYNTHETIC_NAME, TOKENS, USER_GROUP, USER_ID,
    WORKFLOW_NAME,
};
use crate::wire::otlp::stamp::{Stamps, encoded};

/// The difference to what Tempo has, in one trace.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Correction {
    pub(super) trace: TraceId,
    pub(super) owner: Owner,
    pub(super) subject: Subject,
    /// When the run began: so that it is in the same part of every chart, and in the same window of every query.
    pub(super) at: UnixNanos,
    pub(super) difference: Amounts,
    /// What Tempo had before; part of the id, since the same difference can be due twice.
    pub(super) before: Amounts,
}

/// A completed run that no span of the sender's stands for.
#[derive(Clone, Debug)]
pub(super) struct Synthetic {
    pub(super) run: Arc<Run>,
    /// What the stamps on its calls do not come to.
    pub(super) untold: Amounts,
    /// It is a turn of a coding agent, and this is its own span.
    pub(super) is_turn: bool,
}

/// The spans as an encoded request, to follow another one.
pub(super) fn request(corrections: &[Correction], synthetics: &[Synthetic]) -> Vec<u8> {
    let scope = InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() };
    let (turns, others): (Vec<&Synthetic>, Vec<&Synthetic>) = synthetics.iter().partition(|synthetic| synthetic.is_turn);
    let spans: Vec<Span> = corrections.iter().map(Correction::span).chain(others.into_iter().map(Synthetic::span)).collect();
    let mut scope_spans = Vec::new();
    if !spans.is_empty() {
        scope_spans.push(ScopeSpans { scope: Some(scope), spans, schema_url: String::new() });
    }
    scope_spans.extend(turns.into_iter().map(Synthetic::turn));
    let resource_spans = ResourceSpans { resource: None, scope_spans, schema_url: String::new() };
    opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
}

// === impl Correction ===

impl Correction {
    fn span(&self) -> Span {
        let mut span = Span {
            trace_id: self.trace.as_bytes().to_vec(),
            span_id: self.id().to_bytes().to_vec(),
            // Below the run it is about, so that a trace keeps its one root.
            parent_span_id: self.owner.run.map(|run| run.to_bytes().to_vec()).unwrap_or_default(),
            name: CORRECTION_NAME.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: self.at.0,
            end_time_unix_nano: self.at.0,
            ..Span::default()
        };
        // Attributes are fields of a span, so they can be read into one.
        let attributes = encoded(|stamps| self.put(stamps));
        span.merge(&attributes[..]).expect("our own encoding is well formed");
        span
    }

    fn put(&self, stamps: &mut Stamps<'_>) {
        put_identity(stamps, self.owner.session.as_ref(), self.subject.id, &self.subject.agent);
        let Amounts { cost, tokens, run_cost, run_tokens, run_calls } = self.difference;
        let amounts: [(&str, i64, bool); 5] = [
            (COST, cost, true),
            (TOKENS, tokens, false),
            (RUN_COST, run_cost, true),
            (RUN_TOKENS, run_tokens, false),
            (RUN_LLM_CALLS, run_calls, false),
        ];
        for (key, amount, is_money) in amounts.into_iter().filter(|(_, amount, _)| *amount != 0) {
            if is_money { stamps.double(key, dollars(amount)) } else { stamps.int(key, amount) }
        }
    }

    fn id(&self) -> SpanId {
        let mut id = IdOfWords::default();
        let mut put = |bytes: &[u8]| id.put(bytes);
        put(self.trace.as_bytes());
        put(&self.owner.run.map_or(0, SpanId::to_u64).to_be_bytes());
        put(self.owner.session.as_ref().map_or("", |session| session.as_str()).as_bytes());
        for Amounts { cost, tokens, run_cost, run_tokens, run_calls } in [self.before, self.difference] {
            for amount in [cost, tokens, run_cost, run_tokens, run_calls] {
                put(&amount.to_be_bytes());
            }
        }
        id.finish()
    }
}

// === impl Synthetic ===

impl Synthetic {
    /// The span of a turn, as its agent would have made it.
    fn turn(&self) -> ScopeSpans {
        let run = &self.run;
        let code = if run.status == RunStatus::Error { StatusCode::Error } else { StatusCode::Ok };
        let mut span = Span {
            trace_id: run.key.trace.as_bytes().to_vec(),
            span_id: run.key.span.to_bytes().to_vec(),
            name: format!("invoke_agent {}", run.agent),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: run.started_at.0,
            end_time_unix_nano: run.completed_at.unwrap_or(run.started_at).0.max(run.started_at.0),
            status: Some(Status { code: code.into(), message: run.error.as_deref().unwrap_or_default().to_owned() }),
            ..Span::default()
        };
        let attributes = encoded(|stamps| {
            stamps.string("gen_ai.operation.name", "invoke_agent");
            stamps.string("gen_ai.agent.name", &run.agent);
            if let Some(session) = &run.session {
                stamps.string("gen_ai.conversation.id", session.as_str());
            }
            if let Some(user) = &run.user {
                stamps.string("user.id", user);
            }
            stamps.bool(SYNTHETIC_KEY, true);
            put_run(stamps, run);
            put_outcome(stamps, run);
            if self.untold.cost != 0 || self.untold.tokens != 0 {
                stamps.double(COST, dollars(self.untold.cost));
                stamps.int(TOKENS, self.untold.tokens);
            }
        });
        span.merge(&attributes[..]).expect("our own encoding is well formed");
        let scope =
            InstrumentationScope { name: format!("{}.{}{}", logs::SCOPE, run.agent, logs::TURN), ..InstrumentationScope::default() };
        ScopeSpans { scope: Some(scope), spans: vec![span], schema_url: String::new() }
    }

    fn span(&self) -> Span {
        let run = &self.run;
        let mut id = IdOfWords::default();
        // Not the id of the run's own span, which may still come.
        [&run.key.trace.as_bytes()[..], &run.key.span.to_bytes(), SYNTHETIC_KEY.as_bytes()].iter().for_each(|bytes| id.put(bytes));
        let code = if run.status == RunStatus::Error { StatusCode::Error } else { StatusCode::Ok };
        let mut span = Span {
            trace_id: run.key.trace.as_bytes().to_vec(),
            span_id: id.finish().to_bytes().to_vec(),
            name: SYNTHETIC_NAME.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: run.started_at.0,
            end_time_unix_nano: run.completed_at.unwrap_or(run.started_at).0.max(run.started_at.0),
            status: Some(Status { code: code.into(), message: run.error.as_deref().unwrap_or_default().to_owned() }),
            ..Span::default()
        };
        let attributes = encoded(|stamps| {
            put_run(stamps, run);
            put_outcome(stamps, run);
            if self.untold.cost != 0 || self.untold.tokens != 0 {
                stamps.double(COST, dollars(self.untold.cost));
                stamps.int(TOKENS, self.untold.tokens);
            }
            stamps.string(WORKFLOW_NAME, &run.workflow);
            for (key, value) in [(USER_ID, &run.user), (USER_GROUP, &run.user_group)] {
                if let Some(value) = value {
                    stamps.string(key, value);
                }
            }
            stamps.string(STATUS, run.status.as_str());
            stamps.bool(SYNTHETIC_KEY, true);
        });
        span.merge(&attributes[..]).expect("our own encoding is well formed");
        span
    }
}

/// FNV-1a over everything that a span of ours says. The arithmetic is frozen: a repetition after a crash must come to the same id.
struct IdOfWords(u64);

// === impl IdOfWords ===

impl Default for IdOfWords {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl IdOfWords {
    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> SpanId {
        SpanId::from_u64(self.0.max(1)).expect("one or more is not zero")
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    use super::*;
    use crate::model::Str;
    use crate::model::ids::{RunId, SessionId};

    fn correction() -> Correction {
        Correction {
            trace: TraceId::from_hex("abcdef1234567890abcdef1234567890").unwrap(),
            owner: Owner { run: SpanId::from_u64(7), session: SessionId::new("s") },
            subject: Subject { id: RunId::new(42), agent: Str::from("planner") },
            at: UnixNanos(5),
            difference: Amounts { cost: -1_500_000, tokens: 3, ..Amounts::default() },
            before: Amounts::default(),
        }
    }

    #[test]
    fn a_correction_says_only_what_differs_and_in_the_types_that_traceql_needs() {
        let span = correction().span();
        let said: Vec<_> = span.attributes.iter().map(|a| (a.key.as_str(), a.value.clone().unwrap().value.unwrap())).collect();
        let text = |text: &str| Value::StringValue(text.into());
        assert_eq!(
            said,
            [
                ("sessionfold.session_id", text("s")),
                ("sessionfold.run_id", text("42")),
                ("sessionfold.agent_name", text("planner")),
                ("sessionfold.cost", Value::DoubleValue(-0.0015)),
                ("sessionfold.tokens", Value::IntValue(3)),
            ]
        );
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano, &*span.name), (5, 5, "sessionfold.correction"));
        assert_eq!(span.parent_span_id, 7_u64.to_be_bytes());
    }

    #[test]
    fn the_same_correction_has_the_same_id_for_ever_and_another_one_has_not() {
        assert_eq!(correction().id(), SpanId::from_u64(0x2e49_dd5e_52d4_1460).unwrap());
        let again = Correction { before: Amounts { cost: 1, ..Amounts::default() }, ..correction() };
        assert_ne!(again.id(), correction().id());
    }
}
