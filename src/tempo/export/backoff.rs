//! How long to wait between attempts: doubling, bounded, never all at the same moment.

use std::time::Duration;

/// The waits of one request's attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    initial: Duration,
    max: Duration,
    n_attempts: u32,
}

// === impl Backoff ===

impl Backoff {
    pub(super) fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max: max.max(initial), n_attempts: 0 }
    }

    /// The next wait. `random` is any number; it spreads the wait over 100 % to 150 % of its length, within the maximum.
    pub(super) fn next(&mut self, random: u32) -> Duration {
        let doubled = self.initial.saturating_mul(1_u32.checked_shl(self.n_attempts).unwrap_or(u32::MAX));
        self.n_attempts = self.n_attempts.saturating_add(1);
        spread(doubled.min(self.max), random).min(self.max)
    }
}

/// Between 100 % and 150 % of `wait`.
pub(super) fn spread(wait: Duration, random: u32) -> Duration {
    wait.saturating_add(wait.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0))
}

/// Randomness for jitter. Without any it is a fixed number: the waits are then only less spread.
pub(super) fn random() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_half_a_second_to_thirty_and_stay_there() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let waits: Vec<u128> = (0..9).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        for _ in 0..100 {
            assert_eq!(backoff.next(u32::MAX), Duration::from_secs(30));
        }
    }

    #[test]
    fn waits_are_spread_and_never_shorter_than_asked() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        assert_eq!(backoff.next(u32::MAX), Duration::from_millis(750));
        assert_eq!(spread(Duration::from_secs(31), 0), Duration::from_secs(31));
    }
}
