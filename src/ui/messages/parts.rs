//! JSON to the parts of a message, in every notation of providers and frameworks that was seen.
//!
//! A part says what it is by `type` (OpenAI, Anthropic, the conventions, Vercel, LangChain), `part_kind` (pydantic-ai) or `block_type`
//! (LlamaIndex), or by the one key it has (Gemini, Bedrock, Haystack, OpenInference).

use serde_json::{Map, Value as Json};

use super::image::Image;
use super::message::{Answer, Call, Part};
use super::{DEPTH_MAX, PARTS_MAX, python, shapes};

pub(super) type Fields = Map<String, Json>;

/// The content of a message: a text, a part, or several.
pub(super) fn content(value: &Json, depth: usize) -> Vec<Part> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    match value {
        Json::Null => Vec::new(),
        Json::String(text) if text.trim().is_empty() => Vec::new(),
        Json::String(text) => encoded(text, depth).unwrap_or_else(|| vec![Part::Text(text.clone())]),
        Json::Array(list) => list.iter().take(PARTS_MAX).flat_map(|part| content(part, depth + 1)).collect(),
        Json::Object(fields) => part(fields, depth).unwrap_or_else(|| unknown(fields, depth)),
        other => vec![Part::Text(other.to_string())],
    }
}

/// What a part is that says it. An empty list is a part that says nothing.
pub(super) fn part(fields: &Fields, depth: usize) -> Option<Vec<Part>> {
    if depth > DEPTH_MAX {
        return None;
    }
    let of = |names: &[&str]| first(fields, names);
    let text = |names: &[&str]| of(names).map(|value| plain(value, depth + 1)).unwrap_or_default();
    let one = |part: Part| Some(vec![part]);
    let kind = of(&["type", "part_kind", "block_type"]).and_then(Json::as_str).unwrap_or_default();
    match kind {
        "text" | "input_text" | "output_text" | "refusal" | "user-prompt" | "system-prompt" | "instructions" => {
            if fields.get("thought") == Some(&Json::Bool(true)) {
                return Some(reasoning(text(&["text", "content"])));
            }
            Some(of(&["text", "content", "refusal"]).map(|value| content(value, depth + 1)).unwrap_or_default())
        }
        "reasoning" | "thinking" | "redacted_thinking" | "reasoning_content" | "thought" => {
            Some(reasoning(text(&["reasoning", "thinking", "text", "content", "summary", "reasoningText"])))
        }
        "tool_call" | "function_call" | "tool_use" | "tool-call" | "function" | "server_tool_use" | "mcp_call" | "mcp_tool_use"
        | "custom_tool_call" | "builtin-tool-call" | "server_tool_call" | "tool_invocation" | "computer_call" => {
            one(Part::Call(call(fields)?))
        }
        "tool_call_response"
        | "tool_result"
        | "tool-result"
        | "function_call_output"
        | "tool-return"
        | "builtin-tool-return"
        | "tool_response"
        | "custom_tool_call_output"
        | "mcp_tool_result"
        | "web_search_tool_result"
        | "server_tool_call_response"
        | "retry-prompt"
        | "tool-error"
        | "function_response" => one(Part::Answer(answer(fields, depth))),
        "image_url" | "input_image" | "image" | "image-url" | "binary" | "blob" | "uri" | "file" | "input_file" | "document" | "audio"
        | "input_audio" | "video" | "media" | "file_data" | "document-url" | "audio-url" | "data" => one(media(fields, kind)?),
        "message" => Some(content(of(&["content"])?, depth + 1)),
        "error" => Some(plain(of(&["error", "message", "text"])?, depth + 1))
            .map(|text| if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] }),
        "step-start" | "step-finish" | "finish" => Some(Vec::new()),
        _ => keyed(fields, depth),
    }
}

/// What a bare call may have.
const CALL_KEYS: [&str; 11] =
    ["id", "name", "arguments", "args", "index", "type", "toolName", "toolInput", "toolCallId", "callId", "__class__"];

/// A part that is named by its one key.
fn keyed(fields: &Fields, depth: usize) -> Option<Vec<Part>> {
    let of = |names: &[&str]| first(fields, names);
    let object = |names: &[&str]| of(names).and_then(Json::as_object);
    if let Some(parts) = object(&["message_content"]).and_then(|inner| part(inner, depth + 1)) {
        return Some(parts);
    }
    if let Some(inner) = object(&["toolUse", "functionCall", "function_call", "tool_call", "toolCall", "executable_code"]) {
        return call(inner).map(|call| vec![Part::Call(call)]);
    }
    // AutoGen: a call that says so by nothing else.
    let is_call = ["name", "toolName"].iter().any(|name| fields.get(*name).is_some_and(Json::is_string))
        && ["arguments", "args", "toolInput"].iter().any(|name| fields.contains_key(*name));
    if is_call && fields.keys().all(|key| CALL_KEYS.contains(&&**key)) {
        return call(fields).map(|call| vec![Part::Call(call)]);
    }
    if let Some(inner) = object(&["toolResult", "functionResponse", "function_response", "tool_call_result"]) {
        return Some(vec![Part::Answer(answer(inner, depth))]);
    }
    if let Some(inner) = of(&["reasoningContent", "reasoning_content", "reasoning", "thinking"]).filter(|inner| !inner.is_null())
        && !fields.contains_key("role")
    {
        return Some(reasoning(plain(inner, depth + 1)));
    }
    if let Some(inner) = object(&["inlineData", "inline_data", "image", "image_url", "fileData", "file_data"]) {
        return media(inner, "image").map(|part| vec![part]);
    }
    if object(&["document", "video", "audio", "cachePoint"]).is_some() {
        let name = fields.keys().find(|name| *name != "cachePoint");
        return Some(name.map(|name| Part::File(name.clone())).into_iter().collect());
    }
    if let Some(text) = fields.get("text").filter(|_| !fields.contains_key("role")) {
        let is_thought = fields.get("thought") == Some(&Json::Bool(true));
        // Other keys beside a text may say more than it does.
        let is_part = fields
            .keys()
            .all(|key| ["text", "thought", "thoughtSignature", "thought_signature", "annotations", "type", "id"].contains(&&**key));
        return match is_thought {
            true => Some(reasoning(plain(text, depth + 1))),
            false => is_part.then(|| content(text, depth + 1)),
        };
    }
    None
}

fn unknown(fields: &Fields, depth: usize) -> Vec<Part> {
    let text = first(fields, &["parts", "text", "content", "output_text"]);
    match text {
        Some(text) => content(text, depth + 1),
        None if fields.is_empty() => Vec::new(),
        None => vec![Part::Data(Json::Object(fields.clone()))],
    }
}

/// A text that holds parts: JSON, or Python's notation, of nothing but parts of which one says more than a text would.
fn encoded(text: &str, depth: usize) -> Option<Vec<Part>> {
    let start = text.trim_start();
    let json = match start.as_bytes() {
        [b'[' | b'{', ..] => serde_json::from_str(text).ok().or_else(|| python::parse(text))?,
        [b'A'..=b'Z', ..] if start.contains("type='") => python::parse(text)?,
        _ => return None,
    };
    // OpenAI's client printed a message, or a response with several.
    if let Json::Object(fields) = &json
        && start.starts_with("{'")
    {
        let said = shapes::messages(&json, &super::message::Role::Assistant);
        let is_said = (shapes::is_message(fields) || fields.contains_key("output")) && !said.is_empty();
        return is_said.then(|| said.into_iter().flat_map(|message| message.parts).collect());
    }
    let list = match &json {
        Json::Array(list) if !list.is_empty() => list.as_slice(),
        object @ Json::Object(_) => std::slice::from_ref(object),
        _ => return None,
    };
    let mut parts = Vec::new();
    for fields in list.iter().take(PARTS_MAX) {
        let fields = fields.as_object()?;
        first(fields, &["type", "part_kind", "block_type", "toolUse", "toolResult"])?;
        parts.extend(part(fields, depth + 1)?);
    }
    parts.iter().all(|part| !matches!(part, Part::Data(_))).then_some(parts)
}

fn reasoning(text: String) -> Vec<Part> {
    if text.trim().is_empty() { Vec::new() } else { vec![Part::Reasoning(text)] }
}

/// The text in a value, however it is wrapped.
fn plain(value: &Json, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return String::new();
    }
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(list) => {
            let texts = list.iter().take(PARTS_MAX).map(|item| plain(item, depth + 1)).filter(|text| !text.is_empty());
            texts.collect::<Vec<_>>().join("\n")
        }
        Json::Object(fields) => {
            let inner =
                first(fields, &["text", "reasoning_text", "reasoningText", "reasoning", "thinking", "content", "summary", "message"]);
            inner.map(|value| plain(value, depth + 1)).unwrap_or_default()
        }
        other => other.to_string(),
    }
}

/// A call of a tool: `{name, arguments}` under the names that providers have for them, or within `function`.
pub(super) fn call(fields: &Fields) -> Option<Call> {
    // OpenInference has `{"tool_call": {"id": …, "function": {…}}}`.
    let fields = first(fields, &["tool_call", "toolCall", "toolUse", "functionCall"]).and_then(Json::as_object).unwrap_or(fields);
    let function = first(fields, &["function"]).and_then(Json::as_object);
    let of = |names: &[&str]| function.and_then(|function| first(function, names)).or_else(|| first(fields, names));
    let name = of(&["name", "toolName", "tool_name"]).and_then(Json::as_str).unwrap_or_default();
    let arguments = of(&["arguments", "args", "input", "toolInput", "tool_kwargs", "tool_input", "parameters"]);
    if name.is_empty() && arguments.is_none() {
        return None;
    }
    let id = first(fields, &["call_id", "toolCallId", "tool_call_id", "toolUseId", "tool_use_id", "tool_id", "callId", "id"])
        .or_else(|| of(&["id"]))
        .and_then(Json::as_str);
    Some(Call {
        id: id.filter(|id| !id.is_empty()).map(str::to_owned),
        name: name.to_owned(),
        arguments: arguments.map(unquoted).unwrap_or_default(),
    })
}

/// JSON, or Python's notation, that stands in a text.
pub(super) fn unquoted(value: &Json) -> Json {
    let Json::String(text) = value else { return value.clone() };
    if !text.trim_start().starts_with(['{', '[', '"']) {
        return value.clone();
    }
    let read = serde_json::from_str(text).ok().or_else(|| python::parse(text));
    read.unwrap_or_else(|| value.clone())
}

/// What a tool gave back.
pub(super) fn answer(fields: &Fields, depth: usize) -> Answer {
    let origin = fields.get("origin").and_then(Json::as_object);
    let of = |names: &[&str]| first(fields, names).or_else(|| origin.and_then(|origin| first(origin, names)));
    let text = |names: &[&str]| of(names).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let content = of(&["response", "result", "output", "content", "tool_output", "return_value", "results", "error"]);
    let is_error = [fields.get("is_error"), fields.get("isError"), fields.get("error")].contains(&Some(&Json::Bool(true)))
        || matches!(fields.get("status").and_then(Json::as_str), Some("error" | "failed"))
        || matches!(first(fields, &["type", "part_kind"]).and_then(Json::as_str), Some("retry-prompt" | "tool-error"));
    Answer {
        id: text(&["tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "call_id", "callId", "id"]),
        name: text(&["name", "toolName", "tool_name"]),
        parts: content.map(|content| given(content, depth + 1)).unwrap_or_default(),
        is_error,
    }
}

/// What was given back, out of what frameworks wrap around it.
pub(super) fn given(value: &Json, depth: usize) -> Vec<Part> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    match value {
        Json::String(text) => {
            let start = text.trim_start();
            let is_printed = start.starts_with("content=") || start.starts_with(|c: char| c.is_ascii_uppercase()) && start.contains("='");
            let read = match start.starts_with(['{', '[', '"']) {
                true => serde_json::from_str(text).ok().or_else(|| python::parse(text)),
                false => is_printed.then(|| python::parse(text)).flatten(),
            };
            match read {
                Some(Json::String(text)) => content(&Json::String(text), depth + 1),
                Some(read @ (Json::Object(_) | Json::Array(_))) => given(&read, depth + 1),
                _ if start.is_empty() => Vec::new(),
                _ => vec![Part::Text(text.clone())],
            }
        }
        Json::Object(fields) => {
            if let Some(parts) = part(fields, depth + 1) {
                return parts;
            }
            if let Some(kwargs) = shapes::constructed(fields) {
                return kwargs.get("content").map(|content| given(content, depth + 1)).unwrap_or_default();
            }
            // LangChain and LlamaIndex, beside settings of their own.
            let is_wrapped = |inner: &&Json| ["content", "lc", "blocks"].iter().any(|name| inner.get(name).is_some());
            let message = first(fields, &["tool_output", "output", "result", "data"]).filter(is_wrapped);
            let blocks = fields.get("blocks").filter(|_| fields.contains_key("raw_output") || fields.contains_key("__class__"));
            if let Some(inner) = message.or(blocks) {
                return given(inner, depth + 1);
            }
            // A message of a tool, Vercel's `{"type": "json", "value": …}`, and wrappers of one field.
            let is_message = fields.contains_key("tool_call_id") || fields.contains_key("role") || fields.contains_key("type");
            let inner = first(fields, &["content", "value"]).filter(|_| is_message);
            let only = || fields.values().next().filter(|_| fields.len() == 1);
            let wrapped = inner.or_else(|| {
                only().filter(|_| fields.keys().all(|key| ["output", "result", "content", "outputs", "response"].contains(&&**key)))
            });
            wrapped.map_or_else(|| vec![Part::Data(value.clone())], |inner| given(inner, depth + 1))
        }
        Json::Array(list) => {
            let parts: Option<Vec<Vec<Part>>> = list.iter().take(PARTS_MAX).map(|item| part(item.as_object()?, depth + 1)).collect();
            match parts {
                Some(parts) if !list.is_empty() => parts.into_iter().flatten().collect(),
                _ => vec![Part::Data(value.clone())],
            }
        }
        Json::Null => Vec::new(),
        other => vec![Part::Text(other.to_string())],
    }
}

/// An image, or another file, by its URL, its bytes as base64, or its name alone.
fn media(fields: &Fields, kind: &str) -> Option<Part> {
    // Providers put the same one level down, under names of their own.
    let mut inner = fields;
    for _ in 0..3 {
        let below = first(
            inner,
            &[
                "image_url",
                "source",
                "image",
                "file",
                "inlineData",
                "inline_data",
                "input_audio",
                "audio_url",
                "document",
                "message_content.image",
            ],
        );
        let Some(below) = below.and_then(Json::as_object) else { break };
        inner = below;
    }
    let of = |names: &[&str]| [inner, fields].into_iter().find_map(|fields| first(fields, names)).and_then(Json::as_str);
    let called = of(&["media_type", "mediaType", "mime_type", "mimeType", "format", "filename", "modality"]);
    let source =
        of(&["url", "data", "image_url", "image", "bytes", "content", "uri", "file_uri", "fileUri", "file_data", "file_id", "fileId"]);
    let is_image = ["image", "image_url", "input_image", "image-url"].contains(&kind)
        || called.is_some_and(|called| called.starts_with("image"))
        || source.is_some_and(|source| source.starts_with("data:image/"));
    if is_image {
        return Some(Part::Image(Image::of(source.unwrap_or_default(), called)));
    }
    if called.is_none() && source.is_none() && fields.len() > 1 && kind == "data" {
        return None;
    }
    let name = of(&["filename", "name", "title"])
        .or(called)
        .or_else(|| source.filter(|source| source.len() < 300 && !source.starts_with("data:")));
    Some(Part::File(name.unwrap_or(kind).chars().take(300).collect()))
}

/// The first of these fields that is there.
pub(super) fn first<'f>(fields: &'f Fields, names: &[&str]) -> Option<&'f Json> {
    names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null()))
}
