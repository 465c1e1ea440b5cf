//! The data directory that is filled: its journal and its store, while no server has them.

use super::{Holdings, RebuildError};
use crate::app::{self, StartError};
use crate::config::Config;
use crate::journal::{Journal, Position};
use crate::model::ids::Tenant;
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::store::Store;
use crate::store::local::{self, LocalStore, Running};
use crate::store::view::RunQuery;
use crate::telemetry::stderr;
use crate::tempo::query::search::Window;

pub(super) struct RebuildTarget {
    pub(super) store: LocalStore,
    /// The index was empty at first.
    pub(super) is_anew: bool,
    running: Running,
    journal: Journal,
    /// What lies before it may leave the journal as far as Tempo is concerned.
    unneeded: Position,
}

// === impl RebuildTarget ===

impl RebuildTarget {
    /// Opens it, putting aside an index that cannot be used, or any if `is_fresh`.
    pub(super) async fn open(config: &Config, is_fresh: bool) -> Result<Self, StartError> {
        let config = config.clone();
        let opened = tokio::task::spawn_blocking(move || open(&config, is_fresh)).await;
        opened.unwrap_or_else(|error| Err(StartError::Config(format!("opening the index panicked: {error}"))))
    }

    /// Makes room in the journal for what follows, where it is more than half full.
    pub(super) fn release(&self) {
        let (used_bytes, max_bytes) = self.journal.usage();
        if used_bytes > max_bytes / 2 {
            self.journal.release(self.store.checkpointed().min(self.unneeded));
        }
    }

    /// What the index now holds of the range.
    pub(super) async fn holdings(&self, tenant: &Tenant, range: Window) -> Result<Holdings, RebuildError> {
        if !self.store.catch_up().await {
            let reason = self.store.not_ready().unwrap_or_else(|| "the fold stopped".to_owned());
            return Err(RebuildError::Fold(reason));
        }
        let (store, tenant) = (self.store.clone(), tenant.clone());
        let counted = tokio::task::spawn_blocking(move || {
            let query = RunQuery { start: Some(UnixNanos(range.start.saturating_mul(1_000_000_000))), ..RunQuery::default() };
            let mut holdings = Holdings::default();
            let mut sessions = std::collections::HashSet::new();
            store.runs(&tenant, &query, &mut |run: &Run| {
                holdings.n_runs += 1;
                holdings.n_provisional += u64::from(run.is_provisional);
                holdings.n_running += u64::from(run.status == RunStatus::Running && !run.is_provisional);
                sessions.extend(run.session.clone());
            })?;
            holdings.n_sessions = sessions.len() as u64;
            Ok(holdings)
        });
        counted.await.unwrap_or_else(|error| Err(RebuildError::Fold(error.to_string())))
    }

    /// Writes the last checkpoint.
    pub(super) async fn close(self) {
        let Self { journal, running, .. } = self;
        journal.close();
        if let Err(error) = tokio::task::spawn_blocking(move || running.stop()).await {
            tracing::error!(%error, "closing the index panicked");
        }
    }
}

fn open(config: &Config, is_fresh: bool) -> Result<RebuildTarget, StartError> {
    let data_dir = &config.server.data_dir;
    std::fs::create_dir_all(data_dir).map_err(|source| StartError::DataDir { path: data_dir.display().to_string(), source })?;
    let journal = app::open_journal(config)?;
    let database = app::index_database(config);
    let is_missing = !database.exists() && journal.start() > Position(0);
    let reason = match local::damage(&database) {
        Some(damage) => Some(damage),
        None if is_fresh => Some("a fresh one was asked for".to_owned()),
        None => is_missing.then(|| "it is gone".to_owned()),
    };
    if let Some(reason) = &reason {
        let put_aside = local::begin_anew(&database, journal.start()).map_err(local::OpenError::from)?;
        stderr::note(&format!("the index begins anew: {reason}"));
        if let Some(local::PutAside { to, n_tombstones, n_notes }) = put_aside {
            let deletions = match n_tombstones {
                Some(n) => format!("the {n} deleted sessions it knew of stay deleted"),
                None => "which sessions were deleted could not be read out of it: they come back".to_owned(),
            };
            let notes = match n_notes {
                Some(n) => format!("the {n} notes and bookmarks of sessions that it had are kept"),
                None => "notes and bookmarks of sessions could not be read out of it, and Tempo has none: they are lost".to_owned(),
            };
            stderr::note(&format!("the old one is now {}; {deletions}; {notes}", to.display()));
        } else {
            stderr::note("notes and bookmarks of sessions were in it alone: only those come back that the journal still has");
        }
    }
    let is_anew = reason.is_some();
    // What was there before is for Tempo still, as far as it was not fed; what comes now Tempo has.
    let forwarded = app::forwarded_position(config)?;
    let is_all_forwarded = journal.start() == journal.end() || forwarded >= journal.end();
    let unneeded = if is_all_forwarded { Position(u64::MAX) } else { forwarded };
    let (store, running) = app::open_store(config, journal.clone())?;
    Ok(RebuildTarget { store, is_anew, running, journal, unneeded })
}
