//! Log events as coding agents send them, and what a server must make of them.
//!
//! - Claude Code: many processes, each with a session of its own, each sending what its last seconds came to. A turn is a prompt, then for
//!   each call the result of a tool and the request that it led to.
//! - Codex: one conversation, however long. Its events say neither which turn nor which call they are of.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::connection::Signal;
use super::plan::Request;
use super::post::Requests;
use super::random::mix;

/// A prompt, and for each call a tool and the request.
const RECORDS_PER_TURN: u64 = 1 + 2 * CALLS_PER_TURN;
const CALLS_PER_TURN: u64 = 4;
const TURNS_PER_SESSION: u64 = 5;
/// Of one call of Codex: the request, which says nothing, the end of its stream, and a tool.
pub const RECORDS_PER_CODEX_CALL: u64 = 3;
const CODEX_CALLS_PER_TURN: u64 = 10;
const NANOS_PER_MICRO_USD: u64 = 1_000;

/// What must be in the end.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Sums {
    pub sessions: u64,
    pub runs: u64,
    pub tokens: u64,
    pub cost_nanos: u64,
    /// Records that become spans.
    pub spans: u64,
}

/// Many processes of Claude Code, each in turn.
pub struct ClaudeCode {
    pub sums: Sums,
    batch: u64,
    is_framed: bool,
    seed: u64,
    /// How many records each process has sent.
    processes: Vec<u64>,
    next: usize,
    records_left: u64,
}

/// One conversation of Codex.
pub struct Codex {
    pub sums: Sums,
    batch: u64,
    is_framed: bool,
    /// The next record, and where to stop.
    next: u64,
    until: u64,
    epoch: u64,
}

// === impl ClaudeCode ===

impl ClaudeCode {
    pub fn new(seed: u64, processes: usize, batch: u64, records: u64, is_framed: bool) -> Self {
        Self { sums: Sums::default(), batch, is_framed, seed, processes: vec![0; processes], next: 0, records_left: records }
    }

    fn record(&mut self, process: usize) -> LogRecord {
        let nth = self.processes[process];
        self.processes[process] += 1;
        let in_session = nth % (RECORDS_PER_TURN * TURNS_PER_SESSION);
        let session = mix(mix(self.seed, process as u64), nth / (RECORDS_PER_TURN * TURNS_PER_SESSION));
        let (turn, step) = (in_session / RECORDS_PER_TURN, in_session % RECORDS_PER_TURN);
        let luck = mix(session, in_session);
        let name = match step {
            0 => "user_prompt",
            step if step % 2 == 1 => "tool_result",
            _ => "api_request",
        };
        let now = now();
        let mut attributes = vec![
            text("user.id", "3b1f0d3c5a7e9f11223344556677889900aabbccddeeff00112233445566778"),
            text("session.id", &uuid(session)),
            text("organization.id", "c5a7e9f1-1223-4344-9566-77889900aabb"),
            text("user.email", &format!("user-{:02}@example.org", session % 50)),
            text("terminal.type", "vscode"),
            text("event.name", name),
            text("event.timestamp", "2026-11-29T12:00:00.000Z"),
            int("event.sequence", in_session),
            text("prompt.id", &uuid(mix(session, 1_000 + turn))),
        ];
        self.sums.sessions += u64::from(in_session == 0);
        self.sums.spans += 1;
        match name {
            "user_prompt" => {
                self.sums.runs += 1;
                attributes.extend([text("prompt_length", "112"), text("prompt", "<REDACTED>")]);
            }
            "tool_result" => attributes.extend([
                text("tool_name", ["Bash", "Read", "Edit", "Grep"][(luck % 4) as usize]),
                text("tool_use_id", &format!("toolu_{luck:016x}")),
                text("success", if luck.is_multiple_of(20) { "false" } else { "true" }),
                text("duration_ms", &(luck % 900).to_string()),
                text("decision_type", "accept"),
                text("decision_source", "config"),
                int("tool_result_size_bytes", luck % 20_000),
            ]),
            _ => {
                let [input, output, read, written] = [luck % 50, 100 + luck % 900, 20_000 + luck % 9_000, luck % 700];
                let micros = 3 * input + 15 * output + read / 3 + 4 * written;
                self.sums.tokens += input + output + read + written;
                self.sums.cost_nanos += micros * NANOS_PER_MICRO_USD;
                attributes.extend([
                    text("model", "claude-sonnet-4-5-20250929"),
                    int("input_tokens", input),
                    int("output_tokens", output),
                    int("cache_read_tokens", read),
                    int("cache_creation_tokens", written),
                    attribute("cost_usd", Value::DoubleValue(micros as f64 / 1e6)),
                    int("cost_usd_micros", micros),
                    int("duration_ms", 900 + luck % 5_000),
                    int("ttft_ms", 300 + luck % 500),
                    text("request_id", &format!("req_{luck:016x}")),
                    text("query_source", "repl_main_thread"),
                    text("speed", "normal"),
                ]);
            }
        }
        LogRecord {
            time_unix_nano: now,
            observed_time_unix_nano: now,
            body: Some(AnyValue { value: Some(Value::StringValue(format!("claude_code.{name}"))) }),
            attributes,
            ..LogRecord::default()
        }
    }
}

impl Iterator for ClaudeCode {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let n = self.batch.min(self.records_left);
        if n == 0 {
            return None;
        }
        self.records_left -= n;
        let process = self.next;
        self.next = (self.next + 1) % self.processes.len();
        let records = (0..n).map(|_| self.record(process)).collect();
        Some(request("claude-code", "2.1.332", "com.anthropic.claude_code.events", records, self.is_framed))
    }
}

impl Requests for ClaudeCode {
    fn stop(&mut self) {
        self.records_left = 0;
    }
}

// === impl Codex ===

impl Codex {
    pub fn new(batch: u64, is_framed: bool) -> Self {
        Self { sums: Sums { sessions: 1, ..Sums::default() }, batch, is_framed, next: 0, until: 0, epoch: now() }
    }

    /// Goes on for so many calls.
    pub fn go_on(&mut self, calls: u64) {
        self.until = self.next + calls * RECORDS_PER_CODEX_CALL + calls / CODEX_CALLS_PER_TURN;
    }

    fn record(&mut self) -> LogRecord {
        const RECORDS_PER_TURN: u64 = CODEX_CALLS_PER_TURN * RECORDS_PER_CODEX_CALL + 1;
        let nth = self.next;
        self.next += 1;
        let luck = mix(0xc0de, nth);
        let name = match nth % RECORDS_PER_TURN {
            0 => "codex.user_prompt",
            step => ["codex.api_request", "codex.sse_event", "codex.tool_result"][(step as usize - 1) % 3],
        };
        let mut attributes = vec![
            text("event.name", name),
            text("event.timestamp", "2026-11-29T12:00:00.000Z"),
            text("conversation.id", CONVERSATION),
            text("app.version", "0.171.0"),
            text("originator", "codex_cli_rs"),
            text("terminal.type", "unknown"),
            text("model", MODEL),
            text("slug", MODEL),
        ];
        self.sums.spans += u64::from(name != "codex.api_request");
        match name {
            "codex.user_prompt" => {
                self.sums.runs += 1;
                attributes.extend([text("prompt_length", "112"), text("prompt", "[REDACTED]")]);
            }
            "codex.api_request" => {
                attributes.extend([
                    int("attempt", 0),
                    int("http.response.status_code", 200),
                    text("duration_ms", &(luck % 900).to_string()),
                ]);
            }
            "codex.sse_event" => {
                let (input, output) = (9_000 + luck % 90_000, 10 + luck % 2_000);
                self.sums.tokens += input + output;
                attributes.extend([
                    text("event.kind", "response.completed"),
                    text("input_token_count", &input.to_string()),
                    text("output_token_count", &output.to_string()),
                    int("cached_token_count", input / 2),
                    int("reasoning_token_count", output / 3),
                    text("tool_token_count", &(input + output).to_string()),
                ]);
            }
            _ => attributes.extend([
                text("tool_name", "shell"),
                text("call_id", &format!("call_{luck:016x}")),
                text("arguments", r#"{"command":["bash","-lc","cargo test --lib"],"workdir":"/home/dev/project"}"#),
                text("duration_ms", &(luck % 900).to_string()),
                text("success", "true"),
                text("output", "test result: ok. 318 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"),
            ]),
        }
        // As Codex has it: the time of the event is not told. Each record is of a millisecond of its own.
        LogRecord { observed_time_unix_nano: self.epoch + nth * 1_000_000, attributes, ..LogRecord::default() }
    }
}

/// One without a price: Codex states no costs.
const MODEL: &str = "a-model-of-our-own";

const CONVERSATION: &str = "019ac0de-7a5e-7000-8000-00000000c0de";

impl Iterator for Codex {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        let n = self.batch.min(self.until - self.next);
        if n == 0 {
            return None;
        }
        let records = (0..n).map(|_| self.record()).collect();
        Some(request("codex_cli_rs", "0.171.0", "codex_otel.log_only", records, self.is_framed))
    }
}

impl Requests for Codex {
    fn stop(&mut self) {
        self.until = self.next;
    }
}

fn request(service: &str, version: &str, scope: &str, log_records: Vec<LogRecord>, is_framed: bool) -> Request {
    let n_items = log_records.len() as u64;
    let resource = Resource {
        attributes: vec![
            text("host.arch", "arm64"),
            text("os.type", "darwin"),
            text("os.version", "25.1.0"),
            text("service.name", service),
            text("service.version", version),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope { name: scope.to_owned(), version: version.to_owned(), ..InstrumentationScope::default() };
    let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }];
    let message = ExportLogsServiceRequest { resource_logs };
    let mut bytes = Vec::with_capacity(message.encoded_len() + 5);
    if is_framed {
        bytes.push(0);
        bytes.extend_from_slice(&(message.encoded_len() as u32).to_be_bytes());
    }
    message.encode(&mut bytes).expect("a vector has room");
    Request { signal: Signal::Logs, n_spans: n_items, bytes: bytes.into() }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64)
}

fn uuid(number: u64) -> String {
    format!("{:08x}-{:04x}-4000-8000-{:012x}", number >> 32, number >> 16 & 0xffff, mix(number, 1) & 0xffff_ffff_ffff)
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(value as i64))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
