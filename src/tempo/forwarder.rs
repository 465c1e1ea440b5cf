//! Reads the journal and has Tempo take it: the whole of forwarding, run by the assembly.
//!
//! - The position advances only over a prefix of entries that Tempo has taken, or that hold nothing for it.
//! - Memory for entries that are read and not yet taken is bounded; when it is used up, reading waits. One tenant that Tempo refuses can so hold
//!   back the others; nothing is lost by it.
//! - What the process before may have sent waits first (see [`Options::in_doubt_below`]): Tempo counts a copy that comes too soon twice.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::batch::{Batcher, Last, Piece};
use super::client::{BuildError, Client};
use super::guard::{self, OwnAddress};
use super::halt::{Halt, Pause};
use super::lane::{Lane, Shared};
use super::ledger::Ledger;
use super::marks::{Mark, Marks};
use super::metrics::{Doubt, ForwardMetrics};
use super::options::Options;
use super::parts::Parts;
use super::report::Report;
use super::source::{Source, SourceError, Sourced};
use super::split;
use super::stamp::{Hold, Incoming, RunEvent, StampOptions, Stamper, Surroundings, Verdicts, What};
use super::target::Target;
use crate::journal::Position;
use crate::model::ids::Tenant;
use crate::model::report::EventKind;
use crate::wire::entry::Event;

/// Saves a position where the next process finds it. Runs on a blocking thread; may sync.
pub type Save = Box<dyn FnMut(Position) -> io::Result<()> + Send>;

/// Gives the end of the journal.
pub type LogEnd = Arc<dyn Fn() -> Position + Send + Sync>;

/// A forwarder that has checked everything and sent nothing.
pub struct Forwarder<S> {
    source: S,
    save: Save,
    log_end: LogEnd,
    options: Options,
    shared: Arc<Shared>,
    target: Target,
    stamping: Option<Stamping>,
}

/// What stamps are made from, and how.
#[derive(Clone)]
struct Stamping {
    verdicts: Arc<dyn Verdicts>,
    options: StampOptions,
}

/// What others may ask while the forwarder runs, and after.
#[derive(Clone)]
pub struct Status {
    shared: Arc<Shared>,
}

/// Where the forwarder stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    pub position: Position,
    /// What Tempo does not have yet; it stays in the journal.
    pub left_bytes: u64,
}

/// Why forwarding cannot begin: the configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
}

/// Why forwarding ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the lane of tenant {0:?} ended unexpectedly")]
    LaneEnded(Tenant),
}

/// Entries of one lane that are read and not in a batch. Their bytes are bounded by `max_pending_bytes`.
const LANE_ENTRIES: usize = 1024;

/// Entries that are stamped and not in a batch: few, since what is not stamped yet is stamped better later.
const STAMPED_ENTRIES: usize = 64;

/// What an entry takes at least of the memory for pending spans: its own bookkeeping.
const MIN_ENTRY_COST: usize = 256;

// === impl Forwarder ===

impl<S: Source> Forwarder<S> {
    /// Checks the address, the headers and that the address is not our own. Tempo need not be there.
    pub async fn new(options: Options, source: S, save: Save, log_end: LogEnd, metrics: ForwardMetrics) -> Result<Self, StartError> {
        let client = Client::new(&options)?;
        let target = Target::parse(&options.endpoint).map_err(BuildError::from)?;
        guard::check(&target, &options.own_addresses).await?;
        let ledger = Arc::new(Ledger::new(source.position()));
        let lag_bytes = {
            let (ledger, log_end) = (ledger.clone(), log_end.clone());
            Box::new(move || log_end().0.saturating_sub(ledger.position().0))
        };
        let report = Report::new(target.to_string(), metrics.clone());
        let retry = options.retry.clone();
        let marks = Marks::default();
        let shared = Arc::new(Shared { client, retry, ledger, halt: Halt::default(), report, metrics, lag_bytes, marks });
        Ok(Self { source, save, log_end, options, shared, target, stamping: None })
    }

    /// Stamps what it forwards, by these verdicts; without this call the very bytes that came are sent.
    pub fn stamping(mut self, verdicts: Arc<dyn Verdicts>, options: StampOptions) -> Self {
        self.stamping = Some(Stamping { verdicts, options });
        self
    }

    /// Has noted, before anything is sent, up to where the journal may be with Tempo from then on.
    pub fn marking(self, mark: Mark) -> Self {
        self.shared.marks.keep(mark);
        self
    }

    pub fn status(&self) -> Status {
        Status { shared: self.shared.clone() }
    }

    /// Forwards until `shutdown`, then what is in the journal by then, for at most `drain`. Also ends when the source does.
    pub async fn run(self, shutdown: CancellationToken, drain: Duration) -> Result<Ending, ForwardError> {
        let Self { source, save, log_end, options, shared, target, stamping } = self;
        tracing::info!(tempo = %target, position = shared.ledger.position().0, lag_bytes = (shared.lag_bytes)(), "forwarding spans to tempo");
        let stop_keeping = CancellationToken::new();
        let keeper = tokio::spawn(keep_position(shared.clone(), save, options.save_interval, stop_keeping.clone()));
        let mut lanes = JoinSet::new();
        let result = {
            let work = async {
                let result = Pump::new(source, log_end, options, shared.clone(), stamping).run(&mut lanes).await;
                // Their channels are closed now: the lanes finish what they have.
                while let Some(ended) = lanes.join_next().await {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a lane ended unexpectedly; its spans stay in the journal");
                    }
                }
                result
            };
            let time_is_up = async {
                shutdown.cancelled().await;
                shared.halt.drain_until(Instant::now() + drain);
                tokio::time::sleep(drain).await;
            };
            tokio::select! {
                result = work => result,
                () = time_is_up => Ok(()),
            }
        };
        lanes.shutdown().await;
        stop_keeping.cancel();
        if let Err(error) = keeper.await {
            tracing::error!(%error, "the forwarder's position was not saved");
        }
        let ending = Ending { position: shared.ledger.position(), left_bytes: (shared.lag_bytes)() };
        result?;
        tracing::info!(tempo = %target, position = ending.position.0, left_bytes = ending.left_bytes, "forwarding stopped");
        Ok(ending)
    }
}

// === impl Status ===

impl Status {
    /// Everything before it is with Tempo; the journal may forget it.
    pub fn forwarded_position(&self) -> Position {
        self.shared.ledger.position()
    }

    /// Journal bytes that Tempo does not have yet.
    pub fn lag_bytes(&self) -> u64 {
        (self.shared.lag_bytes)()
    }

    /// Whether Tempo answered the last request.
    pub fn is_tempo_up(&self) -> bool {
        self.shared.metrics.tempo_up.get() == 1
    }
}

/// The reading side: entries from the source to the lanes.
struct Pump<S> {
    source: S,
    log_end: LogEnd,
    options: Options,
    shared: Arc<Shared>,
    memory: Arc<Semaphore>,
    memory_bytes: usize,
    /// One for each tenant that was seen; tenants come from the configured keys, so there are few.
    ways: HashMap<Tenant, Way>,
    stamping: Option<Stamping>,
    /// How far entries were handed on.
    read: Arc<AtomicU64>,
}

/// Where the entries of one tenant go.
#[derive(Clone)]
enum Way {
    Straight(mpsc::Sender<Piece>),
    /// To be held and stamped first.
    Held(mpsc::Sender<Incoming>),
}

/// What takes entries has ended.
struct LaneEnded;

// === impl Pump ===

impl<S: Source> Pump<S> {
    fn new(source: S, log_end: LogEnd, options: Options, shared: Arc<Shared>, stamping: Option<Stamping>) -> Self {
        // Less than two batches would leave nothing to collect while one is under way.
        let memory_bytes = options.max_pending_bytes.max(2 * options.batch.max_bytes).min(u32::MAX as usize);
        let memory = Arc::new(Semaphore::new(memory_bytes));
        let read = Arc::new(AtomicU64::new(source.position().0));
        Self { source, log_end, options, shared, memory, memory_bytes, ways: HashMap::new(), stamping, read }
    }

    async fn run(mut self, lanes: &mut JoinSet<()>) -> Result<(), ForwardError> {
        let began = Instant::now();
        let mut position = self.source.position();
        let mut is_doubt_over = false;
        while let Some(sourced) = self.read(position).await? {
            position = sourced.end;
            let ticket = self.shared.ledger.open(sourced.end);
            let what = match sourced.entry.event {
                Event::Spans(bytes) if !bytes.is_empty() => What::Spans(bytes),
                Event::Run { kind, run: Some(run), .. } if self.stamping.is_some() && changes_sums(kind) => {
                    What::Event(RunEvent { run, is_end: kind == EventKind::Complete })
                }
                // Nothing in it is for Tempo.
                _ => {
                    self.shared.ledger.settle(ticket);
                    self.shared.metrics.settled_entries.inc();
                    self.read.store(position.0, Ordering::Release);
                    continue;
                }
            };
            let bytes = match &what {
                What::Spans(bytes) => bytes.clone(),
                What::Event(_) => Bytes::new(),
            };
            if sourced.position < self.options.in_doubt_below {
                self.shared.metrics.maybe_doubled_spans(Doubt::Restart).inc_by(split::name_spans(&bytes, 0).0 as u64);
            }
            if !is_doubt_over && sourced.position < self.options.in_doubt_below {
                let wait = self.options.retry.ambiguous_wait.saturating_sub(began.elapsed());
                tracing::info!(
                    wait_ms = wait.as_millis() as u64,
                    "spans that were sent just before the restart may be with tempo already: waiting, so that it can tell copies apart"
                );
                if self.shared.halt.pause(wait).await == Pause::Stop {
                    return Ok(());
                }
                is_doubt_over = true;
            }
            let cost = bytes.len().clamp(MIN_ENTRY_COST, self.memory_bytes) as u32;
            let permit = self.memory.clone().acquire_many_owned(cost).await.expect("the semaphore is never closed");
            let last = Last { ticket, permit };
            if self.dispatch(sourced.entry.tenant.clone(), what, sourced.end, last, lanes).await.is_err() {
                // A lane ends by itself only when there is no time left.
                let is_draining = self.shared.halt.is_draining();
                return if is_draining { Ok(()) } else { Err(ForwardError::LaneEnded(sourced.entry.tenant)) };
            }
            self.read.store(position.0, Ordering::Release);
        }
        Ok(())
    }

    /// The next entry; `None` once the source ends, or when draining and all that was there is read.
    async fn read(&mut self, position: Position) -> Result<Option<Sourced>, SourceError> {
        let mut next = pin!(self.source.next());
        tokio::select! {
            biased;
            sourced = &mut next => return sourced,
            () = self.shared.halt.draining() => {}
        }
        if position >= (self.log_end)() {
            return Ok(None);
        }
        next.await
    }

    async fn dispatch(&mut self, tenant: Tenant, what: What, end: Position, last: Last, lanes: &mut JoinSet<()>) -> Result<(), LaneEnded> {
        let way = match self.ways.get(&tenant) {
            Some(way) => way.clone(),
            None => {
                let way = self.open_way(&tenant, lanes);
                self.ways.insert(tenant, way.clone());
                way
            }
        };
        let read_at = Instant::now();
        match (way, what) {
            (Way::Straight(lane), What::Spans(bytes)) => {
                lane.send(Piece { bytes: bytes.into(), read_at, end, last: Some(last) }).await.map_err(|_| LaneEnded)
            }
            (Way::Straight(lane), What::Event(_)) => {
                lane.send(Piece { bytes: Parts::default(), read_at, end, last: Some(last) }).await.map_err(|_| LaneEnded)
            }
            (Way::Held(hold), what) => hold.send(Incoming { what, read_at, end, last }).await.map_err(|_| LaneEnded),
        }
    }

    fn open_way(&self, tenant: &Tenant, lanes: &mut JoinSet<()>) -> Way {
        let entries = if self.stamping.is_some() { STAMPED_ENTRIES } else { LANE_ENTRIES };
        let (sender, receiver) = mpsc::channel(entries);
        let batcher = Batcher::new(receiver, &self.options.batch, self.shared.halt.clone());
        lanes.spawn(Lane::new(tenant.clone(), batcher, self.shared.clone()).run());
        let Some(Stamping { verdicts, options }) = self.stamping.clone() else { return Way::Straight(sender) };
        let (hold, incoming) = mpsc::channel(LANE_ENTRIES);
        let around = Surroundings {
            halt: self.shared.halt.clone(),
            metrics: self.shared.metrics.clone(),
            log_end: self.log_end.clone(),
            read: self.read.clone(),
            memory: self.memory.clone(),
            memory_bytes: self.memory_bytes,
        };
        let stamper = Stamper::new(tenant.clone(), verdicts, options, self.shared.metrics.clone());
        let room = Hold::new(incoming, sender, stamper, options, around);
        let runtime = Handle::current();
        lanes.spawn_blocking(move || runtime.block_on(room.run()));
        Way::Held(hold)
    }
}

/// Whether what the SDK told over HTTP can change what was said of a run.
fn changes_sums(kind: EventKind) -> bool {
    matches!(kind, EventKind::Complete | EventKind::LlmCalls | EventKind::Partial)
}

/// Saves the position while it moves, and once more at the end; keeps the lag gauge.
async fn keep_position(shared: Arc<Shared>, mut save: Save, interval: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saved = shared.ledger.position();
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        shared.metrics.lag_bytes.set(i64::try_from((shared.lag_bytes)()).unwrap_or(i64::MAX));
        let position = shared.ledger.position();
        if position != saved {
            let written = tokio::task::spawn_blocking(move || (save(position), save)).await;
            let Ok((result, returned)) = written else {
                shared.report.not_saved(&io::Error::other("saving panicked"));
                return;
            };
            save = returned;
            match result {
                Ok(()) => saved = position,
                Err(error) => shared.report.not_saved(&error),
            }
        }
        if is_last {
            return;
        }
    }
}
