//! What one log record of a coding agent says.

use super::tables::Agent;
use crate::conventions::number::{self, Reading};
use crate::wire::otlp::logs::LogRecord;
use crate::wire::otlp::{Malformed, Value};

/// The attributes of a record that are read, under one name for what several agents call differently. Tokens are as they were sent.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// With or without the agent's prefix.
    pub event: &'a str,
    pub time: u64,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub sequence: Option<i64>,
    pub session: Option<&'a str>,
    pub turn: Option<&'a str>,
    /// The subagent that it is of: its id, else its name.
    pub subagent: Option<&'a str>,
    pub subagent_name: Option<&'a str>,
    pub user: [Option<&'a str>; 3],
    pub model: Option<&'a str>,
    pub call: Option<&'a str>,
    pub input: Option<i64>,
    pub output: Option<i64>,
    pub cache_read: Option<i64>,
    pub cache_write: Option<i64>,
    pub cache_write_1h: Option<i64>,
    pub reasoning: Option<i64>,
    /// How the model served it.
    pub speed: Option<&'a str>,
    pub cost: Option<Value<'a>>,
    pub turn_cost: Option<Value<'a>>,
    pub turn_id: Option<&'a str>,
    pub duration_ms: Option<i64>,
    pub tool: Option<&'a str>,
    pub tool_call: Option<&'a str>,
    pub has_failed: bool,
    pub has_succeeded: bool,
    pub error: Option<&'a str>,
    /// Of a message from one conversation to another: its kind, and the two.
    pub message: Option<&'a str>,
    pub sender: Option<&'a str>,
    pub receiver: Option<&'a str>,
    pub status_code: Option<i64>,
    /// A command of the program itself, not a prompt.
    pub is_command: bool,
    /// A prompt that was typed while its turn was going on.
    pub is_mid_turn: bool,
    /// What was said: kept only where that is asked for.
    pub prompt: Option<&'a str>,
    pub response: Option<&'a str>,
    pub arguments: Option<&'a str>,
    pub result: Option<&'a str>,
}

/// The key by which a resource names a session.
pub(super) const RESOURCE_SESSION_KEY: &str = "session.id";

/// What an agent puts in place of what it does not tell.
const REDACTED: [&str; 2] = ["<REDACTED>", "[REDACTED]"];

/// The names of a record's event, wherever they stand: that of its attribute first, which Claude Code writes without its prefix.
pub(super) fn event_names<'a>(record: &LogRecord<'a>) -> Result<[&'a str; 2], Malformed> {
    // Codex names a place in its own source there, other agents the event.
    let name = match record.body {
        Value::Str(body) if record.event_name.is_empty() => body,
        _ => record.event_name,
    };
    for attribute in record.attributes() {
        let attribute = attribute?;
        if let ("event.name", Value::Str(first)) = (attribute.key, attribute.value) {
            return Ok([first, name]);
        }
    }
    Ok([name, ""])
}

// === impl Record ===

impl<'a> Record<'a> {
    /// `session` is the one of the resource, for what names none.
    pub(super) fn read(agent: &Agent, event: &'a str, record: &LogRecord<'a>, session: Option<&'a str>) -> Result<Self, Malformed> {
        let mut said = Self {
            event,
            session: session.filter(|_| agent.session_key == RESOURCE_SESSION_KEY),
            time: if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano },
            trace_id: record.trace_id,
            span_id: record.span_id,
            ..Self::default()
        };
        let mut agent_id = None;
        let mut prompt_id = None;
        for attribute in record.attributes() {
            let attribute = attribute?;
            let value = attribute.value;
            match attribute.key {
                key if key == agent.session_key => said.session = text(value).or(said.session),
                "event.sequence" => said.sequence = whole(value),
                "prompt.id" => said.turn = text(value),
                "prompt_id" => prompt_id = text(value),
                "agent_id" => agent_id = text(value),
                "agent.name" | "agent_type" | "agent_name" | "subagent_name" => said.subagent_name = text(value),
                "user.email" => said.user[0] = text(value),
                "user.account_uuid" | "user.account_id" => said.user[1] = text(value),
                "user.id" => said.user[2] = text(value),
                "model" => said.model = text(value),
                "request_id" | "response_id" => said.call = text(value),
                "input_tokens" | "input_token_count" => said.input = whole(value),
                "output_tokens" | "output_token_count" => said.output = whole(value),
                "cache_read_tokens" | "cached_token_count" | "cached_content_token_count" => said.cache_read = whole(value),
                "cache_creation_tokens" | "cache_write_token_count" => said.cache_write = whole(value),
                "cache_creation_1h_tokens" => said.cache_write_1h = whole(value),
                "reasoning_token_count" | "thoughts_token_count" | "reasoning_tokens" => said.reasoning = whole(value),
                "speed" => said.speed = text(value).filter(|speed| *speed != "normal"),
                "cost_usd" => said.cost = Some(value),
                "usage.estimated_usd" => said.turn_cost = Some(value),
                "turn.id" => said.turn_id = text(value),
                "duration_ms" => said.duration_ms = whole(value),
                "tool_name" | "function_name" => said.tool = text(value),
                "tool_use_id" | "call_id" => said.tool_call = text(value),
                "success" => match value {
                    Value::Bool(false) | Value::Str("false") => said.has_failed = true,
                    Value::Bool(true) | Value::Str("true") => said.has_succeeded = true,
                    _ => {}
                },
                "status_code" | "http.response.status_code" => said.status_code = whole(value),
                "error" | "error.message" => said.error = text(value),
                "kind" => said.message = text(value),
                "sender_thread_id" => said.sender = text(value),
                "receiver_thread_id" => said.receiver = text(value),
                "terminate_reason" => said.has_failed |= text(value).is_some_and(|reason| reason.starts_with("ERROR")),
                "command_source" => said.is_command = text(value) == Some("builtin"),
                "delivery.mode" => said.is_mid_turn = text(value) == Some("mid_turn"),
                "prompt" => said.prompt = content(value),
                "response" | "response_text" => said.response = content(value),
                "arguments" | "function_args" | "tool_parameters" | "tool_input" => said.arguments = content(value),
                "output" => said.result = content(value),
                _ => {}
            }
        }
        // Where a subagent has no id in its records, its prompts are numbered below one: `<agent id>#<n>`.
        let below = prompt_id.and_then(|id| id.split_once('#')).map(|(above, _)| above).filter(|above| said.session != Some(above));
        said.subagent = agent_id.or(below).or(said.subagent_name).filter(|_| agent.has_subagents);
        Ok(said)
    }

    /// Of several names of a user the one that says most.
    pub fn user(&self) -> Option<&'a str> {
        self.user.into_iter().flatten().find(|user| !user.is_empty())
    }
}

fn text(value: Value<'_>) -> Option<&str> {
    match value {
        Value::Str(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn content(value: Value<'_>) -> Option<&str> {
    text(value).filter(|text| !REDACTED.contains(text))
}

/// What is no number that can be believed is read as a negative one, so that it is counted as odd where it is read.
fn whole(value: Value<'_>) -> Option<i64> {
    match number::tokens(value) {
        Reading::Absent => None,
        Reading::Stated(number) => i64::try_from(number).ok(),
        _ => Some(-1),
    }
}
