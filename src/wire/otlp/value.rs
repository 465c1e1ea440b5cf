//! Attributes and their values, read where they lie.
//!
//! Protobuf lets a sender split a value: the `value` of a `KeyValue`, or the array of an `AnyValue`, may occur several times, and the
//! pieces add up. So an [`Array`] or [`Map`] is not one range of bytes but a place to read its pieces from.

use super::Malformed;
use super::walk::{next_message, until_error};
use crate::wire::protobuf::reader::{Raw, Reader};
use crate::wire::protobuf::text::utf8;

/// A `KeyValue`.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    pub key: &'a str,
    pub value: Value<'a>,
}

/// An `AnyValue`; arrays and maps stay encoded until asked for.
///
/// The tag is a whole word. Behind one of a byte a `Bool` would lie among seven bytes that are moved as two halves which overlap, and who
/// moves them once more at once waits for both: that took three fifths of what reading a span's attributes takes.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Value<'a> {
    /// No value, or one that only profiles use.
    Empty,
    Str(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(Array<'a>),
    Map(Map<'a>),
}

/// An encoded `ArrayValue`.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a>(Pieces<'a>);

/// An encoded `KeyValueList`.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a>(Pieces<'a>);

/// The values of an array, in order. After an `Err` there is nothing.
pub fn array_values(array: Array<'_>) -> impl Iterator<Item = Result<Value<'_>, Malformed>> {
    until_error(Elements::new(array.0, ARRAY).map(|element| value_of(element?)))
}

/// The entries of a map, in order, repeated keys included. After an `Err` there is nothing.
pub fn map_entries(map: Map<'_>) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    until_error(Elements::new(map.0, MAP).map(|element| attribute(element?)))
}

/// Reads an encoded `AnyValue` that [`super::VisitAttributes`] got.
///
/// # Errors
/// It is malformed.
#[inline(always)]
pub fn read_value(any_value: &[u8]) -> Result<Value<'_>, Malformed> {
    match usual_value(any_value) {
        Some(value) => Ok(value),
        None => value_of(Reader::new(any_value)),
    }
}

/// Reads a `KeyValue`.
#[inline]
pub(in crate::wire) fn attribute(key_value: Reader<'_>) -> Result<Attribute<'_>, Malformed> {
    if key_value.may_skip()
        && let Some((key, value)) = usual(key_value.rest())
        && let Some(key) = utf8(key)
        && let Some(value) = usual_value(value)
    {
        return Ok(Attribute { key, value });
    }
    any_attribute(key_value)
}

/// The same of any form that it can have.
#[inline(never)]
pub(super) fn any_attribute(mut key_value: Reader<'_>) -> Result<Attribute<'_>, Malformed> {
    let mut attribute = Attribute { key: "", value: Value::Empty };
    while let Some(field) = key_value.field()? {
        match field.number {
            1 => attribute.key = field.text()?,
            2 => merge(&mut attribute.value, field.message()?, key_value.rest())?,
            _ => {}
        }
    }
    Ok(attribute)
}

/// The pieces of an array or map: the last of its kind that `first` and `rest` hold, and no other value comes between them.
#[derive(Clone, Copy, Debug)]
struct Pieces<'a> {
    /// The fields of an `AnyValue`, from the first piece on.
    first: &'a [u8],
    /// What follows that `AnyValue` in its `KeyValue`, where further ones may add to it.
    rest: &'a [u8],
}

/// Field numbers of `AnyValue`.
const ARRAY: u32 = 5;
const MAP: u32 = 6;

/// Reads an `AnyValue`.
pub(in crate::wire) fn value_of(any_value: Reader<'_>) -> Result<Value<'_>, Malformed> {
    let mut value = Value::Empty;
    merge(&mut value, any_value, &[])?;
    Ok(value)
}

/// Reads an `AnyValue` that adds to `value`: the last field wins, but an array adds to an array and a map to a map.
#[inline(always)]
fn merge<'a>(value: &mut Value<'a>, mut any_value: Reader<'a>, rest: &'a [u8]) -> Result<(), Malformed> {
    while let Some(field) = any_value.field()? {
        let pieces = |any_value: &Reader<'a>| Pieces { first: any_value.from(field.offset), rest };
        *value = match field.number {
            1 => Value::Str(field.text()?),
            2 => Value::Bool(field.varint()? != 0),
            3 => Value::Int(field.varint()? as i64),
            4 => Value::Double(f64::from_bits(field.fixed64()?)),
            ARRAY | MAP if !matches!(field.raw, Raw::Delimited(_)) => return Err(field.wrong_wire_type()),
            ARRAY if matches!(value, Value::Array(_)) => continue,
            ARRAY => Value::Array(Array(pieces(&any_value))),
            MAP if matches!(value, Value::Map(_)) => continue,
            MAP => Value::Map(Map(pieces(&any_value))),
            7 => Value::Bytes(field.bytes()?),
            8 => {
                field.varint()?;
                Value::Empty
            }
            _ => continue,
        };
    }
    Ok(())
}

/// The elements of an array or map, over all its pieces: each is a message of its own.
struct Elements<'a> {
    /// [`ARRAY`] or [`MAP`].
    kind: u32,
    /// Fields of an `ArrayValue` or `KeyValueList`.
    elements: Reader<'a>,
    /// Fields of an `AnyValue`.
    values: Reader<'a>,
    /// Fields of a `KeyValue`.
    key_value: Reader<'a>,
}

// === the form that encoders give ===

/// Key and value of a `KeyValue` that is just these two, one after the other: what every encoder writes. It need not be well formed.
#[inline(always)]
pub(super) fn usual(key_value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, rest) = delimited(key_value, 1 << 3 | 2)?;
    let (value, rest) = delimited(rest, 2 << 3 | 2)?;
    rest.is_empty().then_some((key, value))
}

/// An `AnyValue` that is one text or number and nothing else; `None` for anything else, and for what is not well formed.
#[inline(always)]
fn usual_value(any_value: &[u8]) -> Option<Value<'_>> {
    match any_value {
        [0x0a, ..] => {
            let (text, rest) = delimited(any_value, 0x0a)?;
            rest.is_empty().then_some(Value::Str(utf8(text)?))
        }
        [0x18, varint @ ..] => {
            let (number, rest) = varint_of(varint)?;
            rest.is_empty().then_some(Value::Int(number as i64))
        }
        [0x21, double @ ..] => Some(Value::Double(f64::from_le_bytes(double.try_into().ok()?))),
        [0x10, is @ (0 | 1)] => Some(Value::Bool(*is == 1)),
        _ => None,
    }
}

/// The content of the length-delimited field that comes first and has this key, and what follows it.
#[inline(always)]
fn delimited(bytes: &[u8], key: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != key {
        return None;
    }
    let (len, rest) = match rest {
        [len @ ..0x80, rest @ ..] => (usize::from(*len), rest),
        _ => {
            let (len, rest) = varint_of(rest)?;
            (usize::try_from(len).ok()?, rest)
        }
    };
    rest.split_at_checked(len)
}

/// A varint of at most four bytes, as lengths and most numbers are.
#[inline]
fn varint_of(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let last = bytes.iter().take(4).position(|byte| *byte < 0x80)?;
    let (varint, rest) = bytes.split_at(last + 1);
    Some((varint.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)), rest))
}

// === impl Elements ===

impl<'a> Elements<'a> {
    fn new(pieces: Pieces<'a>, kind: u32) -> Self {
        Self { kind, elements: Reader::new(&[]), values: Reader::new(pieces.first), key_value: Reader::new(pieces.rest) }
    }

    fn next_element(&mut self) -> Result<Option<Reader<'a>>, Malformed> {
        loop {
            if let Some(element) = next_message(&mut self.elements, 1)? {
                return Ok(Some(element));
            }
            if let Some(piece) = next_message(&mut self.values, self.kind)? {
                self.elements = piece;
                continue;
            }
            let Some(value) = next_message(&mut self.key_value, 2)? else {
                return Ok(None);
            };
            self.values = value;
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Reader<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_element().transpose()
    }
}

// === impl Array, Map ===

impl<'a> Array<'a> {
    /// The encoded `AnyValue`s, in order.
    pub(in crate::wire) fn elements(&self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a> {
        until_error(Elements::new(self.0, ARRAY).map(|element| Ok(element?.rest())))
    }
}

impl<'a> Map<'a> {
    /// The encoded `KeyValue`s, in order.
    pub(in crate::wire) fn elements(&self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> + use<'a> {
        until_error(Elements::new(self.0, MAP).map(|element| Ok(element?.rest())))
    }
}
