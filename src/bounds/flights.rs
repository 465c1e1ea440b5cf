//! One answer for all who ask the same while it waits for its turn.
//!
//! - Who comes after the work has begun does not join it: every answer is of a state no older than its question.
//! - The work goes on while anybody waits for it; when all have left, it is dropped before it begins.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

use super::lanes::{Lane, Undone};

/// Questions that wait for their turn. Clones share them.
pub struct Flights<K, V: Clone> {
    waiting: Waiting<K, V>,
}

type Waiting<K, V> = Arc<Mutex<HashMap<K, WeakShared<BoxFuture<'static, Result<V, Undone>>>>>>;

/// Entries of askers who have left are looked for once there are so many.
const SWEEP_AT: usize = 256;

// === impl Flights ===

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The answer to `key`: of the asker who waits for it already, else of `work`, done in `lane`.
    pub async fn ask<F>(&self, key: K, lane: &Lane, work: F) -> Result<V, Undone>
    where
        F: FnOnce() -> V + Send + 'static,
    {
        self.join(key, lane, work).await
    }

    fn join<F>(&self, key: K, lane: &Lane, work: F) -> Shared<BoxFuture<'static, Result<V, Undone>>>
    where
        F: FnOnce() -> V + Send + 'static,
    {
        let mut waiting = self.waiting.lock();
        if let Some(flight) = waiting.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        if waiting.len() >= SWEEP_AT {
            waiting.retain(|_, flight| flight.upgrade().is_some());
        }
        let flight = fly(key.clone(), self.waiting.clone(), lane.clone(), work).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            waiting.insert(key, weak);
        }
        flight
    }
}

async fn fly<K, V, F>(key: K, waiting: Waiting<K, V>, lane: Lane, work: F) -> Result<V, Undone>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    F: FnOnce() -> V + Send + 'static,
{
    let slot = lane.slot().await;
    // Whoever asks from here on asks anew.
    waiting.lock().remove(&key);
    lane.run_in(slot?, work).await
}

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_for_a_turn_share_one_answer_and_later_ones_ask_anew() {
        let lane = Lane::new(1, 10, Duration::from_secs(60));
        let flights = Arc::new(Flights::<&str, usize>::default());
        let n_made = Arc::new(AtomicUsize::new(0));
        let ask = |key| {
            let (flights, lane, n_made) = (flights.clone(), lane.clone(), n_made.clone());
            tokio::spawn(async move { flights.ask(key, &lane, move || n_made.fetch_add(1, Ordering::SeqCst)).await })
        };
        let slot = lane.slot().await.unwrap();
        let asked = [ask("a"), ask("a"), ask("b"), ask("a")];
        tokio::task::yield_now().await;
        drop(slot);
        let mut answers = Vec::new();
        for one in asked {
            answers.push(one.await.unwrap().unwrap());
        }
        assert_eq!((answers[0], answers[1]), (answers[3], answers[3]));
        assert_ne!(answers[0], answers[2]);
        assert_eq!(ask("a").await.unwrap(), Ok(2));
        assert!(flights.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_made() {
        let lane = Lane::new(1, 10, Duration::from_secs(60));
        let flights = Flights::<&str, usize>::default();
        let slot = lane.slot().await.unwrap();
        drop(flights.join("a", &lane, || panic!("nobody waits for it")));
        drop(slot);
        assert_eq!(flights.ask("a", &lane, || 1).await, Ok(1));
    }
}
