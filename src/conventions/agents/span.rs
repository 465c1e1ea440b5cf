//! From one record to its span.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::ids::id_of;
use super::record::Record;
use super::tables::{Agent, What};
use super::{attribute, text};
use crate::model::digest::hex;
use crate::model::facts::Delivery;
use crate::model::logs::{ANSWERED_SPAN, ASKED_SPAN, COMMAND_SPAN, SPAWN_SPAN, TURN_COST_SPAN};
use crate::wire::otlp::Value;

/// Makes the span of one record.
pub(super) struct Maker<'a> {
    pub agent: &'static Agent,
    /// What the agent is called.
    pub name: &'static str,
    pub tenant: &'a str,
    pub keep_content: bool,
    pub record: Record<'a>,
}

/// The span, and now and then one beside it.
pub(super) type Made = Vec<(Span, Delivery)>;

/// A turn's part of a UUID of version 7: milliseconds, in its first 48 bits.
const UUID_V7_DIGITS: usize = 12;

// === impl Maker ===

impl Maker<'_> {
    /// `None` if the record says nothing about a run.
    pub(super) fn make(&self, what: What) -> Option<Made> {
        let record = &self.record;
        let is_beside_span = self.is_beside_span();
        let mut span = match what {
            What::Prompt if record.is_mid_turn => return None,
            What::Prompt => self.prompt(),
            What::Call if self.record.input.is_none() && self.record.output.is_none() && self.record.error.is_some() => self.failed_call(),
            What::Call => self.call()?,
            What::FailedCall => self.failed_call(),
            What::Attempt if record.status_code.is_some_and(|code| code >= 400) || record.error.is_some() => self.failed_call(),
            What::Attempt => return None,
            What::Tool => self.tool(),
            What::Subagent => self.subagent()?,
            What::TurnCost => self.turn_cost()?,
            What::Spawn => return self.spawn(),
            What::Answer => return self.answer().map(|answer| vec![answer]),
        };
        if is_beside_span && matches!(what, What::Tool | What::Subagent) {
            // The real span tells of it, and without that nothing is lost but a name.
            return None;
        }
        self.label(&mut span.attributes);
        let delivery = match what {
            _ if is_beside_span => Delivery::Never,
            What::Prompt => Delivery::WhenOver,
            _ => Delivery::Forwarded,
        };
        let asked = if what == What::Prompt { self.asked(&span) } else { None };
        Some([Some((span, delivery)), self.spawned(what), asked].into_iter().flatten().collect())
    }

    fn is_beside_span(&self) -> bool {
        self.agent.is_beside_spans && self.record.trace_id.len() == 16 && self.record.span_id.len() == 8
    }

    // --- what each event is

    fn prompt(&self) -> Span {
        let record = &self.record;
        let is_by_itself = !record.is_command && !self.agent.is_prompt_told_elsewhere;
        let name = if is_by_itself { format!("invoke_agent {}", self.name) } else { COMMAND_SPAN.to_owned() };
        let id = if self.is_beside_span() { record.span_id.to_vec() } else { self.turn().unwrap_or_else(|| self.id("prompt")) };
        let mut span = Span { name, span_id: id, trace_id: self.trace(), ..self.at(record.time, record.time) };
        span.attributes = vec![text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", self.name)];
        span
    }

    /// What a turn was asked: a span of its own, since the turn's is made when that is over, from what is kept of it then.
    fn asked(&self, prompt: &Span) -> Option<(Span, Delivery)> {
        let said = self.record.prompt.filter(|_| !self.record.is_command)?;
        let span_id = id_of::<8>(&[ASKED_SPAN, &hex(&prompt.trace_id), &hex(&prompt.span_id)]).to_vec();
        self.content(ASKED_SPAN, ("input.value", said), span_id, prompt.span_id.clone())
    }

    /// What a call answered, where another event tells of the call.
    fn answer(&self) -> Option<(Span, Delivery)> {
        let said = self.record.response?;
        let span_id = self.record.call.map_or_else(|| self.id("answer"), |call| self.id_of(&["answer", call]));
        self.content(ANSWERED_SPAN, ("output.value", said), span_id, self.parent())
    }

    /// Nothing else tells Tempo of it, whether or not real spans are beside it.
    fn content(&self, name: &str, (key, said): (&str, &str), span_id: Vec<u8>, parent: Vec<u8>) -> Option<(Span, Delivery)> {
        let at = self.at(self.record.time, self.record.time);
        let mut span = Span { name: name.to_owned(), span_id, trace_id: self.trace(), parent_span_id: parent, ..at };
        span.attributes = vec![text(key, said)];
        self.label(&mut span.attributes);
        self.keep_content.then_some((span, Delivery::Forwarded))
    }

    /// Only what counts tokens, or states a cost, is a call.
    fn call(&self) -> Option<Span> {
        let record = &self.record;
        if record.input.is_none() && record.output.is_none() && record.cost.is_none() {
            return None;
        }
        let mut span = self.model_span();
        let cache = if self.agent.input_excludes_cache { [record.cache_read, record.cache_write] } else { [None; 2] };
        let reasoning = if self.agent.output_excludes_reasoning { record.reasoning } else { None };
        let numbers = [
            ("gen_ai.usage.input_tokens", sum(record.input, cache)),
            ("gen_ai.usage.output_tokens", sum(record.output, [reasoning, None])),
            ("gen_ai.usage.cache_read.input_tokens", record.cache_read),
            ("gen_ai.usage.cache_write.input_tokens", record.cache_write),
            ("gen_ai.usage.cache_write_1h.input_tokens", record.cache_write_1h.filter(|&tokens| tokens > 0)),
            ("gen_ai.usage.reasoning.output_tokens", record.reasoning),
        ];
        let numbers = numbers.into_iter().filter_map(|(key, number)| Some(attribute(key, Any::IntValue(number?))));
        span.attributes.extend(numbers);
        span.attributes.extend(record.speed.map(|speed| text("gen_ai.response.service_tier", speed)));
        span.attributes.extend(money("gen_ai.usage.cost", record.cost));
        self.said(&mut span.attributes, "output.value", record.response);
        Some(span)
    }

    fn failed_call(&self) -> Span {
        let mut span = self.model_span();
        if let Some(code) = self.record.status_code {
            span.attributes.push(attribute("http.response.status_code", Any::IntValue(code)));
        }
        fail(&mut span);
        let code = self.record.status_code.map(|code| format!("HTTP {code}"));
        let error = self.record.error.filter(|_| self.keep_content).map(str::to_owned);
        if let Some(status) = &mut span.status {
            status.message = [code, error].into_iter().flatten().collect::<Vec<_>>().join(": ");
        }
        span
    }

    fn model_span(&self) -> Span {
        let record = &self.record;
        // What tells of another price in brackets is not part of a model's name.
        let model = record.model.map(|model| model.split('[').next().unwrap_or(model));
        let name = format!("chat {}", model.unwrap_or_default()).trim_end().to_owned();
        let span_id = record.call.map_or_else(|| self.id("call"), |call| self.id_of(&["call", call]));
        let mut span = Span { name, span_id, trace_id: self.trace(), parent_span_id: self.parent(), ..self.lasting() };
        span.attributes.push(text("gen_ai.operation.name", "chat"));
        if !self.agent.provider.is_empty() {
            span.attributes.push(text("gen_ai.provider.name", self.agent.provider));
        }
        span.attributes.extend(model.map(|model| text("gen_ai.request.model", model)));
        span.attributes.extend(record.call.map(|call| text("gen_ai.response.id", call)));
        span
    }

    fn tool(&self) -> Span {
        let record = &self.record;
        let tool = record.tool.unwrap_or_default();
        let span_id = record.tool_call.map_or_else(|| self.id("tool"), |call| self.id_of(&["tool", call]));
        let name = format!("execute_tool {tool}").trim_end().to_owned();
        let mut span = Span { name, span_id, trace_id: self.trace(), parent_span_id: self.parent(), ..self.lasting() };
        span.attributes = vec![text("gen_ai.operation.name", "execute_tool"), text("gen_ai.tool.name", tool)];
        self.said(&mut span.attributes, "gen_ai.tool.call.arguments", record.arguments);
        self.said(&mut span.attributes, "gen_ai.tool.call.result", record.result);
        match record.has_failed {
            true => fail(&mut span),
            false if record.has_succeeded => span.status = Some(Status { code: StatusCode::Ok.into(), ..Status::default() }),
            false => {}
        }
        span
    }

    fn subagent(&self) -> Option<Span> {
        let (id, name) = (self.record.subagent?, self.record.subagent_name.unwrap_or("subagent"));
        let mut span = Span {
            name: format!("invoke_agent {name}"),
            span_id: self.subagent_id(id),
            trace_id: self.trace(),
            // Where turns are told by time, a parent that there is not: what names none begins a turn.
            parent_span_id: self.turn().unwrap_or_else(|| self.id_of(&["turn"])),
            ..self.lasting()
        };
        span.attributes = vec![text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", name)];
        if self.record.has_failed {
            fail(&mut span);
        }
        Some(span)
    }

    /// What a turn cost as a whole, told when it is over; its id says when it began.
    fn turn_cost(&self) -> Option<Span> {
        let (turn, cost) = (self.record.turn_id?, money("gen_ai.usage.cost", self.record.turn_cost)?);
        let digits: String = turn.chars().filter(|digit| *digit != '-').take(UUID_V7_DIGITS).collect();
        let began = u64::from_str_radix(&digits, 16).ok()?.checked_mul(1_000_000)?;
        let span_id = self.id_of(&["turn cost", turn]);
        let mut span = Span { name: TURN_COST_SPAN.to_owned(), span_id, trace_id: self.trace(), ..self.at(began, began) };
        span.attributes = vec![cost];
        Some(span)
    }

    /// Where a tool starts another conversation and says which: until 0.171 over SSE.
    fn spawned(&self, what: What) -> Option<(Span, Delivery)> {
        let record = &self.record;
        if what != What::Tool || !self.agent.is_session_weak || record.tool != Some("spawn_agent") {
            return None;
        }
        let said: serde_json::Value = serde_json::from_str(record.result?).ok()?;
        Some(self.link(record.session?, said.get("agent_id")?.as_str()?))
    }

    fn spawn(&self) -> Option<Made> {
        let record = &self.record;
        let (sender, receiver) = (record.sender?, record.receiver?);
        (record.message == Some("spawn")).then(|| vec![self.link(sender, receiver)])
    }

    /// The turn that a conversation is which was started in another, whose session it says.
    fn link(&self, session: &str, child: &str) -> (Span, Delivery) {
        let mut span = Span {
            name: SPAWN_SPAN.to_owned(),
            span_id: id_of::<8>(&["spawned", self.tenant, self.agent.prefix, child]).to_vec(),
            trace_id: id_of::<16>(&[self.tenant, self.agent.prefix, child]).to_vec(),
            ..self.at(self.record.time, self.record.time)
        };
        span.attributes = vec![
            text("gen_ai.operation.name", "invoke_agent"),
            text("gen_ai.agent.name", self.name),
            text("session.id", session),
            attribute("sessionfold.synthetic", Any::BoolValue(true)),
        ];
        (span, Delivery::WhenOver)
    }

    // --- what all of them have

    fn label(&self, attributes: &mut Vec<KeyValue>) {
        let record = &self.record;
        attributes.push(attribute("sessionfold.synthetic", Any::BoolValue(true)));
        let session_key = if self.agent.is_session_weak { "gen_ai.conversation.id" } else { "session.id" };
        attributes.extend(record.session.map(|session| text(session_key, session)));
        attributes.extend(record.user().map(|user| text("user.id", user)));
    }

    fn said(&self, attributes: &mut Vec<KeyValue>, key: &str, value: Option<&str>) {
        attributes.extend(value.filter(|_| self.keep_content).map(|value| text(key, value)));
    }

    fn at(&self, start: u64, end: u64) -> Span {
        Span { start_time_unix_nano: start, end_time_unix_nano: end, kind: 1, ..Span::default() }
    }

    /// As long as the record says.
    fn lasting(&self) -> Span {
        let (time, lasted) = (self.record.time, self.record.duration_ms.and_then(|ms| u64::try_from(ms).ok()));
        let lasted = lasted.unwrap_or_default().saturating_mul(1_000_000);
        if self.agent.is_told_at_start { self.at(time, time.saturating_add(lasted)) } else { self.at(time.saturating_sub(lasted), time) }
    }

    // --- ids

    fn trace(&self) -> Vec<u8> {
        if self.is_beside_span() {
            return self.record.trace_id.to_vec();
        }
        let session = self.record.session.unwrap_or_default();
        let id: [u8; 16] = match self.record.turn.filter(|_| self.agent.turn_key.is_some()) {
            Some(turn) => id_of(&[self.tenant, self.agent.prefix, session, turn]),
            None => id_of(&[self.tenant, self.agent.prefix, session]),
        };
        id.to_vec()
    }

    /// The span of the turn, where the record says which one it is of.
    fn turn(&self) -> Option<Vec<u8>> {
        self.record.turn.filter(|_| self.agent.turn_key.is_some()).map(|turn| self.id_of(&["turn", turn]))
    }

    fn subagent_id(&self, id: &str) -> Vec<u8> {
        self.id_of(&["subagent", self.record.turn.unwrap_or_default(), id])
    }

    fn parent(&self) -> Vec<u8> {
        if self.is_beside_span() {
            return self.record.span_id.to_vec();
        }
        match self.record.subagent {
            Some(id) => self.subagent_id(id),
            None => self.turn().unwrap_or_default(),
        }
    }

    fn id_of(&self, words: &[&str]) -> Vec<u8> {
        let mut parts = vec![self.agent.prefix, self.record.session.unwrap_or_default()];
        parts.extend(words);
        id_of::<8>(&parts).to_vec()
    }

    /// Of a record that nothing else tells from others: everything it says.
    fn id(&self, kind: &str) -> Vec<u8> {
        let Record { event, time, sequence, turn, model, input, output, cost, tool, duration_ms, .. } = &self.record;
        let all = format!("{event} {time} {sequence:?} {turn:?} {model:?} {input:?} {output:?} {cost:?} {tool:?} {duration_ms:?}");
        self.id_of(&[kind, &all])
    }
}

fn fail(span: &mut Span) {
    span.status = Some(Status { code: StatusCode::Error.into(), ..Status::default() });
}

/// A part that cannot be believed makes the sum unbelievable.
fn sum(whole: Option<i64>, parts: [Option<i64>; 2]) -> Option<i64> {
    let parts = parts.into_iter().flatten();
    whole.map(|whole| parts.fold(whole, |sum, part| if sum < 0 || part < 0 { -1 } else { sum.saturating_add(part) }))
}

fn money(key: &str, value: Option<Value<'_>>) -> Option<KeyValue> {
    let value = match value? {
        Value::Int(number) => Any::IntValue(number),
        Value::Double(number) => Any::DoubleValue(number),
        Value::Str(number) => Any::StringValue(number.to_owned()),
        _ => return None,
    };
    Some(attribute(key, value))
}
