//! What is looked at closely: a conversation with long texts, a session of many runs, a trace of many spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode};
use prost::Message;

use super::load::connection::Signal;
use super::load::plan::Request;
use super::load::random::mix;
use super::load::shape::{int, text};

pub const TALK: &str = "conversation";
pub const WIDE: &str = "many-runs";
pub const N_SESSIONS: u64 = 3;
const BIG: &str = "many-spans";
const TURNS: u64 = 10;
const WIDE_RUNS: u64 = 300;
const BIG_SPANS: u64 = 10_000;
/// Of each prompt and each answer of the conversation.
const TEXT_BYTES: usize = 4_096;
const SECOND: u64 = 1_000_000_000;

/// Framed for gRPC, as they are sent: a turn or a run each, and the large trace in requests of 500 spans.
pub fn requests(now: u64) -> Vec<Request> {
    let begin = now - 3_600 * SECOND;
    let mut requests: Vec<_> = (0..TURNS).map(|turn| request(self::turn(turn, begin + turn * 60 * SECOND))).collect();
    requests.extend((0..WIDE_RUNS).map(|run| request(short_run(run, begin + run * 10 * SECOND))));
    let spans: Vec<_> = (0..BIG_SPANS).map(|span| span_of_big(span, begin)).collect();
    requests.extend(spans.chunks(500).map(|spans| request(spans.to_vec())));
    requests
}

pub fn talk_trace(turn: u64) -> String {
    hex(trace(1, turn))
}

pub fn big_trace() -> String {
    hex(trace(3, 0))
}

/// An agent that asks a model, calls a tool, and asks again.
fn turn(turn: u64, start: u64) -> Vec<Span> {
    let trace = trace(1, turn);
    let said = |what: &str| format!("{what} of turn {turn}: {}", prose(TEXT_BYTES));
    let chat = |number, offset| {
        let mut attributes = model_call();
        attributes.push(text("gen_ai.input.messages", &messages("user", &said("Question"))));
        attributes.push(text("gen_ai.output.messages", &messages("assistant", &said("Answer"))));
        span(trace, number, 1, "chat gpt-4o", (start + offset, SECOND), attributes)
    };
    let tool = vec![
        text("gen_ai.operation.name", "execute_tool"),
        text("gen_ai.tool.name", "lookup"),
        text("gen_ai.tool.call.arguments", r#"{"parcel":"4711"}"#),
        text("gen_ai.tool.call.result", &said("Found")),
    ];
    let tool = span(trace, 3, 1, "execute_tool lookup", (start + 2 * SECOND, SECOND), tool);
    let step = |number, offset| span(trace, number, 1, "GET /tracking", (start + offset, SECOND / 10), Vec::new());
    vec![chat(2, SECOND), tool, step(5, 2 * SECOND), step(6, 3 * SECOND), chat(4, 4 * SECOND), agent(trace, TALK, (start, 6 * SECOND))]
}

fn short_run(run: u64, start: u64) -> Vec<Span> {
    let trace = trace(2, run);
    vec![span(trace, 2, 1, "chat gpt-4o", (start, 2 * SECOND), model_call()), agent(trace, WIDE, (start, 3 * SECOND))]
}

/// The root, a hundred steps, and calls of models and tools below them.
fn span_of_big(number: u64, start: u64) -> Span {
    let trace = trace(3, 0);
    match number {
        0 => agent(trace, BIG, (start, 1_000 * SECOND)),
        1..=100 => {
            span(trace, number + 1, 1, "step", (start + number * 9 * SECOND, 9 * SECOND), vec![text("openinference.span.kind", "CHAIN")])
        }
        _ => {
            let parent = number % 100 + 2;
            let at = (start + (parent - 1) * 9 * SECOND + number / 100 * SECOND / 20, SECOND / 20);
            match number % 2 {
                0 => span(trace, number + 1, parent, "chat gpt-4o", at, model_call()),
                _ => span(
                    trace,
                    number + 1,
                    parent,
                    "execute_tool lookup",
                    at,
                    vec![text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", "lookup")],
                ),
            }
        }
    }
}

fn agent(trace: [u8; 16], session: &str, at: (u64, u64)) -> Span {
    let attributes = vec![
        text("gen_ai.operation.name", "invoke_agent"),
        text("gen_ai.agent.name", "support-agent"),
        text("waxell.session_id", session),
        text("waxell.user_id", "ada"),
    ];
    Span { parent_span_id: Vec::new(), ..span(trace, 1, 1, "invoke_agent support-agent", at, attributes) }
}

fn model_call() -> Vec<KeyValue> {
    vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", "openai"),
        text("gen_ai.request.model", "gpt-4o"),
        text("gen_ai.response.model", "gpt-4o-2024-08-06"),
        int("gen_ai.usage.input_tokens", 1_200),
        int("gen_ai.usage.output_tokens", 300),
    ]
}

/// `at` is when it starts and how long it takes.
fn span(trace: [u8; 16], number: u64, parent: u64, name: &str, at: (u64, u64), attributes: Vec<KeyValue>) -> Span {
    Span {
        trace_id: trace.to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        parent_span_id: parent.to_be_bytes().to_vec(),
        name: name.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: at.0,
        end_time_unix_nano: at.0 + at.1,
        attributes,
        status: Some(Status { code: StatusCode::Ok.into(), message: String::new() }),
        ..Default::default()
    }
}

fn request(spans: Vec<Span>) -> Request {
    let n_spans = spans.len() as u64;
    let scope = InstrumentationScope { name: "waxell.observe".into(), ..Default::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
    let message = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] };
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(message.encoded_len() as u32).to_be_bytes());
    bytes.extend(message.encode_to_vec());
    Request { signal: Signal::Traces, n_spans, bytes: bytes.into() }
}

fn messages(role: &str, said: &str) -> String {
    serde_json::json!([{ "role": role, "parts": [{ "type": "text", "content": said }] }]).to_string()
}

/// With markup, as models answer.
fn prose(n_bytes: usize) -> String {
    const TEXT: &str =
        "The **parcel** left the depot `this morning` and should be with you *before noon*; the driver will call.\n\n- first\n- second\n\n";
    TEXT.chars().cycle().take(n_bytes).collect()
}

fn trace(kind: u64, number: u64) -> [u8; 16] {
    let mut id = [0xe0; 16];
    id[..8].copy_from_slice(&(mix(kind, number) | 1).to_be_bytes());
    id
}

fn hex(id: [u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
