//! What the log says: one line when something begins, a count every 30 s while it lasts, one line when it is over. Nothing per span.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::tempo::link::failure::Cause;
use crate::tempo::metrics::{DropReason, ForwardMetrics};

/// While something goes on, the log repeats it this often.
const REPEAT: Duration = Duration::from_secs(30);

/// While a backlog drains, the log says this often how much is left.
const PROGRESS: Duration = Duration::from_secs(10);
/// It is a backlog when so much waits for so long: nothing is held that long while Tempo takes what comes.
const BACKLOG_BYTES: u64 = 4 << 20;
const BACKLOG_AGE: Duration = Duration::from_secs(30);

/// At most this many characters of a receiver's message are logged.
const MAX_WORDS: usize = 200;

/// How forwarding gets on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Journal bytes that Tempo does not have yet, for how long the oldest has waited, and how many a second it took lately.
    pub(super) lag_bytes: u64,
    pub(super) waited: Duration,
    pub(super) rate_bytes_per_s: u64,
    /// `None` while what waits does not become less.
    pub(super) eta: Option<Duration>,
    pub(super) is_tempo_up: bool,
}

/// Shared by all lanes.
#[derive(Debug)]
pub(super) struct ForwardLog {
    target: String,
    metrics: ForwardMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    throttles: HashMap<Topic, Throttle>,
    away: Option<Outage>,
    backlog: Option<Backlog>,
}

/// What waits is being sent.
#[derive(Clone, Copy, Debug)]
struct Backlog {
    since: Instant,
    last_line: Instant,
}

/// Tempo is away.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    /// Its end is logged only if its beginning was: a connection that flaps must not fill the log.
    is_told: bool,
}

/// What lines are counted by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Topic {
    Retry(Cause),
    Drop(DropReason),
    Save,
}

/// Lets the first event through, then one every [`REPEAT`] with the number of those it held back.
#[derive(Debug, Default)]
struct Throttle {
    last: Option<Instant>,
    n_held_back: u64,
}

// === impl ForwardLog ===

impl ForwardLog {
    pub(super) fn new(target: String, metrics: ForwardMetrics) -> Self {
        Self { target, metrics, state: Mutex::default() }
    }

    /// A request failed and will be sent again after `wait`.
    pub(super) fn retry(&self, cause: Cause, words: &str, wait: Duration) {
        self.metrics.retries(cause).inc();
        if cause.is_outage() {
            self.metrics.tempo_up.set(0);
            self.lock().away.get_or_insert_with(|| Outage { since: Instant::now(), is_told: false });
        }
        if let Some(count) = self.admit(Topic::Retry(cause)) {
            self.lock().away.iter_mut().for_each(|outage| outage.is_told = true);
            let wait_ms = wait.as_millis() as u64;
            tracing::warn!(tempo = %self.target, cause = cause.as_str(), error = shorten(words), count, wait_ms, "cannot forward spans yet, they stay in the journal: {}", cause.advice());
        }
    }

    /// Tempo took a request; `lag_bytes` are still to be sent.
    pub(super) fn accepted(&self, bytes: usize, lag_bytes: u64) {
        self.metrics.accepted_requests.inc();
        self.metrics.accepted_bytes.inc_by(bytes as u64);
        self.metrics.tempo_up.set(1);
        let outage = self.lock().away.take();
        if let Some(outage) = outage.filter(|outage| outage.is_told) {
            tracing::info!(tempo = %self.target, away_secs = outage.since.elapsed().as_secs(), lag_bytes, "tempo takes spans again");
        }
    }

    /// Called every second: says now and then how a backlog drains, and when it is gone.
    pub(super) fn progress(&self, progress: Progress) {
        let Progress { lag_bytes, waited, rate_bytes_per_s, eta, is_tempo_up } = progress;
        let is_behind = lag_bytes >= BACKLOG_BYTES && waited >= BACKLOG_AGE;
        let now = Instant::now();
        let Some(since) = self.backlog_line(now, is_behind && is_tempo_up, is_behind) else { return };
        let tempo = &self.target;
        if !is_behind {
            return tracing::info!(%tempo, lag_bytes, took_secs = since.as_secs(), "tempo has caught up with the journal");
        }
        let oldest_secs = waited.as_secs();
        match eta.map(|eta| eta.as_secs()) {
            Some(eta_secs) => {
                tracing::info!(%tempo, lag_bytes, rate_bytes_per_s, eta_secs, oldest_secs, "tempo is catching up with the journal");
            }
            None => {
                tracing::info!(%tempo, lag_bytes, rate_bytes_per_s, oldest_secs, "tempo takes no more than arrives: the backlog is not shrinking")
            }
        }
    }

    /// For how long the backlog has been draining, if a line is due.
    fn backlog_line(&self, now: Instant, is_draining: bool, is_behind: bool) -> Option<Duration> {
        let mut state = self.lock();
        match &mut state.backlog {
            None if is_draining => {
                state.backlog = Some(Backlog { since: now, last_line: now });
                Some(Duration::ZERO)
            }
            Some(backlog) if !is_behind => {
                let since = backlog.since;
                state.backlog = None;
                Some(now.duration_since(since))
            }
            Some(backlog) if is_draining && now.duration_since(backlog.last_line) >= PROGRESS => {
                backlog.last_line = now;
                Some(now.duration_since(backlog.since))
            }
            _ => None,
        }
    }

    /// Whether Tempo is away as far as is known.
    pub(super) fn is_away(&self) -> bool {
        self.lock().away.is_some()
    }

    /// Tempo began anew, and is asked what it still has of the last `bytes`.
    pub(super) fn rewound(&self, bytes: u64) {
        self.metrics.rewinds.inc();
        tracing::warn!(tempo = %self.target, bytes, "tempo was restarted: it is asked what it has of its last seconds, and gets what it has lost");
    }

    /// Spans were given up; `names` are the ids of some.
    pub(super) fn dropped(&self, reason: DropReason, n_spans: u64, names: &[String], words: &str) {
        self.metrics.dropped_spans(reason).inc_by(n_spans);
        let Some(count) = self.admit(Topic::Drop(reason)) else {
            return;
        };
        let (tempo, spans, error) = (&self.target, names.join(" "), shorten(words));
        tracing::error!(%tempo, reason = reason.as_str(), n_spans, spans, error, count, "tempo will never have these spans: it refused them");
    }

    /// Tempo took a request but not all of its spans.
    pub(super) fn rejected(&self, n_spans: u64, words: &str) {
        self.metrics.dropped_spans(DropReason::Rejected).inc_by(n_spans);
        if let Some(count) = self.admit(Topic::Drop(DropReason::Rejected)) {
            tracing::warn!(tempo = %self.target, n_spans, error = shorten(words), count, "tempo took a request but not all of its spans");
        }
    }

    /// The position could not be saved.
    pub(super) fn not_saved(&self, error: &std::io::Error) {
        if let Some(count) = self.admit(Topic::Save) {
            tracing::warn!(%error, count, "cannot save the forwarder's position; a restart would send some spans again");
        }
    }

    /// How many events the line to be written stands for, if one is to be written.
    fn admit(&self, topic: Topic) -> Option<u64> {
        self.lock().throttles.entry(topic).or_default().admit(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Throttle ===

impl Throttle {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.duration_since(last) < REPEAT) {
            self.n_held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.n_held_back) + 1)
    }
}

fn shorten(words: &str) -> &str {
    words.char_indices().nth(MAX_WORDS).map_or(words, |(end, _)| &words[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_at_first_and_then_every_thirty_seconds_with_a_count() {
        let mut throttle = Throttle::default();
        let begin = Instant::now();
        let lines: Vec<Option<u64>> = (0..=60).map(|second| throttle.admit(begin + Duration::from_secs(second))).collect();
        assert_eq!(lines[0], Some(1));
        assert_eq!(lines[30], Some(30));
        assert_eq!(lines[60], Some(30));
        assert_eq!(lines.iter().flatten().count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_ends_with_the_first_accepted_request() {
        let forward_log = ForwardLog::new("http://tempo:4317".to_owned(), ForwardMetrics::default());
        forward_log.retry(Cause::Unreachable, "connection refused", Duration::from_secs(1));
        forward_log.retry(Cause::Unreachable, "connection refused", Duration::from_secs(1));
        assert_eq!(forward_log.metrics.tempo_up.get(), 0);
        assert_eq!(forward_log.metrics.retries(Cause::Unreachable).get(), 2);
        assert_eq!(forward_log.lock().throttles[&Topic::Retry(Cause::Unreachable)].n_held_back, 1);
        assert!(forward_log.lock().away.unwrap().is_told);
        forward_log.accepted(10, 0);
        assert_eq!(forward_log.metrics.tempo_up.get(), 1);
        assert!(forward_log.lock().away.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_one_tenant_is_no_outage() {
        let forward_log = ForwardLog::new("http://tempo:4317".to_owned(), ForwardMetrics::default());
        forward_log.accepted(10, 0);
        forward_log.retry(Cause::RateLimited, "rate limit", Duration::from_secs(5));
        assert_eq!(forward_log.metrics.tempo_up.get(), 1);
        assert!(forward_log.lock().away.is_none());
    }

    #[test]
    fn a_backlog_is_told_of_when_it_begins_to_drain_then_every_ten_seconds_and_when_it_is_gone() {
        let forward_log = ForwardLog::new("http://tempo:4317".to_owned(), ForwardMetrics::default());
        let began = Instant::now();
        let line = |second, is_draining, is_behind| forward_log.backlog_line(began + Duration::from_secs(second), is_draining, is_behind);
        assert_eq!(line(0, false, true), None, "tempo is away: the retries are logged");
        let logged: Vec<u64> = (1..=30).filter(|second| line(*second, true, true).is_some()).collect();
        assert_eq!(logged, [1, 11, 21]);
        assert_eq!(line(31, false, false), Some(Duration::from_secs(30)));
        assert_eq!(line(32, false, false), None);
    }

    #[test]
    fn a_receivers_words_are_cut_between_characters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"é".repeat(300)), "é".repeat(200));
    }
}
