//! Sums over the runs of a window.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use super::window::Asked;
use crate::api::Api;
use crate::api::refusal::Refusal;
use crate::model::Str;
use crate::model::ids::{RunId, Tenant};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::store::view::RunQuery;

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

/// A run in the order of its start.
struct ByStart(Run);

// === impl Gathered ===

impl Gathered {
    /// Sums up the runs of the window that `is_meant`, and keeps the newest `n_newest` of them.
    pub(super) async fn of(
        api: &Arc<Api>,
        tenant: Tenant,
        asked: &Asked,
        n_newest: usize,
        is_meant: impl Fn(&Run) -> bool + Send + 'static,
    ) -> Result<Self, Refusal> {
        let query = RunQuery { start: Some(asked.start()), ..RunQuery::default() };
        api.read(move |store| {
            let mut gathered = Self::default();
            let mut newest: BinaryHeap<Reverse<ByStart>> = BinaryHeap::new();
            store.runs(&tenant, &query, &mut |run| {
                if !is_meant(run) {
                    return;
                }
                gathered.add(run);
                let is_newer = newest.peek().is_none_or(|Reverse(oldest)| ByStart::rank(run) > ByStart::rank(&oldest.0));
                if newest.len() < n_newest {
                    newest.push(Reverse(ByStart(run.clone())));
                } else if n_newest > 0 && is_newer {
                    newest.pop();
                    newest.push(Reverse(ByStart(run.clone())));
                }
            })?;
            gathered.newest = newest.into_sorted_vec().into_iter().map(|Reverse(ByStart(run))| run).collect();
            Ok(gathered)
        })
        .await
    }

    pub(in crate::api) fn n_of(&self, status: RunStatus) -> u64 {
        self.by_status.get(status.as_str()).copied().unwrap_or(0)
    }

    fn add(&mut self, run: &Run) {
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
            self.models.entry((usage.model.clone(), usage.provider.clone())).or_default().add(&usage.total);
        }
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
