//! The arithmetic of one session: what a run adds to it, and what is left when a run goes.
//!
//! - Sums change by difference and wrap, so that whatever was added can be taken away again.
//! - A minimum or maximum that only grows outwards is exact. When the run that held it leaves, only all runs together know the next one,
//!   and the answer is [`Fit::Loose`]: until then the old bound stays, which is never too narrow.
//! - Pure: no tables, no rows.

use crate::model::query::SortField;
use crate::model::run::{Run, RunStatus};

/// Whether figures still are what all runs say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Fit {
    Exact,
    /// A bound may be wider than the runs.
    Loose,
}

/// All numbers of a session; times in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Figures {
    pub(super) first_run: u64,
    pub(super) last_activity: u64,
    /// The same two over the runs whose times are believable; both 0 if there is none.
    pub(super) sort_first_run: u64,
    pub(super) sort_activity: u64,
    pub(super) total_duration: u64,
    pub(super) total_cost: u64,
    pub(super) total_tokens: u64,
    pub(super) unpriced_calls: u64,
    pub(super) run_count: u32,
    pub(super) error_count: u32,
    pub(super) running_count: u32,
    pub(super) tool_errors: u32,
}

/// The part of one agent in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    pub(super) agent: u32,
    pub(super) run_count: u32,
    pub(super) first_run: u64,
    pub(super) last_activity: u64,
}

/// When a run was active, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Interval {
    pub(super) start: u64,
    pub(super) end: u64,
}

// === impl Fit ===

impl Fit {
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Exact { other } else { self }
    }
}

// === impl Interval ===

impl Interval {
    /// A run that claims to end before it starts was active at its start: it lasts no time, and not less.
    pub(super) fn of(run: &Run) -> Self {
        Self { start: run.started_at.0, end: run.last_activity.max(run.started_at).0 }
    }

    /// The smallest that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

// === impl Figures ===

impl Figures {
    /// What these runs say together.
    pub(super) fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut figures = Self::default();
        let (mut all, mut believable) = (None, None);
        for run in runs {
            figures.add_sums(run);
            widen(&mut all, Interval::of(run));
            if !run.is_future {
                widen(&mut believable, Interval::of(run));
            }
        }
        if let Some(Interval { start, end }) = all {
            (figures.first_run, figures.last_activity) = (start, end);
        }
        if let Some(Interval { start, end }) = believable {
            (figures.sort_first_run, figures.sort_activity) = (start, end);
        }
        figures
    }

    /// `before` leaves, `after` comes.
    pub(super) fn change(&mut self, before: Option<&Run>, after: Option<&Run>) -> Fit {
        let is_known = before.is_none() || self.run_count > 0;
        if self.run_count.saturating_sub(u32::from(before.is_some())) == 0 {
            *self = Self::of(after.into_iter());
            return if is_known { Fit::Exact } else { Fit::Loose };
        }
        if let Some(run) = before {
            self.subtract_sums(run);
        }
        if let Some(run) = after {
            self.add_sums(run);
        }
        let (leaving, coming) = (before.map(Interval::of), after.map(Interval::of));
        let times = stretch(&mut self.first_run, &mut self.last_activity, leaving, coming);

        let believable = |run: Option<&Run>| run.filter(|run| !run.is_future).map(Interval::of);
        times.and(self.change_sort_times(believable(before), believable(after)))
    }

    fn change_sort_times(&mut self, leaving: Option<Interval>, coming: Option<Interval>) -> Fit {
        let has_none = (self.sort_first_run, self.sort_activity) == (0, 0);
        let Some(new) = coming.filter(|_| has_none) else {
            return stretch(&mut self.sort_first_run, &mut self.sort_activity, leaving, coming);
        };
        // Zeros are either believable runs without times or no believable run at all; only the runs can tell.
        self.sort_activity = new.end;
        if new == (Interval { start: 0, end: 0 }) { Fit::Exact } else { Fit::Loose }
    }

    fn add_sums(&mut self, run: &Run) {
        self.run_count = self.run_count.wrapping_add(1);
        self.error_count = self.error_count.wrapping_add(u32::from(run.status == RunStatus::Error));
        self.running_count = self.running_count.wrapping_add(u32::from(run.status == RunStatus::Running));
        self.tool_errors = self.tool_errors.wrapping_add(run.tool_errors);
        self.total_duration = self.total_duration.wrapping_add(duration(run));
        self.total_cost = self.total_cost.wrapping_add(run.usage.cost.0);
        self.total_tokens = self.total_tokens.wrapping_add(run.usage.tokens);
        self.unpriced_calls = self.unpriced_calls.wrapping_add(run.usage.unpriced_calls);
    }

    fn subtract_sums(&mut self, run: &Run) {
        self.run_count = self.run_count.wrapping_sub(1);
        self.error_count = self.error_count.wrapping_sub(u32::from(run.status == RunStatus::Error));
        self.running_count = self.running_count.wrapping_sub(u32::from(run.status == RunStatus::Running));
        self.tool_errors = self.tool_errors.wrapping_sub(run.tool_errors);
        self.total_duration = self.total_duration.wrapping_sub(duration(run));
        self.total_cost = self.total_cost.wrapping_sub(run.usage.cost.0);
        self.total_tokens = self.total_tokens.wrapping_sub(run.usage.tokens);
        self.unpriced_calls = self.unpriced_calls.wrapping_sub(run.usage.unpriced_calls);
    }

    /// What a list is ordered by; ids are not figures and have their own key.
    pub(super) fn key(&self, field: SortField) -> u64 {
        match field {
            SortField::LastActivity => self.sort_activity,
            SortField::FirstRun => self.sort_first_run,
            SortField::RunCount => u64::from(self.run_count),
            SortField::TotalCost => self.total_cost,
            SortField::TotalTokens => self.total_tokens,
            SortField::TotalDuration => self.total_duration,
            SortField::SessionId => 0,
        }
    }
}

// === impl Share ===

impl Share {
    pub(super) fn new(agent: u32, interval: Interval) -> Self {
        Self { agent, run_count: 1, first_run: interval.start, last_activity: interval.end }
    }

    /// The share after the change; `None` when no run of the agent is left.
    pub(super) fn changed(mut self, leaving: Option<Interval>, coming: Option<Interval>) -> (Option<Self>, Fit) {
        let n_staying = self.run_count.saturating_sub(u32::from(leaving.is_some()));
        if n_staying == 0 {
            return (coming.map(|interval| Self::new(self.agent, interval)), Fit::Exact);
        }
        self.run_count = n_staying.saturating_add(u32::from(coming.is_some()));
        let fit = stretch(&mut self.first_run, &mut self.last_activity, leaving, coming);
        (Some(self), fit)
    }
}

fn duration(run: &Run) -> u64 {
    run.duration().map_or(0, |length| length.0)
}

pub(super) fn widen(bounds: &mut Option<Interval>, interval: Interval) {
    *bounds = Some(match bounds {
        Some(old) => old.with(interval),
        None => interval,
    });
}

/// Widens the bounds to what comes; loose if what leaves held one of them and what comes does not hold it again.
fn stretch(first: &mut u64, last: &mut u64, leaving: Option<Interval>, coming: Option<Interval>) -> Fit {
    let mut fit = Fit::Exact;
    match coming {
        Some(new) if new.start <= *first => *first = new.start,
        _ if leaving.is_some_and(|old| old.start <= *first) => fit = Fit::Loose,
        _ => {}
    }
    match coming {
        Some(new) if new.end >= *last => *last = new.end,
        _ if leaving.is_some_and(|old| old.end >= *last) => fit = Fit::Loose,
        _ => {}
    }
    fit
}
