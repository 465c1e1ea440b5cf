//! Keeps the forwarder's position where the next process finds it, and says how it gets on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::shared::Shared;
use super::status::Status;
use crate::tempo::options::{LogEnd, Save};

/// Saves the position while it moves, and once more at the end; keeps the gauges.
pub(super) async fn keep_position(shared: Arc<Shared>, mut save: Save, log_end: LogEnd, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = shared.ledger.position();
    let status = Status::new(shared.clone());
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        let position = shared.ledger.position();
        shared.metrics.lag_bytes.set(gauge(status.lag_bytes()));
        if shared.pace.sample(Instant::now(), position, log_end()) {
            let progress = status.progress();
            shared.metrics.waiting_seconds.set(gauge(progress.waited.as_secs()));
            shared.metrics.rate_bytes.set(gauge(progress.rate_bytes_per_s));
            shared.metrics.eta_seconds.set(progress.eta.map_or(-1, |eta| gauge(eta.as_secs())));
            shared.forward_log.progress(progress);
            if let Err(error) = shared.stored.sample(Instant::now(), position) {
                shared.forward_log.not_saved(&error);
            }
        }
        if position != saved {
            let written = tokio::task::spawn_blocking(move || (save(position), save)).await;
            let Ok((result, returned)) = written else {
                shared.forward_log.not_saved(&io::Error::other("saving panicked"));
                return;
            };
            save = returned;
            match result {
                Ok(()) => saved = position,
                Err(error) => shared.forward_log.not_saved(&error),
            }
        }
        if is_last {
            return;
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
