//! What a tool was called with and what it gave back, out of its span.

use serde_json::Value as Json;

use super::events::Event;
use super::keys::{ENTITY_NAME, TOOL_ARGUMENTS, TOOL_CALL_ID, TOOL_NAME, TOOL_RESULT};
use super::message::{Call, Part, Role};
use super::{Attributes, Said, events, parts, python};
use crate::model::tool::tool_of_span;

/// A tool's span.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ui) struct Told {
    pub(in crate::ui) call: Call,
    /// It says which tool it is, and its span's name is not taken for one.
    pub(in crate::ui) is_named: bool,
    /// Nothing where it was not captured.
    pub(in crate::ui) result: Vec<Part>,
}

pub(super) fn told(span_name: &str, attributes: &Attributes, span_events: &[Event<'_>]) -> Told {
    let first = |keys: &[&str]| keys.iter().find_map(|key| attributes.get(*key).filter(|value| !is_nothing(value)));
    let text = |keys: &[&str]| first(keys).and_then(Json::as_str).map(|text| text.trim_matches('"')).filter(|text| !text.is_empty());
    let mut arguments =
        keys_of(TOOL_ARGUMENTS, attributes).filter(|value| !is_schema(value)).map(|value| arguments(&value)).next().unwrap_or_default();
    let mut result =
        keys_of(TOOL_RESULT, attributes).map(|value| parts::given(&value, 0)).find(|parts| !parts.is_empty()).unwrap_or_default();
    let said = events::said(span_events);
    if arguments.is_null() {
        arguments = asked(&said);
    }
    if result.is_empty() {
        // LlamaIndex.
        let outputs = span_events.iter().filter_map(|(_, attributes)| attributes.get("output"));
        result = outputs.map(|output| parts::given(output, 0)).find(|parts| !parts.is_empty()).unwrap_or_default();
    }
    if result.is_empty() {
        result = said.output.into_iter().flat_map(|message| message.parts).collect();
    }
    let inner = ["tool_name", "name"].iter().find_map(|name| arguments.get(name)).and_then(Json::as_str).map(str::to_owned);
    let is_call = arguments.get("args").is_some() || arguments.get("tool_kwargs").is_some();
    let name = text(TOOL_NAME).map(str::to_owned).or_else(|| inner.filter(|_| is_call));
    let is_named = name.is_some();
    let id = text(TOOL_CALL_ID).or_else(|| ["id", "tool_id", "callId"].iter().find_map(|name| arguments.get(name)).and_then(Json::as_str));
    let name = name.or_else(|| text(ENTITY_NAME).map(str::to_owned)).unwrap_or_else(|| tool_of_span(span_name).to_owned());
    Told { is_named, call: Call { id: id.map(str::to_owned), name, arguments: bare(arguments) }, result }
}

fn keys_of<'a>(keys: &'a [&str], attributes: &'a Attributes) -> impl Iterator<Item = Json> + 'a {
    keys.iter().filter_map(|key| attributes.get(*key)).filter(|value| !is_nothing(value)).map(parts::unquoted)
}

fn is_nothing(value: &Json) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.is_empty() || text == "null")
}

/// What describes a tool's parameters is none of its arguments.
fn is_schema(value: &Json) -> bool {
    let has = |name: &str| value.get(name).is_some();
    has("properties") && has("type")
        || value.as_object().is_some_and(|fields| !fields.is_empty() && fields.values().all(|field| field.get("type").is_some()))
}

/// Out of what frameworks wrap around them.
fn arguments(value: &Json) -> Json {
    let only = |name: &str, beside: &[&str]| {
        let fields = value.as_object()?;
        fields.get(name).filter(|_| fields.keys().all(|key| key == name || beside.contains(&&**key)))
    };
    // LlamaIndex: `ToolCall(tool_name='…', tool_kwargs={…})`
    if let Json::String(text) = value {
        return python::parse(text).filter(Json::is_object).unwrap_or_else(|| value.clone());
    }
    // LangChain: a text in Python's notation, beside settings.
    if let Some(inner) = value.get("input_str") {
        return parts::unquoted(inner);
    }
    // OpenLLMetry and Laminar: a function's arguments.
    if let (Some(args), Some(kwargs)) = (value.get("args").and_then(Json::as_array), value.get("kwargs")) {
        let named = kwargs.as_object().is_some_and(|kwargs| !kwargs.is_empty());
        return match (args.as_slice(), named) {
            ([], _) => kwargs.clone(),
            ([one], false) => parts::unquoted(one),
            (_, false) => Json::Array(args.iter().map(parts::unquoted).collect()),
            _ => value.clone(),
        };
    }
    if let Some(inner) = only("kwargs", &[]) {
        return inner.clone();
    }
    if let Some(inner) = only("arguments", &[]).or_else(|| only("input", &[])).or_else(|| only("inputs", &[])) {
        return parts::unquoted(inner);
    }
    value.clone()
}

/// Of a call that is the argument: its own.
fn bare(value: Json) -> Json {
    let is_call = value.get("name").is_some() || value.get("tool_name").is_some();
    let inner = ["args", "tool_kwargs"].iter().find_map(|name| value.get(name)).filter(|_| is_call);
    inner.map(parts::unquoted).unwrap_or(value)
}

/// Strands: what a tool was called with is a message to it.
fn asked(said: &Said) -> Json {
    let parts = said.input.iter().filter(|message| message.role == Role::Tool).flat_map(|message| &message.parts);
    let texts = parts.flat_map(|part| match part {
        Part::Answer(answer) => answer.parts.as_slice(),
        other => std::slice::from_ref(other),
    });
    let mut values = texts.filter_map(|part| match part {
        Part::Text(text) => Some(parts::unquoted(&Json::String(text.clone()))),
        Part::Data(data) => Some(data.clone()),
        _ => None,
    });
    values.next().unwrap_or_default()
}
