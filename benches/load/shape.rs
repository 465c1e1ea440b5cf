//! The six spans of a run, encoded once; a run's own values are patched into a copy.
//!
//! The shapes are those of the Waxell SDK (`docs/performance.md`): 612 bytes a span on average, of which a root has 16 attributes; with
//! content a `chat` span also carries a prompt and an answer of 4 KiB each.

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use prost::Message;

use super::run::{AGENTS, Run};

/// Spans of a run in the order in which an SDK exports them: the root last.
pub const SPANS_PER_RUN: usize = 6;
pub const ROOT: usize = 5;
const KINDS: [Kind; SPANS_PER_RUN] =
    [Kind::Step, Kind::Chat(0), Kind::Tool("web_search"), Kind::Tool("send_reply"), Kind::Chat(1), Kind::Root];

#[derive(Clone, Copy)]
enum Kind {
    Step,
    Chat(usize),
    Tool(&'static str),
    Root,
}

// What stands in a template where a run's own value belongs.
const TRACE: [u8; 16] = [0xa5; 16];
const SELF: [u8; 8] = [0xb6; 8];
const PARENT: [u8; 8] = [0xc7; 8];
const START: u64 = 0x0d1e_2f3a_4b5c_6d7e;
const END: u64 = 0x0d1e_2f3a_4b5c_6d7f;
const SESSION: &str = "load-################";
const RUN_ID: &str = "@@@@@@@@@@@@";
const USER: &str = "user-%%%%%%%%";
const AGENT: &str = "<an  agent->";
const ANY_TOKENS: i64 = 300;

/// One span as bytes of a `ScopeSpans`: tag, length, span.
pub struct Template {
    bytes: Vec<u8>,
    trace: usize,
    span: usize,
    parent: Option<usize>,
    start: usize,
    end: usize,
    rest: Rest,
}

enum Rest {
    Nothing,
    Chat { call: usize, input: [usize; 2], output: [usize; 2], total: usize, cost: usize },
    Root { sessions: Vec<usize>, agents: Vec<usize>, run_id: usize, user: usize, status: usize },
}

/// Everything of a request that is the same for all.
pub struct Shape {
    pub templates: [Template; SPANS_PER_RUN],
    /// The `resource` field of a `ResourceSpans`.
    pub resource: Vec<u8>,
    /// The `scope` field of a `ScopeSpans`.
    pub scope: Vec<u8>,
}

/// The id of session `n`.
pub fn session_id(n: u64) -> String {
    format!("load-{:016x}", super::random::mix(0x005e_5510, n))
}

// === impl Shape ===

impl Shape {
    /// `content_bytes`: how long each prompt and each answer is.
    pub fn new(content_bytes: usize) -> Self {
        let resource = Resource {
            attributes: vec![
                text("telemetry.sdk.language", "python"),
                text("telemetry.sdk.name", "opentelemetry"),
                text("telemetry.sdk.version", "1.45.1"),
                text("service.instance.id", "05871479-c1da-4736-9371-9b528a8658d9"),
                text("service.name", "waxell-observe-sdk"),
                text("service.version", "0.1.10"),
            ],
            ..Default::default()
        };
        let scope = InstrumentationScope { name: "waxell.observe".into(), ..Default::default() };
        Self {
            templates: KINDS.map(|kind| Template::new(kind, content_bytes)),
            resource: field(1, &resource.encode_to_vec()),
            scope: field(1, &scope.encode_to_vec()),
        }
    }

    pub fn span_len(&self, which: usize) -> usize {
        self.templates[which].bytes.len()
    }
}

// === impl Template ===

impl Template {
    fn new(kind: Kind, content_bytes: usize) -> Self {
        let span = span(kind, content_bytes);
        let bytes = field(2, &span.encode_to_vec());
        let only = |needle: &[u8]| {
            let found = all(&bytes, needle);
            assert_eq!(found.len(), 1, "a marker must stand once in a template");
            found[0]
        };
        let int = |key: &str| only(key.as_bytes()) + key.len() + 3;
        let rest = match kind {
            Kind::Step | Kind::Tool(_) => Rest::Nothing,
            Kind::Chat(call) => Rest::Chat {
                call,
                input: [int("gen_ai.usage.input_tokens"), int("waxell.llm.input_tokens")],
                output: [int("gen_ai.usage.output_tokens"), int("waxell.llm.output_tokens")],
                total: int("waxell.llm.total_tokens"),
                cost: int("waxell.llm.cost"),
            },
            Kind::Root => Rest::Root {
                sessions: all(&bytes, SESSION.as_bytes()),
                agents: all(&bytes, AGENT.as_bytes()),
                run_id: only(RUN_ID.as_bytes()),
                user: only(USER.as_bytes()),
                // The last three bytes before the flags are a status of one field.
                status: bytes.len() - FLAGS_LEN - 1,
            },
        };
        let parent = (!matches!(kind, Kind::Root)).then(|| only(&PARENT));
        let (trace, span) = (only(&TRACE), only(&SELF));
        let (start, end) = (only(&START.to_le_bytes()), only(&END.to_le_bytes()));
        Self { trace, span, parent, start, end, rest, bytes }
    }

    /// Appends the span `which` of `run`, which this is the template of.
    pub fn write(&self, run: &Run, which: usize, into: &mut Vec<u8>) {
        let at = into.len();
        into.extend_from_slice(&self.bytes);
        let span = &mut into[at..];
        let (start, end) = run.times(which);
        put(span, self.trace, &run.trace_id());
        put(span, self.span, &run.span_id(which));
        put(span, self.start, &start.to_le_bytes());
        put(span, self.end, &end.to_le_bytes());
        if let Some(parent) = self.parent {
            put(span, parent, &run.span_id(ROOT));
        }
        match &self.rest {
            Rest::Nothing => {}
            Rest::Chat { call, input, output, total, cost } => {
                let call = run.calls[*call];
                input.iter().for_each(|at| put(span, *at, &varint2(call.input)));
                output.iter().for_each(|at| put(span, *at, &varint2(call.output)));
                put(span, *total, &varint2(call.input + call.output));
                put(span, *cost, &call.cost_usd().to_le_bytes());
            }
            Rest::Root { sessions, agents, run_id, user, status } => {
                let session = hex16(super::random::mix(0x005e_5510, run.session));
                sessions.iter().for_each(|at| put(span, at + "load-".len(), &session));
                agents.iter().for_each(|at| put(span, *at, AGENTS[usize::from(run.agent)].as_bytes()));
                put(span, *run_id, &decimal12(run.n));
                put(span, user + "user-".len(), &session[..8]);
                span[*status] = if run.is_error { StatusCode::Error as u8 } else { StatusCode::Ok as u8 };
            }
        }
    }
}

/// Tag (two bytes) and four bytes.
const FLAGS_LEN: usize = 6;

fn span(kind: Kind, content_bytes: usize) -> Span {
    let (name, span_kind, attributes) = match kind {
        Kind::Step => ("step understand the request".to_owned(), SpanKind::Internal, step()),
        Kind::Chat(_) => ("chat gpt-4o".to_owned(), SpanKind::Client, chat(content_bytes)),
        Kind::Tool(name) => (format!("execute_tool {name}"), SpanKind::Internal, tool(name)),
        Kind::Root => (format!("invoke_agent {AGENT}"), SpanKind::Internal, root()),
    };
    let is_root = matches!(kind, Kind::Root);
    Span {
        trace_id: TRACE.to_vec(),
        span_id: SELF.to_vec(),
        parent_span_id: if is_root { Vec::new() } else { PARENT.to_vec() },
        flags: 0x100,
        name,
        kind: span_kind.into(),
        start_time_unix_nano: START,
        end_time_unix_nano: END,
        attributes,
        status: Some(Status { code: if is_root { StatusCode::Ok } else { StatusCode::Unset }.into(), message: String::new() }),
        ..Default::default()
    }
}

fn root() -> Vec<KeyValue> {
    vec![
        text("gen_ai.operation.name", "invoke_agent"),
        text("gen_ai.agent.name", AGENT),
        text("openinference.span.kind", "AGENT"),
        text("waxell.agent_name", AGENT),
        text("waxell.workflow_name", "default"),
        text("waxell.span_type", "agent_execution"),
        text("waxell.run_id", RUN_ID),
        text("waxell.session_id", SESSION),
        text("gen_ai.conversation.id", SESSION),
        text("waxell.user_id", USER),
        double("waxell.governance.overhead_ms", 0.127),
        int("waxell.governance.gate_calls", 3),
        double("waxell.governance.surface.llm_before.ms", 0.047),
        int("waxell.governance.surface.llm_before.calls", 2),
        double("waxell.governance.surface.llm_after.ms", 0.044),
        int("waxell.governance.surface.llm_after.calls", 2),
    ]
}

fn chat(content_bytes: usize) -> Vec<KeyValue> {
    let stop = ArrayValue { values: vec![AnyValue { value: Some(Value::StringValue("stop".into())) }] };
    vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.request.model", "gpt-4o"),
        text("openinference.span.kind", "LLM"),
        text("waxell.span_type", "llm_call"),
        text("gen_ai.provider.name", "openai"),
        int("gen_ai.usage.input_tokens", ANY_TOKENS),
        int("gen_ai.usage.output_tokens", ANY_TOKENS),
        text("gen_ai.response.model", "gpt-4o-2024-08-06"),
        attribute("gen_ai.response.finish_reasons", Value::ArrayValue(stop)),
        text("waxell.llm.model", "gpt-4o-2024-08-06"),
        int("waxell.llm.input_tokens", ANY_TOKENS),
        int("waxell.llm.output_tokens", ANY_TOKENS),
        int("waxell.llm.total_tokens", ANY_TOKENS),
        double("waxell.llm.cost", 1.0),
        text("gen_ai.input.messages", &words(content_bytes)),
        text("gen_ai.output.messages", &words(content_bytes)),
    ]
}

fn tool(name: &str) -> Vec<KeyValue> {
    vec![
        text("gen_ai.tool.name", name),
        text("gen_ai.tool.type", "function"),
        text("openinference.span.kind", "TOOL"),
        text("waxell.tool", name),
        text("waxell.span_type", "tool_call"),
        text("waxell.tool.input", &words(60)),
        text("waxell.tool.output", &words(60)),
    ]
}

fn step() -> Vec<KeyValue> {
    vec![
        text("waxell.step_name", "understand the request"),
        int("waxell.step_position", 1),
        text("waxell.span_type", "workflow_step"),
        text("waxell.step.output", &words(110)),
    ]
}

/// Readable filler of an exact length.
fn words(n_bytes: usize) -> String {
    const TEXT: &str = "The parcel left the depot this morning and should be with you before noon; the driver will call. ";
    TEXT.bytes().cycle().take(n_bytes).map(char::from).collect()
}

pub fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

pub fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn double(key: &str, value: f64) -> KeyValue {
    attribute(key, Value::DoubleValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

/// A length-delimited field: tag, length, bytes.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 6);
    header(number, bytes.len(), &mut out);
    out.extend_from_slice(bytes);
    out
}

/// Tag and length of a field.
pub fn header(number: u8, len: usize, out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    prost::encoding::encode_varint(len as u64, out);
}

fn varint2(value: u64) -> [u8; 2] {
    debug_assert!((128..16_384).contains(&value));
    [(value & 0x7f) as u8 | 0x80, (value >> 7) as u8]
}

fn put(span: &mut [u8], at: usize, bytes: &[u8]) {
    span[at..at + bytes.len()].copy_from_slice(bytes);
}

fn all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, needle).collect()
}

fn hex16(value: u64) -> [u8; 16] {
    std::array::from_fn(|digit| b"0123456789abcdef"[(value >> (60 - 4 * digit)) as usize & 15])
}

fn decimal12(mut value: u64) -> [u8; 12] {
    let mut digits = [b'0'; 12];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    digits
}
