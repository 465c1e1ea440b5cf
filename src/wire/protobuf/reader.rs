//! A cursor over the fields of one protobuf message.
//!
//! - It accepts and refuses exactly what prost does: varints of at most ten bytes that fit 64 bits, field numbers 1 to 2^29 - 1, groups
//!   skipped when they close properly, and the same bound on recursion.
//! - It allocates nothing, and no input makes it panic.
//! - It never interprets a field: the message's own module does.

use super::Malformed;
use super::text::utf8;

/// How many messages and groups may lie inside one another before prost gives up (its `RECURSION_LIMIT`, not configurable).
const RECURSION_LIMIT: u32 = 100;

/// What is left of one message. A copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// From the start of what was handed in to the end of this message, so that `at` is an offset a sender can use.
    bytes: &'a [u8],
    /// Never beyond the end of `bytes`.
    at: usize,
    /// How many more levels may be entered.
    budget: u32,
}

/// One field, its value still raw.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub number: u32,
    pub raw: Raw<'a>,
    /// Where its key begins.
    pub offset: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes or a message: a reader placed on its content.
    Delimited(Reader<'a>),
    /// A whole group, already checked and passed by.
    Group,
    Fixed32(u32),
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { bytes: message, at: 0, budget: RECURSION_LIMIT }
    }

    /// The next field; `None` at the end of the message.
    #[inline(always)]
    pub fn field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.is_empty() {
            return Ok(None);
        }
        let offset = self.at;
        let key = self.key()?;
        let raw = match wire_type(key) {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => Raw::Fixed64(u64::from_le_bytes(self.fixed()?)),
            DELIMITED => Raw::Delimited(self.delimited()?),
            FIXED32 => Raw::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => {
                self.skip(key)?;
                Raw::Group
            }
        };
        Ok(Some(Field { number: number(key), raw, offset }))
    }

    /// The key of the next field: its number and wire type, as encoded. The message must not be at its end.
    #[inline(always)]
    pub fn key(&mut self) -> Result<u32, Malformed> {
        let offset = self.at;
        let key = self.varint()?;
        let Ok(key) = u32::try_from(key) else {
            return Err(malformed_at(offset, "field number out of range"));
        };
        if key < 8 {
            return Err(malformed_at(offset, "field number zero"));
        }
        Ok(key)
    }

    /// The value of a varint field whose key was read.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    /// The value of a fixed-width field whose key was read.
    #[inline(always)]
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some(bytes) = self.rest().first_chunk::<N>() else {
            return Err(malformed_at(self.at, "unfinished fixed-width number"));
        };
        self.at += N;
        Ok(*bytes)
    }

    /// The content of a string, bytes or message field whose key was read.
    #[inline(always)]
    pub fn delimited(&mut self) -> Result<Self, Malformed> {
        let offset = self.at;
        let length = self.varint()?;
        let left = self.bytes.len() - self.at;
        // The comparison is made in 64 bits: a length may exceed the address space.
        if length > left as u64 {
            return Err(malformed_at(offset, "length beyond the end of the message"));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(Self { bytes: &self.bytes[..self.at], at: start, budget: self.budget })
    }

    /// Key and content of the next field, where it is as nearly all are: a key of one byte, and a length of one or two. Else the reader
    /// stays where it is, and [`Self::key`] reads on.
    #[inline(always)]
    pub fn short_field(&mut self) -> Option<(u32, &'a [u8])> {
        let (key, length, head) = match *self.rest() {
            [key, length @ ..0x80, ..] => (key, usize::from(length), 2),
            [key, low, high @ ..0x80, ..] => (key, usize::from(low & 0x7f) | usize::from(high) << 7, 3),
            _ => return None,
        };
        if !(1 << 3..0x80).contains(&key) || wire_type(key.into()) != DELIMITED {
            return None;
        }
        let content = self.rest().get(head..head + length)?;
        self.at += head + length;
        Some((key.into(), content))
    }

    /// Key and value of the next field, where it is a number and its key and, if it is a varint, its value are of one byte. Else the reader
    /// stays where it is.
    #[inline(always)]
    pub fn short_number(&mut self) -> Option<(u32, u64)> {
        let (&key, rest) = self.rest().split_first()?;
        if !(1 << 3..0x80).contains(&key) {
            return None;
        }
        let (number, length) = match wire_type(key.into()) {
            VARINT => (u64::from(*rest.first().filter(|byte| **byte < 0x80)?), 1),
            FIXED64 => (u64::from_le_bytes(*rest.first_chunk()?), 8),
            _ => return None,
        };
        self.at += 1 + length;
        Some((key.into(), number))
    }

    /// The content of the field that was read last, as a message.
    #[inline(always)]
    pub fn inside(&self, content: &'a [u8]) -> Result<Self, Malformed> {
        let offset = self.at.saturating_sub(content.len());
        let inside = Self { bytes: &self.bytes[..self.at], at: offset, budget: self.budget };
        inside.enter().ok_or(Malformed { offset, what: "nested too deep" })
    }

    /// The content of a message field whose key was read.
    #[inline(always)]
    pub fn message(&mut self) -> Result<Self, Malformed> {
        let content = self.delimited()?;
        content.enter().ok_or(Malformed { offset: content.at, what: "nested too deep" })
    }

    /// Passes by the value of a field of any wire type whose key was read.
    #[cold]
    pub fn skip(&mut self, key: u32) -> Result<(), Malformed> {
        match wire_type(key) {
            VARINT => drop(self.varint()?),
            FIXED64 => drop(self.fixed::<8>()?),
            DELIMITED => drop(self.delimited()?),
            START_GROUP => self.skip_group(number(key))?,
            FIXED32 => drop(self.fixed::<4>()?),
            END_GROUP => return Err(malformed_at(self.at, "a group ends that did not begin")),
            _ => return Err(malformed_at(self.at, "unknown wire type")),
        }
        Ok(())
    }

    /// The content of this reader as a message of its own; `None` where that would be one level too deep.
    #[inline(always)]
    pub fn enter(mut self) -> Option<Self> {
        self.budget = self.budget.checked_sub(1)?;
        Some(self)
    }

    /// A reader that stands at `offset`, which this one gave before.
    #[inline(always)]
    pub fn back_to(mut self, offset: usize) -> Self {
        self.at = offset.min(self.at);
        self
    }

    /// All that is left of the message.
    #[inline(always)]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The bytes from `offset`, which a field of this message gave, up to here.
    pub fn since(&self, offset: usize) -> &'a [u8] {
        &self.bytes[offset.min(self.at)..self.at]
    }

    /// Everything from `offset`, which a field of this message gave, to the end of the message.
    pub fn from(&self, offset: usize) -> &'a [u8] {
        &self.bytes[offset.min(self.at)..]
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    /// False where prost would refuse even a field it does not know.
    #[inline(always)]
    pub fn may_skip(&self) -> bool {
        self.budget > 0
    }

    #[inline]
    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (n, &byte) in self.rest().iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte >= 0x80 {
                continue;
            }
            if n == 9 && byte > 1 {
                return Err(malformed_at(self.at, "varint beyond 64 bits"));
            }
            self.at += n + 1;
            return Ok(value);
        }
        Err(malformed_at(self.at, "unfinished varint"))
    }

    /// Passes by the fields of a group and its end. As in prost, a field is skipped only where one more level could be entered.
    fn skip_group(&mut self, group: u32) -> Result<(), Malformed> {
        let Some(inside) = self.budget.checked_sub(1) else {
            return Err(malformed_at(self.at, "nested too deep"));
        };
        loop {
            let offset = self.at;
            let key = self.key()?;
            if wire_type(key) == END_GROUP {
                if number(key) != group {
                    return Err(malformed_at(offset, "a group ends that did not begin"));
                }
                return Ok(());
            }
            if inside == 0 {
                return Err(malformed_at(offset, "nested too deep"));
            }
            self.budget = inside;
            let skipped = self.skip(key);
            self.budget = inside + 1;
            skipped?;
        }
    }
}

pub const VARINT: u32 = 0;
pub const FIXED64: u32 = 1;
pub const DELIMITED: u32 = 2;
pub const START_GROUP: u32 = 3;
pub const END_GROUP: u32 = 4;
pub const FIXED32: u32 = 5;

/// The string; empty where it is not UTF-8.
#[inline(always)]
pub fn text_or_empty(bytes: &[u8]) -> &str {
    utf8(bytes).unwrap_or_default()
}

#[inline(always)]
pub const fn number(key: u32) -> u32 {
    key >> 3
}

#[inline(always)]
pub const fn wire_type(key: u32) -> u32 {
    key & 7
}

#[cold]
pub fn malformed_at(offset: usize, what: &'static str) -> Malformed {
    Malformed { offset, what }
}

// === impl Field ===

impl<'a> Field<'a> {
    #[inline(always)]
    pub fn varint(&self) -> Result<u64, Malformed> {
        match self.raw {
            Raw::Varint(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    #[inline(always)]
    pub fn fixed64(&self) -> Result<u64, Malformed> {
        match self.raw {
            Raw::Fixed64(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    #[inline(always)]
    pub fn fixed32(&self) -> Result<u32, Malformed> {
        match self.raw {
            Raw::Fixed32(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    #[inline(always)]
    pub fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.raw {
            Raw::Delimited(content) => Ok(content.rest()),
            _ => Err(self.wrong_wire_type()),
        }
    }

    /// The string, which must be UTF-8.
    #[inline(always)]
    pub fn text(&self) -> Result<&'a str, Malformed> {
        utf8(self.bytes()?).ok_or(Malformed { offset: self.offset, what: "a string is not UTF-8" })
    }

    /// The string; empty where it is not UTF-8.
    #[inline(always)]
    pub fn text_or_empty(&self) -> Result<&'a str, Malformed> {
        self.bytes().map(text_or_empty)
    }

    #[inline(always)]
    pub fn message(&self) -> Result<Reader<'a>, Malformed> {
        let Raw::Delimited(content) = self.raw else {
            return Err(self.wrong_wire_type());
        };
        content.enter().ok_or(Malformed { offset: self.offset, what: "nested too deep" })
    }

    #[cold]
    pub fn wrong_wire_type(&self) -> Malformed {
        Malformed { offset: self.offset, what: "wrong wire type" }
    }
}
