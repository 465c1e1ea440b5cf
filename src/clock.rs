//! Layer 1: the clocks of the machine. What each is used for, and what a jump or a suspended machine does to it, is a table in
//! `docs/architecture.md`, "Clocks".
//!
//! - [`now`] is the time of day: it is set by people and daemons, and jumps in both directions.
//! - [`Moment`] only goes forward, and goes on while the machine is suspended: for ages that people feel in hours and days.
//! - `std::time::Instant` only goes forward, and stands still in suspend: for waits and time-outs, which a machine that slept should not
//!   find all over at once when it wakes up.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{Nanos, UnixNanos};

#[cfg(any(target_os = "linux", target_os = "android"))]
const STEADY: ClockId = ClockId::Boottime;
/// There it counts on while the machine is suspended.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const STEADY: ClockId = ClockId::Monotonic;

/// The time of day. Before 1970 it is 1970.
pub fn now() -> UnixNanos {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// Time since some moment, sleep included.
pub fn steady() -> Nanos {
    let time = clock_gettime(STEADY);
    Nanos(time.tv_sec.cast_unsigned().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.cast_unsigned()))
}

/// A moment since the machine was started, sleep included. Means nothing after a restart of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Moment(Duration);

impl Moment {
    pub fn now() -> Self {
        Self(Duration::from_nanos(steady().0))
    }

    /// Zero where `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_goes_forward_with_the_other_clocks() {
        let (began, moment) = (std::time::Instant::now(), Moment::now());
        std::thread::sleep(Duration::from_millis(20));
        let passed = Moment::now().since(moment);
        assert!(passed >= Duration::from_millis(20) && passed <= began.elapsed() + Duration::from_millis(1), "{passed:?}");
        assert_eq!(moment.since(Moment::now()), Duration::ZERO);
        assert_eq!(moment.plus(passed).since(moment), passed);
        assert!(now() > UnixNanos(1_700_000_000_000_000_000));
    }
}
