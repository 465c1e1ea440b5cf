//! What the Waxell SDK tells of runs on both of its paths, in a few words.

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use sessionfold::model::ids::RunId;
use sessionfold::model::report::EventKind;
use sessionfold::store::RunPost;

use super::spans::{self, Tell, span};

/// A call: model, input and output tokens, millionths of a dollar.
pub type Used = (&'static str, i64, i64, u32);

pub fn post(run: RunId, kind: EventKind, body: &Value) -> RunPost {
    RunPost { kind, run: Some(run), body: body.to_string().into() }
}

/// `runs/start/`
pub fn start(run: RunId, agent: &str, session: &str) -> RunPost {
    post(run, EventKind::Start, &json!({ "agent_name": agent, "workflow_name": "default", "session_id": session, "trace_id": "" }))
}

/// `llm-calls/`
pub fn calls(run: RunId, used: &[Used]) -> RunPost {
    let call = |(model, input, output, micro): &Used| {
        json!({ "model": model, "tokens_in": input, "tokens_out": output,
        "cost": f64::from(*micro) / 1e6, "task": "chat.completions", "prompt_preview": "a secret", "status": "ok" })
    };
    post(run, EventKind::LlmCalls, &json!({ "calls": used.iter().map(call).collect::<Vec<_>>() }))
}

/// `complete/`, naming the span that the run is, if it is one.
pub fn complete(run: RunId, status: &str, place: Option<(u128, u64)>) -> RunPost {
    let mut body = json!({ "result": { "output": "done" }, "status": status, "error": "", "steps": [] });
    if let Some((trace, span)) = place {
        body["trace_id"] = json!(format!("{trace:032x}"));
        body["root_span_id"] = json!(format!("{span:016x}"));
    }
    post(run, EventKind::Complete, &body)
}

/// `scores/` with one number.
pub fn score(run: RunId, name: &str, value: f64) -> RunPost {
    post(run, EventKind::Scores, &json!({ "scores": [{ "name": name, "data_type": "numeric", "numeric_value": value }] }))
}

/// `steps/` with one step.
pub fn step(run: RunId, name: &str) -> RunPost {
    post(run, EventKind::Steps, &json!({ "steps": [{ "step_name": name, "output": { "text": "a secret" }, "position": 0 }] }))
}

/// `partial/` of a stream.
pub fn partial(run: RunId) -> RunPost {
    post(run, EventKind::Partial, &json!({ "partial": "Hel", "chunk_count": 1, "model": "m", "done": false }))
}

/// `spans/` with the run itself, which took so many milliseconds.
pub fn lasted(run: RunId, millis: u64) -> RunPost {
    post(run, EventKind::Spans, &json!({ "spans": [{ "name": "a", "kind": "agent", "duration_ms": millis, "position": 0 }] }))
}

/// The span that is the run; `run` where there is a control plane.
pub fn agent_span(place: (u128, u64), parent: u64, agent: &str, session: &str, run: Option<&str>) -> Span {
    let mut span = span(place.0, place.1, parent)
        .with("waxell.span_type", "agent_execution")
        .with("gen_ai.operation.name", "invoke_agent")
        .with("waxell.agent_name", agent)
        .with("gen_ai.agent.name", agent);
    if !session.is_empty() {
        span = span.with("waxell.session_id", session);
    }
    match run {
        Some(run) => span.with("waxell.run_id", run),
        None => span,
    }
}

/// The span of a call. An echo, which the SDK opens and closes at once, does not name the model that answered.
pub fn call_span(place: (u128, u64), parent: u64, (model, input, output, micro): Used, is_echo: bool) -> Span {
    let span = span(place.0, place.1, parent)
        .with("waxell.span_type", "llm_call")
        .with("gen_ai.operation.name", "chat")
        .with("waxell.llm.model", model)
        .with("waxell.llm.input_tokens", input)
        .with("waxell.llm.output_tokens", output)
        .with("waxell.llm.total_tokens", input + output)
        .with("waxell.llm.cost", f64::from(micro) / 1e6);
    if is_echo { span } else { span.with("gen_ai.response.model", model) }
}

/// An export of the SDK.
pub fn export(spans: impl IntoIterator<Item = Span>) -> Bytes {
    spans::request_of("waxell.observe", spans)
}
