//! The time that decides what is old, and why it is not simply the system's.
//!
//! - The wall clock can jump: a machine that starts with a dead battery, a hypervisor that resumes a snapshot, a typing error. What expires
//!   by a wrong clock is gone for good, so a jump *ahead* is not believed at once: for [`TRUSTED_AFTER`] time goes on from where it was.
//! - Going back is believed at once: then less is old, and nothing is lost.
//! - The steady clock counts on while a machine is suspended (`CLOCK_BOOTTIME`), so a laptop that slept for a week has not jumped.
//! - Over a restart the time of the last checkpoint is known. A server that was stopped for long looks like a jump; then things expire a
//!   day late, which harms nobody.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::time::{Nanos, UnixNanos};

/// The time now; an argument, so that tests can choose it.
pub type Clock = Arc<dyn Fn() -> UnixNanos + Send + Sync>;

/// Time that only ever goes on, evenly, since some moment; also while the machine is suspended.
pub type SteadyClock = Arc<dyn Fn() -> Nanos + Send + Sync>;

/// How far the wall clock may run ahead of the steady one before it has jumped: clocks are slewed by seconds a day at most.
const JUMP: Nanos = Nanos::from_secs(3600);
/// The same over a restart, where nobody knows how long the server was stopped.
const JUMP_OVER_RESTART: Nanos = Nanos::from_secs(7 * 24 * 3600);
/// Two readings of the steady clock no further apart are of one moment.
const ONE_MOMENT: Nanos = Nanos::from_secs(1);
/// A clock that jumped ahead and then ran evenly for this long was right.
const TRUSTED_AFTER: Nanos = Nanos::from_secs(24 * 3600);

pub struct TrustedClock {
    wall: Clock,
    steady: SteadyClock,
    state: Mutex<State>,
}

struct State {
    /// What was believed last, and the steady time of it.
    trusted: UnixNanos,
    at: Nanos,
    /// How far the wall clock may be ahead of what is expected.
    tolerance: Nanos,
    /// A jump that is not believed yet.
    jump: Option<Jump>,
}

#[derive(Clone, Copy)]
struct Jump {
    /// The wall clock beyond the steady one; another jump makes another.
    offset: u64,
    since: Nanos,
}

impl TrustedClock {
    /// `last` is what was trusted before a restart; zero if nothing is known.
    pub fn new(wall: Clock, steady: SteadyClock, last: UnixNanos) -> Self {
        let state = State { trusted: last, at: Nanos::ZERO, tolerance: JUMP_OVER_RESTART, jump: None };
        let clock = Self { wall, steady, state: Mutex::new(state) };
        let (now, at) = clock.read();
        let mut state = clock.state.lock();
        state.at = at;
        state.trusted = if last == UnixNanos::ZERO { now } else { last.min(now) };
        drop(state);
        clock
    }

    /// What the system says, for what is only labelled with a time.
    pub fn wall(&self) -> UnixNanos {
        (self.wall)()
    }

    /// What may be used to decide that something is old.
    pub fn now(&self) -> UnixNanos {
        let (wall, steady) = self.read();
        let mut state = self.state.lock();
        let expected = state.trusted.plus(Nanos(steady.0.saturating_sub(state.at.0)));
        state.at = steady;
        if wall <= expected.plus(state.tolerance) {
            if state.jump.take().is_some() {
                tracing::info!("the system's clock is back: sessions expire by it again");
            }
            state.trusted = wall;
            state.tolerance = JUMP;
            return wall;
        }
        state.trusted = expected;
        let offset = wall.0.saturating_sub(steady.0);
        match state.jump {
            Some(jump) if jump.offset.abs_diff(offset) <= JUMP.0 => {
                if steady.0.saturating_sub(jump.since.0) >= TRUSTED_AFTER.0 {
                    tracing::warn!("the system's clock has run evenly for a day since it jumped ahead: it is believed from now on");
                    (state.jump, state.trusted, state.tolerance) = (None, wall, JUMP);
                }
            }
            _ => {
                let seconds = (wall.0 - expected.0) / 1_000_000_000;
                tracing::warn!(
                    seconds,
                    "the system's clock jumped ahead: for a day nothing expires or times out by it, unless it is set back before; check the \
                     machine's time"
                );
                state.jump = Some(Jump { offset, since: steady });
            }
        }
        state.trusted
    }

    /// Both clocks at one moment: a machine may be suspended between two instructions.
    fn read(&self) -> (UnixNanos, Nanos) {
        loop {
            let before = (self.steady)();
            let wall = (self.wall)();
            let after = (self.steady)();
            if after.0.saturating_sub(before.0) <= ONE_MOMENT.0 {
                return (wall, after);
            }
        }
    }

    /// Whether a jump ahead is not believed yet.
    pub fn is_distrusted(&self) -> bool {
        self.state.lock().jump.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 24 * 3600 * SECOND;
    const NOW: u64 = 20_000 * DAY;

    struct Hands {
        wall: Arc<AtomicU64>,
        steady: Arc<AtomicU64>,
        clock: TrustedClock,
    }

    impl Hands {
        fn new(wall: u64, last: u64) -> Self {
            let (wall, steady) = (Arc::new(AtomicU64::new(wall)), Arc::new(AtomicU64::new(5)));
            let (a, b) = (wall.clone(), steady.clone());
            let clock = TrustedClock::new(
                Arc::new(move || UnixNanos(a.load(Ordering::SeqCst))),
                Arc::new(move || Nanos(b.load(Ordering::SeqCst))),
                UnixNanos(last),
            );
            clock.now();
            Self { wall, steady, clock }
        }

        /// Time passes, for both.
        fn pass(&self, nanos: u64) -> u64 {
            self.wall.fetch_add(nanos, Ordering::SeqCst);
            self.steady.fetch_add(nanos, Ordering::SeqCst);
            self.clock.now().0
        }

        /// The wall clock alone is set.
        fn set(&self, wall: u64) -> u64 {
            self.wall.store(wall, Ordering::SeqCst);
            self.clock.now().0
        }
    }

    #[test]
    fn a_machine_that_slept_for_a_month_has_not_jumped() {
        let hands = Hands::new(NOW, 0);
        assert_eq!(hands.pass(30 * DAY), NOW + 30 * DAY);
        assert!(!hands.clock.is_distrusted());
    }

    #[test]
    fn a_jump_ahead_is_believed_after_a_day_and_time_goes_on_meanwhile() {
        let hands = Hands::new(NOW, 0);
        assert_eq!(hands.set(NOW + 400 * DAY), NOW);
        assert!(hands.clock.is_distrusted());
        assert_eq!(hands.pass(DAY / 2), NOW + DAY / 2);
        assert_eq!(hands.pass(DAY / 2), NOW + 401 * DAY);
        assert!(!hands.clock.is_distrusted());
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_at_once() {
        let hands = Hands::new(NOW, 0);
        hands.set(NOW + 400 * DAY);
        assert_eq!(hands.set(NOW + SECOND), NOW + SECOND);
        assert_eq!(hands.set(NOW - 100 * DAY), NOW - 100 * DAY);
    }

    #[test]
    fn a_second_jump_begins_the_day_anew() {
        let hands = Hands::new(NOW, 0);
        hands.set(NOW + 400 * DAY);
        hands.pass(DAY - SECOND);
        hands.set(NOW + 900 * DAY);
        assert_eq!(hands.pass(2 * SECOND), NOW + DAY + SECOND);
    }

    #[test]
    fn a_restart_does_not_make_a_wrong_clock_right() {
        let hands = Hands::new(NOW + 400 * DAY, NOW);
        assert_eq!(hands.pass(0), NOW);
        assert_eq!(hands.pass(DAY), NOW + 401 * DAY);
        // Stopped over a long weekend.
        assert_eq!(Hands::new(NOW + 4 * DAY, NOW).pass(0), NOW + 4 * DAY);
        // Started before the time was set.
        let hands = Hands::new(DAY, NOW);
        assert_eq!(hands.pass(0), DAY);
    }
}
