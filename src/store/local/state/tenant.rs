//! What is known of one tenant in memory: its sessions, and the runs that are newer than disk, behind one lock.
//!
//! One lock, because a page, its count and a session's runs must come from one state (`docs/decisions/001-one-lock-per-tenant.md`).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};

use super::buckets::Buckets;
use super::fair_lock::FairLock;
use super::ingest_stats::IngestStats;
use super::kept::{Figures, Kept};
use super::recent::RecentRuns;
use super::users::UserTable;
use crate::index::{SessionIndex, SessionNo};
use crate::model::ids::Tenant;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::store::local::disk::rows::TenantNo;

/// Who changes much lets go of a tenant's lock after this long, and takes it again: a list waits no longer than it mostly works.
pub const HOLD_MAX: Duration = Duration::from_micros(200);

pub struct TenantCell {
    pub no: TenantNo,
    pub name: Tenant,
    /// Written by the fold thread, and by that of the checkpoints when one is done; read by every query.
    state: FairLock<TenantState>,
    /// Whether somebody has asked for users since the start: then the next start begins to keep them.
    pub are_users_asked_for: AtomicBool,
    /// What was sent. Not under the lock above, so that counting never waits for a query.
    pub ingest_stats: Mutex<IngestStats>,
}

pub struct TenantState {
    pub index: SessionIndex,
    pub recent: RecentRuns,
    /// Behind locks of their own because readers may begin them.
    pub sums: Mutex<Kept<Buckets>>,
    pub users: Mutex<Kept<UserTable>>,
}

/// All tenants. They are added and never taken away while the process lives.
#[derive(Default)]
pub struct Tenants {
    cells: RwLock<FxHashMap<Tenant, Arc<TenantCell>>>,
}

// === impl TenantCell ===

impl TenantCell {
    pub fn read(&self) -> RwLockReadGuard<'_, TenantState> {
        self.state.read()
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, TenantState> {
        self.state.write()
    }
}

// === impl TenantState ===

impl TenantState {
    /// A run of a session is different, new or gone.
    pub fn run_changed(&mut self, before: Option<&Arc<Run>>, after: Option<&Arc<Run>>) {
        self.sums.get_mut().change(before, after);
        self.users.get_mut().change(before, after);
    }

    /// Called now and then.
    pub fn settle(&mut self, now: UnixNanos) {
        self.sums.get_mut().settle(now);
    }
}

// === impl Tenants ===

impl Tenants {
    pub fn get(&self, name: &Tenant) -> Option<Arc<TenantCell>> {
        self.cells.read().get(name).cloned()
    }

    /// The cell of a tenant, made if it is new. Called by the fold thread.
    pub fn get_or_add(&self, name: &Tenant, now: UnixNanos) -> Arc<TenantCell> {
        if let Some(cell) = self.get(name) {
            return cell;
        }
        let next = TenantNo(self.all().iter().map(|cell| cell.no.0).max().map_or(1, |no| no + 1));
        let cell = self.add(next, name, SessionNo(1));
        // Who has no runs yet needs none to be read.
        *cell.write().sums.get_mut() = Kept::On(Buckets::begin(now));
        cell
    }

    pub fn add(&self, no: TenantNo, name: &Tenant, next_session: SessionNo) -> Arc<TenantCell> {
        let state = TenantState {
            index: SessionIndex::new(next_session),
            recent: RecentRuns::default(),
            sums: Mutex::default(),
            users: Mutex::default(),
        };
        let cell = Arc::new(TenantCell {
            no,
            name: name.clone(),
            state: FairLock::new(state),
            are_users_asked_for: AtomicBool::new(false),
            ingest_stats: Mutex::default(),
        });
        self.cells.write().insert(name.clone(), cell.clone());
        cell
    }

    /// What the indexes of all tenants take, and the figures that are kept beside them.
    pub fn index_bytes(&self) -> u64 {
        let of_cell = |cell: &Arc<TenantCell>| {
            let state = cell.read();
            let kept = state.sums.lock().memory_bytes() + state.users.lock().memory_bytes();
            (state.index.memory_bytes().total() + kept) as u64
        };
        self.all().iter().map(of_cell).sum()
    }

    pub fn all(&self) -> Vec<Arc<TenantCell>> {
        self.cells.read().values().cloned().collect()
    }
}
