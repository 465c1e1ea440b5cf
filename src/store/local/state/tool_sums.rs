//! The calls of tools in some buckets, by tool and agent, and those of one tool over time.

use rustc_hash::FxHashMap;

use super::cells::{Bucket, ToolCell};
use crate::model::Str;
use crate::model::durations::Durations;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::ToolCalls;
use crate::store::series::{Series, SeriesQuery, ToolShare};

/// Calls that many others are added to: as [`ToolCalls::join`], and many times faster.
#[derive(Clone)]
struct CallSum {
    n_calls: u64,
    n_errors: u64,
    total: u64,
    counts: Box<[u32; 256]>,
    n_runs: u64,
    last_seen: UnixNanos,
}

/// Sums by agent and tool. Names are shared within a bucket, and mostly among buckets, so that where they lie is mostly enough to know them.
#[derive(Default)]
struct ByNames<'a> {
    by_place: FxHashMap<(Place, Place), usize>,
    by_name: FxHashMap<(&'a Str, &'a Str), usize>,
    sums: Vec<(&'a Str, &'a Str, CallSum)>,
}

type Place = (usize, usize);

/// Adds the calls of a query's agent, or of all, to what a series tells of tools.
pub(super) fn add<'a>(buckets: impl Iterator<Item = (&'a u64, &'a Bucket)>, query: &SeriesQuery, series: &mut Series) {
    let mut sums = ByNames::default();
    let mut points: Vec<Option<CallSum>> = vec![None; series.calls.len()];
    for (begin, bucket) in buckets {
        let at = usize::try_from((begin - query.since.0) / query.step.0.max(1)).unwrap_or(usize::MAX);
        for (agent, cell) in bucket.agents.iter().filter(|(name, _)| query.agent.as_ref().is_none_or(|agent| agent == *name)) {
            for (tool, cell) in cell.tools.iter().filter(|(name, _)| query.tool.as_ref().is_none_or(|tool| tool == *name)) {
                sums.sum(agent, tool).add(cell);
                points.get_mut(at).into_iter().for_each(|point| point.get_or_insert_default().add(cell));
            }
        }
    }
    for (point, sum) in series.calls.iter_mut().zip(points).filter_map(|(point, sum)| Some((point, sum?))) {
        point.join(&sum.calls());
    }
    let tools = series.tools.get_or_insert_default();
    for (agent, tool, sum) in sums.sums {
        let calls = sum.calls();
        let share: &mut ToolShare = tools.entry(tool.clone()).or_default();
        share.calls.join(&calls);
        share.n_runs += sum.n_runs;
        share.last_seen = share.last_seen.max(sum.last_seen);
        share.agents.entry(agent.clone()).or_default().join(&calls);
    }
}

fn place(name: &Str) -> Place {
    (name.as_ptr() as usize, name.len())
}

// === impl ByNames ===

impl<'a> ByNames<'a> {
    fn sum(&mut self, agent: &'a Str, tool: &'a Str) -> &mut CallSum {
        let places = (place(agent), place(tool));
        let at = match self.by_place.get(&places) {
            Some(at) => *at,
            None => {
                let at = *self.by_name.entry((agent, tool)).or_insert(self.sums.len());
                if at == self.sums.len() {
                    self.sums.push((agent, tool, CallSum::default()));
                }
                self.by_place.insert(places, at);
                at
            }
        };
        &mut self.sums[at].2
    }
}

// === impl CallSum ===

impl CallSum {
    fn add(&mut self, cell: &ToolCell) {
        self.n_calls += cell.calls.n_calls;
        self.n_errors += cell.calls.n_errors;
        self.total = self.total.wrapping_add(cell.calls.total.0);
        self.n_runs += cell.n_runs;
        self.last_seen = self.last_seen.max(cell.last_seen);
        for (bin, count) in cell.calls.durations.bins() {
            let sum = &mut self.counts[usize::from(*bin)];
            *sum = sum.saturating_add(*count);
        }
    }

    fn calls(&self) -> ToolCalls {
        let durations = Durations::from_counts(&self.counts[..]);
        ToolCalls { n_calls: self.n_calls, n_errors: self.n_errors, total: Nanos(self.total), durations }
    }
}

impl Default for CallSum {
    fn default() -> Self {
        Self { n_calls: 0, n_errors: 0, total: 0, counts: Box::new([0; 256]), n_runs: 0, last_seen: UnixNanos::ZERO }
    }
}
