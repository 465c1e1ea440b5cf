//! Reads the journal and has Tempo take it: the whole of forwarding, run by the assembly.
//!
//! - The position advances only over a prefix of entries that Tempo has taken, or that hold nothing for it.
//! - Memory for entries that are read and not yet taken is bounded; when it is used up, reading waits. One tenant that Tempo refuses can so hold
//!   back the others; nothing is lost by it.
//! - What the process before may have sent waits first (see [`Options::in_doubt_below`]): Tempo counts a copy that comes too soon twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::forward_log::ForwardLog;
use super::guard::{self, OwnAddress};
use super::keeping::keep_position;
use super::ledger::Ledger;
use super::pace::Pace;
pub use super::pump::ForwardError;
use super::pump::{Pump, Stamping, report_ended};
use super::rewind::{Rewinding, Stored, Watch};
use super::shared::Shared;
use super::source::Source;
pub use super::status::Status;
use super::watermark::{NotePosition, SendWatermark};
use crate::journal::Position;
use crate::tempo::drain::Drain;
use crate::tempo::link::client::{BuildError, Client};
use crate::tempo::link::target::Target;
use crate::tempo::metrics::ForwardMetrics;
use crate::tempo::options::{LogEnd, Options, Save};
use crate::tempo::recover::ask::Asker;
use crate::tempo::stamp::{StampOptions, Verdicts, Workers};

/// A forwarder that has checked everything and sent nothing.
pub struct Forwarder<S> {
    source: S,
    save: Save,
    log_end: LogEnd,
    options: Options,
    shared: Arc<Shared>,
    target: Target,
    stamping: Option<Stamping>,
    rewinding: Option<Rewinding<S>>,
}

/// Where the forwarder stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    pub position: Position,
    /// What Tempo does not have yet; it stays in the journal.
    pub left_bytes: u64,
}

/// Requests that wait for Tempo's answer at one time, over all tenants: what one gRPC connection carries everywhere.
const MAX_IN_FLIGHT: usize = 64;

/// How long the threads that stamp may take to end.
const THREADS_END: Duration = Duration::from_secs(5);

/// Why forwarding cannot begin: the configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
}

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
        let forward_log = ForwardLog::new(target.to_string(), metrics.clone());
        let retry = options.retry.clone();
        let watermark = SendWatermark::default();
        let (drain, slots, pace) = (Drain::default(), Semaphore::new(MAX_IN_FLIGHT), Pace::default());
        let asker =
            options.query.clone().map(|query| Arc::new(Asker::new(query, client.clone(), options.ask, drain.clone(), metrics.clone())));
        let shared = Arc::new(Shared {
            client,
            retry,
            ledger,
            drain,
            forward_log,
            metrics,
            lag_bytes,
            watermark,
            slots,
            pace,
            asker,
            stored: Stored::default(),
        });
        Ok(Self { source, save, log_end, options, shared, target, stamping: None, rewinding: None })
    }

    /// Stamps what it forwards, by these verdicts; without this call the very bytes that came are sent.
    pub fn stamping(mut self, verdicts: Arc<dyn Verdicts>, options: StampOptions) -> Self {
        self.stamping = Some(Stamping { verdicts, options });
        self
    }

    /// Notes with `note`, before anything is sent, up to where entries may be with Tempo from then on.
    pub fn noting_sends(self, note: NotePosition) -> Self {
        self.shared.watermark.persist_with(note);
        self
    }

    /// Gives a Tempo that was restarted what it had taken and lost. Only where it can be asked ([`Options::query`]).
    pub fn rewinding(mut self, rewinding: Rewinding<S>) -> Self {
        self.rewinding = Some(rewinding);
        self
    }

    pub fn status(&self) -> Status {
        Status::new(self.shared.clone())
    }

    /// Forwards until `shutdown`, then what is in the journal by then, for at most `max_drain`. Also ends when the source does.
    pub async fn run(self, shutdown: CancellationToken, max_drain: Duration) -> Result<Ending, ForwardError> {
        let Self { source, save, log_end, options, shared, target, stamping, rewinding } = self;
        tracing::info!(tempo = %target, position = shared.ledger.position().0, lag_bytes = (shared.lag_bytes)(), "forwarding spans to tempo");
        let n_threads = stamping.as_ref().map_or(0, |stamping| stamping.options.threads.max(1));
        let workers = Workers::start(n_threads).map_err(ForwardError::Threads)?;
        let stop_keeping = CancellationToken::new();
        let keeper = tokio::spawn(keep_position(shared.clone(), save, log_end.clone(), options.save_interval, stop_keeping.clone()));
        let mut lanes = JoinSet::new();
        let mut rewinding = rewinding.zip(options.query.clone()).map(|(rewinding, query)| {
            let Rewinding { reopen, stored, stored_at, note } = rewinding;
            shared.stored.begin(stored.min(shared.ledger.position()), note);
            (reopen, Watch::new(query, stored_at))
        });
        let result = {
            let work = async {
                let (mut source, mut options, mut taken_below) = (source, options, Position(0));
                loop {
                    let log_end = log_end.clone();
                    let mut pump =
                        Pump::new(source, log_end, options.clone(), shared.clone(), stamping.clone(), workers.clone(), taken_below);
                    let restarted = async {
                        match &mut rewinding {
                            Some((_, watch)) => watch.restarted(&shared.forward_log).await,
                            None => std::future::pending().await,
                        }
                    };
                    let result = tokio::select! {
                        result = pump.run(&mut lanes) => result,
                        () = restarted, if !shared.drain.is_draining() => {
                            drop(pump);
                            lanes.shutdown().await;
                            let Some((reopen, _)) = &rewinding else { return Ok(()) };
                            taken_below = shared.ledger.position();
                            let position = shared.stored.rewind(taken_below);
                            shared.forward_log.rewound(taken_below.0 - position.0);
                            shared.ledger.rewind(position);
                            options.in_doubt_below = options.in_doubt_below.max(shared.watermark.position()).max(taken_below);
                            source = reopen(position);
                            continue;
                        }
                    };
                    drop(pump);
                    // Their channels are closed now: the lanes finish what they have.
                    while let Some(ended) = lanes.join_next().await {
                        report_ended(ended);
                    }
                    return result;
                }
            };
            let time_is_up = async {
                shutdown.cancelled().await;
                shared.drain.begin(Instant::now() + max_drain);
                tokio::time::sleep(max_drain).await;
            };
            tokio::select! {
                result = work => result,
                () = time_is_up => Ok(()),
            }
        };
        lanes.shutdown().await;
        // What a thread is doing for a lane that has gone is soon done.
        let _ = tokio::time::timeout(THREADS_END, tokio::task::spawn_blocking(move || workers.join())).await;
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
