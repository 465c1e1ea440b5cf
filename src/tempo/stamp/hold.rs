//! The waiting room of one tenant: entries in the order of the journal, until their traces have settled.
//!
//! - In order, so that the position of the forwarder says exactly what Tempo has, and a crash repeats as little as can be.
//! - It runs on a thread of its own: stamping is CPU, and a trace that left memory is read from disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep};

use super::StampOptions;
use super::intake::{Held, RunEvent};
use super::stamper::Stamper;
use crate::journal::Position;
use crate::tempo::batch::{Last, Piece};
use crate::tempo::forwarder::LogEnd;
use crate::tempo::halt::Halt;
use crate::tempo::metrics::ForwardMetrics;
use crate::tempo::parts::Parts;

/// How often the head of the queue is looked at while nothing comes.
const TICK: Duration = Duration::from_millis(25);

/// How much longer an entry waits to be folded, on a machine that is too busy.
const FOLD_PATIENCE: Duration = Duration::from_secs(20);

/// How often traces are looked at again of which it was not known what had been told.
const CATCH_UP: Duration = Duration::from_millis(500);

/// An entry as it was read.
pub(in crate::tempo) struct Incoming {
    pub(in crate::tempo) what: What,
    pub(in crate::tempo) read_at: Instant,
    pub(in crate::tempo) end: Position,
    pub(in crate::tempo) last: Last,
}

pub(in crate::tempo) enum What {
    Spans(Bytes),
    Event(RunEvent),
}

/// What the waiting room needs of the house.
pub(in crate::tempo) struct Surroundings {
    pub(in crate::tempo) halt: Halt,
    pub(in crate::tempo) metrics: ForwardMetrics,
    pub(in crate::tempo) log_end: LogEnd,
    /// How far the reader of the journal has handed entries on, over all tenants.
    pub(in crate::tempo) read: Arc<AtomicU64>,
    /// The memory for entries; when it is nearly used up, the oldest do not wait longer.
    pub(in crate::tempo) memory: Arc<Semaphore>,
    pub(in crate::tempo) memory_bytes: usize,
}

pub(in crate::tempo) struct Hold {
    incoming: mpsc::Receiver<Incoming>,
    outgoing: mpsc::Sender<Piece>,
    queue: VecDeque<Held>,
    queued_bytes: usize,
    /// This room's share of the gauge.
    told_bytes: i64,
    stamper: Stamper,
    options: StampOptions,
    around: Surroundings,
    last_catch_up: Instant,
}

/// The lane has ended.
struct Gone;

// === impl Hold ===

impl Hold {
    pub(in crate::tempo) fn new(
        incoming: mpsc::Receiver<Incoming>,
        outgoing: mpsc::Sender<Piece>,
        stamper: Stamper,
        options: StampOptions,
        around: Surroundings,
    ) -> Self {
        let queue = VecDeque::new();
        Self { incoming, outgoing, queue, queued_bytes: 0, told_bytes: 0, stamper, options, around, last_catch_up: Instant::now() }
    }

    /// Until its channel is closed and everything has left, or until the lane has gone.
    pub(in crate::tempo) async fn run(mut self) {
        let mut is_open = true;
        while is_open || !self.queue.is_empty() {
            let is_ticking = !self.queue.is_empty() || self.stamper.is_unsure();
            tokio::select! {
                biased;
                incoming = self.incoming.recv(), if is_open => match incoming {
                    Some(incoming) => self.take(incoming),
                    None => is_open = false,
                },
                () = sleep(TICK), if is_ticking || !is_open => {}
            }
            // What is there already is taken together.
            while let Ok(incoming) = self.incoming.try_recv() {
                self.take(incoming);
                if self.queued_bytes > self.options.batch_bytes {
                    break;
                }
            }
            let left = self.release(!is_open).await;
            self.tell_held();
            if left.is_err() {
                break;
            }
        }
        self.queued_bytes = 0;
        self.tell_held();
    }

    /// The gauge is the sum over all tenants.
    fn tell_held(&mut self) {
        let now = i64::try_from(self.queued_bytes).unwrap_or(i64::MAX);
        self.around.metrics.held_bytes.inc_by(now - self.told_bytes);
        self.told_bytes = now;
    }

    fn take(&mut self, incoming: Incoming) {
        let Incoming { what, read_at, end, last } = incoming;
        self.queue.push_back(match what {
            What::Event(event) => Held::of_event(event, read_at, end, last),
            What::Spans(bytes) => {
                self.queued_bytes += bytes.len();
                let (held, n_duplicates) = Held::of(bytes, read_at, end, last, &mut self.stamper.told);
                self.around.metrics.duplicate_spans.inc_by(n_duplicates);
                held
            }
        });
    }

    /// Sends what is ready, in order.
    async fn release(&mut self, is_closing: bool) -> Result<(), Gone> {
        let is_company = self.queued_bytes >= self.options.batch_bytes;
        let is_time = self.queue.front().is_some_and(|head| head.read_at.elapsed() >= self.options.linger);
        let is_hurried = is_closing || self.around.halt.is_draining();
        while (is_company || is_time || is_hurried || self.is_crowded()) && self.is_head_ready(is_hurried) {
            let Some(held) = self.queue.pop_front() else { break };
            self.queued_bytes -= held.bytes.len();
            let is_all_read = || is_all_read(&self.around, &self.incoming);
            let bytes = match held.event {
                None => self.stamper.stamp(&held, &is_all_read),
                Some(event) => match held.traces.first() {
                    Some(trace) => self.stamper.report(event, *trace, &is_all_read),
                    None => Parts::default(),
                },
            };
            self.send(bytes, held.end, Some(held.last)).await?;
        }
        if self.stamper.is_unsure() && self.last_catch_up.elapsed() >= CATCH_UP {
            self.last_catch_up = Instant::now();
            let bytes = self.stamper.catch_up(&|| is_all_read(&self.around, &self.incoming));
            if !bytes.is_empty() {
                self.send(bytes, Position::default(), None).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, bytes: Parts, end: Position, last: Option<Last>) -> Result<(), Gone> {
        // It has waited for company already; what leaves with it needs a moment to be stamped.
        let read_at = Instant::now() - self.options.linger.saturating_sub(TICK);
        self.outgoing.send(Piece { bytes, read_at, end, last }).await.map_err(|_| Gone)
    }

    /// Whether the entry that came first may leave.
    fn is_head_ready(&mut self, is_hurried: bool) -> bool {
        let is_crowded = self.is_crowded();
        let Some(head) = self.queue.front_mut() else { return false };
        let is_folded = self.stamper.verdicts.folded() >= head.end;
        if is_folded && let Some(event) = head.event.filter(|_| head.traces.is_empty()) {
            head.traces.extend(self.stamper.verdicts.trace_of_reported(&self.stamper.tenant, event.run));
            // Only the end of a run is worth waiting for its spans.
            head.n_settled = if event.is_end { 0 } else { head.traces.len() };
        }
        // Before it is folded nothing can be said of it; a fold that has stopped is not waited for.
        let patience = if is_folded { self.options.hold } else { self.options.hold + FOLD_PATIENCE };
        if is_hurried || head.read_at.elapsed() >= patience {
            return true;
        }
        if is_folded {
            while let Some(trace) = head.traces.get(head.n_settled) {
                if !self.stamper.verdicts.is_settled(&self.stamper.tenant, *trace) {
                    break;
                }
                head.n_settled += 1;
            }
            if head.n_settled == head.traces.len() {
                return true;
            }
        }
        if is_crowded {
            self.around.metrics.released_early.inc();
        }
        is_crowded
    }

    fn is_crowded(&self) -> bool {
        self.around.memory.available_permits() < self.around.memory_bytes / 4
    }
}

/// Whether every entry of the journal came by. Asked after a decision was looked at, so that nothing it rests on is still to come.
fn is_all_read(around: &Surroundings, incoming: &mpsc::Receiver<Incoming>) -> bool {
    let end = (around.log_end)().0;
    around.read.load(Ordering::Acquire) >= end && incoming.is_empty()
}
