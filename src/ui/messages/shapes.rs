//! JSON to messages: requests and responses of providers, and the state of frameworks, whatever they are wrapped in.
//!
//! - What is a message says so: a `role`, a class of LangChain, a kind of pydantic-ai, an item of OpenAI's Responses.
//! - What is none is looked into for the fields that hold messages; the first that does is believed.
//! - What is left is [`Part::Data`]: shown as the structure that it is.
//! - Of limited depth and number; never larger than what it reads.

use serde_json::Value as Json;

use super::message::{Answer, Call, Message, Part, Role};
use super::parts::{self, Fields, first};
use super::{DEPTH_MAX, MESSAGES_MAX, python};

/// What coding agents write in place of content that they leave out.
const REDACTED: [&str; 2] = ["<REDACTED>", "[REDACTED]"];

/// Where messages are, and then where a text is, in what went in.
const ASKED_IN: &[&str] = &[
    "messages",
    "new_messages",
    "input_messages",
    "chat_messages",
    "contents",
    "message",
    "input",
    "inputs",
    "user_msg",
    "user_message",
    "user_input",
    "user_prompt",
    "prompt",
    "query",
    "question",
    "task",
    "preview",
    "text",
    "content",
    "parts",
    "data",
    "value",
    "args",
    "kwargs",
    "chat_history",
    "request",
    "body",
];
/// The same of what came out.
const SAID_IN: &[&str] = &[
    "choices",
    "candidates",
    "generations",
    "replies",
    "output_text",
    "messages",
    "preview",
    "output",
    "outputs",
    "update",
    "response",
    "result",
    "answer",
    "content",
    "text",
    "message",
    "raw",
    "completion",
    "final_output",
    "value",
    "parts",
    "data",
    "kwargs",
    "object",
];
/// Of these, the ones that hold nothing else.
const HOLDERS: [&str; 6] = ["choices", "candidates", "generations", "replies", "messages", "contents"];
/// What a request says beside its messages.
const SYSTEM_IN: &[&str] = &["system", "instructions", "system_instruction", "systemInstruction", "system_prompt"];

/// All messages in a value; `role` is who says what names nobody.
pub(super) fn messages(value: &Json, role: &Role) -> Vec<Message> {
    let mut found = read(value, role, 0);
    found.truncate(MESSAGES_MAX);
    found
}

/// A text, which may be JSON or Python's notation of any of it.
pub(super) fn of_text(text: &str, role: &Role, depth: usize) -> Vec<Message> {
    let start = text.trim_start();
    if start.is_empty() || start.trim_end() == "null" || REDACTED.contains(&text) {
        return Vec::new();
    }
    // LlamaIndex says who speaks, and Python that nobody did.
    let bare = if *role == Role::Assistant { start.strip_prefix("assistant:").unwrap_or(start).trim() } else { start };
    if *role == Role::Assistant && matches!(bare, "" | "None") || is_placeholder(bare) {
        return Vec::new();
    }
    let says = || vec![Message::text(role.clone(), if bare.len() < start.trim_end().len() { bare } else { text })];
    match start.as_bytes()[0] {
        b'[' | b'{' | b'"' => match serde_json::from_str(text).ok().or_else(|| python::parse(text)) {
            Some(Json::String(text)) if text.trim().is_empty() => Vec::new(),
            Some(Json::String(text)) => vec![Message::text(role.clone(), text)],
            Some(json) => read(&json, role, depth + 1),
            None => says(),
        },
        b'a'..=b'z' | b'A'..=b'Z' if start.contains('=') => match python::parse(text) {
            Some(json) => Some(read(&json, role, depth + 1)).filter(|found| found.iter().any(Message::is_read)).unwrap_or_else(says),
            None => says(),
        },
        _ => says(),
    }
}

fn read(value: &Json, role: &Role, depth: usize) -> Vec<Message> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    match value {
        Json::Null => Vec::new(),
        Json::String(text) => of_text(text, role, depth + 1),
        Json::Array(list) => of_list(list, role, depth),
        Json::Object(fields) => of_object(fields, role, depth),
        other => vec![Message::text(role.clone(), other.to_string())],
    }
}

fn of_list(list: &[Json], role: &Role, depth: usize) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    // Parts that stand alone are of one message.
    let mut loose: Vec<Part> = Vec::new();
    for item in list {
        if found.len() >= MESSAGES_MAX {
            break;
        }
        let part = item.as_object().filter(|fields| !is_message(fields)).and_then(|fields| parts::part(fields, depth + 1));
        match part {
            Some(parts) => loose.extend(parts),
            None => {
                flush(&mut found, &mut loose, role);
                found.extend(read(item, role, depth + 1));
            }
        }
    }
    flush(&mut found, &mut loose, role);
    // LangChain's short form of a message, and the arguments of a function.
    if let [Json::String(name), Json::String(text)] = list
        && !matches!(Role::of(name), Role::Other(_))
    {
        return vec![Message::text(Role::of(name), text.clone())];
    }
    let is_bare = |item: &Json| item.as_str().is_some_and(|text| !text.contains("role=") && !text.trim_start().starts_with(['{', '[']));
    if list.len() > 1 && list.iter().any(is_bare) {
        return vec![Message { role: role.clone(), parts: vec![Part::Data(Json::Array(list.to_vec()))] }];
    }
    // Structures that are no messages: one message.
    if !found.is_empty() && found.iter().all(|message| message.role == *role && !message.is_read()) {
        return vec![Message { role: role.clone(), parts: vec![Part::Data(Json::Array(list.to_vec()))] }];
    }
    found
}

fn flush(found: &mut Vec<Message>, loose: &mut Vec<Part>, role: &Role) {
    if !loose.is_empty() {
        found.extend(by_speaker(std::mem::take(loose), role));
    }
}

/// Calls are an assistant's and answers a tool's, whoever is said to say them.
fn by_speaker(parts: Vec<Part>, role: &Role) -> Vec<Message> {
    let mut found: Vec<Message> = Vec::new();
    for part in parts {
        let role = match &part {
            Part::Answer(_) => Role::Tool,
            Part::Call(_) | Part::Reasoning(_) => Role::Assistant,
            _ => role.clone(),
        };
        match found.last_mut() {
            Some(last) if last.role == role => last.parts.push(part),
            _ => found.push(Message { role, parts: vec![part] }),
        }
    }
    found
}

fn of_object(fields: &Fields, role: &Role, depth: usize) -> Vec<Message> {
    if is_message(fields) {
        return message(fields, role, depth);
    }
    if let Some(parts) = parts::part(fields, depth + 1) {
        return by_speaker(parts, role);
    }
    let (names, others) = if *role == Role::Assistant { (SAID_IN, ASKED_IN) } else { (ASKED_IN, SAID_IN) };
    let mut found = Vec::new();
    // No field is looked into twice, so that the work is as large as the text, however deep it goes.
    for name in names.iter().chain(others.iter().filter(|name| !names.contains(name))) {
        let Some(inner) = fields.get(*name).filter(|inner| !is_empty(inner)) else { continue };
        found = read(inner, role, depth + 1);
        // A structure is shown whole, unless what is around it is nothing but a wrapper.
        if found.iter().any(Message::is_read) {
            break;
        }
        found.clear();
    }
    if found.is_empty() {
        // Pipelines name what is in them by their components.
        let is_new = |(name, value): &(&String, &Json)| {
            !ASKED_IN.contains(&&***name) && !SAID_IN.contains(&&***name) && (value.is_object() || value.is_array())
        };
        let objects = fields.iter().filter(is_new).map(|(_, value)| value).take(8);
        let nobody = Role::Other(String::new());
        let is_said = |message: &Message| message.is_read() && message.role != nobody;
        found = objects.map(|inner| read(inner, &nobody, depth + 1)).find(|found| found.iter().any(is_said)).unwrap_or_default();
        found.retain(is_said);
    }
    if found.is_empty() {
        let only =
            fields.iter().next().filter(|(name, _)| fields.len() == 1 && !ASKED_IN.contains(&&***name) && !SAID_IN.contains(&&***name));
        return match only {
            Some((name, Json::String(text))) if !name.contains("type") => of_text(text, role, depth + 1),
            // A list of messages in which nothing is said.
            _ if fields.values().all(is_empty) || HOLDERS.iter().any(|name| fields.get(*name).is_some_and(Json::is_array)) => Vec::new(),
            _ => vec![Message { role: role.clone(), parts: vec![Part::Data(Json::Object(fields.clone()))] }],
        };
    }
    let configured = fields.get("config").and_then(Json::as_object).and_then(|config| first(config, SYSTEM_IN));
    let system = first(fields, SYSTEM_IN).or(configured).filter(|_| *role != Role::Assistant).filter(|system| !is_empty(system));
    let system = system.map(|system| parts::content(system, depth + 1)).filter(|parts| !parts.is_empty());
    system.map(|parts| Message { role: Role::System, parts }).into_iter().chain(found).collect()
}

/// What Python prints of an object that cannot be printed.
fn is_placeholder(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>') && (text.contains(" at 0x") || text.contains(") -> ")) && !text.contains('\n')
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty() || is_placeholder(text),
        Json::Array(list) => list.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The fields of what LangChain's `dumps` writes of an object.
pub(super) fn constructed(fields: &Fields) -> Option<&Fields> {
    fields.get("lc")?;
    fields.get("kwargs")?.as_object()
}

fn class(fields: &Fields) -> Option<&str> {
    let of = fields.get("id").and_then(Json::as_array).and_then(|path| path.last()).or_else(|| fields.get("__class__"));
    of.and_then(Json::as_str)
}

pub(super) fn is_message(fields: &Fields) -> bool {
    let text = |name: &str| fields.get(name).and_then(Json::as_str);
    if constructed(fields).is_some() {
        return class(fields).is_some_and(|class| {
            Role::of(class) != Role::Other(class.to_owned()) || class == "ChatGenerationChunk" || class == "ChatGeneration"
        });
    }
    let inner = fields.get("message").and_then(Json::as_object);
    fields.get("role").is_some_and(|role| role.is_string() || role.is_object())
        || inner.is_some_and(is_message)
        || (fields.contains_key("content") || fields.get("data").is_some_and(|data| data.get("content").is_some()))
            && text("type").is_some_and(|kind| matches!(kind, "human" | "ai" | "system" | "tool" | "AIMessageChunk"))
        || fields.contains_key("parts") && text("kind").is_some_and(|kind| matches!(kind, "request" | "response"))
        || text("event.name").is_some_and(|name| name.starts_with("gen_ai."))
        || fields.contains_key("content") && fields.contains_key("source") && text("type").is_some_and(|kind| kind.ends_with("Message"))
        || (fields.contains_key("toolCalls") || fields.contains_key("tool_calls"))
            && (fields.contains_key("text") || fields.contains_key("content"))
        || class(fields).is_some_and(|class| matches!(class, "HumanMessage" | "AIMessage" | "SystemMessage" | "ToolMessage"))
        || fields.contains_key("tool_call_id")
            && fields.contains_key("content")
            && !fields.contains_key("part_kind")
            && text("type").is_none()
}

fn role_of(fields: &Fields, otherwise: &Role) -> Role {
    let named = fields.get("role").and_then(|role| role.as_str().or_else(|| role.get("value").and_then(Json::as_str)));
    if let Some(named) = named {
        return Role::of(named);
    }
    let is_known = |name: &&str| !matches!(Role::of(name), Role::Other(_));
    let event = |name: &str| name.strip_prefix("gen_ai.").and_then(|name| name.strip_suffix(".message")).map(str::to_owned);
    let text = |name: &str| fields.get(name).and_then(Json::as_str);
    if let Some(name) = text("event.name") {
        return event(name).map_or(Role::Assistant, |name| Role::of(&name));
    }
    // AutoGen: the user, or else an agent by its name.
    if text("type").is_some_and(|kind| kind.ends_with("Message")) && fields.contains_key("source") {
        return if text("source") == Some("user") { Role::User } else { Role::Assistant };
    }
    if let Some(name) = class(fields).filter(is_known).or_else(|| text("type").filter(is_known)) {
        return Role::of(name);
    }
    match text("kind") {
        Some("response") => Role::Assistant,
        Some("request") => Role::User,
        _ if fields.contains_key("tool_call_id") => Role::Tool,
        _ => otherwise.clone(),
    }
}

/// One message; several where one object holds what different people say.
fn message(fields: &Fields, otherwise: &Role, depth: usize) -> Vec<Message> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    let role = role_of(fields, otherwise);
    // A choice, a generation, a message of OpenInference.
    let generation = constructed(fields).filter(|kwargs| kwargs.contains_key("message")).unwrap_or(fields);
    if let Some(inner) = generation.get("message").and_then(Json::as_object).filter(|inner| is_message(inner)) {
        return message(inner, &role, depth + 1);
    }
    let data = fields.get("data").and_then(Json::as_object).filter(|data| data.contains_key("content") && !fields.contains_key("content"));
    let fields = constructed(fields).or(data).unwrap_or(fields);
    let mut parts = Vec::new();
    if let Some(thought) = first(fields, &["reasoning_content", "reasoning", "thinking", "reasoningText"]) {
        let wrapped: Fields = [("type".to_owned(), "reasoning".into()), ("text".to_owned(), thought.clone())].into_iter().collect();
        parts.extend(parts::part(&wrapped, depth + 1).unwrap_or_default());
    }
    // Some write one of these and leave the other empty, some say the same in both.
    for name in ["content", "contents", "parts", "blocks", "text", "message", "refusal"] {
        let Some(content) = fields.get(name).filter(|content| !is_empty(content)) else { continue };
        let said = speech(content, depth + 1);
        let is_new = !said.is_empty();
        parts.extend(said);
        if is_new && name != "content" && name != "contents" {
            break;
        }
        if is_new && !fields.contains_key("contents") {
            break;
        }
    }
    dedup(&mut parts);
    if role == Role::Assistant {
        parts.retain(|part| !matches!(part, Part::Text(text) if text == "None"));
    }
    let more = |names: &[&str]| first(fields, names).and_then(Json::as_array);
    let kept = fields.get("additional_kwargs").and_then(Json::as_object);
    let listed = more(&["tool_calls", "toolCalls"]).filter(|calls| !calls.is_empty());
    let listed = listed.or_else(|| kept.and_then(|kept| kept.get("tool_calls")).and_then(Json::as_array));
    let single = first(fields, &["function_call"]).filter(|call| call.is_object());
    // OpenInference's earlier form.
    if let Some(name) = fields.get("function_call_name").and_then(Json::as_str) {
        let arguments = fields.get("function_call_arguments_json").map(parts::unquoted).unwrap_or_default();
        parts.push(Part::Call(Call { id: None, name: name.to_owned(), arguments }));
    }
    for call in listed.into_iter().flatten().chain(single).filter_map(Json::as_object).filter_map(parts::call).take(MESSAGES_MAX) {
        let is_known = |part: &Part| matches!(part, Part::Call(known) if is_same(known, &call));
        if !parts.iter().any(is_known) {
            parts.push(Part::Call(call));
        }
    }
    if parts.is_empty() {
        return Vec::new();
    }
    if role == Role::Tool && !parts.iter().any(|part| matches!(part, Part::Answer(_))) {
        return vec![Message { role, parts: vec![Part::Answer(tools(fields, parts))] }];
    }
    if fields.get("kind").and_then(Json::as_str) == Some("request") {
        return of_request(fields, parts);
    }
    by_speaker(parts, &role)
}

/// What a message of a tool says is what the tool gave back.
fn tools(fields: &Fields, parts: Vec<Part>) -> Answer {
    let text = |names: &[&str]| first(fields, names).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Answer {
        id: text(&["tool_call_id", "toolCallId", "call_id", "id"]),
        name: text(&["name", "tool_name"]),
        parts: parts.into_iter().flat_map(unwrapped).collect(),
        is_error: text(&["status"]).is_some_and(|status| status == "error") || fields.get("is_error") == Some(&Json::Bool(true)),
    }
}

fn unwrapped(part: Part) -> Vec<Part> {
    match part {
        Part::Text(text) => parts::given(&Json::String(text), 1),
        other => vec![other],
    }
}

/// A request of pydantic-ai, in which each part says who speaks.
fn of_request(fields: &Fields, parts: Vec<Part>) -> Vec<Message> {
    let Some(list) = fields.get("parts").and_then(Json::as_array) else { return by_speaker(parts, &Role::User) };
    let each = list.iter().take(MESSAGES_MAX).filter_map(Json::as_object).flat_map(|part| {
        let role = part.get("part_kind").and_then(Json::as_str).map_or(Role::User, Role::of);
        by_speaker(parts::part(part, 1).unwrap_or_default(), &role)
    });
    each.collect()
}

/// The content of a message; lists of messages of OpenAI's Responses stand there, too.
fn speech(content: &Json, depth: usize) -> Vec<Part> {
    match content {
        Json::Object(fields) if is_message(fields) => {
            message(fields, &Role::Assistant, depth + 1).into_iter().flat_map(|message| message.parts).collect()
        }
        other => parts::content(other, depth),
    }
}

fn is_same(one: &Call, other: &Call) -> bool {
    match (&one.id, &other.id) {
        (Some(one), Some(other)) if one == other => true,
        _ => one.name == other.name && one.arguments == other.arguments,
    }
}

/// Says once what is said twice.
fn dedup(parts: &mut Vec<Part>) {
    let mut kept: Vec<Part> = Vec::new();
    for part in parts.drain(..) {
        let is_known = kept.iter().take(16).any(|known| match (known, &part) {
            (Part::Call(known), Part::Call(call)) => is_same(known, call),
            (known, part) => known == part,
        });
        if !is_known {
            kept.push(part);
        }
    }
    *parts = kept;
}
