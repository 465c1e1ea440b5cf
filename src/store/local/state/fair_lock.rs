//! A read-write lock that is served in the order of asking, and whose waiters sleep.
//!
//! - Who lets go hands over to who waits: a writer that takes it again at once has let in all who came before.
//! - Nobody spins. A thread that waits by giving up its core goes behind whole time slices of every other thread, as often as it looks
//!   (`docs/decisions/084-who-waits-for-a-tenants-lock-sleeps.md`).
//! - Not to be taken by a thread that holds it: a writer may have asked in between.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::task::unconstrained;

/// Tokio's lock, which is fair, for threads.
#[derive(Debug, Default)]
pub struct FairLock<T>(RwLock<T>);

/// A thread that sleeps until it is its turn.
struct Sleeper(Thread);

// === impl FairLock ===

impl<T> FairLock<T> {
    pub fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.try_read().unwrap_or_else(|_| sleep_until(self.0.read()))
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.try_write().unwrap_or_else(|_| sleep_until(self.0.write()))
    }
}

fn sleep_until<T>(is_its_turn: impl Future<Output = T>) -> T {
    // Where a task is polled on this thread, a lock is none of what it may do at a time.
    let mut future = pin!(unconstrained(is_its_turn));
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(guard) => return guard,
            Poll::Pending => thread::park(),
        }
    }
}

// === impl Sleeper ===

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    #[test]
    fn who_lets_go_hands_over_to_who_asked_and_cannot_take_it_again_before() {
        let lock = FairLock::new(1);
        let mut context = Context::from_waker(Waker::noop());
        let state = lock.write();
        let mut reader = pin!(lock.0.read());
        assert!(reader.as_mut().poll(&mut context).is_pending());
        drop(state);
        assert!(lock.0.try_write().is_err());
        let Poll::Ready(state) = reader.as_mut().poll(&mut context) else { panic!("the lock was not handed over") };
        let mut writer = pin!(lock.0.write());
        assert!(writer.as_mut().poll(&mut context).is_pending());
        // Nor do readers keep a writer out by coming one after the other.
        assert!(lock.0.try_read().is_err());
        drop(state);
        assert!(writer.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn readers_share_the_lock_and_a_writer_sleeps_until_all_of_them_are_done() {
        let lock = FairLock::new(1);
        let (first, second) = (lock.read(), lock.read());
        let (send, written) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                *lock.write() = 2;
                send.send(()).unwrap();
            });
            assert_eq!((*first, *second), (1, 1));
            drop(first);
            assert!(written.try_recv().is_err());
            drop(second);
            written.recv().unwrap();
        });
        assert_eq!(*lock.read(), 2);
    }

    #[test]
    fn no_change_is_lost_and_nobody_sleeps_for_ever_where_many_ask_at_once() {
        const N: u64 = 2_000;
        let lock = FairLock::new((0, 0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..N {
                        let mut state = lock.write();
                        state.0 += 1;
                        state.1 += 1;
                    }
                });
                scope.spawn(|| {
                    for _ in 0..N {
                        let state = lock.read();
                        assert_eq!(state.0, state.1);
                    }
                });
            }
        });
        assert_eq!(*lock.read(), (3 * N, 3 * N));
    }

    /// Tokio lets a task do only so much before it must yield, and a thread that sleeps cannot.
    #[tokio::test]
    async fn a_task_that_has_done_all_it_may_at_once_is_not_kept_from_the_lock() {
        let asked = tokio::spawn(async {
            while has_budget_remaining() {
                consume_budget().await;
            }
            sleep_until(consume_budget());
            has_budget_remaining()
        });
        assert!(!asked.await.unwrap());
    }
}
