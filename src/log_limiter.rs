//! Layer 0: one log line per cause, not per event: the first at once, then at most one a minute with the count of all since.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// The least time between two lines of one cause.
const INTERVAL: Duration = Duration::from_secs(60);

/// When each cause was last written about. Causes are constants of this program, so the map is bounded.
#[derive(Debug, Default)]
pub struct LogLimiter {
    causes: Mutex<FxHashMap<&'static str, Cause>>,
}

#[derive(Debug)]
struct Cause {
    last: Instant,
    n_since: u64,
}

// === impl LogLimiter ===

impl LogLimiter {
    /// Counts `n` events. `Some(total)` if a line is due now, about all events since the last line.
    pub fn due(&self, cause: &'static str, n: u64, now: Instant) -> Option<u64> {
        let mut causes = self.causes.lock();
        let Some(known) = causes.get_mut(cause) else {
            causes.insert(cause, Cause { last: now, n_since: 0 });
            return Some(n);
        };
        known.n_since += n;
        if now.saturating_duration_since(known.last) < INTERVAL {
            return None;
        }
        known.last = now;
        Some(std::mem::take(&mut known.n_since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_written_about_once_a_minute_with_the_whole_count() {
        let (limiter, start) = (LogLimiter::default(), Instant::now());
        let at = |cause, n, seconds| limiter.due(cause, n, start + Duration::from_secs(seconds));
        assert_eq!(at("a", 2, 0), Some(2));
        assert_eq!(at("a", 3, 1), None);
        assert_eq!(at("b", 1, 1), Some(1));
        assert_eq!(at("a", 4, 59), None);
        assert_eq!(at("a", 5, 60), Some(12));
        assert_eq!(at("a", 1, 61), None);
    }
}
