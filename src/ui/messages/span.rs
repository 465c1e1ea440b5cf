//! What was said to a model or an agent and what it said, out of the attributes and events of its span.

use serde_json::Value as Json;

use super::events::{self, Event};
use super::keys::{ANSWERS, INPUT_WORDS, MESSAGES, NUMBERED, OUTPUT_WORDS, WHOLE, WRAPPED};
use super::message::{Message, Part, Role};
use super::places::is_named;
use super::{Attributes, MESSAGES_MAX, Said, numbered, shapes};

/// What went in, and what came out: of each the first that a dialect makes out, else the first structure that is there.
pub(super) fn said(attributes: &Attributes, events: &[Event<'_>]) -> Said {
    let mut said = Said::default();
    let mut structures = Said::default();
    for way in [exact, numbered_keys, answer_in_parts] {
        said.fill(way(attributes), &mut structures);
    }
    said.fill(events::said(events), &mut structures);
    for way in [wrapped, whole, named] {
        if said.is_full() {
            break;
        }
        said.fill(way(attributes), &mut structures);
    }
    for (held, structure) in [(&mut said.input, structures.input), (&mut said.output, structures.output)] {
        if held.is_empty() {
            *held = structure;
        }
        held.truncate(MESSAGES_MAX);
    }
    said
}

fn read(attributes: &Attributes, keys: &[&str], role: &Role) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    for key in keys {
        let role = if key.ends_with("system_instructions") { &Role::System } else { role };
        for message in attributes.get(*key).map(|value| shapes::messages(value, role)).unwrap_or_default() {
            // Instructions that the messages repeat.
            if message.role != Role::System || !found.contains(&message) {
                found.push(message);
            }
        }
    }
    found
}

fn exact(attributes: &Attributes) -> Said {
    let mut said = Said::default();
    let mut structures = Said::default();
    for dialect in MESSAGES {
        said.fill(
            Said { input: read(attributes, dialect.input, &Role::User), output: read(attributes, dialect.output, &Role::Assistant) },
            &mut structures,
        );
    }
    said.or(structures)
}

fn numbered_keys(attributes: &Attributes) -> Said {
    let mut said = Said::default();
    let mut structures = Said::default();
    for (input, output) in NUMBERED {
        let read = |prefix: &str, role: &Role| match prefix {
            "" => Vec::new(),
            prefix => shapes::messages(&numbered::below(attributes, prefix), role),
        };
        said.fill(Said { input: read(input, &Role::User), output: read(output, &Role::Assistant) }, &mut structures);
    }
    said.or(structures)
}

/// An answer in several attributes, as the AI SDK of Vercel and Sentry have it.
fn answer_in_parts(attributes: &Attributes) -> Said {
    let get = |names: &[&str]| {
        let keys = ANSWERS.iter().flat_map(|prefix| names.iter().map(move |name| format!("{prefix}{name}")));
        keys.filter_map(|key| attributes.get(&key)).find(|value| !value.is_null())
    };
    let mut parts = Vec::new();
    parts.extend(
        get(&["reasoning"]).and_then(Json::as_str).filter(|text| !text.trim().is_empty()).map(|text| Part::Reasoning(text.to_owned())),
    );
    let said = get(&["text"]).map(|text| shapes::messages(text, &Role::Assistant)).unwrap_or_default();
    parts.extend(said.into_iter().flat_map(|message| message.parts));
    parts.extend(get(&["object"]).map(super::parts::unquoted).filter(|object| !object.is_null()).map(Part::Data));
    let calls = get(&["toolCalls", "tool_calls"]).map(super::parts::unquoted);
    let calls = calls.as_ref().and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_object);
    parts.extend(calls.filter_map(super::parts::call).map(Part::Call));
    let output = if parts.is_empty() { Vec::new() } else { vec![Message { role: Role::Assistant, parts }] };
    Said { input: Vec::new(), output }
}

fn wrapped(attributes: &Attributes) -> Said {
    let mut said = Said::default();
    let mut structures = Said::default();
    for dialect in WRAPPED {
        // Of several keys of one dialect each is another kind of span.
        let first = |keys: &[&str], role: &Role| {
            keys.iter().map(|key| read(attributes, &[key], role)).find(|found| !found.is_empty()).unwrap_or_default()
        };
        said.fill(Said { input: first(dialect.input, &Role::User), output: first(dialect.output, &Role::Assistant) }, &mut structures);
        if said.is_full() {
            break;
        }
    }
    said.or(structures)
}

/// A list that holds what was answered, too.
fn whole(attributes: &Attributes) -> Said {
    for key in WHOLE {
        let mut found = read(attributes, &[key], &Role::User);
        if found.iter().any(Message::is_read) {
            let asked = found.iter().rposition(|message| message.role == Role::User).map_or(0, |at| at + 1);
            let output = found.split_off(asked);
            return Said { input: found, output };
        }
    }
    Said::default()
}

/// By the last words of keys that no table names.
fn named(attributes: &Attributes) -> Said {
    let find = |is_output: bool, role: &Role| {
        let fits = |key: &&String| {
            let last = key.rsplit('.').next().unwrap_or_default();
            // `meta.output.messages` is of what came out.
            let is_of_output =
                OUTPUT_WORDS.contains(&last) || key.split('.').any(|word| OUTPUT_WORDS.contains(&word)) && INPUT_WORDS.contains(&last);
            is_named(key) && is_of_output == is_output
        };
        let found = attributes.keys().filter(fits).take(8).map(|key| read(attributes, &[key], role));
        found.into_iter().find(|found| found.iter().any(Message::is_read)).unwrap_or_default()
    };
    Said { input: find(false, &Role::User), output: find(true, &Role::Assistant) }
}

/// Pipecat tells them as the conventions do, and what was asked in a key of its own.
fn is_instructions(messages: &[Message]) -> bool {
    !messages.is_empty() && messages.iter().all(|message| message.role == Role::System)
}

// === impl Said ===

impl Said {
    fn is_full(&self) -> bool {
        !self.input.is_empty() && !is_instructions(&self.input) && !self.output.is_empty()
    }

    /// Takes what is missing, if it is more than a structure; the first structure goes to `structures`.
    fn fill(&mut self, more: Self, structures: &mut Self) {
        for (held, structure, more) in
            [(&mut self.input, &mut structures.input, more.input), (&mut self.output, &mut structures.output, more.output)]
        {
            if more.iter().any(Message::is_read) {
                if is_instructions(held) && !is_instructions(&more) {
                    let new: Vec<Message> = more.into_iter().filter(|message| !held.contains(message)).collect();
                    held.extend(new);
                } else if held.is_empty() {
                    *held = more;
                }
            } else if structure.is_empty() {
                *structure = more;
            }
        }
    }

    fn or(mut self, otherwise: Self) -> Self {
        if self.input.is_empty() {
            self.input = otherwise.input;
        }
        if self.output.is_empty() {
            self.output = otherwise.output;
        }
        self
    }
}
