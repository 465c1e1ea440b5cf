//! A store of its own, as the server has it by default, and what its threads have used.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sessionfold::fold::TraceLimit;
use sessionfold::journal::{self, Journal};
use sessionfold::model::ids::Tenant;
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::store::Store;
use sessionfold::store::local::{LocalStore, Options, Running, SqliteLimits};

use super::{Failure, usage};

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(1200);

pub struct World {
    pub store: LocalStore,
    pub tenant: Tenant,
    journal: Journal,
    running: Running,
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

// === impl World ===

impl World {
    pub fn open() -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let (journal, _) = Journal::open(&dir.path().join("journal"), journal::Options::default())?;
        let (store, running) = LocalStore::open(journal.clone(), options(dir.path()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Self { store, tenant: Tenant::default(), journal, running, runtime, dir })
    }

    /// Hands a request over; returns once it is durable.
    pub fn send(&self, request: Bytes) -> Result<(), Failure> {
        loop {
            match self.runtime.block_on(self.store.accept_spans(&self.tenant, request.clone())) {
                Err(sessionfold::store::AcceptError::Behind { retry_after }) => std::thread::sleep(retry_after),
                other => return Ok(other?),
            }
        }
    }

    /// Waits until what was sent is visible.
    pub fn wait_until_folded(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.store.lag().bytes > 0 {
            if began.elapsed() > PATIENCE {
                return Err("the fold does not catch up".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until what was sent is visible, and in a checkpoint that is done.
    pub fn wait_until_written(&self) -> Result<(), Failure> {
        self.wait_until_folded()?;
        let began = Instant::now();
        while self.store.checkpointed() < self.journal.end() {
            if began.elapsed() > PATIENCE {
                return Err("no checkpoint is done".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// CPU seconds of the fold thread so far.
    pub fn used_by_fold(&self) -> Result<f64, Failure> {
        Ok(usage::threads(std::process::id())?.get("fold").copied().unwrap_or(0.0))
    }

    /// Ends it, with the last checkpoint.
    pub fn stop(self) {
        self.journal.close();
        self.running.stop();
        drop(self.dir);
    }
}

/// Now, in nanoseconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn options(dir: &Path) -> Options {
    let origin = Instant::now();
    Options {
        database: dir.join("index.sqlite"),
        clock: Arc::new(|| UnixNanos(now())),
        steady: Arc::new(move || Nanos(origin.elapsed().as_nanos() as u64)),
        price: Arc::new(|_, _| None),
        conventions: Arc::default(),
        checkpoint_interval: Duration::from_secs(15),
        max_changes: 1_000_000,
        sweep_interval: Duration::from_secs(5),
        open_trace_idle: Duration::from_secs(60),
        open_trace_bytes: 256 << 20,
        trace_limit: TraceLimit { max_spans: 100_000 },
        keep_verdicts: true,
        run_timeout: Nanos::from_secs(3_600),
        idle_after: Nanos::from_secs(3_600),
        max_age: None,
        max_index_bytes: None,
        max_lag: PATIENCE,
        sqlite: SqliteLimits::default(),
    }
}
