//! The calls of tools in some buckets, by tool and agent, and those of one tool over time.

use rustc_hash::FxHashMap;

use super::cells::Bucket;
use crate::model::Str;
use crate::model::time::UnixNanos;
use crate::model::tool::ToolCalls;
use crate::store::series::{Series, SeriesQuery, ToolShare};

/// The calls that one agent made of one tool.
struct Sum<'a> {
    agent: &'a Str,
    tool: &'a Str,
    calls: ToolCalls,
    n_runs: u64,
    last_seen: UnixNanos,
}

/// Sums by agent and tool. Names are mostly shared, so that where they lie is mostly enough to know them.
#[derive(Default)]
struct ByNames<'a> {
    by_address: FxHashMap<(NameAddress, NameAddress), usize>,
    by_name: FxHashMap<(&'a Str, &'a Str), usize>,
    sums: Vec<Sum<'a>>,
}

/// Where a name lies, and its length: an empty one lies at the end of what is before another.
type NameAddress = (usize, usize);

/// Adds the calls of a query's agent, or of all, to what a series tells of tools.
pub(super) fn add<'a>(buckets: impl Iterator<Item = (&'a u64, &'a Bucket)>, query: &SeriesQuery, series: &mut Series) {
    let mut by_names = ByNames::default();
    for (begin, bucket) in buckets {
        let at = usize::try_from((begin - query.since.0) / query.step.0.max(1)).unwrap_or(usize::MAX);
        for (agent, cell) in bucket.agents.iter().filter(|(name, _)| query.agent.as_ref().is_none_or(|agent| agent == *name)) {
            for (tool, cell) in cell.tools.iter().filter(|(name, _)| query.tool.as_ref().is_none_or(|tool| tool == *name)) {
                let sum = by_names.sum(agent, tool);
                sum.calls.join(&cell.calls);
                sum.n_runs += cell.n_runs;
                sum.last_seen = sum.last_seen.max(cell.last_seen);
                series.calls.get_mut(at).into_iter().for_each(|point| point.join(&cell.calls));
            }
        }
    }
    let tools = series.tools.get_or_insert_default();
    for Sum { agent, tool, calls, n_runs, last_seen } in by_names.sums {
        let share: &mut ToolShare = tools.entry(tool.clone()).or_default();
        share.calls.join(&calls);
        share.n_runs += n_runs;
        share.last_seen = share.last_seen.max(last_seen);
        share.agents.entry(agent.clone()).or_default().join(&calls);
    }
}

fn address(name: &Str) -> NameAddress {
    (name.as_ptr() as usize, name.len())
}

// === impl ByNames ===

impl<'a> ByNames<'a> {
    fn sum(&mut self, agent: &'a Str, tool: &'a Str) -> &mut Sum<'a> {
        let addresses = (address(agent), address(tool));
        let at = match self.by_address.get(&addresses) {
            Some(at) => *at,
            None => {
                let at = *self.by_name.entry((agent, tool)).or_insert(self.sums.len());
                if at == self.sums.len() {
                    self.sums.push(Sum { agent, tool, calls: ToolCalls::default(), n_runs: 0, last_seen: UnixNanos::ZERO });
                }
                self.by_address.insert(addresses, at);
                at
            }
        };
        &mut self.sums[at]
    }
}
