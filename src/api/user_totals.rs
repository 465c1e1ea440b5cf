//! What a user's runs were together.

use std::collections::{BTreeMap, BTreeSet};

use super::query::gather::ENTRY_BYTES;
use crate::bounds::memory::{Permit, Spent};
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::run::Run;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;

/// Sums over the runs of one user.
pub(super) struct UserTotal {
    /// The group that the latest run names.
    pub(super) group: Option<Str>,
    group_at: UnixNanos,
    pub(super) run_count: u64,
    pub(super) first_seen: UnixNanos,
    pub(super) last_seen: UnixNanos,
    pub(super) duration: Nanos,
    pub(super) cost: NanoUsd,
    pub(super) tokens: u64,
    /// By name: its first run.
    agents: BTreeMap<Str, UnixNanos>,
    pub(super) cost_by_model: BTreeMap<Str, NanoUsd>,
    pub(super) sessions: BTreeSet<SessionId>,
}

impl UserTotal {
    /// What there can be any number of is paid for: agents, models, sessions.
    pub(super) fn add(&mut self, run: &Run, held: &mut Permit) -> Result<(), Spent> {
        if run.session.as_ref().is_some_and(|session| !self.sessions.contains(session)) {
            held.grow(ENTRY_BYTES)?;
        }
        if !self.agents.contains_key(&run.agent) {
            held.grow(ENTRY_BYTES)?;
        }
        self.run_count += 1;
        self.first_seen = self.first_seen.min(run.started_at);
        self.last_seen = self.last_seen.max(run.last_activity);
        self.duration = Nanos(self.duration.0.saturating_add(run.duration().map_or(0, |length| length.0)));
        self.cost = NanoUsd(self.cost.0.wrapping_add(run.usage.cost.0));
        self.tokens = self.tokens.wrapping_add(run.usage.tokens);
        if run.user_group.is_some() && run.started_at >= self.group_at {
            (self.group, self.group_at) = (run.user_group.clone(), run.started_at);
        }
        if !run.agent.is_empty() {
            let first = self.agents.entry(run.agent.clone()).or_insert(run.started_at);
            *first = run.started_at.min(*first);
        }
        for usage in &run.models {
            let cost = self.cost_by_model.entry(usage.model.clone()).or_default();
            *cost = NanoUsd(cost.0.wrapping_add(usage.total.cost.0));
        }
        self.sessions.extend(run.session.clone());
        Ok(())
    }

    /// In the order of each agent's first run, ties by name.
    pub(super) fn agents_in_order(&self) -> Vec<&str> {
        let mut agents: Vec<(UnixNanos, &str)> = self.agents.iter().map(|(name, first)| (*first, &**name)).collect();
        agents.sort_unstable();
        agents.into_iter().map(|(_, name)| name).collect()
    }
}

impl Default for UserTotal {
    fn default() -> Self {
        Self {
            group: None,
            group_at: UnixNanos::ZERO,
            run_count: 0,
            first_seen: UnixNanos::MAX,
            last_seen: UnixNanos::ZERO,
            duration: Nanos::ZERO,
            cost: NanoUsd(0),
            tokens: 0,
            agents: BTreeMap::new(),
            cost_by_model: BTreeMap::new(),
            sessions: BTreeSet::new(),
        }
    }
}
