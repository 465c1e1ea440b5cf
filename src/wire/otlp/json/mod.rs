//! OTLP/JSON to the protobuf bytes that say the same.
//!
//! - The JSON mapping of protobuf with the exceptions of OTLP (specification 1.x, "JSON Protobuf Encoding"): ids are hexadecimal, enums are
//!   numbers. Beyond that it takes what the mapping lets a parser take: original field names beside lowerCamelCase ones, numbers as text,
//!   enum names, either alphabet of base64, `null` for "not set".
//! - Unknown fields are ignored. An id of a wrong length is carried over: [`crate::wire::otlp::inspect`] says which span has it.
//! - It streams: nothing is held but the output. The size is bounded by whoever read the body.
//! - Attribute values nested too deep for `serde_json` (128 containers, so some 37 arrays in one another) are passed over. What is written
//!   instead is deeper than anyone decodes, so that [`crate::wire::otlp::inspect`] finds it a fault of the span, as it does in protobuf.

pub mod mend;
pub mod misplaced;
mod schema;
pub mod text;

use std::fmt::{self, Write as _};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::wire::protobuf::encode::{Message, put_bytes, put_fixed32, put_fixed64, put_varint_field};
use schema::{ANY_VALUE, Field, Kind, LOGS_REQUEST, REQUEST};
use text::{decode_base64, decode_hex, integer_in_float, integer_in_text, number_in_text};

/// Why a body is not OTLP/JSON; the text names the place and is meant for the sender.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid OTLP JSON: {0}")]
pub struct InvalidJson(pub String);

/// Encodes an OTLP/JSON `ExportTraceServiceRequest` as protobuf.
pub fn to_protobuf(json: &[u8]) -> Result<Vec<u8>, InvalidJson> {
    translate(json, &REQUEST)
}

/// Encodes an OTLP/JSON `ExportLogsServiceRequest` as protobuf.
pub fn logs_to_protobuf(json: &[u8]) -> Result<Vec<u8>, InvalidJson> {
    translate(json, &LOGS_REQUEST)
}

fn translate(json: &[u8], request: &'static Field) -> Result<Vec<u8>, InvalidJson> {
    let mut translation = Translation { out: Vec::with_capacity(json.len() / 2), path: Vec::new() };
    let mut source = serde_json::Deserializer::from_slice(json);
    let seed = ValueSeed { to: &mut translation, field: request, in_list: false };
    match seed.deserialize(&mut source).and_then(|()| source.end()) {
        Ok(()) => Ok(translation.out),
        Err(error) => Err(translation.explain(&error)),
    }
}

struct Translation {
    out: Vec<u8>,
    /// Where in the JSON the reading is; after an error, where it stopped.
    path: Vec<Step>,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

/// How many containers may be open where an attribute value begins. From one such value to the next are four containers at most.
const VALUE_MAX_CONTAINERS: usize = 123;

/// Arrays in one another: more than prost decodes.
const TOO_DEEP: usize = 60;

/// Reads the value of a field where the JSON is expected to have one, and writes it out.
struct ValueSeed<'t> {
    to: &'t mut Translation,
    field: &'static Field,
    /// The value is an element of a repeated field.
    in_list: bool,
}

/// A key of an object of these fields.
struct Key(&'static [Field]);

// === impl Translation ===

impl Translation {
    fn explain(&self, error: &serde_json::Error) -> InvalidJson {
        let mut text = String::new();
        for step in &self.path {
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Field(name) if text.is_empty() => write!(text, "{name}"),
                Step::Field(name) => write!(text, ".{name}"),
                Step::Index(index) => write!(text, "[{index}]"),
            };
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        let _ = write!(text, "{error}");
        InvalidJson(text)
    }

    fn seed(&mut self, field: &'static Field, in_list: bool) -> ValueSeed<'_> {
        ValueSeed { to: self, field, in_list }
    }
}

// === impl ValueSeed ===

impl<'t> ValueSeed<'t> {
    fn refuse<T, E: de::Error>(&self, got: &str) -> Result<T, E> {
        Err(E::custom(format_args!("expected {self}, got {got}")))
    }

    fn is_list(&self) -> bool {
        self.field.repeated && !self.in_list
    }

    fn put_integer<E: de::Error>(self, value: i128) -> Result<(), E> {
        let number = self.field.number;
        let out = &mut self.to.out;
        match self.field.kind {
            Kind::Int64 if let Ok(value) = i64::try_from(value) => put_varint_field(out, number, value as u64),
            // Protobuf extends the sign of a negative 32-bit number to 64 bits.
            Kind::Int32 | Kind::Enum(_) if let Ok(value) = i32::try_from(value) => put_varint_field(out, number, i64::from(value) as u64),
            Kind::Uint32 if let Ok(value) = u32::try_from(value) => put_varint_field(out, number, u64::from(value)),
            Kind::Fixed32 if let Ok(value) = u32::try_from(value) => put_fixed32(out, number, value),
            Kind::Fixed64 if let Ok(value) = u64::try_from(value) => put_fixed64(out, number, value),
            Kind::Int64 | Kind::Int32 | Kind::Enum(_) | Kind::Uint32 | Kind::Fixed32 | Kind::Fixed64 => {
                return self.refuse("a number out of range");
            }
            _ => return self.refuse("a number"),
        }
        Ok(())
    }

    /// Whether an attribute value is expected here, and too many containers are open to look into it.
    fn is_too_deep(&self) -> bool {
        self.to.path.len() >= VALUE_MAX_CONTAINERS
            && !self.is_list()
            && matches!(self.field.kind, Kind::Message(fields) if std::ptr::eq(fields, &ANY_VALUE[..]))
    }

    /// Writes a value in place of one that is not looked into.
    fn put_too_deep(self) {
        let out = &mut self.to.out;
        let value = Message::begin(out, self.field.number);
        let arrays: Vec<_> = (0..TOO_DEEP).map(|_| (Message::begin(out, 5), Message::begin(out, 1))).collect();
        for (array, element) in arrays.into_iter().rev() {
            element.end(out);
            array.end(out);
        }
        value.end(out);
    }

    fn put_double(self, value: f64) {
        put_fixed64(&mut self.to.out, self.field.number, value.to_bits());
    }
}

impl fmt::Display for ValueSeed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_list() { "an array" } else { self.field.kind.expects() })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        if self.is_too_deep() {
            source.deserialize_ignored_any(IgnoredAny)?;
            self.put_too_deep();
            return Ok(());
        }
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }

    /// `null` is "not set", and in a list, where something must stand, the default of its type.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        if self.field.number == 0 {
            return self.refuse("null");
        }
        if self.in_list {
            put_bytes(&mut self.to.out, self.field.number, &[]);
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool => put_varint_field(&mut self.to.out, self.field.number, u64::from(value)),
            _ => return self.refuse("true or false"),
        }
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        match self.field.kind {
            Kind::Double => self.put_double(value as f64),
            _ => return self.put_integer(value.into()),
        }
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        match self.field.kind {
            Kind::Double => self.put_double(value as f64),
            _ => return self.put_integer(value.into()),
        }
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        match (self.field.kind, integer_in_float(value)) {
            (Kind::Double, _) => self.put_double(value),
            (_, Some(integer)) => return self.put_integer(integer),
            _ => return self.refuse("a number with a fraction"),
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        if self.is_list() {
            return self.refuse("a string");
        }
        let number = self.field.number;
        match self.field.kind {
            Kind::Text => put_bytes(&mut self.to.out, number, text.as_bytes()),
            Kind::Hex => match decode_hex(text) {
                Ok(bytes) => put_bytes(&mut self.to.out, number, &bytes),
                Err(what) => return self.refuse(what),
            },
            Kind::Base64 => match decode_base64(text) {
                Some(bytes) => put_bytes(&mut self.to.out, number, &bytes),
                None => return self.refuse("something else"),
            },
            Kind::Double => match number_in_text(text) {
                Some(value) => self.put_double(value),
                None => return self.refuse("another string"),
            },
            Kind::Bool | Kind::Message(_) => return self.refuse("a string"),
            Kind::Enum(names) if let Some(value) = names.iter().position(|name| *name == text) => {
                return self.put_integer(value as i128);
            }
            Kind::Enum(_) | Kind::Int64 | Kind::Int32 | Kind::Uint32 | Kind::Fixed64 | Kind::Fixed32 => match integer_in_text(text) {
                Some(value) => return self.put_integer(value),
                None => return self.refuse("another string"),
            },
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.is_list() {
            return self.refuse("an array");
        }
        self.to.path.push(Step::Index(0));
        while list.next_element_seed(self.to.seed(self.field, true))?.is_some() {
            if let Some(Step::Index(index)) = self.to.path.last_mut() {
                *index += 1;
            }
        }
        self.to.path.pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Kind::Message(fields) = self.field.kind else {
            return self.refuse("an object");
        };
        if self.is_list() {
            return self.refuse("an object");
        }
        let around = (self.field.number > 0).then(|| Message::begin(&mut self.to.out, self.field.number));
        while let Some(key) = object.next_key_seed(Key(fields))? {
            let Some(field) = key else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            self.to.path.push(Step::Field(field.name));
            object.next_value_seed(self.to.seed(field, false))?;
            self.to.path.pop();
        }
        if let Some(message) = around {
            message.end(&mut self.to.out);
        }
        Ok(())
    }
}

// === impl Key ===

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|field| field.name == name || field.original == name))
    }
}

#[cfg(test)]
mod tests;
