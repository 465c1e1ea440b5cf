//! What was said to a model or an agent and what it said, out of the attributes of its span.
//!
//! - Reads the GenAI conventions' messages, OpenInference's, OpenLLMetry's, and plain inputs and outputs, in this order: the first that
//!   says anything is believed.
//! - A text that is no JSON is a message as it is.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value as Json;

use super::words;

/// Messages of one span that a page shows, and how much of each.
pub(super) const MESSAGES_MAX: usize = 200;
const TEXT_MAX_CHARS: usize = 20_000;
/// What coding agents write in place of content that they leave out.
const REDACTED: [&str; 2] = ["<REDACTED>", "[REDACTED]"];

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    /// `user`, `assistant`, `system`, `tool` or what else the sender calls it.
    pub(super) role: String,
    pub(super) text: String,
}

type Attributes = BTreeMap<String, Json>;

/// Reads one dialect: what went in, and what came out.
type Way = fn(&Attributes) -> (Vec<Message>, Vec<Message>);

/// What went in and what came out, in this order.
pub(super) fn of(attributes: &Attributes) -> Vec<Message> {
    let (input, output) = both(attributes);
    let mut messages = input;
    messages.extend(output);
    messages.truncate(MESSAGES_MAX);
    messages
}

/// What went in, and what came out.
pub(super) fn both(attributes: &Attributes) -> (Vec<Message>, Vec<Message>) {
    let ways: [Way; 4] = [gen_ai, open_inference, open_llmetry, plain];
    ways.into_iter().map(|way| way(attributes)).find(|(input, output)| !input.is_empty() || !output.is_empty()).unwrap_or_default()
}

/// What an agent was given or gave back, as a text: the message in it, if it is JSON that holds one.
pub(super) fn text_of(value: &str) -> String {
    let Ok(json) = serde_json::from_str::<Json>(value) else { return value.to_owned() };
    const NAMES: [&str; 15] = [
        // The SDK's `io:` steps.
        "preview",
        "output",
        "result",
        "response",
        "answer",
        "content",
        "text",
        "message",
        "user_message",
        "input",
        "query",
        "question",
        "prompt",
        "user_input",
        "value",
    ];
    match &json {
        Json::String(text) => text.clone(),
        Json::Object(fields) => {
            let named = NAMES.iter().find_map(|name| fields.get(*name)).or_else(|| fields.values().next().filter(|_| fields.len() == 1));
            match named {
                Some(Json::String(text)) => text.clone(),
                _ => pretty(&json),
            }
        }
        _ => pretty(&json),
    }
}

pub(super) fn list(messages: &[Message]) -> Markup {
    html! {
        ol.talk { @for message in messages { (item(message, &html! {})) } }
    }
}

/// One message; `beside` stands next to who said it.
pub(super) fn item(message: &Message, beside: &Markup) -> Markup {
    let class = match message.role.as_str() {
        known @ ("user" | "assistant" | "system" | "tool") => known,
        "model" | "ai" => "assistant",
        "human" => "user",
        _ => "other",
    };
    let cut = message.text.char_indices().nth(TEXT_MAX_CHARS).map(|(at, _)| at);
    html! {
        li class=(class) {
            div.who { (words::name(&message.role)) (beside) }
            div.said dir="auto" { (words::visible_lines(&message.text[..cut.unwrap_or(message.text.len())])) }
            @if cut.is_some() { p.quiet { "The rest is left out." } }
        }
    }
}

fn gen_ai(attributes: &Attributes) -> (Vec<Message>, Vec<Message>) {
    let read = |key: &str, role: &str| attributes.get(key).map(|value| messages(value, role)).unwrap_or_default();
    let mut input = read("gen_ai.system_instructions", "system");
    input.extend(read("gen_ai.input.messages", "user"));
    (input, read("gen_ai.output.messages", "assistant"))
}

fn open_inference(attributes: &Attributes) -> (Vec<Message>, Vec<Message>) {
    (numbered(attributes, "llm.input_messages.", ".message", "user"), numbered(attributes, "llm.output_messages.", ".message", "assistant"))
}

fn open_llmetry(attributes: &Attributes) -> (Vec<Message>, Vec<Message>) {
    (numbered(attributes, "gen_ai.prompt.", "", "user"), numbered(attributes, "gen_ai.completion.", "", "assistant"))
}

fn plain(attributes: &Attributes) -> (Vec<Message>, Vec<Message>) {
    let first = |keys: &[&str], role: &str| {
        let value = keys.iter().find_map(|key| attributes.get(*key));
        value.map(|value| messages(value, role)).unwrap_or_default()
    };
    let input = first(
        &["input.value", "traceloop.entity.input", "lmnr.span.input", "langfuse.observation.input", "gen_ai.prompt", "user_prompt"],
        "user",
    );
    let output = first(
        &["output.value", "traceloop.entity.output", "lmnr.span.output", "langfuse.observation.output", "gen_ai.completion"],
        "assistant",
    );
    (input, output)
}

/// `<prefix>0<infix>.role`, `<prefix>0<infix>.content`, and so on.
fn numbered(attributes: &Attributes, prefix: &str, infix: &str, role: &str) -> Vec<Message> {
    let mut found = Vec::new();
    for n in 0..MESSAGES_MAX {
        let get = |name: &str| attributes.get(&format!("{prefix}{n}{infix}.{name}"));
        let stem = format!("{prefix}{n}{infix}.");
        if !attributes.range(stem.clone()..).next().is_some_and(|(key, _)| key.starts_with(&stem)) {
            break;
        }
        let said_by = get("role").and_then(Json::as_str).unwrap_or(role).to_owned();
        let text = match get("content") {
            Some(content) => content_text(content),
            // Contents and calls of tools in keys of their own: shown as they are.
            None => {
                let rest = attributes
                    .range(stem.clone()..)
                    .take_while(|(key, _)| key.starts_with(&stem))
                    .filter(|(key, _)| !key.ends_with(".role"));
                rest.map(|(_, value)| content_text(value)).collect::<Vec<_>>().join("\n")
            }
        };
        found.push(Message { role: said_by, text });
    }
    found
}

/// A list of messages, one message, or a text; `role` is who says what names nobody.
fn messages(value: &Json, role: &str) -> Vec<Message> {
    if let Json::String(text) = value {
        return match serde_json::from_str::<Json>(text) {
            Ok(parsed @ (Json::Array(_) | Json::Object(_))) => messages(&parsed, role),
            Ok(Json::String(text)) => vec![Message { role: role.to_owned(), text }],
            _ if text.is_empty() || REDACTED.contains(&&**text) => Vec::new(),
            _ => vec![Message { role: role.to_owned(), text: text.clone() }],
        };
    }
    let one = |message: &Json| {
        let said_by = message.get("role").and_then(Json::as_str).unwrap_or(role).to_owned();
        Message { role: said_by, text: content_text(message) }
    };
    match value {
        Json::Null => Vec::new(),
        Json::Array(list) if list.iter().all(|message| message.get("role").is_some()) => list.iter().take(MESSAGES_MAX).map(one).collect(),
        Json::Object(fields) if fields.get("messages").is_some_and(Json::is_array) => messages(&fields["messages"], role),
        other => vec![one(other)],
    }
}

/// The text of a message, of its content, or of one of its parts.
fn content_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(parts) => parts.iter().map(content_text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n"),
        Json::Object(fields) => {
            let name = fields.get("name").and_then(Json::as_str);
            match fields.get("type").and_then(Json::as_str) {
                Some("tool_call" | "function_call" | "tool_use") if name.is_some() => {
                    let arguments = fields.get("arguments").or(fields.get("input")).map(compact).unwrap_or_default();
                    return format!("→ {}({arguments})", name.unwrap_or_default());
                }
                Some("tool_call_response" | "tool_result") => {
                    return fields.get("response").or(fields.get("result")).or(fields.get("content")).map(content_text).unwrap_or_default();
                }
                _ => {}
            }
            let said = ["parts", "content", "text"].iter().find_map(|key| fields.get(*key).filter(|value| !value.is_null()));
            let calls = fields.get("tool_calls").filter(|calls| !calls.is_null()).map(pretty);
            match (said.map(content_text), calls) {
                (Some(said), Some(calls)) => format!("{said}\n{calls}"),
                (Some(text), None) | (None, Some(text)) => text,
                (None, None) => pretty(value),
            }
        }
        other => other.to_string(),
    }
}

fn compact(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn pretty(value: &Json) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(attributes: Json) -> Vec<(String, String)> {
        let attributes = attributes.as_object().unwrap().clone().into_iter().collect();
        of(&attributes).into_iter().map(|message| (message.role, message.text)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_dialect_is_a_conversation() {
        let talk = pairs(&[("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello")]);
        let gen_ai = json!({
            "gen_ai.input.messages": r#"[{"role":"system","parts":[{"type":"text","content":"Be brief."}]},{"role":"user","parts":[{"type":"text","content":"Hi"}]}]"#,
            "gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"text","content":"Hello"}],"finish_reason":"stop"}]"#,
        });
        let open_inference = json!({
            "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user", "llm.input_messages.1.message.content": "Hi",
            "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Hello",
            "input.value": "not believed",
        });
        let open_llmetry = json!({
            "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": "Hi",
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "Hello",
        });
        for attributes in [gen_ai, open_inference, open_llmetry] {
            assert_eq!(said(attributes), talk);
        }
    }

    #[test]
    fn texts_tools_and_strange_shapes_are_readable() {
        assert_eq!(
            said(json!({"gen_ai.input.messages": "Where is it?", "gen_ai.output.messages": "Here."})),
            pairs(&[("user", "Where is it?"), ("assistant", "Here.")])
        );
        let call =
            json!({"gen_ai.output.messages": r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"find","arguments":{"q":1}}]}]"#});
        assert_eq!(said(call), pairs(&[("assistant", "→ find({\"q\":1})")]));
        assert_eq!(
            said(json!({"input.value": "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}"})),
            pairs(&[("user", "a")])
        );
        assert_eq!(said(json!({"output.value": "42"})), pairs(&[("assistant", "42")]));
        assert_eq!(said(json!({"http.method": "GET"})), []);
    }

    #[test]
    fn the_message_in_an_input_or_a_result_is_found() {
        for (value, text) in [
            (r#"{"output":"done"}"#, "done"),
            (r#"{"user_message":"hi","user_id":"u"}"#, "hi"),
            (r#""plain""#, "plain"),
            ("not json", "not json"),
            (r#"{"anything":"x"}"#, "x"),
            (r#"{"_kind":"user_message","preview":"hi"}"#, "hi"),
        ] {
            assert_eq!(text_of(value), text);
        }
        assert!(text_of(r#"{"a":1,"b":2}"#).contains("\"a\": 1"));
    }
}
