//! How fast the journal is forwarded and how fast it grows, over the last seconds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::Position;

/// The rate is that of so long.
const WINDOW: Duration = Duration::from_secs(10);
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<VecDeque<Sample>>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    forwarded: Position,
    end: Position,
}

// === impl Pace ===

impl Pace {
    /// Takes a sample if it is time for one; whether it did.
    pub(super) fn sample(&self, at: Instant, forwarded: Position, end: Position) -> bool {
        let mut samples = self.lock();
        if samples.back().is_some_and(|last| at.duration_since(last.at) < SAMPLE_EVERY) {
            return false;
        }
        samples.push_back(Sample { at, forwarded, end });
        while samples.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            samples.pop_front();
        }
        true
    }

    /// Bytes a second that Tempo took; 0 before two samples.
    pub(super) fn forwarded_per_s(&self) -> u64 {
        self.rate(|sample| sample.forwarded).unwrap_or(0.0) as u64
    }

    /// How long `lag_bytes` take if everything goes on as it does: `None` while the lag does not shrink.
    pub(super) fn eta(&self, lag_bytes: u64) -> Option<Duration> {
        if lag_bytes == 0 {
            return Some(Duration::ZERO);
        }
        let shrinks = self.rate(|sample| sample.forwarded)? - self.rate(|sample| sample.end)?;
        if shrinks < 1.0 {
            return None;
        }
        Duration::try_from_secs_f64(lag_bytes as f64 / shrinks).ok()
    }

    fn rate(&self, of: impl Fn(&Sample) -> Position) -> Option<f64> {
        let samples = self.lock();
        let (first, last) = (samples.front()?, samples.back()?);
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        (seconds > 0.0).then(|| of(last).0.saturating_sub(of(first).0) as f64 / seconds)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_divided_by_how_fast_it_shrinks_lately() {
        let (pace, began) = (Pace::default(), Instant::now());
        assert_eq!(pace.eta(100), None);
        let at = |second: u64| began + Duration::from_secs(second);
        for second in 0..30_u64 {
            // It stood still for twenty seconds; then it takes 500 bytes a second while 100 come.
            let forwarded = 500 * second.saturating_sub(15);
            assert!(pace.sample(at(second), Position(forwarded), Position(10_000 + 100 * second)));
            assert!(!pace.sample(at(second) + Duration::from_millis(500), Position(0), Position(0)), "once a second");
        }
        assert_eq!(pace.forwarded_per_s(), 500);
        assert_eq!(pace.eta(8_000), Some(Duration::from_secs(20)));
        assert_eq!(pace.eta(0), Some(Duration::ZERO));
    }

    #[test]
    fn a_lag_that_grows_has_no_end() {
        let (pace, began) = (Pace::default(), Instant::now());
        pace.sample(began, Position(0), Position(1_000));
        pace.sample(began + Duration::from_secs(1), Position(10), Position(1_020));
        assert_eq!((pace.forwarded_per_s(), pace.eta(1_010)), (10, None));
    }
}
