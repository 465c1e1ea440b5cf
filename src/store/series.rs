//! What runs come to over time: points of equal length, and all of them by agent and by model.
//!
//! A run is counted where its last activity lies: at its end, and until then when it was last heard of.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::Str;
use crate::model::query::ToolSort;
use crate::model::run::Run;
use crate::model::tally::Tally;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::ToolCalls;

/// Points that one answer has at most.
pub const POINTS_MAX: u64 = 400;

const MINUTE: u64 = 60 * 1_000_000_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The steps below a day: those from an hour on are whole hours, and all are parts of a day.
pub const STEPS: [Nanos; 9] = [
    Nanos(10 * MINUTE),
    Nanos(20 * MINUTE),
    Nanos(30 * MINUTE),
    Nanos(HOUR),
    Nanos(2 * HOUR),
    Nanos(3 * HOUR),
    Nanos(4 * HOUR),
    Nanos(6 * HOUR),
    Nanos(12 * HOUR),
];

/// Which runs are asked for; every condition that is there must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeriesQuery {
    /// Rounded down to a whole step, and `until`, which is not in it, up: a point is never cut.
    pub since: UnixNanos,
    pub until: UnixNanos,
    /// How long a point is at least. Points are counted from the Unix epoch on, so that days are those of UTC.
    pub step: Nanos,
    /// Exactly this name; empty for runs without one.
    pub agent: Option<Str>,
    /// Runs with a call of this model, and of what they used the share of it.
    pub model: Option<Str>,
    /// With a user the runs themselves are read.
    pub user: Option<Str>,
    /// Runs that called this tool. Of them only the calls of the tool are told, not what else they came to.
    pub tool: Option<Str>,
}

/// The answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Series {
    /// As rounded.
    pub since: UnixNanos,
    /// Longer than asked for where there would be too many, or where what lies so far back is not kept so exactly any more.
    pub step: Nanos,
    /// From `since` on, without a gap.
    pub points: Vec<Tally>,
    pub total: Tally,
    /// Under an empty name those of runs without an agent.
    pub agents: BTreeMap<Str, Tally>,
    pub models: BTreeMap<Str, ModelTally>,
    /// Under an empty name the calls of tools that are not kept by their names. `None` where a model is asked for: nobody says which
    /// model asked for a call.
    pub tools: Option<BTreeMap<Str, ToolShare>>,
    /// Where a tool is asked for, its calls in each of the points; else nothing.
    pub calls: Vec<ToolCalls>,
    /// Runs without a session are counted too, unless there are too many to read them.
    pub has_sessionless: bool,
}

/// The share of one model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelTally {
    pub tally: Tally,
    pub providers: BTreeSet<Str>,
}

/// The calls of one tool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ToolShare {
    pub calls: ToolCalls,
    /// Runs that called it.
    pub n_runs: u64,
    /// When the newest of them was last active. Where that one left it can be too late, by ten minutes, an hour or a day, by its age.
    pub last_seen: UnixNanos,
    /// By the agents that called it, under an empty name those of runs without one.
    pub agents: BTreeMap<Str, ToolCalls>,
}

/// Runs that called a tool and stand out by that; each list has at most the number asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Callers {
    /// The one with the slowest call first, as far as durations are told apart ([`crate::model::durations`]).
    pub slowest: Vec<Run>,
    /// The newest first, of those with a failed call.
    pub failed: Vec<Run>,
    /// The newest first.
    pub latest: Vec<Run>,
    /// Whether all runs were looked at that can be among them.
    pub is_complete: bool,
}

/// Runs that stand out among those of a [`SeriesQuery`], and its users; each list has at most the number asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Leading {
    /// The dearest first.
    pub dearest: Vec<Run>,
    /// The slowest first; only runs that have ended.
    pub slowest: Vec<Run>,
    /// The newest first, of the runs with status `error`.
    pub failed: Vec<Run>,
    /// The dearest first. `None` where there are too many runs to read them all.
    pub users: Option<Vec<UserShare>>,
    /// Whether all runs were looked at that can be among them: a few buckets with very many runs are not.
    pub is_complete: bool,
}

/// What the runs of one user come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserShare {
    pub user: Str,
    pub tally: Tally,
}

// === impl SeriesQuery ===

impl SeriesQuery {
    /// Whether the run is meant, apart from when it was.
    pub fn matches(&self, run: &Run) -> bool {
        self.agent.as_ref().is_none_or(|agent| run.agent == *agent)
            && self.model.as_ref().is_none_or(|model| run.models.iter().any(|usage| usage.model == *model))
            && self.user.as_ref().is_none_or(|user| run.user.as_ref() == Some(user))
            && self.tool.as_ref().is_none_or(|tool| run.calls_of(tool).is_some())
    }

    /// The same with whole steps of one of [`STEPS`] or of whole days, of at least `least` and as long as was asked for.
    #[must_use]
    pub fn rounded(&self, least: Nanos) -> Self {
        let n_points = |step: u64| self.until.0.div_ceil(step).saturating_sub(self.since.0 / step);
        let mut steps = STEPS.into_iter().chain((1..).map(|days| Nanos(DAY * days)));
        let fits = |step: &Nanos| *step >= self.step.max(least) && n_points(step.0) <= POINTS_MAX;
        let step = steps.find(fits).map_or(DAY, |step| step.0);
        let (since, until) = (self.since.0 / step * step, self.until.0.div_ceil(step).saturating_mul(step));
        Self { since: UnixNanos(since), until: UnixNanos(until), step: Nanos(step), ..self.clone() }
    }
}

// === impl Series ===

impl Series {
    /// Nothing, for a query that is rounded.
    pub fn empty(query: &SeriesQuery) -> Self {
        let n_points = query.until.0.saturating_sub(query.since.0) / query.step.0.max(1);
        let n_points = usize::try_from(n_points).unwrap_or(0);
        Self {
            since: query.since,
            step: query.step,
            points: vec![Tally::default(); n_points],
            total: Tally::default(),
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            tools: query.model.is_none().then(BTreeMap::new),
            calls: vec![ToolCalls::default(); if query.tool.is_some() { n_points } else { 0 }],
            has_sessionless: true,
        }
    }

    /// The agents that cost most first; ties by runs, then by name.
    pub fn agents_by_cost(&self) -> Vec<(&Str, &Tally)> {
        let mut agents: Vec<_> = self.agents.iter().collect();
        agents.sort_by_key(|(_, tally)| Reverse((tally.usage.cost, tally.n_runs())));
        agents
    }

    /// The models that cost most first; ties by runs, then by name.
    pub fn models_by_cost(&self) -> Vec<(&Str, &ModelTally)> {
        let mut models: Vec<_> = self.models.iter().collect();
        models.sort_by_key(|(_, model)| Reverse((model.tally.usage.cost, model.tally.n_runs())));
        models
    }

    /// The tools that took most time first; ties by calls, then by name.
    pub fn tools_by_time(&self) -> Vec<(&Str, &ToolShare)> {
        let mut tools: Vec<_> = self.tools.iter().flatten().collect();
        tools.sort_by_key(|(_, tool)| Reverse((tool.calls.total, tool.calls.n_calls)));
        tools
    }

    /// The tools whose names contain a text in small letters, in some order; ties by name.
    pub fn tools_sorted(&self, search: Option<&str>, sort: ToolSort, descending: bool) -> Vec<(&Str, &ToolShare)> {
        let is_meant = |name: &str| search.is_none_or(|search| name.to_ascii_lowercase().contains(search));
        let mut tools: Vec<_> = self.tools.iter().flatten().filter(|(name, _)| is_meant(name)).collect();
        match (sort, descending) {
            // They are in the order of their names.
            (ToolSort::ToolName, true) => tools.reverse(),
            (ToolSort::ToolName, false) => {}
            (_, true) => tools.sort_by_cached_key(|(_, tool)| Reverse(tool.key(sort))),
            (_, false) => tools.sort_by_cached_key(|(_, tool)| tool.key(sort)),
        }
        tools
    }

    /// Where a point begins.
    pub fn start_of(&self, point: usize) -> UnixNanos {
        self.since.plus(Nanos(self.step.0.saturating_mul(point as u64)))
    }

    /// The end of the last point.
    pub fn until(&self) -> UnixNanos {
        self.start_of(self.points.len())
    }
}

// === impl ToolShare ===

impl ToolShare {
    fn key(&self, sort: ToolSort) -> u64 {
        let quantile = |of_thousand| self.calls.durations.quantile(of_thousand).map_or(0, |length| length.0);
        match sort {
            ToolSort::TotalDuration => self.calls.total.0,
            ToolSort::CallCount => self.calls.n_calls,
            ToolSort::ErrorCount => self.calls.n_errors,
            // In millionths.
            ToolSort::ErrorRate => (u128::from(self.calls.n_errors) * 1_000_000 / u128::from(self.calls.n_calls.max(1))) as u64,
            ToolSort::DurationP50 => quantile(500),
            ToolSort::DurationP95 => quantile(950),
            ToolSort::LastSeen => self.last_seen.0,
            ToolSort::ToolName => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(since: u64, until: u64, step: u64, least: u64) -> (u64, u64, u64) {
        let (agent, model, user, tool) = (None, None, None, None);
        let query = SeriesQuery { since: UnixNanos(since), until: UnixNanos(until), step: Nanos(step), agent, model, user, tool };
        let rounded = query.rounded(Nanos(least));
        (rounded.since.0 / MINUTE, rounded.until.0 / MINUTE, rounded.step.0 / MINUTE)
    }

    #[test]
    fn points_are_whole_and_not_too_many() {
        assert_eq!(rounded(25 * MINUTE, 61 * MINUTE, 1, 1), (20, 70, 10));
        assert_eq!(rounded(25 * MINUTE, 61 * MINUTE, 25 * MINUTE, 1), (0, 90, 30));
        assert_eq!(rounded(25 * MINUTE, 61 * MINUTE, 1, HOUR), (0, 120, 60));
        assert_eq!(rounded(0, 400 * DAY, HOUR, 1), (0, 400 * 1_440, 1_440));
        assert_eq!(rounded(0, 401 * DAY, HOUR, 1), (0, 402 * 1_440, 2 * 1_440));
        // The end of time is not reached, and neither is an overflow.
        assert_eq!(rounded(0, u64::MAX, HOUR, 1).2 % 1_440, 0);
        assert_eq!(rounded(5 * DAY, 2 * DAY, HOUR, 1).2, 60);
    }
}
