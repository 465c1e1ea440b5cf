//! The attributes of one span that are read at all.
//!
//! - Every attribute of every span passes through here, and half of them are nobody's: of those only the key is looked at, and neither
//!   their text nor what is in them is checked once more. Of the others the value is read when somebody asks for it.
//! - Reading many spans, one of these serves them all: it is cleared, and allocates nothing more.
//! - What was found is given in the order of the rows without sorting: a set of numbers is ordered by itself.

use super::Scope;
use super::settings::ENTRIES_MAX;
use super::tables::ROWS_MAX;
use crate::wire::otlp::{Attribute, Malformed, Span, SpanWalk, Value, VisitAttributes, read_value};

/// The numbers that a key can have: those of the rows, then of the operator's own keys.
const NUMBERS: usize = ROWS_MAX + 3 * ENTRIES_MAX;

/// A bit of a place.
const IN_READ: u16 = 1 << 15;

/// The attributes of a span that have a row in the table or are the operator's, each once.
pub struct Known<'a> {
    /// A bit for each number that is there.
    seen: [u64; NUMBERS.div_ceil(64)],
    /// Where the value of a number is, if it is there: in `encoded`, or with [`IN_READ`] in `read`.
    place: [u16; NUMBERS],
    /// Each an `AnyValue` as it lies in its request.
    encoded: Vec<&'a [u8]>,
    /// Those of another form than every encoder gives them: mostly none.
    read: Vec<Value<'a>>,
    /// What the scope's own key for it says.
    agent: Option<Found<'a>>,
}

/// A value that was found.
#[derive(Clone, Copy)]
enum Found<'a> {
    /// An `AnyValue` as it lies in its request.
    Encoded(&'a [u8]),
    Read(Value<'a>),
}

/// Finds the attributes of spans of one scope.
struct Finder<'k, 'c, 'a> {
    known: &'k mut Known<'a>,
    scope: &'k Scope<'c>,
}

/// What a key is to a scope.
struct Wanted {
    number: Option<u16>,
    is_agent: bool,
}

// === impl Known ===

impl<'a> Known<'a> {
    /// The next span of a walk over `scope`, and of its attributes those that are read. Bytes that were inspected have no malformed
    /// attribute; if one comes all the same, what stands before it is kept.
    #[inline]
    pub fn next_span(&mut self, spans: &mut SpanWalk<'a>, scope: &Scope<'_>) -> Option<Result<Span<'a>, Malformed>> {
        self.seen.fill(0);
        self.encoded.clear();
        self.read.clear();
        self.agent = None;
        spans.next(&mut Finder { known: self, scope })
    }

    pub(super) fn collect(attributes: impl Iterator<Item = Attribute<'a>>, scope: &Scope<'_>) -> Self {
        let mut known = Self::default();
        for Attribute { key, value } in attributes {
            if let Some(wanted) = Wanted::of(key.as_bytes(), scope) {
                known.take(&wanted, Found::Read(value));
            }
        }
        known
    }

    /// The numbers that are there, lowest first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        Numbers { words: &self.seen, first: 0, bits: 0 }
    }

    /// What a number that is there says; `None` if that is nothing.
    #[inline(always)]
    pub(super) fn value(&self, number: u16) -> Option<Value<'a>> {
        let place = self.place[usize::from(number)];
        if place & IN_READ != 0 {
            return Found::Read(self.read[usize::from(place & !IN_READ)]).read();
        }
        Found::Encoded(self.encoded[usize::from(place)]).read()
    }

    /// What the scope's own key says of the agent.
    pub(super) fn agent(&self) -> Option<Value<'a>> {
        self.agent.and_then(Found::read)
    }

    #[inline(always)]
    fn take(&mut self, wanted: &Wanted, value: Found<'a>) {
        if wanted.is_agent {
            self.agent = Some(value);
        }
        let Some(number) = wanted.number else { return };
        let (word, bit) = (usize::from(number / 64), 1_u64 << (number % 64));
        if self.seen[word] & bit != 0 {
            return self.take_again(number, value);
        }
        self.seen[word] |= bit;
        self.put(number, value);
    }

    #[inline(always)]
    fn put(&mut self, number: u16, value: Found<'a>) {
        self.place[usize::from(number)] = match value {
            Found::Encoded(any_value) => {
                self.encoded.push(any_value);
                self.encoded.len() as u16 - 1
            }
            Found::Read(value) => {
                self.read.push(value);
                IN_READ | (self.read.len() as u16 - 1)
            }
        };
    }

    /// A key that comes twice is against the protocol; what it said first stands.
    #[cold]
    fn take_again(&mut self, number: u16, value: Found<'a>) {
        if self.value(number).is_none() && value.read().is_some() {
            self.put(number, value);
        }
    }
}

// === impl Finder ===

impl<'a> VisitAttributes<'a> for Finder<'_, '_, 'a> {
    #[inline(always)]
    fn visit(&mut self, key: &'a [u8], any_value: &'a [u8]) {
        if let Some(wanted) = Wanted::of(key, self.scope) {
            self.known.take(&wanted, Found::Encoded(any_value));
        }
    }

    fn visit_read(&mut self, attribute: Attribute<'a>) {
        if let Some(wanted) = Wanted::of(attribute.key.as_bytes(), self.scope) {
            self.known.take(&wanted, Found::Read(attribute.value));
        }
    }
}

// === impl Found ===

impl<'a> Found<'a> {
    /// What is empty or malformed says nothing.
    #[inline(always)]
    fn read(self) -> Option<Value<'a>> {
        let value = match self {
            Self::Encoded(any_value) => read_value(any_value).ok()?,
            Self::Read(value) => value,
        };
        (!matches!(value, Value::Empty | Value::Str(""))).then_some(value)
    }
}

impl Default for Known<'_> {
    fn default() -> Self {
        Self { seen: [0; NUMBERS.div_ceil(64)], place: [0; NUMBERS], encoded: Vec::with_capacity(16), read: Vec::new(), agent: None }
    }
}

/// The numbers of a set, lowest first.
struct Numbers<'k> {
    /// Those that are still to come, 64 to a word.
    words: &'k [u64],
    /// What is left of the word before those.
    bits: u64,
    /// The number of the lowest bit of the word that comes next.
    first: u16,
}

impl Iterator for Numbers<'_> {
    type Item = u16;

    #[inline(always)]
    fn next(&mut self) -> Option<u16> {
        while self.bits == 0 {
            let (next, rest) = self.words.split_first()?;
            (self.bits, self.words) = (*next, rest);
            self.first += 64;
        }
        let lowest = self.bits.trailing_zeros() as u16;
        self.bits &= self.bits - 1;
        Some(self.first - 64 + lowest)
    }
}

// === impl Wanted ===

impl Wanted {
    /// `None` if nobody reads the key in this scope.
    #[inline(always)]
    fn of(key: &[u8], scope: &Scope<'_>) -> Option<Self> {
        let number = scope.conventions.number(key).filter(|&number| {
            let only_in = scope.conventions.row(number).map_or(&[][..], |row| row.only_in);
            only_in.is_empty() || only_in.iter().any(|beginning| scope.name.starts_with(beginning))
        });
        let agent_key = scope.reading.and_then(|reading| reading.agent_key);
        let is_agent = agent_key.is_some_and(|known| known.as_bytes() == key);
        (number.is_some() || is_agent).then_some(Self { number, is_agent })
    }
}
