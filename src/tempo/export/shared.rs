//! What the reader of the journal, all lanes and those that watch them have in common.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::forward_log::ForwardLog;
use super::ledger::Ledger;
use super::pace::Pace;
use super::rewind::Stored;
use super::watermark::SendWatermark;
use crate::tempo::drain::Drain;
use crate::tempo::link::client::Client;
use crate::tempo::metrics::ForwardMetrics;
use crate::tempo::options::RetryOptions;
use crate::tempo::recover::ask::Asker;

pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) retry: RetryOptions,
    pub(super) ledger: Arc<Ledger>,
    pub(super) drain: Drain,
    pub(super) forward_log: ForwardLog,
    pub(super) metrics: ForwardMetrics,
    /// How much of the journal Tempo does not have yet.
    pub(super) lag_bytes: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(super) watermark: SendWatermark,
    /// Requests that may wait for an answer at one time.
    pub(super) slots: Semaphore,
    pub(super) pace: Pace,
    /// Present where Tempo can be asked what it holds.
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) stored: Stored,
}
