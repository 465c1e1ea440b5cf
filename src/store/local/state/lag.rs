//! How far the fold is behind what was acknowledged, and when senders have to slow down because of it.
//!
//! - Time is measured here, by a monotonic clock, from when requests were accepted: what their senders' clocks say does not matter.
//! - Every [`MARK_EVERY`] the journal's end is noted with the moment; the oldest mark that the fold has not reached is the lag.
//! - A request that would wait longer than allowed until it is visible is refused before it is journaled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::journal::Position;
use crate::store::FoldLag;

/// How finely the lag is known.
const MARK_EVERY: Duration = Duration::from_millis(100);
/// Marks kept: more than an hour. Older lags are shown as that.
const MARKS_MAX: usize = 40_000;
/// A backlog smaller than this is folded within a second on any machine: senders are not slowed by it.
const SMALL_BYTES: u64 = 4 << 20;
/// The longest wait that a refused sender is asked for.
const RETRY_MAX: Duration = Duration::from_secs(30);

pub struct LagMeter {
    began: Instant,
    /// When the newest mark was made, in milliseconds since `began`.
    marked_ms: AtomicU64,
    /// When the journal ended where, oldest first.
    marks: Mutex<VecDeque<(Instant, Position)>>,
    /// Journal bytes that the fold takes in a second of work, smoothed; 0 until it has worked.
    bytes_per_second: AtomicU64,
}

impl Default for LagMeter {
    fn default() -> Self {
        Self { began: Instant::now(), marked_ms: AtomicU64::new(0), marks: Mutex::default(), bytes_per_second: AtomicU64::new(0) }
    }
}

impl LagMeter {
    /// Something was accepted, and the journal ends there now.
    pub fn accepted(&self, end: Position, now: Instant) {
        let now_ms = (now - self.began).as_millis() as u64;
        let marked_ms = self.marked_ms.load(Ordering::Relaxed);
        let is_first = marked_ms == 0;
        if !is_first && now_ms < marked_ms + MARK_EVERY.as_millis() as u64 {
            return;
        }
        if self.marked_ms.compare_exchange(marked_ms, now_ms.max(1), Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let mut marks = self.marks.lock();
        if marks.len() < MARKS_MAX {
            marks.push_back((now, end));
        }
    }

    /// The fold took so many bytes of the journal in so much time.
    pub fn folded(&self, bytes: u64, took: Duration) {
        if bytes < SMALL_BYTES / 64 {
            // Too little to tell a rate from.
            return;
        }
        let rate = (bytes as f64 / took.as_secs_f64().max(1e-6)) as u64;
        let old = self.bytes_per_second.load(Ordering::Relaxed);
        let smoothed = if old == 0 { rate } else { old - old / 8 + rate / 8 };
        self.bytes_per_second.store(smoothed.max(1), Ordering::Relaxed);
    }

    pub fn lag(&self, folded: Position, end: Position, now: Instant) -> FoldLag {
        let bytes = end.0.saturating_sub(folded.0);
        let mut marks = self.marks.lock();
        while marks.front().is_some_and(|(_, position)| *position <= folded) {
            marks.pop_front();
        }
        let age = marks.front().map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at));
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        let catch_up = if rate == 0 { Duration::ZERO } else { Duration::from_secs_f64(bytes as f64 / rate as f64) };
        FoldLag { bytes, age, catch_up }
    }

    /// How long a sender has to wait before more may come; `None` if it may come now.
    pub fn refusal(&self, folded: Position, end: Position, max_lag: Duration, now: Instant) -> Option<Duration> {
        if end.0.saturating_sub(folded.0) < SMALL_BYTES {
            return None;
        }
        let lag = self.lag(folded, end, now);
        // What comes now is visible once all before it is.
        let wait = lag.catch_up.max(lag.age);
        (wait >= max_lag).then(|| (wait - max_lag / 2).clamp(Duration::from_secs(1), RETRY_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(mib: u64) -> Position {
        Position(mib << 20)
    }

    #[test]
    fn the_lag_is_the_age_of_the_oldest_request_that_is_not_folded() {
        let meter = LagMeter::default();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        for n in 1..=10 {
            meter.accepted(at(n), began + second * n as u32);
        }
        assert_eq!(meter.lag(at(0), at(10), began + second * 10).age, second * 9);
        let lag = meter.lag(at(9), at(10), began + second * 12);
        assert_eq!((lag.age, lag.bytes), (second * 2, 1 << 20));
        assert_eq!(meter.lag(at(10), at(10), began + second * 12).age, Duration::ZERO);
        // Nothing came for an hour, then something: the silence is no lag.
        meter.accepted(at(11), began + second * 3600);
        assert_eq!(meter.lag(at(10), at(11), began + second * 3601).age, second);
    }

    #[test]
    fn senders_are_slowed_before_the_fold_is_too_far_behind_and_not_by_a_moment() {
        let meter = LagMeter::default();
        let now = Instant::now();
        meter.accepted(at(100), now);
        assert_eq!(meter.refusal(at(0), at(100), MINUTE, now), None, "no rate is known and nothing has waited");
        // Ten megabytes a second: a hundred take ten seconds, a thousand take too long.
        (0..100).for_each(|_| meter.folded(10 << 20, Duration::from_secs(1)));
        assert_eq!(meter.refusal(at(0), at(100), MINUTE, now), None);
        let wait = meter.refusal(at(0), at(1000), MINUTE, now).unwrap();
        assert!(wait >= Duration::from_secs(29), "{wait:?}");
        assert!(meter.refusal(at(0), at(20), MINUTE, now + MINUTE).is_some(), "what came a minute ago is not visible");
        assert_eq!(meter.refusal(at(99), at(100), MINUTE, now + MINUTE), None, "a small rest");
    }
}
