//! What is known of one tenant in memory: its sessions, and the runs that are newer than disk, behind one lock.
//!
//! One lock, because a page, its count and a session's runs must come from one state (`docs/decisions/001-one-lock-per-tenant.md`).

use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustc_hash::FxHashMap;

use super::disk::rows::TenantNo;
use super::recent::RecentRuns;
use super::seen::Seen;
use crate::index::{SessionIndex, SessionNo};
use crate::model::ids::Tenant;

pub(super) struct TenantCell {
    pub(super) no: TenantNo,
    pub(super) name: Tenant,
    /// Written by the fold thread alone, some times a second; read by every query.
    state: RwLock<TenantState>,
    /// What was sent. Not under the lock above, so that counting never waits for a query.
    pub(super) seen: Mutex<Seen>,
}

pub(super) struct TenantState {
    pub(super) index: SessionIndex,
    pub(super) recent: RecentRuns,
}

/// All tenants. They are added and never taken away while the process lives.
#[derive(Default)]
pub(super) struct Tenants {
    cells: RwLock<FxHashMap<Tenant, Arc<TenantCell>>>,
}

// === impl TenantCell ===

impl TenantCell {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, TenantState> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, TenantState> {
        self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

// === impl Tenants ===

impl Tenants {
    pub(super) fn get(&self, name: &Tenant) -> Option<Arc<TenantCell>> {
        self.cells.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(name).cloned()
    }

    /// The cell of a tenant, made if it is new. Called by the fold thread and while opening.
    pub(super) fn get_or_add(&self, name: &Tenant) -> Arc<TenantCell> {
        if let Some(cell) = self.get(name) {
            return cell;
        }
        let next = TenantNo(self.all().iter().map(|cell| cell.no.0).max().map_or(1, |no| no + 1));
        self.add(next, name, SessionNo(1))
    }

    pub(super) fn add(&self, no: TenantNo, name: &Tenant, next_session: SessionNo) -> Arc<TenantCell> {
        let state = TenantState { index: SessionIndex::new(next_session), recent: RecentRuns::default() };
        let cell = Arc::new(TenantCell { no, name: name.clone(), state: RwLock::new(state), seen: Mutex::default() });
        self.cells.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name.clone(), cell.clone());
        cell
    }

    /// What the indexes of all tenants take.
    pub(super) fn index_bytes(&self) -> u64 {
        self.all().iter().map(|cell| cell.read().index.memory_bytes().total() as u64).sum()
    }

    pub(super) fn all(&self) -> Vec<Arc<TenantCell>> {
        self.cells.read().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect()
    }
}
