//! A cursor over the fields of one protobuf message.
//!
//! - It accepts and refuses exactly what prost does: varints of at most ten bytes that fit 64 bits, field numbers 1 to 2^29 - 1, groups
//!   skipped when they close properly, and the same bound on recursion.
//! - It allocates nothing, and no input makes it panic.
//! - It never interprets a field: the message's own module does.

use super::otlp::Malformed;

/// How many messages and groups may lie inside one another before prost gives up (its `RECURSION_LIMIT`, not configurable).
const RECURSION_LIMIT: u32 = 100;

/// What is left of one message. A copy is a bookmark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// From the start of what was handed in to the end of this message, so that `at` is an offset a sender can use.
    bytes: &'a [u8],
    /// Never beyond the end of `bytes`.
    at: usize,
    /// How many more levels may be entered.
    budget: u32,
}

/// One field, its value still raw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) raw: Raw<'a>,
    /// Where its key begins.
    pub(super) offset: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Raw<'a> {
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
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { bytes: message, at: 0, budget: RECURSION_LIMIT }
    }

    /// The next field; `None` at the end of the message.
    #[inline(always)]
    pub(super) fn field(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let offset = self.at;
        let (number, wire_type) = self.key()?;
        let raw = match wire_type {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => Raw::Fixed64(u64::from_le_bytes(self.fixed()?)),
            DELIMITED => Raw::Delimited(self.delimited()?),
            START_GROUP => {
                self.skip_group(number, self.budget)?;
                Raw::Group
            }
            FIXED32 => Raw::Fixed32(u32::from_le_bytes(self.fixed()?)),
            END_GROUP => return Err(self.malformed_at(offset, "a group ends that did not begin")),
            _ => return Err(self.malformed_at(offset, "unknown wire type")),
        };
        Ok(Some(Field { number, raw, offset }))
    }

    /// The content of this reader as a message of its own; `None` where that would be one level too deep.
    #[inline(always)]
    pub(super) fn enter(mut self) -> Option<Self> {
        self.budget = self.budget.checked_sub(1)?;
        Some(self)
    }

    /// All that is left of the message.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The bytes from `offset`, which a field of this message gave, up to here.
    pub(super) fn since(&self, offset: usize) -> &'a [u8] {
        &self.bytes[offset.min(self.at)..self.at]
    }

    /// Everything from `offset`, which a field of this message gave, to the end of the message.
    pub(super) fn from(&self, offset: usize) -> &'a [u8] {
        &self.bytes[offset.min(self.at)..]
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// False where prost would refuse even a field it does not know.
    #[inline(always)]
    pub(super) fn may_skip(&self) -> bool {
        self.budget > 0
    }

    #[inline(always)]
    fn key(&mut self) -> Result<(u32, u8), Malformed> {
        let offset = self.at;
        let key = self.varint()?;
        let Ok(key) = u32::try_from(key) else {
            return Err(self.malformed_at(offset, "field number out of range"));
        };
        if key < 8 {
            return Err(self.malformed_at(offset, "field number zero"));
        }
        Ok((key >> 3, (key & 7) as u8))
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, Malformed> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
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
                return Err(self.malformed("varint beyond 64 bits"));
            }
            self.at += n + 1;
            return Ok(value);
        }
        Err(self.malformed("unfinished varint"))
    }

    #[inline(always)]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let Some(bytes) = self.rest().first_chunk::<N>() else {
            return Err(self.malformed("unfinished fixed-width number"));
        };
        self.at += N;
        Ok(*bytes)
    }

    #[inline(always)]
    fn delimited(&mut self) -> Result<Self, Malformed> {
        let offset = self.at;
        let length = self.varint()?;
        let left = self.bytes.len() - self.at;
        // The comparison is made in 64 bits: a length may exceed the address space.
        if length > left as u64 {
            return Err(self.malformed_at(offset, "length beyond the end of the message"));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(Self { bytes: &self.bytes[..self.at], at: start, budget: self.budget })
    }

    /// Passes by the fields of group `number` and its end. `budget` counts as prost counts: a level for every field skipped.
    #[cold]
    fn skip_group(&mut self, number: u32, budget: u32) -> Result<(), Malformed> {
        let Some(inside) = budget.checked_sub(1) else {
            return Err(self.malformed("nested too deep"));
        };
        loop {
            let offset = self.at;
            let (inner, wire_type) = self.key()?;
            if wire_type == END_GROUP {
                if inner != number {
                    return Err(self.malformed_at(offset, "a group ends that did not begin"));
                }
                return Ok(());
            }
            if inside == 0 {
                return Err(self.malformed_at(offset, "nested too deep"));
            }
            match wire_type {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.fixed::<8>()?),
                DELIMITED => drop(self.delimited()?),
                START_GROUP => self.skip_group(inner, inside)?,
                FIXED32 => drop(self.fixed::<4>()?),
                _ => return Err(self.malformed_at(offset, "unknown wire type")),
            }
        }
    }

    #[cold]
    pub(super) fn malformed(&self, what: &'static str) -> Malformed {
        self.malformed_at(self.at, what)
    }

    #[cold]
    pub(super) fn malformed_at(&self, offset: usize, what: &'static str) -> Malformed {
        Malformed { offset, what }
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const DELIMITED: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

// === impl Field ===

impl<'a> Field<'a> {
    pub(super) fn varint(&self) -> Result<u64, Malformed> {
        match self.raw {
            Raw::Varint(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    pub(super) fn fixed64(&self) -> Result<u64, Malformed> {
        match self.raw {
            Raw::Fixed64(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    pub(super) fn fixed32(&self) -> Result<u32, Malformed> {
        match self.raw {
            Raw::Fixed32(value) => Ok(value),
            _ => Err(self.wrong_wire_type()),
        }
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.raw {
            Raw::Delimited(content) => Ok(content.rest()),
            _ => Err(self.wrong_wire_type()),
        }
    }

    /// The string, which must be UTF-8.
    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| Malformed { offset: self.offset, what: "a string is not UTF-8" })
    }

    /// The string; empty where it is not UTF-8.
    pub(super) fn text_or_empty(&self) -> Result<&'a str, Malformed> {
        Ok(simdutf8::basic::from_utf8(self.bytes()?).unwrap_or_default())
    }

    pub(super) fn message(&self) -> Result<Reader<'a>, Malformed> {
        let Raw::Delimited(content) = self.raw else {
            return Err(self.wrong_wire_type());
        };
        content.enter().ok_or(Malformed { offset: self.offset, what: "nested too deep" })
    }

    #[cold]
    pub(super) fn wrong_wire_type(&self) -> Malformed {
        Malformed { offset: self.offset, what: "wrong wire type" }
    }
}
