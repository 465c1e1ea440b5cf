//! Times in another unit than the nanoseconds that OTLP asks for, told by their size alone.

/// The unit that a time seems to be in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
}

/// Read as nanoseconds, every time of this century is greater, and every time of it in another unit is less: 3 March 1973.
pub(in crate::wire) const SUSPECT_BELOW: u64 = 100_000_000_000_000_000;

/// Seconds since 1970 that a sender of spans can mean: from 2017 to 2100. As nanoseconds these are moments after 1970 began (in
/// microseconds: 17 to 47 days), where a clock that counts from the start of its machine stands too. So the range is no wider than need be.
const FROM_SECONDS: u64 = 1_483_228_800;
const TO_SECONDS: u64 = 4_102_444_800;

// === impl TimeUnit ===

impl TimeUnit {
    pub const ALL: [Self; 3] = [Self::Seconds, Self::Milliseconds, Self::Microseconds];

    /// The unit in which `time` is one of this century; `None` where it is in none of them.
    #[cold]
    pub(in crate::wire) fn of(time: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| (FROM_SECONDS..TO_SECONDS).contains(&(time / unit.in_a_second())))
    }

    /// In words, and as a label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
        }
    }

    fn in_a_second(self) -> u64 {
        match self {
            Self::Seconds => 1,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_time_tells_its_unit() {
        let now = 1_795_917_538;
        let cases = [
            (now, Some(TimeUnit::Seconds)),
            (now * 1_000 + 959, Some(TimeUnit::Milliseconds)),
            (now * 1_000_000 + 959_913, Some(TimeUnit::Microseconds)),
            (now * 1_000_000_000, None),
            (0, None),
            (1, None),
            // Clocks that began with their machine, 12 hours and 90 days ago.
            (12 * 3_600 * 1_000_000_000, None),
            (90 * 86_400 * 1_000_000_000, None),
            (SUSPECT_BELOW - 1, None),
            (u64::MAX, None),
        ];
        for (time, unit) in cases {
            assert_eq!(TimeUnit::of(time), unit, "{time}");
            assert!(unit.is_none() || time < SUSPECT_BELOW);
        }
    }
}
