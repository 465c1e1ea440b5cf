//! The drain: once it has begun, what is under way is finished until a deadline, and nothing new is waited for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Shared by the reader of the journal and the lanes.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain {
    /// Cancelled when the drain begins.
    token: CancellationToken,
    /// When the drain ends; set before the token is cancelled.
    deadline: Arc<OnceLock<Instant>>,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    /// The wait is over.
    Over,
    /// It would have outlasted the drain.
    Stop,
}

// === impl Drain ===

impl Drain {
    /// From here on no batch waits for more spans, and no wait goes beyond `deadline`.
    pub(super) fn begin(&self, deadline: Instant) {
        // A second call keeps the first deadline.
        let _ = self.deadline.set(deadline);
        self.token.cancel();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once the drain has begun.
    pub(super) async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Waits for so long, unless the drain ends before that.
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
        let drain = Drain::default();
        assert_eq!(drain.pause(Duration::from_secs(31)).await, Pause::Over);
        let began = Instant::now();
        drain.begin(began + Duration::from_secs(5));
        assert_eq!(drain.pause(Duration::from_secs(31)).await, Pause::Stop);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(drain.pause(Duration::from_secs(1)).await, Pause::Over);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }
}
