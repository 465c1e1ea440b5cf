//! Sums over runs by the time of their last activity, changed as the runs change.
//!
//! - A bucket is ten minutes. Sums change by difference and wrap, so that whatever was added can be taken away again.
//! - When an agent's newest run started is a bound that is exact unless the run that held it left; then only the runs of the bucket can
//!   tell, and [`Buckets::sums`] says that they must be read.
//! - Pure: no clock, no disk.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::kept::{Figures, Lost};
use crate::model::Str;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::store::sums::{AgentSums, Sums};

const BUCKET: u64 = 10 * 60 * 1_000_000_000;

/// So many agents and models in all buckets together are kept at most: 30 MiB.
const CELLS_MAX: usize = 200_000;

#[derive(Debug, Default)]
pub(super) struct Buckets {
    by_time: BTreeMap<u64, Bucket>,
    n_cells: usize,
    /// No run lasted longer from its start to its last activity, and none was active so long before its start.
    longest: u64,
    lead: u64,
}

/// The runs of a bucket that must be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unread {
    /// Where their last activity lies.
    pub(super) active: Range<u64>,
    /// Where their start can lie.
    pub(super) started: Range<u64>,
    /// Whether they are in no sum yet; else only when they started is asked for.
    pub(super) is_uncounted: bool,
}

#[derive(Debug, Default)]
struct Bucket {
    usage: UsageTotal,
    agents: BTreeMap<Str, AgentCell>,
    models: BTreeMap<(Str, Str), ModelCell>,
}

#[derive(Debug, Default)]
struct AgentCell {
    sums: AgentSums,
    /// The newest start may be later than that of any run.
    is_loose: bool,
}

#[derive(Debug, Default)]
struct ModelCell {
    n_runs: u64,
    total: UsageTotal,
}

// === impl Buckets ===

impl Figures for Buckets {
    fn memory_bytes(&self) -> usize {
        // Nodes of a B-tree are about two thirds full; names are mostly shared.
        (self.n_cells * size_of::<((Str, Str), ModelCell)>() + self.by_time.len() * size_of::<(u64, Bucket)>()) * 3 / 2
    }

    fn change(&mut self, before: Option<&Run>, after: Option<&Run>) -> Result<(), Lost> {
        if let Some(run) = before {
            self.take_away(run)?;
        }
        if let Some(run) = after {
            self.add(run);
        }
        if self.n_cells > CELLS_MAX { Err(Lost::TooMuch) } else { Ok(()) }
    }
}

impl Buckets {
    /// The sums over the runs that were active at `start` or later, and which runs must be read for that.
    pub(super) fn sums(&self, start: UnixNanos) -> (Sums, Vec<Unread>) {
        let mut sums = Sums::default();
        let mut unread = Vec::new();
        let first = start.0.div_ceil(BUCKET);
        if first > 0 && first * BUCKET != start.0 && self.by_time.contains_key(&(first - 1)) {
            unread.push(self.unread(start.0..first * BUCKET, true));
        }
        let mut loose: Vec<(u64, &Str, UnixNanos)> = Vec::new();
        for (number, bucket) in self.by_time.range(first..) {
            sums.usage.add(&bucket.usage);
            for (name, cell) in &bucket.agents {
                let mut of_bucket = cell.sums;
                if cell.is_loose {
                    loose.push((*number, name, cell.sums.last_run));
                    of_bucket.last_run = UnixNanos::ZERO;
                }
                match sums.agents.get_mut(name) {
                    Some(agent) => agent.join(&of_bucket),
                    None => _ = sums.agents.insert(name.clone(), of_bucket),
                }
            }
            for (model, cell) in &bucket.models {
                match sums.models.get_mut(model) {
                    Some(total) => total.add(&cell.total),
                    None => _ = sums.models.insert(model.clone(), cell.total),
                }
            }
        }
        // A bound that something certain reaches does not matter.
        let matters = |name: &Str, bound: UnixNanos| sums.agents.get(name).is_none_or(|agent| agent.last_run < bound);
        let numbers: FxHashSet<u64> =
            loose.into_iter().filter(|(_, name, bound)| matters(name, *bound)).map(|(number, ..)| number).collect();
        unread
            .extend(numbers.into_iter().map(|number| self.unread(number * BUCKET..number.saturating_add(1).saturating_mul(BUCKET), false)));
        (sums, unread)
    }

    fn unread(&self, active: Range<u64>, is_uncounted: bool) -> Unread {
        let started = active.start.saturating_sub(self.longest)..active.end.saturating_add(self.lead);
        Unread { active, started, is_uncounted }
    }

    fn add(&mut self, run: &Run) {
        let (start, last) = (run.started_at.0, run.last_activity.0);
        self.longest = self.longest.max(last.saturating_sub(start));
        self.lead = self.lead.max(start.saturating_sub(last));
        let bucket = self.by_time.entry(last / BUCKET).or_default();
        bucket.usage.add(&run.usage);
        let cell = match bucket.agents.get_mut(&run.agent) {
            Some(cell) => cell,
            None => {
                self.n_cells += 1;
                bucket.agents.entry(run.agent.clone()).or_default()
            }
        };
        cell.is_loose &= run.started_at < cell.sums.last_run;
        cell.sums.add(run);
        for usage in &run.models {
            let cell = bucket.models.entry((usage.model.clone(), usage.provider.clone())).or_default();
            self.n_cells += usize::from(cell.n_runs == 0);
            cell.n_runs += 1;
            cell.total.add(&usage.total);
        }
    }

    fn take_away(&mut self, run: &Run) -> Result<(), Lost> {
        let number = run.last_activity.0 / BUCKET;
        let bucket = self.by_time.get_mut(&number).ok_or(Lost::Unknown)?;
        bucket.usage.subtract(&run.usage);
        let cell = bucket.agents.get_mut(&run.agent).ok_or(Lost::Unknown)?;
        let n_of_status = &mut cell.sums.n_by_status[run.status as usize];
        *n_of_status = n_of_status.checked_sub(1).ok_or(Lost::Unknown)?;
        cell.sums.cost = NanoUsd(cell.sums.cost.0.wrapping_sub(run.usage.cost.0));
        cell.sums.tokens = cell.sums.tokens.wrapping_sub(run.usage.tokens);
        cell.is_loose |= run.started_at >= cell.sums.last_run;
        if cell.sums.n_runs() == 0 {
            bucket.agents.remove(&run.agent);
            self.n_cells -= 1;
        }
        for usage in &run.models {
            let key = (usage.model.clone(), usage.provider.clone());
            let cell = bucket.models.get_mut(&key).ok_or(Lost::Unknown)?;
            cell.n_runs = cell.n_runs.checked_sub(1).ok_or(Lost::Unknown)?;
            cell.total.subtract(&usage.total);
            if cell.n_runs == 0 {
                bucket.models.remove(&key);
                self.n_cells -= 1;
            }
        }
        if bucket.agents.is_empty() {
            self.by_time.remove(&number);
        }
        Ok(())
    }
}
