//! The reading side of forwarding: entries from the journal to the lanes of their tenants.
//!
//! - Memory for entries that are read and not yet taken is bounded over all tenants; when it is used up, reading waits.
//! - A tenant's lane ends when nothing came for it for a while, and begins again with the next entry: a tenant that is silent costs nothing.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::batch::Batcher;
use super::lane::Lane;
use super::shared::Shared;
use super::source::{Source, SourceError, Sourced};
use super::split;
use crate::journal::Position;
use crate::model::ids::Tenant;
use crate::model::report::EventKind;
use crate::model::via::Via;
use crate::tempo::drain::Pause;
use crate::tempo::link::segmented::SegmentedBytes;
use crate::tempo::metrics::Doubt;
use crate::tempo::options::{LogEnd, Options};
use crate::tempo::piece::{Doubted, Last, Piece};
use crate::tempo::stamp::{Ends, Hold, HoldContext, Incoming, Memory, RunEvent, StampOptions, Verdicts, What, Workers};
use crate::wire::format::entry::Event;

/// Entries of one lane that are read and not in a batch. Their bytes are bounded by `max_pending_bytes`.
const LANE_ENTRIES: usize = 1024;

/// Entries that are stamped and not in a batch: few, since what is not stamped yet is stamped better later.
const STAMPED_ENTRIES: usize = 64;

/// The wait before Tempo is asked what it has of requests that a process before this one sent: it may still be taking them.
const SETTLE: Duration = Duration::from_secs(2);

/// What an entry takes at least of the memory for pending spans: its own bookkeeping.
const MIN_ENTRY_COST: usize = 256;

/// What stamps are made from, and how.
#[derive(Clone)]
pub(super) struct Stamping {
    pub(super) verdicts: Arc<dyn Verdicts>,
    pub(super) options: StampOptions,
}

/// Why forwarding ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the lane of tenant {0:?} ended unexpectedly")]
    LaneEnded(Tenant),
    #[error("cannot start the threads that stamp: {0}")]
    Threads(io::Error),
}

pub(super) struct Pump<S> {
    source: S,
    options: Options,
    /// What lies before it Tempo had taken, and perhaps lost.
    taken_below: Position,
    shared: Arc<Shared>,
    ways: HashMap<Tenant, Way>,
    stamping: Option<Stamping>,
    context: HoldContext,
    last_sweep: Instant,
}

/// Where the entries of one tenant go.
struct Way {
    to: To,
    /// Every entry on its way holds it too, and so does a lane that has more to say.
    in_use: Arc<()>,
    used_at: Instant,
}

#[derive(Clone)]
enum To {
    Lane(mpsc::Sender<Piece>),
    /// To be held and stamped first.
    Hold {
        entries: mpsc::Sender<Incoming>,
        n_dispatched: Arc<AtomicU64>,
    },
}

/// What takes entries has ended.
struct LaneEnded;

// === impl Pump ===

impl<S: Source> Pump<S> {
    pub(super) fn new(
        source: S,
        log_end: LogEnd,
        options: Options,
        shared: Arc<Shared>,
        stamping: Option<Stamping>,
        workers: Workers,
        taken_below: Position,
    ) -> Self {
        // Less than two batches would leave nothing to collect while one is under way.
        let memory_bytes = options.max_pending_bytes.max(2 * options.batch.max_bytes).min(u32::MAX as usize);
        let remembered_bytes = stamping.as_ref().map_or(0, |stamping| stamping.options.memory_bytes);
        let context = HoldContext {
            drain: shared.drain.clone(),
            metrics: shared.metrics.clone(),
            log_end,
            read: Arc::new(AtomicU64::new(source.position().0)),
            memory: Arc::new(Semaphore::new(memory_bytes)),
            memory_bytes,
            remembered: Arc::new(Memory::new(remembered_bytes)),
            workers,
            asker: shared.asker.clone(),
            doubt_ends: Instant::now() + options.retry.ambiguous_wait,
            n_busy: Arc::default(),
        };
        Self { source, options, taken_below, shared, ways: HashMap::new(), stamping, context, last_sweep: Instant::now() }
    }

    /// Until the source ends, or when draining and all that was there is read. Dropping the pump then ends the lanes.
    pub(super) async fn run(&mut self, lanes: &mut JoinSet<()>) -> Result<(), ForwardError> {
        let began = Instant::now();
        let mut position = self.source.position();
        let mut is_doubt_over = false;
        while let Some(sourced) = self.read(position, lanes).await? {
            position = sourced.end;
            let ticket = self.shared.ledger.open(sourced.end, sourced.entry.received_at);
            let what = match sourced.entry.event {
                Event::Spans(bytes) if !bytes.is_empty() => What::Spans(bytes),
                Event::Run { kind, run: Some(run), .. } if self.stamping.is_some() && changes_sums(kind) => {
                    What::Event(RunEvent { run, is_end: kind == EventKind::Complete })
                }
                // Nothing in it is for Tempo.
                _ => {
                    self.shared.ledger.settle(ticket);
                    self.shared.metrics.settled_entries.inc();
                    self.context.read.store(position.0, Ordering::Release);
                    continue;
                }
            };
            let bytes = match &what {
                What::Spans(bytes) => bytes.clone(),
                What::Event(_) => Bytes::new(),
            };
            let is_in_doubt = sourced.position < self.options.in_doubt_below;
            let doubt = match is_in_doubt {
                false => Doubted::No,
                true if sourced.position < self.taken_below => Doubted::Taken,
                true => Doubted::Sent,
            };
            // Where Tempo can be asked, that is done when it is known what is sent.
            if is_in_doubt && self.shared.asker.is_none() {
                self.shared.metrics.maybe_doubled_spans(Doubt::Restart).inc_by(split::name_spans(&bytes, 0).0 as u64);
            }
            if is_in_doubt && !is_doubt_over {
                let is_asking = self.shared.asker.is_some();
                let wait = if is_asking { SETTLE } else { self.options.retry.ambiguous_wait.saturating_sub(began.elapsed()) };
                tracing::info!(
                    wait_ms = wait.as_millis() as u64,
                    is_asking,
                    "spans that were sent just before the restart may be with tempo already: waiting, so that no copy is counted"
                );
                if self.shared.drain.pause(wait).await == Pause::Stop {
                    return Ok(());
                }
                is_doubt_over = true;
            }
            let cost = bytes.len().clamp(MIN_ENTRY_COST, self.context.memory_bytes) as u32;
            let permit = self.context.memory.clone().acquire_many_owned(cost).await.expect("the semaphore is never closed");
            let way = self.way(&sourced.entry.tenant, lanes);
            let last = Last { ticket, permit, in_use: way.in_use.clone() };
            if dispatch(way.to.clone(), what, (sourced.end, sourced.entry.via), doubt, last).await.is_err() {
                // A lane ends by itself only when there is no time left.
                let is_draining = self.shared.drain.is_draining();
                return if is_draining { Ok(()) } else { Err(ForwardError::LaneEnded(sourced.entry.tenant)) };
            }
            self.context.read.store(position.0, Ordering::Release);
        }
        Ok(())
    }

    /// The next entry; `None` once the source ends, or when draining and all that was there is read.
    async fn read(&mut self, position: Position, lanes: &mut JoinSet<()>) -> Result<Option<Sourced>, SourceError> {
        let Self { source, ways, shared, context, last_sweep, options, .. } = self;
        let mut next = pin!(source.next());
        loop {
            if last_sweep.elapsed() >= options.idle {
                *last_sweep = Instant::now();
                end_idle(ways, options.idle);
                // Of those that have ended nothing is kept.
                while let Some(ended) = lanes.try_join_next() {
                    report_ended(ended);
                }
                shared.metrics.lanes.set(ways.len() as i64);
            }
            tokio::select! {
                biased;
                sourced = &mut next => return sourced,
                () = shared.drain.begun() => break,
                () = tokio::time::sleep(options.idle), if !ways.is_empty() => {}
            }
        }
        if position >= (context.log_end)() {
            return Ok(None);
        }
        next.await
    }

    fn way(&mut self, tenant: &Tenant, lanes: &mut JoinSet<()>) -> &mut Way {
        if !self.ways.contains_key(tenant) {
            let way = self.open_way(tenant, lanes);
            self.ways.insert(tenant.clone(), way);
            self.shared.metrics.lanes.inc();
        }
        let way = self.ways.get_mut(tenant).expect("it was just put there");
        way.used_at = Instant::now();
        way
    }

    fn open_way(&self, tenant: &Tenant, lanes: &mut JoinSet<()>) -> Way {
        let entries = if self.stamping.is_some() { STAMPED_ENTRIES } else { LANE_ENTRIES };
        let (sender, receiver) = mpsc::channel(entries);
        let batcher = Batcher::new(receiver, &self.options.batch, self.shared.drain.clone());
        let in_use = Arc::new(());
        lanes.spawn(Lane::new(tenant.clone(), batcher, self.shared.clone()).run());
        let used_at = Instant::now();
        let Some(Stamping { verdicts, options }) = &self.stamping else { return Way { to: To::Lane(sender), in_use, used_at } };
        let (hold, incoming) = mpsc::channel(LANE_ENTRIES);
        let n_dispatched: Arc<AtomicU64> = Arc::default();
        let ends = Ends { incoming, outgoing: sender, n_dispatched: n_dispatched.clone(), in_use: Arc::downgrade(&in_use) };
        lanes.spawn(Hold::new(tenant, verdicts.clone(), *options, ends, self.context.clone()).run());
        Way { to: To::Hold { entries: hold, n_dispatched }, in_use, used_at }
    }
}

impl<S> Drop for Pump<S> {
    fn drop(&mut self) {
        self.shared.metrics.lanes.set(0);
    }
}

/// Ends the lanes for which nothing came for a while and that have nothing left to do.
fn end_idle(ways: &mut HashMap<Tenant, Way>, idle: Duration) {
    ways.retain(|_, way| way.used_at.elapsed() < idle || Arc::strong_count(&way.in_use) > 1);
    ways.shrink_to(ways.len() * 2);
}

pub(super) fn report_ended(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a lane ended unexpectedly; its spans stay in the journal");
    }
}

async fn dispatch(to: To, what: What, (end, via): (Position, Via), doubt: Doubted, last: Last) -> Result<(), LaneEnded> {
    let read_at = Instant::now();
    match (to, what) {
        (To::Lane(lane), what) => {
            let bytes = match what {
                What::Spans(bytes) => bytes.into(),
                What::Event(_) => SegmentedBytes::default(),
            };
            lane.send(Piece { bytes, read_at, end, via, doubt, last: Some(last) }).await.map_err(|_| LaneEnded)
        }
        (To::Hold { entries, n_dispatched }, what) => {
            n_dispatched.fetch_add(1, Ordering::AcqRel);
            entries.send(Incoming { what, read_at, end, via, doubt, last }).await.map_err(|_| LaneEnded)
        }
    }
}

/// Whether what the SDK posted can change what was exported for a run.
fn changes_sums(kind: EventKind) -> bool {
    matches!(kind, EventKind::Complete | EventKind::LlmCalls | EventKind::Partial)
}
