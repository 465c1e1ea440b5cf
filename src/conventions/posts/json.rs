//! Lenient looks into JSON: what is of another type is absent.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::conventions::number::{self, Reading};
use crate::conventions::{Oddities, Oddity};
use crate::model::Str;
use crate::model::report::NAME_MAX_BYTES;
use crate::model::time::Nanos;
use crate::model::usage::NanoUsd;
use crate::wire::otlp;

type Object = Map<String, Value>;

/// How far into a body that cannot be read as a whole its parts are looked for: to the fields of a call.
const SALVAGE_DEPTH: u8 = 3;

/// The members of a JSON object. One value that cannot be read (nested beyond what is decoded, half of a surrogate pair) does not spoil the
/// rest: it is kept as text, with a sign that it is not whole.
pub(super) fn object(body: &[u8]) -> Option<Object> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => return Some(object),
        Ok(_) => return None,
        Err(_) => {}
    }
    let body = String::from_utf8_lossy(body);
    match salvage(serde_json::from_str(&body).ok()?, SALVAGE_DEPTH) {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn salvage(raw: &RawValue, depth: u8) -> Value {
    let text = raw.get();
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    if depth > 0 {
        if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            return Value::Object(members.into_iter().map(|(key, member)| (key, salvage(member, depth - 1))).collect());
        }
        if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(text) {
            return Value::Array(elements.into_iter().map(|element| salvage(element, depth - 1)).collect());
        }
    }
    Value::String(format!("{}…", text.trim_matches('"')))
}

/// Non-empty text, or a number as text.
pub(super) fn name(object: &Object, key: &str) -> Option<Str> {
    let text = match object.get(key)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then(|| cut(&text, NAME_MAX_BYTES))
}

/// Text of any kind of value: a string as it is, anything else as compact JSON; `None` for what says nothing.
pub(super) fn text(value: Option<&Value>, max_bytes: usize) -> Option<Str> {
    match value? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::Object(object) if object.is_empty() => None,
        Value::Array(array) if array.is_empty() => None,
        Value::String(text) => Some(cut(text, max_bytes)),
        value => Some(cut(&value.to_string(), max_bytes)),
    }
}

pub(super) fn tokens(object: &Object, key: &str, oddities: &mut Oddities) -> Option<u64> {
    match number::tokens(value(object.get(key)?)) {
        Reading::Stated(tokens) => Some(tokens),
        Reading::Invalid => {
            oddities.insert(Oddity::TokensInvalid);
            None
        }
        Reading::Absent => None,
    }
}

pub(super) fn dollars(object: &Object, key: &str, oddities: &mut Oddities) -> Option<NanoUsd> {
    match number::dollars(value(object.get(key)?)) {
        Reading::Stated(cost) => Some(cost),
        Reading::Invalid => {
            oddities.insert(Oddity::CostInvalid);
            None
        }
        Reading::Absent => None,
    }
}

/// A length of time given in milliseconds; at most 300 years.
pub(super) fn millis(object: &Object, key: &str) -> Option<Nanos> {
    let millis = object.get(key)?.as_f64()?;
    (0.0..1e13).contains(&millis).then(|| Nanos((millis * 1e6).round() as u64))
}

pub(super) fn count(object: &Object, key: &str) -> Option<u64> {
    object.get(key)?.as_u64()
}

/// At most so many bytes, never half a character, and a sign that something is missing.
pub(super) fn cut(text: &str, max_bytes: usize) -> Str {
    if text.len() <= max_bytes {
        return text.into();
    }
    let mut kept = text[..text.floor_char_boundary(max_bytes)].to_owned();
    kept.push('…');
    kept.into()
}

fn value(value: &Value) -> otlp::Value<'_> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => otlp::Value::Int(int),
            (None, Some(double)) => otlp::Value::Double(double),
            (None, None) => otlp::Value::Empty,
        },
        Value::String(text) => otlp::Value::Str(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => otlp::Value::Empty,
    }
}
