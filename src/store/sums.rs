//! What runs come to together, by agent and by model.

use std::collections::BTreeMap;

use crate::model::Str;
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, UsageTotal};

/// Sums over some runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Under an empty name those of runs without an agent.
    pub agents: BTreeMap<Str, AgentSums>,
    /// By model and provider.
    pub models: BTreeMap<(Str, Str), UsageTotal>,
    pub usage: UsageTotal,
}

/// The part of one agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AgentSums {
    /// By `RunStatus as usize`.
    pub n_by_status: [u64; RunStatus::ALL.len()],
    pub cost: NanoUsd,
    pub tokens: u64,
    /// When the newest of its runs started.
    pub last_run: UnixNanos,
}

// === impl Sums ===

impl Sums {
    pub fn add(&mut self, run: &Run) {
        self.usage.add(&run.usage);
        match self.agents.get_mut(&run.agent) {
            Some(agent) => agent.add(run),
            None => self.agents.entry(run.agent.clone()).or_default().add(run),
        }
        for usage in &run.models {
            self.models.entry((usage.model.clone(), usage.provider.clone())).or_default().add(&usage.total);
        }
    }
}

// === impl AgentSums ===

impl AgentSums {
    pub fn n_runs(&self) -> u64 {
        self.n_by_status.iter().sum()
    }

    pub fn n_of(&self, status: RunStatus) -> u64 {
        self.n_by_status[status as usize]
    }

    pub fn add(&mut self, run: &Run) {
        self.n_by_status[run.status as usize] += 1;
        self.cost = NanoUsd(self.cost.0.wrapping_add(run.usage.cost.0));
        self.tokens = self.tokens.wrapping_add(run.usage.tokens);
        self.last_run = self.last_run.max(run.started_at);
    }

    /// The sums of both.
    pub fn join(&mut self, other: &Self) {
        self.n_by_status.iter_mut().zip(other.n_by_status).for_each(|(n, other)| *n += other);
        self.cost = NanoUsd(self.cost.0.wrapping_add(other.cost.0));
        self.tokens = self.tokens.wrapping_add(other.tokens);
        self.last_run = self.last_run.max(other.last_run);
    }
}
