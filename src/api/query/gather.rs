//! Sums over the runs of a window.

use super::window::Asked;
use crate::api::refusal::Refusal;
use crate::bounds::memory::{Memory, Permit, Spent, Use};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::store::Store;
use crate::store::sums::AgentSums;
use crate::store::view::RunQuery;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What the runs of a window were together.
#[derive(Default)]
pub(in crate::api) struct Gathered {
    pub(in crate::api) n_runs: u64,
    pub(in crate::api) by_status: BTreeMap<&'static str, u64>,
    pub(in crate::api) usage: UsageTotal,
    pub(in crate::api) agents: BTreeMap<Str, AgentTotal>,
    /// By model and provider.
    pub(in crate::api) models: BTreeMap<(Str, Str), UsageTotal>,
    /// The newest by their start, newest first.
    pub(in crate::api) newest: Vec<Run>,
}

/// One agent in a window.
#[derive(Clone, Default)]
pub(in crate::api) struct AgentTotal {
    pub(in crate::api) n_runs: u64,
    pub(in crate::api) n_errors: u64,
    pub(in crate::api) n_running: u64,
    pub(in crate::api) cost: NanoUsd,
    pub(in crate::api) tokens: u64,
    pub(in crate::api) last_run: UnixNanos,
}

/// The newest runs of those that pass by, so many of them.
pub(in crate::api) struct Newest {
    runs: BinaryHeap<Reverse<ByStart>>,
    n_max: usize,
}

/// A run in the order of its start.
struct ByStart(Run);

/// About what a name takes in a map of sums, beside its text.
pub(in crate::api) const ENTRY_BYTES: usize = 256;
/// About what a run takes that is kept.
pub(in crate::api) const RUN_BYTES: usize = 1_024;

// === impl Gathered ===

impl Gathered {
    /// Sums up the runs of the window that `is_meant`, and keeps the newest `n_newest` of them. Blocks on disk.
    pub(super) fn of(
        store: &dyn Store,
        memory: &Memory,
        tenant: &Tenant,
        asked: &Asked,
        n_newest: usize,
        is_meant: impl Fn(&Run) -> bool,
    ) -> Result<Self, Refusal> {
        let query = RunQuery { start: Some(asked.start()), ..RunQuery::default() };
        let mut held = memory.take(Use::Sums, n_newest * RUN_BYTES)?;
        let mut gathered = Self::default();
        let mut newest = Newest::new(n_newest);
        let mut fits = Ok(());
        store.runs(tenant, &query, &mut |run| {
            if is_meant(run) && fits.is_ok() {
                fits = gathered.add(run, &mut held);
                newest.add(run);
            }
        })?;
        fits?;
        gathered.newest = newest.into_vec();
        Ok(gathered)
    }

    /// The sums over every run of the window, without the newest. Blocks on disk.
    pub(super) fn all(store: &dyn Store, memory: &Memory, tenant: &Tenant, asked: &Asked) -> Result<Self, Refusal> {
        let start = asked.start();
        let Some(sums) = store.sums(tenant, start)? else { return Self::of(store, memory, tenant, asked, 0, |_| true) };
        let names =
            sums.agents.keys().map(|agent| agent.len()).chain(sums.models.keys().map(|(model, provider)| model.len() + provider.len()));
        let _held = memory.take(Use::Sums, names.map(|n_bytes| ENTRY_BYTES + n_bytes).sum())?;
        let mut gathered = Self { usage: sums.usage, models: sums.models, ..Self::default() };
        for (name, sums) in sums.agents {
            gathered.n_runs += sums.n_runs();
            for status in RunStatus::ALL.into_iter().filter(|status| sums.n_of(*status) > 0) {
                *gathered.by_status.entry(status.as_str()).or_default() += sums.n_of(status);
            }
            gathered.agents.insert(name, AgentTotal::from(&sums));
        }
        Ok(gathered)
    }

    pub(in crate::api) fn n_of(&self, status: RunStatus) -> u64 {
        self.by_status.get(status.as_str()).copied().unwrap_or(0)
    }

    /// Names are what there can be any number of: each is paid for.
    fn add(&mut self, run: &Run, held: &mut Permit) -> Result<(), Spent> {
        if !self.agents.contains_key(&run.agent) {
            held.grow(ENTRY_BYTES + run.agent.len())?;
        }
        self.n_runs += 1;
        *self.by_status.entry(run.status.as_str()).or_default() += 1;
        self.usage.add(&run.usage);
        let agent = self.agents.entry(run.agent.clone()).or_default();
        agent.n_runs += 1;
        agent.n_errors += u64::from(run.status == RunStatus::Error);
        agent.n_running += u64::from(run.status == RunStatus::Running);
        agent.cost = NanoUsd(agent.cost.0.wrapping_add(run.usage.cost.0));
        agent.tokens = agent.tokens.wrapping_add(run.usage.tokens);
        agent.last_run = agent.last_run.max(run.started_at);
        for usage in &run.models {
            let key = (usage.model.clone(), usage.provider.clone());
            if !self.models.contains_key(&key) {
                held.grow(ENTRY_BYTES + key.0.len() + key.1.len())?;
            }
            self.models.entry(key).or_default().add(&usage.total);
        }
        Ok(())
    }
}

// === impl AgentTotal ===

impl From<&AgentSums> for AgentTotal {
    fn from(sums: &AgentSums) -> Self {
        Self {
            n_runs: sums.n_runs(),
            n_errors: sums.n_of(RunStatus::Error),
            n_running: sums.n_of(RunStatus::Running),
            cost: sums.cost,
            tokens: sums.tokens,
            last_run: sums.last_run,
        }
    }
}

// === impl Newest ===

impl Newest {
    pub(in crate::api) fn new(n_max: usize) -> Self {
        Self { runs: BinaryHeap::new(), n_max }
    }

    /// Whether it was among the newest when it came and none was pushed out for it.
    pub(in crate::api) fn add(&mut self, run: &Run) -> bool {
        if self.runs.len() < self.n_max {
            self.runs.push(Reverse(ByStart(run.clone())));
            return true;
        }
        let is_newer = self.runs.peek().is_some_and(|Reverse(oldest)| ByStart::rank(run) > ByStart::rank(&oldest.0));
        if is_newer {
            self.runs.pop();
            self.runs.push(Reverse(ByStart(run.clone())));
        }
        false
    }

    /// The newest first.
    pub(in crate::api) fn into_vec(self) -> Vec<Run> {
        self.runs.into_sorted_vec().into_iter().map(|Reverse(ByStart(run))| run).collect()
    }
}

// === impl ByStart ===

impl ByStart {
    fn rank(run: &Run) -> (UnixNanos, RunId) {
        (run.started_at, run.id)
    }
}

impl PartialEq for ByStart {
    fn eq(&self, other: &Self) -> bool {
        Self::rank(&self.0) == Self::rank(&other.0)
    }
}

impl Eq for ByStart {}

impl PartialOrd for ByStart {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByStart {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Self::rank(&self.0).cmp(&Self::rank(&other.0))
    }
}
