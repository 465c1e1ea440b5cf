//! What the runs of one bucket of time come to, by agent and by the models that they called.

use std::collections::BTreeMap;

use super::kept::Lost;
use super::tool_names::ToolNames;
use crate::model::Str;
use crate::model::run::Run;
use crate::model::tally::Tally;
use crate::model::time::UnixNanos;
use crate::model::tool::{ToolCalls, ToolUsage};
use crate::model::usage::{ModelUsage, UsageTotal};
use crate::store::sums::AgentSums;

/// The runs whose last activity lies in one bucket.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bucket {
    /// No run lasted longer from its start to its last activity, and none was active so long before its start.
    pub longest: u64,
    pub lead: u64,
    /// Under an empty name runs without an agent.
    pub agents: BTreeMap<Str, AgentCell>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct AgentCell {
    pub tally: Tally,
    /// No run started later; see `is_loose`.
    pub last_run: UnixNanos,
    /// `last_run` may be later than the start of any run, since the run that held it left.
    pub is_loose: bool,
    /// No run cost more, in nano-USD.
    pub dearest: u64,
    /// None that has ended lasted longer, in nanoseconds.
    pub slowest: u64,
    pub models: BTreeMap<Str, ModelCell>,
    /// Under an empty name those that are not kept by their names.
    pub tools: BTreeMap<Str, ToolCell>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct ToolCell {
    pub calls: ToolCalls,
    pub n_runs: u64,
    /// No run of these was active later. It stays where the run that held it left, so it can be too late by the length of a bucket.
    pub last_seen: UnixNanos,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct ModelCell {
    pub tally: Tally,
    pub providers: Vec<ProviderCell>,
}

/// The share of a model as one provider has it.
#[derive(Clone, PartialEq, Debug)]
pub struct ProviderCell {
    pub name: Str,
    pub n_runs: u64,
    pub usage: UsageTotal,
}

// === impl Bucket ===

impl Bucket {
    pub fn n_cells(&self) -> usize {
        self.agents.values().map(AgentCell::n_cells).sum()
    }

    /// How many cells there are more.
    pub fn add(&mut self, run: &Run, names: &mut ToolNames) -> usize {
        let (start, last) = (run.started_at.0, run.last_activity.0);
        self.longest = self.longest.max(last.saturating_sub(start));
        self.lead = self.lead.max(start.saturating_sub(last));
        match self.agents.get_mut(&run.agent) {
            Some(cell) => cell.add(run, names),
            None => 1 + self.agents.entry(run.agent.clone()).or_default().add(run, names),
        }
    }

    /// How many cells there are fewer.
    pub fn take_away(&mut self, run: &Run) -> Result<usize, Lost> {
        let cell = self.agents.get_mut(&run.agent).ok_or(Lost::Unknown)?;
        let fewer = cell.take_away(run)?;
        if cell.tally.n_runs() > 0 {
            return Ok(fewer);
        }
        self.agents.remove(&run.agent);
        Ok(fewer + 1)
    }

    pub fn join(&mut self, other: Self) {
        self.longest = self.longest.max(other.longest);
        self.lead = self.lead.max(other.lead);
        for (name, cell) in other.agents {
            self.agents.entry(name).or_default().join(cell);
        }
    }
}

// === impl AgentCell ===

impl AgentCell {
    /// Agents, models, providers and tools.
    fn n_cells(&self) -> usize {
        1 + self.tools.len() + self.models.values().map(|cell| 1 + cell.providers.len()).sum::<usize>()
    }

    /// The part that [`crate::store::sums`] knows of.
    pub fn sums(&self) -> AgentSums {
        let usage = &self.tally.usage;
        AgentSums { n_by_status: self.tally.n_by_status, cost: usage.cost, tokens: usage.tokens, last_run: self.last_run }
    }

    fn add(&mut self, run: &Run, names: &mut ToolNames) -> usize {
        self.is_loose &= run.started_at < self.last_run;
        self.last_run = self.last_run.max(run.started_at);
        self.dearest = self.dearest.max(run.usage.cost.0);
        self.slowest = self.slowest.max(run.duration().map_or(0, |length| length.0));
        self.tally.add(run, &run.usage);
        let mut n_new = 0;
        for shares in run.models.chunk_by(|a, b| a.model == b.model) {
            let model = &shares[0].model;
            if !self.models.contains_key(model) {
                n_new += 1;
                self.models.insert(model.clone(), ModelCell::default());
            }
            n_new += self.models.get_mut(model).map_or(0, |cell| cell.add(run, shares));
        }
        n_new + self.add_tools(run, names)
    }

    fn take_away(&mut self, run: &Run) -> Result<usize, Lost> {
        self.is_loose |= run.started_at >= self.last_run;
        known(self.tally.subtract(run, &run.usage))?;
        let mut n_gone = 0;
        for shares in run.models.chunk_by(|a, b| a.model == b.model) {
            let model = &shares[0].model;
            let cell = self.models.get_mut(model).ok_or(Lost::Unknown)?;
            n_gone += cell.take_away(run, shares)?;
            if cell.providers.is_empty() {
                n_gone += 1;
                self.models.remove(model);
            }
        }
        Ok(n_gone + self.take_away_tools(run)?)
    }

    fn add_tools(&mut self, run: &Run, names: &mut ToolNames) -> usize {
        let mut n_new = 0;
        let mut has_others = false;
        for usage in &run.tools {
            // What has a cell under its own name is known.
            let name = if self.tools.contains_key(&usage.tool) { usage.tool.clone() } else { names.learn(&usage.tool) };
            let is_further = name.is_empty() && has_others;
            has_others |= name.is_empty();
            let before = self.tools.len();
            self.tools.entry(name).or_default().add(usage, run, is_further);
            n_new += self.tools.len() - before;
        }
        n_new
    }

    fn take_away_tools(&mut self, run: &Run) -> Result<usize, Lost> {
        let mut n_gone = 0;
        let mut has_others = false;
        for usage in &run.tools {
            // What has no cell of its own was not known when it was added, and never is as long as these sums are.
            let name: &str = if self.tools.contains_key(&usage.tool) { &usage.tool } else { "" };
            let cell = self.tools.get_mut(name).ok_or(Lost::Unknown)?;
            cell.n_runs = cell.n_runs.checked_sub(u64::from(!(name.is_empty() && has_others))).ok_or(Lost::Unknown)?;
            has_others |= name.is_empty();
            known(cell.calls.take_away(&usage.calls))?;
        }
        if !run.tools.is_empty() {
            let before = self.tools.len();
            self.tools.retain(|_, cell| cell.n_runs > 0);
            n_gone = before - self.tools.len();
        }
        Ok(n_gone)
    }

    fn join(&mut self, other: Self) {
        self.is_loose = match self.last_run.cmp(&other.last_run) {
            std::cmp::Ordering::Less => other.is_loose,
            std::cmp::Ordering::Equal => self.is_loose && other.is_loose,
            std::cmp::Ordering::Greater => self.is_loose,
        };
        self.last_run = self.last_run.max(other.last_run);
        self.dearest = self.dearest.max(other.dearest);
        self.slowest = self.slowest.max(other.slowest);
        self.tally.join(&other.tally);
        for (model, cell) in other.models {
            self.models.entry(model).or_default().join(cell);
        }
        for (tool, cell) in other.tools {
            self.tools.entry(tool).or_default().join(&cell);
        }
    }
}

// === impl ToolCell ===

impl ToolCell {
    /// `is_further`: the run is counted already, by another tool that is kept under the same name.
    fn add(&mut self, usage: &ToolUsage, run: &Run, is_further: bool) {
        self.calls.join(&usage.calls);
        self.n_runs += u64::from(!is_further);
        self.last_seen = self.last_seen.max(run.last_activity);
    }

    fn join(&mut self, other: &Self) {
        self.calls.join(&other.calls);
        self.n_runs += other.n_runs;
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

// === impl ModelCell ===

impl ModelCell {
    fn add(&mut self, run: &Run, shares: &[ModelUsage]) -> usize {
        self.tally.add(run, &together(shares));
        let mut n_new = 0;
        for share in shares {
            let provider = match self.providers.iter_mut().find(|provider| provider.name == share.provider) {
                Some(provider) => provider,
                None => {
                    n_new += 1;
                    self.providers.push_mut(ProviderCell { name: share.provider.clone(), n_runs: 0, usage: UsageTotal::default() })
                }
            };
            provider.n_runs += 1;
            provider.usage.add(&share.total);
        }
        n_new
    }

    fn take_away(&mut self, run: &Run, shares: &[ModelUsage]) -> Result<usize, Lost> {
        known(self.tally.subtract(run, &together(shares)))?;
        let before = self.providers.len();
        for share in shares {
            let provider = self.providers.iter_mut().find(|provider| provider.name == share.provider).ok_or(Lost::Unknown)?;
            provider.n_runs = provider.n_runs.checked_sub(1).ok_or(Lost::Unknown)?;
            provider.usage.subtract(&share.total);
        }
        self.providers.retain(|provider| provider.n_runs > 0);
        Ok(before - self.providers.len())
    }

    fn join(&mut self, other: Self) {
        self.tally.join(&other.tally);
        for theirs in other.providers {
            match self.providers.iter_mut().find(|provider| provider.name == theirs.name) {
                Some(ours) => {
                    ours.n_runs += theirs.n_runs;
                    ours.usage.add(&theirs.usage);
                }
                None => self.providers.push(theirs),
            }
        }
    }
}

fn together(shares: &[ModelUsage]) -> UsageTotal {
    let mut total = shares[0].total;
    shares[1..].iter().for_each(|share| total.add(&share.total));
    total
}

fn known(was_there: bool) -> Result<(), Lost> {
    if was_there { Ok(()) } else { Err(Lost::Unknown) }
}
