//! Points in time and lengths of time, as OTLP has them: whole nanoseconds.

/// Nanoseconds since 1970-01-01T00:00:00Z. Zero means "not known", as in OTLP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixNanos(pub u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nanos(pub u64);

impl UnixNanos {
    pub const ZERO: Self = Self(0);
    pub const MAX: Self = Self(u64::MAX);
    /// The latest time that a span can have: 2262-04-11T23:47:16.854775807Z, the last that a signed 64-bit number holds.
    pub const WIRE_MAX: Self = Self(i64::MAX as u64);

    /// A time as a span states it. Later ones than [`Self::WIRE_MAX`] become it: databases and clients order signed numbers.
    pub fn from_wire(nanos: u64) -> Self {
        Self(nanos).min(Self::WIRE_MAX)
    }

    /// The time from `start` to here; zero where `start` is later (product decision: end before start is duration 0).
    pub fn since(self, start: Self) -> Nanos {
        Nanos(self.0.saturating_sub(start.0))
    }

    pub fn plus(self, length: Nanos) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    pub fn minus(self, length: Nanos) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

impl Nanos {
    pub const ZERO: Self = Self(0);

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }
}
