//! Messages that stand in the events of a span: the conventions' earlier form, and frameworks' own.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::message::{Message, Role};
use super::parts::Fields;
use super::{Attributes, Said, shapes};

/// What an event says of itself beside a message.
const NOT_SAID: [&str; 3] = ["gen_ai.system", "gen_ai.provider.name", "event.name"];

/// An event of a span: its name, and what it carries.
pub(in crate::ui) type Event<'a> = (&'a str, &'a Attributes);

pub(super) fn said(events: &[Event<'_>]) -> Said {
    let mut said = Said::default();
    for (name, attributes) in events {
        match *name {
            "gen_ai.choice" => said.output.extend(message(attributes, &Role::Assistant)),
            "gen_ai.content.prompt" => said.input.extend(of(attributes, "gen_ai.prompt", &Role::User)),
            "gen_ai.content.completion" => said.output.extend(of(attributes, "gen_ai.completion", &Role::Assistant)),
            _ => match name.strip_prefix("gen_ai.").and_then(|name| name.strip_suffix(".message")) {
                Some(role) => said.input.extend(message(attributes, &Role::of(role))),
                // LlamaIndex' own, and whatever else tells of messages under these names.
                None if *name != "exception" => {
                    // The conventions' newer form.
                    said.input.extend(of(attributes, "gen_ai.system_instructions", &Role::System));
                    said.input.extend(of(attributes, "gen_ai.input.messages", &Role::User));
                    said.output.extend(of(attributes, "gen_ai.output.messages", &Role::Assistant));
                    said.input.extend(of(attributes, "messages", &Role::User));
                    said.output.extend(of(attributes, "response", &Role::Assistant));
                    said.output.extend(of(attributes, "output", &Role::Assistant));
                }
                None => {}
            },
        }
    }
    said
}

fn of(attributes: &Attributes, key: &str, role: &Role) -> Vec<Message> {
    attributes.get(key).map(|value| shapes::messages(value, role)).unwrap_or_default()
}

/// The attributes of an event are the fields of its message; as text each is JSON.
fn message(attributes: &BTreeMap<String, Json>, role: &Role) -> Vec<Message> {
    if let Some(body) = attributes.get("gen_ai.event.content") {
        return shapes::messages(body, role);
    }
    // Strands: the message of a choice, or the content of the others, is a list of parts.
    if let Some(content) =
        attributes.get("message").or_else(|| attributes.get("content").filter(|_| !attributes.contains_key("tool_calls")))
    {
        let role = attributes.get("role").and_then(Json::as_str).map_or_else(|| role.clone(), Role::of);
        if role != Role::Tool || !attributes.contains_key("id") {
            return shapes::messages(content, &role);
        }
    }
    let mut fields: Fields =
        attributes.iter().filter(|(key, _)| !NOT_SAID.contains(&&***key)).map(|(key, value)| (key.clone(), unquoted(value))).collect();
    fields.entry("role").or_insert_with(|| role.name().into());
    shapes::messages(&Json::Object(fields), role)
}

fn unquoted(value: &Json) -> Json {
    let text = value.as_str().filter(|text| text.starts_with(['[', '{']));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}
