//! The attributes of one span that are read at all.
//!
//! - Every attribute of every span passes through here, and half of them are nobody's: of those only the key is looked at, and neither
//!   their text nor what is in them is checked once more.
//! - What was found is given in the order of the rows without sorting: a set of numbers is ordered by itself.

use super::Scope;
use super::settings::ENTRIES_MAX;
use super::tables::ROWS_MAX;
use crate::wire::otlp::{Attribute, Span, Value};

/// The numbers that a key can have: those of the rows, then of the operator's own keys.
const NUMBERS: usize = ROWS_MAX + 3 * ENTRIES_MAX;

/// The attributes of a span that have a row in the table or are the operator's, each once.
pub(super) struct Known<'a> {
    /// A bit for each number that is there.
    seen: [u64; NUMBERS.div_ceil(64)],
    /// Where in `values` the value of a number is, if it is there.
    place: [u16; NUMBERS],
    values: Vec<Value<'a>>,
    /// What the scope's own key for it says.
    pub agent: Option<Value<'a>>,
}

/// What a key is to a scope.
struct Wanted {
    number: Option<u16>,
    is_agent: bool,
}

// === impl Known ===

impl<'a> Known<'a> {
    /// Of a span as it lies in its request. Bytes that were inspected have no malformed attribute; if one comes all the same, what stands
    /// before it is kept.
    pub(super) fn of(span: &Span<'a>, scope: &Scope<'_>) -> Self {
        let mut known = Self::empty();
        let _ = span.visit_attributes(|attribute| {
            if let Some(wanted) = Wanted::of(attribute.key(), scope) {
                known.take(&wanted, attribute.value()?);
            }
            Ok(())
        });
        known
    }

    pub(super) fn collect(attributes: impl Iterator<Item = Attribute<'a>>, scope: &Scope<'_>) -> Self {
        let mut known = Self::empty();
        for Attribute { key, value } in attributes {
            if let Some(wanted) = Wanted::of(key.as_bytes(), scope) {
                known.take(&wanted, value);
            }
        }
        known
    }

    /// The numbers that are there, lowest first, each with its value.
    pub(super) fn values(&self) -> impl Iterator<Item = (u16, Value<'a>)> {
        let bits = self.seen.iter().enumerate().flat_map(|(word, &bits)| ones(bits).map(move |bit| (64 * word) as u16 + bit));
        bits.map(|number| (number, self.values[usize::from(self.place[usize::from(number)])]))
    }

    fn empty() -> Self {
        Self { seen: [0; NUMBERS.div_ceil(64)], place: [0; NUMBERS], values: Vec::new(), agent: None }
    }

    fn take(&mut self, wanted: &Wanted, value: Value<'a>) {
        if wanted.is_agent {
            self.agent = Some(value);
        }
        let Some(number) = wanted.number else { return };
        // Nothing was said.
        if matches!(value, Value::Empty | Value::Str("")) {
            return;
        }
        // A key that comes twice is against the protocol; what it said first stands.
        let (word, bit) = (usize::from(number / 64), 1_u64 << (number % 64));
        if self.seen[word] & bit != 0 {
            return;
        }
        self.seen[word] |= bit;
        if self.values.is_empty() {
            self.values.reserve(16);
        }
        self.place[usize::from(number)] = self.values.len() as u16;
        self.values.push(value);
    }
}

/// The places of the bits that are set, lowest first.
pub(super) fn ones(mut bits: u64) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as u16);
        bits &= bits.wrapping_sub(1);
        lowest
    })
}

// === impl Wanted ===

impl Wanted {
    /// `None` if nobody reads the key in this scope.
    #[inline]
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
