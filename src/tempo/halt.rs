//! The order to stop, and until when there is time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Shared by the reader of the journal and the lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct Halt {
    /// Cancelled once the forwarder drains.
    token: CancellationToken,
    /// When draining ends; set before the token is cancelled.
    deadline: Arc<OnceLock<Instant>>,
}

/// Whether there is time to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    Over,
    /// The wait would outlast the time that is left.
    Stop,
}

// === impl Halt ===

impl Halt {
    /// Begins draining: nothing waits any longer for company, and no wait goes beyond `deadline`.
    pub(super) fn drain_until(&self, deadline: Instant) {
        // A second call keeps the first deadline.
        let _ = self.deadline.set(deadline);
        self.token.cancel();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(super) async fn draining(&self) {
        self.token.cancelled().await;
    }

    /// Waits, or finds that there is no time to.
    pub(super) async fn pause(&self, wait: Duration) -> Pause {
        let until = Instant::now() + wait;
        tokio::select! {
            () = sleep_until(until) => return Pause::Over,
            () = self.token.cancelled() => {}
        }
        if self.deadline.get().is_none_or(|deadline| until > *deadline) {
            return Pause::Stop;
        }
        sleep_until(until).await;
        Pause::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_outlasts_the_drain_ends_at_once() {
        let halt = Halt::default();
        assert_eq!(halt.pause(Duration::from_secs(31)).await, Pause::Over);
        let began = Instant::now();
        halt.drain_until(began + Duration::from_secs(5));
        assert_eq!(halt.pause(Duration::from_secs(31)).await, Pause::Stop);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(halt.pause(Duration::from_secs(1)).await, Pause::Over);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
