//! What the blobs of the index database hold: facts of traces, details of runs, agents of sessions (`docs/format.md`).
//!
//! - Encoding and decoding are exact inverses: the fold must find what it left.
//! - Texts that repeat inside a trace are written once.

mod agents;
pub mod tallies;
mod write;

use prost::Message;

pub use self::agents::{AgentPart, agent_parts, encode_agents};

use super::proto::stored;
use super::reported::{decode_report, decode_score, run_id};
use crate::model::Str;
use crate::model::facts::{Labels, SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{RunId, SessionId, SpanId};
use crate::model::reason::Reason;
use crate::model::report::RunReport;
use crate::model::run::{Run, Score};
use crate::model::stretches::Stretches;
use crate::model::time::UnixNanos;
use crate::model::tool::ToolUsage;
use crate::model::usage::{Call, ModelUsage, NanoUsd, ServiceTier, Usage, UsageTotal};
use crate::wire::protobuf::Malformed;

/// A blob that this version cannot read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnreadableBlob {
    #[error("a stored blob is not readable: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("a stored blob is not readable: {0}")]
    Malformed(#[from] Malformed),
    #[error("a stored blob holds an impossible {0}")]
    Impossible(&'static str),
}

/// The facts of a trace and where the rows of its runs are.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StoredTrace {
    pub facts: Vec<SpanFact>,
    pub n_refused: u64,
    pub runs: Vec<RunRef>,
    pub report: Option<RunReport>,
    /// Runs whose reports belong to this trace.
    pub joined: Vec<RunId>,
    pub stretches: Stretches,
}

/// The place of a run's row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunRef {
    /// 0: the run has no session.
    pub session_no: u32,
    pub started_at: UnixNanos,
    pub id: RunId,
    pub span: SpanId,
}

/// What a run's row keeps outside its columns.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RunDetail {
    pub usage: UsageTotal,
    pub suppressed: UsageTotal,
    pub models: Vec<ModelUsage>,
    pub tools: Vec<ToolUsage>,
    pub question: Option<Str>,
    /// The parent as its number.
    pub parent: Option<RunId>,
    /// The parent as a span of the same trace: how it was stored before runs were known by other ways.
    pub parent_span: Option<SpanId>,
    pub user_group: Option<Str>,
    pub error: Option<Reason>,
    pub tool_errors: u32,
    pub n_spans: u32,
    pub is_provisional: bool,
    pub is_future: bool,
    pub is_truncated: bool,
    pub is_reported: bool,
    pub is_untraced: bool,
    pub is_agentless: bool,
    pub is_turn: bool,
    pub is_retelling: bool,
    pub scores: Vec<Score>,
}

const HAS_RESPONSE_MODEL: u32 = 1;
const IS_FRAMEWORK: u32 = 2;
const IS_FUTURE: u32 = 4;

const IS_REPORTED: u32 = 1;
const IS_UNTRACED: u32 = 2;
const IS_AGENTLESS: u32 = 4;
const IS_TURN: u32 = 8;
const IS_RETELLING: u32 = 16;

/// Encodes the facts of one trace, what was reported, and where its requests are; `runs` are those the index was told of.
pub fn encode_trace<'a>(
    facts: impl Iterator<Item = &'a SpanFact> + Clone,
    n_refused: u64,
    runs: &[RunRef],
    report: Option<&RunReport>,
    joined: &[RunId],
    stretches: &Stretches,
) -> Vec<u8> {
    write::trace(facts, n_refused, runs, report, joined, stretches)
}

pub fn decode_trace(blob: &[u8]) -> Result<StoredTrace, UnreadableBlob> {
    let trace = stored::Trace::decode(blob)?;
    let strings: Vec<Str> = trace.strings.iter().map(|text| text.as_str().into()).collect();
    let facts = trace.facts.into_iter().map(|fact| decode_fact(fact, &strings)).collect::<Result<Vec<_>, _>>()?;
    let runs = trace.runs.iter().map(decode_run_ref).collect::<Result<_, _>>()?;
    let report = trace.report.map(decode_report).transpose()?;
    let joined = trace.joined.into_iter().map(run_id).collect::<Result<_, _>>()?;
    let stretches = if facts.is_empty() { Stretches::default() } else { read_stretches(&trace.stretches)? };
    Ok(StoredTrace { facts, n_refused: trace.refused, runs, report, joined, stretches })
}

/// Where the requests of a stored trace are, without decoding its facts.
pub fn decode_stretches(blob: &[u8]) -> Result<Stretches, UnreadableBlob> {
    read_stretches(&stored::TraceStretches::decode(blob)?.stretches)
}

fn read_stretches(distances: &[u64]) -> Result<Stretches, UnreadableBlob> {
    match distances {
        [] => Ok(Stretches::anywhere()),
        some => Stretches::from_distances(some).ok_or(UnreadableBlob::Impossible("stretch of the journal")),
    }
}

/// Encodes what a run's row has no column for.
pub fn encode_run_detail(run: &Run) -> Vec<u8> {
    write::run_detail(run)
}

pub fn decode_run_detail(blob: &[u8]) -> Result<RunDetail, UnreadableBlob> {
    let detail = stored::RunDetail::decode(blob)?;
    Ok(RunDetail {
        usage: decode_total(detail.usage),
        suppressed: decode_total(detail.suppressed),
        models: detail.models.into_iter().map(decode_model).collect(),
        tools: detail.tools.into_iter().map(tallies::decode_tool_usage).collect::<Result<_, _>>()?,
        question: detail.question.map(Str::from),
        parent: RunId::new(detail.parent_run),
        parent_span: SpanId::from_u64(detail.parent_span),
        scores: detail.scores.into_iter().map(decode_score).collect::<Result<_, _>>()?,
        is_reported: detail.marks & IS_REPORTED != 0,
        is_untraced: detail.marks & IS_UNTRACED != 0,
        is_agentless: detail.marks & IS_AGENTLESS != 0,
        is_turn: detail.marks & IS_TURN != 0,
        is_retelling: detail.marks & IS_RETELLING != 0,
        user_group: detail.user_group.map(Str::from),
        error: detail.error.as_deref().and_then(Reason::from_stored),
        tool_errors: detail.tool_errors,
        n_spans: detail.n_spans,
        is_provisional: detail.is_provisional,
        is_future: detail.is_future,
        is_truncated: detail.is_truncated,
    })
}

/// What is marked of a run, one bit each.
fn run_marks(run: &Run) -> u32 {
    mark(run.is_reported, IS_REPORTED)
        | mark(run.is_untraced, IS_UNTRACED)
        | mark(run.is_agentless, IS_AGENTLESS)
        | mark(run.is_turn, IS_TURN)
        | mark(run.is_retelling, IS_RETELLING)
}

fn mark(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}

// === facts ===

fn decode_fact(fact: stored::Fact, strings: &[Str]) -> Result<SpanFact, UnreadableBlob> {
    let text = |number: u32| strings.get(number as usize).cloned().ok_or(UnreadableBlob::Impossible("text number"));
    let labels = fact.labels.map(decode_labels).transpose()?;
    let call = match fact.call {
        None => None,
        Some(call) => {
            let (usage, tier) = (decode_usage(&call), decode_tier(call.tier)?);
            Some(Box::new(Call { usage, model: text(call.model)?, provider: text(call.provider)?, response: call.response, tier }))
        }
    };
    Ok(SpanFact {
        end: UnixNanos(fact.end),
        call,
        labels: labels.map(Box::new),
        start: UnixNanos(fact.start),
        span: SpanId::from_u64(fact.span).ok_or(UnreadableBlob::Impossible("span id"))?,
        parent: SpanId::from_u64(fact.parent),
        kind: u8::try_from(fact.kind).ok().and_then(SpanKind::from_u8).ok_or(UnreadableBlob::Impossible("span kind"))?,
        status: SpanStatus::from_code(i64::from(fact.status)),
        has_response_model: fact.marks & HAS_RESPONSE_MODEL != 0,
        is_framework: fact.marks & IS_FRAMEWORK != 0,
        is_future: fact.marks & IS_FUTURE != 0,
        name: text(fact.name)?,
        scope: text(fact.scope)?,
        failure: fact.failure.as_deref().and_then(Reason::from_stored).map(Box::new),
        tool: fact.tool.checked_sub(1).map(text).transpose()?.map(Box::new),
        question: fact.question.checked_sub(1).map(text).transpose()?.map(Box::new),
    })
}

fn decode_tier(number: u32) -> Result<Option<ServiceTier>, UnreadableBlob> {
    if number == 0 {
        return Ok(None);
    }
    u8::try_from(number).ok().and_then(ServiceTier::from_u8).map(Some).ok_or(UnreadableBlob::Impossible("service tier"))
}

fn decode_usage(call: &stored::Call) -> Usage {
    Usage {
        input_tokens: call.input_tokens,
        output_tokens: call.output_tokens,
        total_tokens: call.total_tokens,
        cache_read_tokens: call.cache_read_tokens,
        cache_write_tokens: call.cache_write_tokens,
        cache_write_1h_tokens: call.cache_write_1h_tokens,
        reasoning_tokens: call.reasoning_tokens,
        cost: call.cost_nano_usd.map(NanoUsd),
    }
}

fn decode_labels(labels: stored::Labels) -> Result<Labels, UnreadableBlob> {
    let session = |id: Option<String>| id.map(|id| SessionId::new(&id).ok_or(UnreadableBlob::Impossible("session id"))).transpose();
    Ok(Labels {
        session: session(labels.session)?,
        is_session_weak: labels.is_session_weak,
        resource_session: session(labels.resource_session)?,
        run_id: labels.run_id.map(Str::from),
        agent: labels.agent.map(Str::from),
        workflow: labels.workflow.map(Str::from),
        user: labels.user.map(Str::from),
        user_group: labels.user_group.map(Str::from),
    })
}

// === runs ===

fn decode_run_ref(run: &stored::RunRef) -> Result<RunRef, UnreadableBlob> {
    Ok(RunRef {
        session_no: run.session_no,
        started_at: UnixNanos(run.started_at),
        id: RunId::new(run.run_id).ok_or(UnreadableBlob::Impossible("run id"))?,
        span: SpanId::from_u64(run.span).ok_or(UnreadableBlob::Impossible("span id"))?,
    })
}

fn decode_total(total: Option<stored::UsageTotal>) -> UsageTotal {
    let total = total.unwrap_or_default();
    UsageTotal {
        calls: total.calls,
        tokens: total.tokens,
        input_tokens: total.input_tokens,
        output_tokens: total.output_tokens,
        cache_read_tokens: total.cache_read_tokens,
        cache_write_tokens: total.cache_write_tokens,
        reasoning_tokens: total.reasoning_tokens,
        cost: NanoUsd(total.cost_nano_usd),
        unpriced_calls: total.unpriced_calls,
        override_calls: total.override_calls,
        table_calls: total.table_calls,
        emitted_calls: total.emitted_calls,
    }
}

fn decode_model(model: stored::ModelUsage) -> ModelUsage {
    ModelUsage { model: model.model.into(), provider: model.provider.into(), total: decode_total(model.total) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ids::{RunKey, TraceId};
    use crate::model::run::RunStatus;
    use crate::model::time::Nanos;
    use crate::model::tool::ToolCalls;

    fn texts() -> impl Strategy<Value = Str> {
        prop_oneof![Just(Str::from("")), Just(Str::from("chat gpt-4o")), "[a-zé\u{1f600}]{1,8}".prop_map(Str::from)]
    }

    fn usages() -> impl Strategy<Value = Usage> {
        let number = || prop::option::of(any::<u64>());
        let cached = (number(), number(), any::<u64>());
        (number(), number(), number(), cached, number(), number()).prop_map(|(a, b, c, (d, e, hour), f, cost)| Usage {
            input_tokens: a,
            output_tokens: b,
            total_tokens: c,
            cache_read_tokens: d,
            cache_write_tokens: e,
            cache_write_1h_tokens: hour,
            reasoning_tokens: f,
            cost: cost.map(NanoUsd),
        })
    }

    pub(super) fn facts() -> impl Strategy<Value = SpanFact> {
        let tier = prop::option::of(prop::sample::select(&ServiceTier::ALL[..]));
        let call = (usages(), texts(), texts(), tier)
            .prop_map(|(usage, model, provider, tier)| Box::new(Call { usage, model, provider, response: 7, tier }));
        let text = || prop::option::of(texts());
        let labels = (prop::option::of("[a-z/ ]{1,9}"), text(), text(), text(), text(), text()).prop_map(|(session, a, b, c, d, e)| {
            let session = session.and_then(|id| SessionId::new(&id));
            let is_session_weak = session.as_ref().is_some_and(|id| id.as_str().len() > 4);
            let resource_session = a.as_deref().and_then(SessionId::new);
            Box::new(Labels { session, is_session_weak, resource_session, run_id: a, agent: b, workflow: c, user: d, user_group: e })
        });
        let ids = (1..u64::MAX, any::<u64>(), any::<u64>(), any::<u64>());
        let texts = (texts(), texts(), prop::option::of(reasons()), prop::option::of(texts()), prop::option::of(texts()));
        (ids, 0u8..7, 0i64..3, any::<(bool, bool, bool)>(), texts, prop::option::of(call), prop::option::of(labels)).prop_map(
            |((span, parent, start, end), kind, status, marks, (name, scope, failure, tool, question), call, labels)| SpanFact {
                end: UnixNanos(end),
                call,
                labels,
                start: UnixNanos(start),
                span: SpanId::from_u64(span).unwrap(),
                parent: SpanId::from_u64(parent),
                kind: SpanKind::from_u8(kind).unwrap(),
                status: SpanStatus::from_code(status),
                has_response_model: marks.0,
                is_framework: marks.1,
                is_future: marks.2,
                name,
                scope,
                failure: failure.map(Box::new),
                tool: tool.map(Box::new),
                question: question.map(Box::new),
            },
        )
    }

    fn reasons() -> impl Strategy<Value = Reason> {
        "\\PC{1,200}".prop_filter_map("nothing is said", |said| Reason::of(&said))
    }

    fn totals() -> impl Strategy<Value = UsageTotal> {
        let number = || prop_oneof![Just(0), any::<u64>()];
        (number(), number(), number(), number(), number(), number()).prop_map(|(a, b, c, d, e, f)| UsageTotal {
            calls: a,
            tokens: b,
            input_tokens: c,
            output_tokens: d,
            cache_read_tokens: e,
            cache_write_tokens: f,
            reasoning_tokens: a,
            cost: NanoUsd(b),
            unpriced_calls: c,
            override_calls: d,
            table_calls: e,
            emitted_calls: f,
        })
    }

    fn tools() -> impl Strategy<Value = Vec<ToolUsage>> {
        let calls = prop::collection::vec((any::<bool>(), prop::option::of((20u32..50).prop_map(|bits| Nanos(1 << bits)))), 1..5);
        let usage = (texts(), calls).prop_map(|(tool, each)| {
            let mut calls = ToolCalls::default();
            each.into_iter().for_each(|(has_failed, length)| calls.add(has_failed, length));
            ToolUsage { tool, calls }
        });
        prop::collection::vec(usage, 0..3)
    }

    /// Runs whose details differ; what stands in columns does not.
    pub(super) fn runs() -> impl Strategy<Value = Run> {
        let models = prop::collection::vec((texts(), texts(), totals()), 0..3);
        let parent = prop::option::of((1..RunId::LIMIT).prop_map(|id| RunId::new(id).unwrap()));
        let (marks, group) = (any::<[bool; 8]>(), prop::option::of(texts()));
        let failed = (prop::option::of(reasons()), prop_oneof![Just(0), any::<u32>()]);
        (totals(), totals(), (models, tools(), prop::option::of(texts())), parent, group, any::<u32>(), marks, failed).prop_map(
            |(usage, suppressed, (models, tools, question), parent, user_group, n_spans, marks, (error, tool_errors))| Run {
                key: RunKey { trace: TraceId::from_bytes(&[1; 16]).unwrap(), span: SpanId::from_u64(1).unwrap() },
                id: RunId::new(1).unwrap(),
                session: None,
                agent: "".into(),
                workflow: "".into(),
                user: None,
                user_group,
                parent,
                started_at: UnixNanos(1),
                completed_at: None,
                last_activity: UnixNanos(1),
                status: RunStatus::Running,
                error,
                tool_errors,
                usage,
                suppressed,
                models: models.into_iter().map(|(model, provider, total)| ModelUsage { model, provider, total }).collect(),
                tools,
                question,
                n_spans,
                is_provisional: marks[0],
                is_future: marks[1],
                is_truncated: marks[2],
                is_reported: marks[3],
                is_untraced: marks[4],
                is_agentless: marks[5],
                is_turn: marks[6],
                is_retelling: marks[7],
                scores: Vec::new(),
            },
        )
    }

    proptest! {
        #[test]
        fn the_detail_of_a_run_comes_back_as_it_was_stored(run in runs()) {
            let detail = RunDetail {
                usage: run.usage,
                suppressed: run.suppressed,
                models: run.models.clone(),
                tools: run.tools.clone(),
                question: run.question.clone(),
                parent: run.parent,
                parent_span: None,
                user_group: run.user_group.clone(),
                error: run.error.clone(),
                tool_errors: run.tool_errors,
                n_spans: run.n_spans,
                is_provisional: run.is_provisional,
                is_future: run.is_future,
                is_truncated: run.is_truncated,
                is_reported: run.is_reported,
                is_untraced: run.is_untraced,
                is_agentless: run.is_agentless,
                is_turn: run.is_turn,
                is_retelling: run.is_retelling,
                scores: Vec::new(),
            };
            prop_assert_eq!(decode_run_detail(&encode_run_detail(&run)), Ok(detail));
        }

        /// As databases have it that were written before positions were kept.
        #[test]
        fn a_trace_without_positions_may_be_anywhere(facts in prop::collection::vec(facts(), 1..5)) {
            let blob = encode_trace(facts.iter(), 0, &[], None, &[], &Stretches::default());
            prop_assert_eq!(decode_trace(&blob).unwrap().stretches, Stretches::anywhere());
            prop_assert_eq!(decode_stretches(&blob), Ok(Stretches::anywhere()));
        }

        #[test]
        fn a_trace_comes_back_as_it_was_stored(facts in prop::collection::vec(facts(), 1..20), n_refused: u64, at in 0..1_u64 << 50) {
            let mut stretches = Stretches::default();
            [0, at, 2 * at].into_iter().for_each(|position| stretches.add(position));
            let runs = vec![RunRef { session_no: 7, started_at: UnixNanos(9), id: RunId::new(1).unwrap(), span: SpanId::from_u64(3).unwrap() }];
            let blob = encode_trace(facts.iter(), n_refused, &runs, None, &[RunId::mint(9)], &stretches);
            prop_assert_eq!(decode_stretches(&blob), Ok(stretches.clone()));
            let joined = vec![RunId::mint(9)];
            prop_assert_eq!(decode_trace(&blob), Ok(StoredTrace { facts, n_refused, runs, report: None, joined, stretches }));
        }

        #[test]
        fn damaged_blobs_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_trace(&bytes);
            let _ = decode_run_detail(&bytes);
            let _ = agent_parts(&bytes).count();
        }
    }
}
