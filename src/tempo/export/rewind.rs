//! Goes back over what Tempo had taken and may have lost: a Tempo that is killed loses what it took in its last seconds, though it had
//! acknowledged it.
//!
//! - What Tempo took so long ago that it has written it is passed for good; only up to there the journal may forget.
//! - Once a Tempo is found that began after that, forwarding begins again there, and Tempo is asked what it holds (`recover::ask`).
//! - A restart is known by the start time among Tempo's own metrics. Where that cannot be read there is no going back.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use super::forward_log::ForwardLog;
use super::watermark::NotePosition;
use crate::journal::Position;
use crate::tempo::query::QueryClient;

/// What going back needs; the assembly lends it.
pub struct Rewinding<S> {
    /// Reads the journal from a position on.
    pub reopen: Box<dyn Fn(Position) -> S + Send + Sync>,
    /// Up to where a process before this one knew that Tempo had written everything, and when it last noted that.
    pub stored: Position,
    pub stored_at: Option<SystemTime>,
    /// Notes that where the next process finds it.
    pub note: NotePosition,
}

/// Up to where Tempo has written everything.
#[derive(Default)]
pub(super) struct Stored(Mutex<Option<State>>);

struct State {
    position: Position,
    /// What Tempo had taken at some times, oldest first; at most one a second.
    taken: VecDeque<(Instant, Position)>,
    note: NotePosition,
}

/// Recognises that a Tempo is another process than before.
#[derive(Debug)]
pub(super) struct Watch {
    query: QueryClient,
    /// Start times that were seen, as Tempo gives them.
    known: VecDeque<f64>,
    /// A start after this, in seconds since 1970, is one that may have lost something.
    after: f64,
}

/// Tempo keeps a trace in memory alone for at most 30 s (`max_trace_live`) and looks every 5 s which are due (`flush_check_period`).
const WRITTEN_AFTER: Duration = Duration::from_secs(45);

/// The most of the journal that is read again; Tempo is not asked for what lies before that.
const MAX_BYTES: u64 = 64 << 20;

/// How often Tempo's start time is looked at: seldom while it answers, and often after it was away.
const CHECK_EVERY: Duration = Duration::from_secs(15);
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// Start times of replicas behind one address.
const MAX_KNOWN: usize = 64;

// === impl Stored ===

impl Stored {
    pub(super) fn begin(&self, position: Position, note: NotePosition) {
        *self.lock() = Some(State { position, taken: VecDeque::new(), note });
    }

    /// `None` where there is never any going back.
    pub(super) fn position(&self) -> Option<Position> {
        self.lock().as_ref().map(|state| state.position)
    }

    /// Called about once a second with what Tempo has taken.
    pub(super) fn sample(&self, now: Instant, taken: Position) -> io::Result<()> {
        let mut state = self.lock();
        let Some(state) = &mut *state else { return Ok(()) };
        state.taken.push_back((now, taken));
        let mut written = None;
        while let Some((_, position)) = state.taken.pop_front_if(|(at, _)| now.duration_since(*at) >= WRITTEN_AFTER) {
            written = Some(position);
        }
        // Noted also where it did not move: the time of the note says until when it was known.
        state.position = state.position.max(written.unwrap_or_default());
        (state.note)(state.position)
    }

    /// Where to begin again when Tempo has lost what it had not written. What was taken meanwhile counts anew.
    pub(super) fn rewind(&self, taken: Position) -> Position {
        let mut state = self.lock();
        let Some(state) = &mut *state else { return taken };
        state.taken.clear();
        state.position.max(Position(taken.0.saturating_sub(MAX_BYTES))).min(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(query: QueryClient, stored_at: Option<SystemTime>) -> Self {
        // Without a note there was no process before, or one that could not go back.
        let after = stored_at.map_or(f64::INFINITY, |at| unix_seconds(at) - WRITTEN_AFTER.as_secs_f64());
        Self { query, known: VecDeque::new(), after }
    }

    /// Returns once a Tempo is there that began after the last look at it.
    pub(super) async fn restarted(&mut self, forward_log: &ForwardLog) {
        loop {
            let started = if self.query.is_ready().await { self.query.process_start().await } else { None };
            if let Some(started) = started
                && self.is_restart(started, SystemTime::now())
            {
                return;
            }
            let began = Instant::now();
            while began.elapsed() < CHECK_EVERY {
                sleep(CHECK_AGAIN).await;
                if started.is_none() || forward_log.is_away() {
                    break;
                }
            }
        }
    }

    fn is_restart(&mut self, started: f64, now: SystemTime) -> bool {
        let is_new = !self.known.contains(&started);
        let is_restart = is_new && started > self.after;
        if is_new {
            self.known.push_back(started);
            if self.known.len() > MAX_KNOWN {
                self.known.pop_front();
            }
        }
        // Its clock need not agree with ours to the second.
        self.after = unix_seconds(now) - 2.0 * WRITTEN_AFTER.as_secs_f64();
        is_restart
    }
}

fn unix_seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tempo::query::QueryOptions;

    #[tokio::test(start_paused = true)]
    async fn only_what_tempo_took_long_ago_counts_as_written() {
        let stored = Stored::default();
        let began = Instant::now();
        assert!(stored.sample(began, Position(5)).is_ok());
        assert_eq!((stored.position(), stored.rewind(Position(9))), (None, Position(9)), "nothing goes back unless it was begun");
        stored.begin(Position(100), Box::new(|_| Ok(())));
        for second in 0..=60 {
            stored.sample(began + Duration::from_secs(second), Position(100 + second)).unwrap();
        }
        assert_eq!(stored.position(), Some(Position(115)));
        assert_eq!(stored.rewind(Position(160)), Position(115));
        // What is sent again is written 45 seconds later.
        stored.sample(began + Duration::from_secs(90), Position(160)).unwrap();
        assert_eq!(stored.position(), Some(Position(115)));
        stored.sample(began + Duration::from_secs(136), Position(160)).unwrap();
        assert_eq!(stored.position(), Some(Position(160)));
        assert_eq!(stored.rewind(Position(1 << 30)), Position((1 << 30) - MAX_BYTES));
    }

    #[tokio::test]
    async fn a_restart_is_a_start_that_is_new_and_recent() {
        let options = QueryOptions { url: "http://tempo".into(), ca: None, headers: Vec::new(), send_tenant: false, timeout: CHECK_AGAIN };
        let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut watch = Watch::new(QueryClient::new(&options).unwrap(), Some(at(10_000)));
        assert!(!watch.is_restart(9_000.0, at(10_010)), "long before what was noted");
        assert!(!watch.is_restart(9_000.0, at(10_020)));
        assert!(watch.is_restart(10_030.5, at(10_040)));
        assert!(!watch.is_restart(10_030.5, at(10_050)), "known by now");
        assert!(!watch.is_restart(8_000.0, at(10_060)), "another replica");
        assert!(watch.is_restart(20_000.0, at(10_070)), "a clock that is ahead");
        assert!(!watch.is_restart(20_000.0, at(10_080)));

        let mut anew = Watch::new(QueryClient::new(&options).unwrap(), Some(at(10_000)));
        assert!(anew.is_restart(9_960.0, at(10_020)), "it began while the process before was there, or after");
        let mut first = Watch::new(QueryClient::new(&options).unwrap(), None);
        assert!(!first.is_restart(10_000.0, at(10_001)), "nothing was sent before");
        assert!(first.is_restart(10_005.0, at(10_006)));
    }
}
