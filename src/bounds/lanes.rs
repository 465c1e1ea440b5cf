//! Lanes: how much blocking work of a kind goes on at once, how much may wait for its turn, and for how long.
//!
//! - Short reads and long ones have lanes of their own, so that a list never waits behind an export.
//! - Long work is done by fewer threads than there are cores, so that those who answer find one; it takes turns (see `stream`).
//! - Who waits is served in order, waits no longer than the lane's patience, and is then refused.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// One kind of work; clones share it.
#[derive(Clone, Debug)]
pub struct Lane {
    slots: Arc<Semaphore>,
    /// A permit for each of those at work and those who wait.
    queued: Arc<Semaphore>,
    patience: Duration,
}

/// The right to work now; the next in line has it when this is dropped.
#[derive(Debug)]
pub struct LaneSlot {
    _slot: OwnedSemaphorePermit,
    _queued: OwnedSemaphorePermit,
}

/// The requests of one connection that are answered at one time, in its requests' extensions: whoever multiplexes hundreds of reads on
/// one connection has them answered some at a time, so that the reads of others do not stand behind all of them.
#[derive(Clone, Debug)]
pub struct ConnectionReads {
    pub slots: Arc<Semaphore>,
    /// Requests of the connection whose answers were not taken yet.
    pub n_open: Arc<AtomicUsize>,
}

/// The lanes of reading.
#[derive(Clone, Debug)]
pub struct Lanes {
    /// What takes some milliseconds.
    pub short: Lane,
    /// What reads one trace, which may be as large as a trace may be.
    pub traces: Lane,
    /// What reads all there is of something: sums over a window, exports, long sessions.
    pub long: Lane,
}

/// Why work was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Undone {
    /// Worth coming again in a second.
    #[error("too much of this kind is going on")]
    Busy,
    #[error("the work panicked")]
    Panicked,
}

/// Reads of one connection at a time: enough for a page and its parts.
const READS_OF_A_CONNECTION: usize = 4;

impl Default for ConnectionReads {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(READS_OF_A_CONNECTION)), n_open: Arc::default() }
    }
}

// === impl Lane ===

impl Lane {
    /// `n_slots` at work, `n_waiting` more in line, each for at most `patience`.
    pub fn new(n_slots: usize, n_waiting: usize, patience: Duration) -> Self {
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        Self { slots: semaphore(n_slots), queued: semaphore(n_slots.saturating_add(n_waiting)), patience }
    }

    /// Waits for a slot.
    pub async fn slot(&self) -> Result<LaneSlot, Undone> {
        let queued = Arc::clone(&self.queued).try_acquire_owned().map_err(|_| Undone::Busy)?;
        let slot = timeout(self.patience, Arc::clone(&self.slots).acquire_owned()).await;
        match slot {
            Ok(Ok(slot)) => Ok(LaneSlot { _slot: slot, _queued: queued }),
            Ok(Err(_)) | Err(_) => Err(Undone::Busy),
        }
    }

    /// The same for a blocking thread of `runtime`.
    pub fn slot_blocking(&self, runtime: &Handle) -> Result<LaneSlot, Undone> {
        runtime.block_on(self.slot())
    }

    /// Does `work` on a blocking thread when its turn has come. A caller who leaves does not end it: its slot is free when it is done.
    pub async fn run<T, F>(&self, work: F) -> Result<T, Undone>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.run_in(self.slot().await?, work).await
    }

    /// The same for who has a slot already.
    pub async fn run_in<T, F>(&self, slot: LaneSlot, work: F) -> Result<T, Undone>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "blocking work panicked");
            Undone::Panicked
        })
    }
}

impl Lanes {
    /// For a machine with so many cores.
    pub fn new(n_cores: usize) -> Self {
        let n_cores = n_cores.max(1);
        Self {
            short: Lane::new(4 * n_cores, 1024, Duration::from_secs(2)),
            traces: Lane::new(n_cores.div_ceil(2), 256, Duration::from_secs(5)),
            long: Lane::new(n_cores.div_ceil(2), 256, Duration::from_secs(20)),
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_goes_on_at_once_than_there_are_slots() {
        let lane = Lane::new(2, 100, Duration::from_secs(60));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..20).map(|_| {
            let (lane, now, most) = (lane.clone(), now.clone(), most.clone());
            tokio::spawn(async move {
                lane.run(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            })
        });
        for one in work.collect::<Vec<_>>() {
            one.await.unwrap().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_finds_no_place_is_refused() {
        let lane = Lane::new(1, 1, Duration::from_secs(5));
        let slot = lane.slot().await.unwrap();
        let waits = tokio::spawn({
            let lane = lane.clone();
            async move { lane.slot().await.err() }
        });
        tokio::task::yield_now().await;
        assert_eq!(lane.slot().await.err(), Some(Undone::Busy), "the line is full");
        assert_eq!(waits.await.unwrap(), Some(Undone::Busy), "its patience has ended");
        drop(slot);
        assert!(lane.slot().await.is_ok());
    }

    #[tokio::test]
    async fn work_that_panics_frees_its_slot() {
        let lane = Lane::new(1, 0, Duration::from_secs(5));
        assert_eq!(lane.run(|| panic!("on purpose")).await, Err::<(), _>(Undone::Panicked));
        assert_eq!(lane.run(|| 7).await, Ok(7));
    }
}
