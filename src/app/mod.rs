//! Layer 7: how the modules become one server, and how it stops.
//!
//! Start: ports bound (a taken port fails at once), journal, index caught up, forwarder, doors. Nothing is served before every
//! acknowledged run is visible.
//!
//! Stop: not ready, no new connections, requests in flight finished, journal closed, last fold and checkpoint, forward what time allows.
//! What Tempo does not have then stays in the journal.

mod access;
mod answers;
mod budget;
mod compress;
mod descriptors;
mod forwarding;
mod instance;
mod lag;
mod listeners;
mod metrics;
mod pages;
mod reload;
mod retention;
mod status;
mod verdicts;
mod wiring;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::journal::{self, Journal, Position, PositionFile};
use crate::server;
use crate::store::local::{self, LocalStore};
use crate::tempo::export::forwarder::{Ending, ForwardError, Forwarder, StartError as ForwardStartError, Status};
use crate::tempo::export::source::JournalSource;
use crate::tempo::metrics::ForwardMetrics;

pub use reload::Source as ReloadSource;

/// Everything built and bound, nothing served yet.
pub struct App {
    addresses: [SocketAddr; 3],
    doors: Vec<server::Door>,
    reloader: reload::Reloader,
    /// Each message has keys and certificates read again.
    reload_asked: mpsc::Receiver<()>,
    limits: server::Limits,
    journal: Journal,
    store: LocalStore,
    threads: local::Running,
    forwarding: Option<Forwarding>,
    keeper: retention::Keeper,
    drain: Duration,
    /// Ends the listeners, and the streams that would hold them up.
    no_more_requests: CancellationToken,
}

/// The forwarder and what outlives its run.
struct Forwarding {
    forwarder: Forwarder<JournalSource>,
    metrics: ForwardMetrics,
    /// Noted while it runs, made durable when it ends.
    position: Arc<Mutex<PositionFile>>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The user can mend it in the configuration: exit 64.
    #[error("{0}")]
    Config(String),
    /// With what to do about it.
    #[error("{0}")]
    Bind(String),
    /// The environment allows too few open files.
    #[error(
        "at most {limit} files may be open at once, and {needed} are needed at least: raise the limit (ulimit -n, LimitNOFILE= in a systemd \
         unit, ulimits in a compose file)"
    )]
    Descriptors { limit: u64, needed: u64 },
    #[error("cannot use the data directory {path}: {source}")]
    DataDir { path: String, source: std::io::Error },
    #[error("cannot open the journal: {0}")]
    Journal(#[from] journal::OpenError),
    #[error("cannot read the forwarder's position: {0}")]
    Position(#[from] journal::PositionError),
    #[error("cannot open the index: {0}")]
    Store(#[from] local::OpenError),
    #[error("cannot start forwarding: {0}")]
    Forward(#[from] ForwardStartError),
}

/// What is wrong with the settings that no type could check.
pub fn check_settings(config: &Config) -> Result<(), String> {
    wiring::check_settings(config, &listeners::resolve(config)?).map(|_| ())
}

/// Where the journal of these settings is.
pub fn journal_dir(config: &Config) -> PathBuf {
    config.server.data_dir.join("journal")
}

/// The warning to the operator where the settings ask for more memory than `limits.max_memory` has to give.
pub fn memory_excess(config: &Config) -> Option<String> {
    budget::Budget::of(config).excess()
}

/// Why a port cannot be had, and what to do.
pub fn bind_problem(flag: &str, address: SocketAddr, error: &std::io::Error) -> String {
    listeners::bind_problem(flag, address, error)
}

/// The journal of these settings while no server runs. Blocks.
pub fn open_journal(config: &Config) -> Result<Journal, StartError> {
    wiring::open_journal(config, &config.server.data_dir)
}

/// The index database of these settings.
pub fn index_database(config: &Config) -> PathBuf {
    config.server.data_dir.join("index.sqlite")
}

/// How far Tempo was fed.
pub fn forwarded_position(config: &Config) -> Result<Position, StartError> {
    Ok(PositionFile::open(&wiring::position_path(config))?.get())
}

/// The store of these settings while no server runs, caught up with its journal. Blocks.
pub fn open_store(config: &Config, journal: Journal) -> Result<(LocalStore, local::Running), StartError> {
    wiring::open_store(config, journal)
}

/// Who signs Tempo's certificates with these settings, where it is not whom the system trusts.
pub fn tempo_ca(config: &Config) -> Option<&std::path::Path> {
    wiring::tempo_ca(config)
}

/// How Tempo is spoken to with these settings.
pub fn forward_options(config: &Config) -> crate::tempo::options::Options {
    wiring::forward_options(config)
}

/// What went wrong while it ran or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("a task of the server panicked: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl App {
    /// Binds the ports, opens the data directory and catches up.
    pub async fn build(config: &Config) -> Result<Self, StartError> {
        let (_, never) = mpsc::channel(1);
        wiring::build(config, None, never).await
    }

    /// As [`App::build`]; each message of `asked` has the settings' keys, and the certificates, read again.
    pub async fn build_reloading(config: &Config, source: ReloadSource, asked: mpsc::Receiver<()>) -> Result<Self, StartError> {
        wiring::build(config, Some(source), asked).await
    }

    /// Where it listens: OTLP gRPC, OTLP HTTP, HTTP. With the real port where 0 was asked for.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        self.addresses
    }

    /// Serves until `stop` resolves, then drains.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let no_more_requests = self.no_more_requests;
        let no_more_forwarding = CancellationToken::new();
        let no_more_keeping = CancellationToken::new();

        let doors: Vec<JoinHandle<()>> =
            self.doors.into_iter().map(|door| tokio::spawn(server::serve_door(door, no_more_requests.clone(), self.limits))).collect();
        let reloader = tokio::spawn(self.reloader.run(self.reload_asked, no_more_requests.clone()));
        let status = self.forwarding.as_ref().map(|forwarding| forwarding.forwarder.status());
        let keeper = tokio::spawn(self.keeper.run(self.store.clone(), status, no_more_keeping.clone()));
        // The forwarder's share of the drain is what the doors leave; at least a second, so that a slow client cannot take it all.
        let forwarder = self.forwarding.map(|forwarding| {
            let token = no_more_forwarding.clone();
            let drain = self.drain / 2;
            tokio::spawn(async move { report(&forwarding.position, forwarding.forwarder.run(token, drain).await) })
        });

        stop.await;
        let started = Instant::now();
        self.store.begin_drain();
        no_more_requests.cancel();
        for door in doors {
            door.await?;
        }
        reloader.await?;
        self.journal.close();
        no_more_forwarding.cancel();
        let threads = self.threads;
        tokio::task::spawn_blocking(move || threads.stop()).await?;
        if let Some(forwarder) = forwarder {
            forwarder.await?;
        }
        no_more_keeping.cancel();
        keeper.await?;
        tracing::info!(millis = started.elapsed().as_millis() as u64, "stopped");
        self.store.leave_memory_to_the_system();
        Ok(())
    }
}

/// A forwarder that ends by itself leaves its spans in the journal; ingest and the API go on.
fn report(position: &Mutex<PositionFile>, ended: Result<Ending, ForwardError>) {
    let ending = match ended {
        Ok(ending) => ending,
        Err(error) => return tracing::error!(%error, "forwarding stopped: spans are still accepted and stay in the journal"),
    };
    let mut position = position.lock();
    if let Err(error) = position.set(ending.position) {
        // The note survives this process, if not a power cut.
        let _ = position.note(ending.position);
        tracing::warn!(%error, "the forwarder's position could not be made durable: the last spans may be sent again after the next start");
    }
    drop(position);
    if ending.left_bytes > 0 {
        let bytes = ending.left_bytes;
        tracing::info!(bytes, "the journal keeps what Tempo does not have yet; it is forwarded after the next start");
    }
}

/// What `run` needs to decide which part of the journal may go.
type ForwardStatus = Option<Status>;
