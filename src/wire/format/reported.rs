//! How reports and scores lie in the blobs of the index database: exact inverses, as all of [`super::stored`].

use super::proto::stored;
use super::stored::UnreadableBlob;
use crate::model::Str;
use crate::model::ids::{RunId, SessionId, SpanId, SpanKey, TraceId};
use crate::model::report::{Completion, ReportedCall, ReportedSpan, RunReport, Seen, Start, Step};
use crate::model::run::{RunStatus, Score, ScoreValue};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{NanoUsd, Usage};

const IS_AUTO: u32 = 1;
const IS_DOUBTFUL: u32 = 2;

const IS_FRAMEWORK: u32 = 1;
const IS_ERROR: u32 = 2;
const IS_FOUND: u32 = 4;

pub(super) fn encode_report(report: &RunReport) -> stored::Report {
    stored::Report {
        run_id: report.id.get(),
        first_at: report.first_at.0,
        last_at: report.last_at.0,
        start: report.start.as_ref().map(encode_start),
        calls: report.calls.iter().map(encode_call).collect(),
        calls_refused: report.n_calls_refused,
        steps: report.steps.iter().map(encode_step).collect(),
        scores: report.scores.iter().map(encode_score).collect(),
        spans: report.spans.iter().map(encode_span).collect(),
        completion: report.completion.as_ref().map(encode_completion),
        claims: report.claims.iter().map(|key| stored::SpanKey { trace: bytes(key.trace), span: key.span.to_u64() }).collect(),
        seen: report.seen.iter().map(encode_seen).collect(),
    }
}

pub(super) fn decode_report(report: stored::Report) -> Result<RunReport, UnreadableBlob> {
    Ok(RunReport {
        id: run_id(report.run_id)?,
        first_at: UnixNanos(report.first_at),
        last_at: UnixNanos(report.last_at),
        start: report.start.map(decode_start).transpose()?,
        calls: report.calls.into_iter().map(decode_call).collect(),
        n_calls_refused: report.calls_refused,
        steps: report.steps.into_iter().map(decode_step).collect(),
        scores: report.scores.into_iter().map(decode_score).collect::<Result<_, _>>()?,
        spans: report.spans.into_iter().map(decode_span).collect(),
        completion: report.completion.map(decode_completion).transpose()?,
        claims: report.claims.iter().map(decode_span_key).collect::<Result<_, _>>()?,
        seen: report.seen.iter().map(decode_seen).collect(),
    })
}

pub(super) fn encode_score(score: &Score) -> stored::Score {
    use stored::score::Value;
    let value = match &score.value {
        ScoreValue::Numeric(number) => Value::Numeric(*number),
        ScoreValue::Categorical(label) => Value::Categorical(label.as_ref().to_owned()),
        ScoreValue::Boolean(is) => Value::Boolean(*is),
    };
    stored::Score {
        name: owned(&score.name),
        value: Some(value),
        comment: text(&score.comment),
        source: owned(&score.source),
        at: score.at.0,
    }
}

pub(super) fn decode_score(score: stored::Score) -> Result<Score, UnreadableBlob> {
    use stored::score::Value;
    let value = match score.value.ok_or(UnreadableBlob::Impossible("score"))? {
        Value::Numeric(number) => ScoreValue::Numeric(number),
        Value::Categorical(label) => ScoreValue::Categorical(label.into()),
        Value::Boolean(is) => ScoreValue::Boolean(is),
    };
    let comment = score.comment.map(Str::from);
    Ok(Score { name: score.name.into(), value, comment, source: score.source.into(), at: UnixNanos(score.at) })
}

fn encode_start(start: &Start) -> stored::Start {
    stored::Start {
        at: start.at.0,
        agent: owned(&start.agent),
        workflow: owned(&start.workflow),
        session: start.session.as_ref().map(|id| id.as_str().to_owned()),
        user: text(&start.user),
        user_group: text(&start.user_group),
        parent: start.parent.map_or(0, RunId::get),
        inputs: text(&start.inputs),
        marks: mark(start.is_auto, IS_AUTO) | mark(start.is_doubtful, IS_DOUBTFUL),
    }
}

fn decode_start(start: stored::Start) -> Result<Start, UnreadableBlob> {
    let session = match start.session {
        None => None,
        Some(id) => Some(SessionId::new(&id).ok_or(UnreadableBlob::Impossible("session id"))?),
    };
    Ok(Start {
        at: UnixNanos(start.at),
        agent: start.agent.into(),
        workflow: start.workflow.into(),
        session,
        user: start.user.map(Str::from),
        user_group: start.user_group.map(Str::from),
        parent: RunId::new(start.parent),
        inputs: start.inputs.map(Str::from),
        is_auto: start.marks & IS_AUTO != 0,
        is_doubtful: start.marks & IS_DOUBTFUL != 0,
    })
}

fn encode_call(call: &ReportedCall) -> stored::ReportedCall {
    stored::ReportedCall {
        at: call.at.0,
        model: owned(&call.model),
        task: owned(&call.task),
        input_tokens: call.usage.input_tokens,
        output_tokens: call.usage.output_tokens,
        cost_nano_usd: call.usage.cost.map(|cost| cost.0),
        marks: mark(call.is_framework, IS_FRAMEWORK) | mark(call.is_error, IS_ERROR) | mark(call.is_found, IS_FOUND),
        prompt: text(&call.prompt),
        response: text(&call.response),
        total_tokens: call.usage.total_tokens,
        cache_read_tokens: call.usage.cache_read_tokens,
        cache_write_tokens: call.usage.cache_write_tokens,
        reasoning_tokens: call.usage.reasoning_tokens,
    }
}

fn decode_call(call: stored::ReportedCall) -> ReportedCall {
    let usage = Usage {
        input_tokens: call.input_tokens,
        output_tokens: call.output_tokens,
        total_tokens: call.total_tokens,
        cache_read_tokens: call.cache_read_tokens,
        cache_write_tokens: call.cache_write_tokens,
        // Nothing that comes by HTTP says it.
        cache_write_1h_tokens: 0,
        reasoning_tokens: call.reasoning_tokens,
        cost: call.cost_nano_usd.map(NanoUsd),
    };
    ReportedCall {
        at: UnixNanos(call.at),
        model: call.model.into(),
        task: call.task.into(),
        usage,
        is_framework: call.marks & IS_FRAMEWORK != 0,
        is_error: call.marks & IS_ERROR != 0,
        is_found: call.marks & IS_FOUND != 0,
        prompt: call.prompt.map(Str::from),
        response: call.response.map(Str::from),
    }
}

fn encode_step(step: &Step) -> stored::Step {
    stored::Step { at: step.at.0, name: owned(&step.name), position: step.position, output: text(&step.output) }
}

fn decode_step(step: stored::Step) -> Step {
    Step { at: UnixNanos(step.at), name: step.name.into(), position: step.position, output: step.output.map(Str::from) }
}

fn encode_span(span: &ReportedSpan) -> stored::ReportedSpan {
    stored::ReportedSpan {
        name: owned(&span.name),
        kind: owned(&span.kind),
        is_error: span.is_error,
        duration: span.duration.map(|length| length.0),
        position: span.position,
        offset: span.offset.map(|length| length.0),
        parent_position: span.parent_position,
    }
}

fn decode_span(span: stored::ReportedSpan) -> ReportedSpan {
    ReportedSpan {
        name: span.name.into(),
        kind: span.kind.into(),
        is_error: span.is_error,
        duration: span.duration.map(Nanos),
        position: span.position,
        offset: span.offset.map(Nanos),
        parent_position: span.parent_position,
    }
}

fn encode_completion(completion: &Completion) -> stored::Completion {
    stored::Completion {
        at: completion.at.0,
        status: completion.status as u32,
        trace: completion.trace.map(bytes).unwrap_or_default(),
        span: completion.span.map_or(0, SpanId::to_u64),
        result: text(&completion.result),
        error: text(&completion.error),
    }
}

fn decode_completion(completion: stored::Completion) -> Result<Completion, UnreadableBlob> {
    let status = u8::try_from(completion.status).ok().and_then(RunStatus::from_u8);
    Ok(Completion {
        at: UnixNanos(completion.at),
        status: status.ok_or(UnreadableBlob::Impossible("run status"))?,
        trace: TraceId::from_bytes(&completion.trace),
        span: SpanId::from_u64(completion.span),
        result: completion.result.map(Str::from),
        error: completion.error.map(Str::from),
    })
}

fn decode_span_key(key: &stored::SpanKey) -> Result<SpanKey, UnreadableBlob> {
    Ok(SpanKey {
        trace: TraceId::from_bytes(&key.trace).ok_or(UnreadableBlob::Impossible("trace id"))?,
        span: SpanId::from_u64(key.span).ok_or(UnreadableBlob::Impossible("span id"))?,
    })
}

fn encode_seen(seen: &Seen) -> stored::Seen {
    stored::Seen { digest: seen.digest, at: seen.at.0, position: seen.position, is_unanswered: seen.is_unanswered }
}

fn decode_seen(seen: &stored::Seen) -> Seen {
    Seen { digest: seen.digest, at: UnixNanos(seen.at), position: seen.position, is_unanswered: seen.is_unanswered }
}

pub(super) fn run_id(number: u64) -> Result<RunId, UnreadableBlob> {
    RunId::new(number).ok_or(UnreadableBlob::Impossible("run id"))
}

fn bytes(trace: TraceId) -> Vec<u8> {
    trace.as_bytes().to_vec()
}

fn owned(text: &Str) -> String {
    text.as_ref().to_owned()
}

fn text(text: &Option<Str>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

fn mark(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts() -> impl Strategy<Value = Option<Str>> {
        prop::option::of("[a-z{}\"é ]{0,9}".prop_map(Str::from))
    }

    fn times() -> impl Strategy<Value = UnixNanos> {
        any::<u64>().prop_map(UnixNanos)
    }

    fn calls() -> impl Strategy<Value = ReportedCall> {
        let number = || prop::option::of(any::<u64>());
        (times(), texts(), texts(), (number(), number(), number()), any::<(bool, bool, bool)>(), texts(), texts()).prop_map(
            |(at, model, task, (input, output, cost), marks, prompt, response)| ReportedCall {
                at,
                model: model.unwrap_or_else(|| "".into()),
                task: task.unwrap_or_else(|| "".into()),
                usage: Usage { input_tokens: input, output_tokens: output, cost: cost.map(NanoUsd), ..Usage::default() },
                is_framework: marks.0,
                is_error: marks.1,
                is_found: marks.2,
                prompt,
                response,
            },
        )
    }

    fn scores() -> impl Strategy<Value = Score> {
        let value = prop_oneof![
            (-1e9..1e9f64).prop_map(ScoreValue::Numeric),
            any::<bool>().prop_map(ScoreValue::Boolean),
            "[a-z]{0,4}".prop_map(|label| ScoreValue::Categorical(label.into())),
        ];
        (value, texts(), times()).prop_map(|(value, comment, at)| Score { name: "ok".into(), value, comment, source: "sdk".into(), at })
    }

    fn reports() -> impl Strategy<Value = RunReport> {
        let start = (times(), texts(), texts(), any::<(bool, bool)>(), 0u64..1 << 53).prop_map(|(at, user, inputs, marks, parent)| Start {
            at,
            agent: "agent".into(),
            workflow: "default".into(),
            session: SessionId::new("conv/1"),
            user,
            user_group: None,
            parent: RunId::new(parent),
            inputs,
            is_auto: marks.0,
            is_doubtful: marks.1,
        });
        let completion =
            (times(), 0u8..6, any::<[u8; 16]>(), any::<u64>(), texts(), texts()).prop_map(|(at, status, trace, span, result, error)| {
                Completion {
                    at,
                    status: RunStatus::from_u8(status).unwrap(),
                    trace: TraceId::from_bytes(&trace),
                    span: SpanId::from_u64(span),
                    result,
                    error,
                }
            });
        let steps = (times(), prop::option::of(any::<u64>()), texts()).prop_map(|(at, position, output)| Step {
            at,
            name: "io:user_message".into(),
            position,
            output,
        });
        let spans = (any::<bool>(), prop::option::of(any::<u64>()), any::<u64>()).prop_map(|(is_error, length, position)| ReportedSpan {
            name: "a.default".into(),
            kind: "agent".into(),
            is_error,
            duration: length.map(Nanos),
            position,
            offset: length.map(Nanos),
            parent_position: length,
        });
        let seen = (any::<u64>(), times(), any::<u64>(), any::<bool>()).prop_map(|(digest, at, position, is_unanswered)| Seen {
            digest,
            at,
            position,
            is_unanswered,
        });
        let lists = (
            prop::collection::vec(calls(), 0..4),
            prop::collection::vec(steps, 0..3),
            prop::collection::vec(scores(), 0..3),
            prop::collection::vec(spans, 0..3),
            prop::collection::vec(seen, 0..3),
        );
        (any::<u64>(), times(), prop::option::of(start), prop::option::of(completion), lists).prop_map(
            |(random, at, start, completion, (calls, steps, scores, spans, seen))| RunReport {
                start,
                completion,
                calls,
                n_calls_refused: random % 3,
                steps,
                scores,
                spans,
                seen,
                claims: vec![SpanKey { trace: TraceId::from_bytes(&[7; 16]).unwrap(), span: RunId::mint(random).to_span() }],
                ..RunReport::new(RunId::mint(random), at)
            },
        )
    }

    proptest! {
        #[test]
        fn a_report_comes_back_as_it_was_stored(report in reports()) {
            prop_assert_eq!(decode_report(encode_report(&report)), Ok(report));
        }
    }
}
