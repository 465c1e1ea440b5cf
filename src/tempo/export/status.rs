//! What others may ask while the forwarder runs, and after.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::forward_log::Progress;
use super::shared::Shared;
use crate::journal::Position;

/// A handle; clones ask the same forwarder.
#[derive(Clone)]
pub struct Status {
    shared: Arc<Shared>,
}

// === impl Status ===

impl Status {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The journal may forget what lies before it: Tempo has written it.
    pub fn releasable_position(&self) -> Position {
        let taken = self.forwarded_position();
        self.shared.stored.position().map_or(taken, |stored| stored.min(taken))
    }

    /// Tempo has taken everything before it.
    pub fn forwarded_position(&self) -> Position {
        self.shared.ledger.position()
    }

    /// Journal bytes that Tempo does not have yet.
    pub fn lag_bytes(&self) -> u64 {
        (self.shared.lag_bytes)()
    }

    /// Journal bytes a second that Tempo took, over the last ten seconds.
    pub fn rate_bytes_per_s(&self) -> u64 {
        self.shared.pace.forwarded_per_s()
    }

    /// When Tempo will have everything, if it takes and others send as in the last ten seconds. Zero when nothing waits, `None` while what
    /// waits does not become less.
    pub fn eta(&self) -> Option<Duration> {
        self.shared.pace.eta(self.lag_bytes())
    }

    /// For how long the oldest entry has waited that Tempo does not have; `None` when nothing waits. By the wall clock: an entry can be of a
    /// process before this one.
    pub fn oldest_waiting(&self) -> Option<Duration> {
        let received_at = self.shared.ledger.oldest()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(now.saturating_sub(Duration::from_nanos(received_at.0)))
    }

    /// Whether Tempo answered the last request.
    pub fn is_tempo_up(&self) -> bool {
        self.shared.metrics.tempo_up.get() == 1
    }

    /// Spans that had to be given up, for any reason.
    pub fn dropped_spans(&self) -> u64 {
        use crate::tempo::metrics::DropReason::{BadData, Rejected, TooLarge};
        [BadData, TooLarge, Rejected].into_iter().map(|reason| self.shared.metrics.dropped_spans(reason).get()).sum()
    }

    /// Tenants that have a lane now.
    pub fn n_lanes(&self) -> usize {
        usize::try_from(self.shared.metrics.lanes.get()).unwrap_or(0)
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            lag_bytes: self.lag_bytes(),
            waited: self.oldest_waiting().unwrap_or_default(),
            rate_bytes_per_s: self.rate_bytes_per_s(),
            eta: self.eta(),
            is_tempo_up: self.is_tempo_up(),
        }
    }
}
