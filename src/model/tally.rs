//! What some runs come to: how they ended, what they used, how long they took.

use crate::model::durations::Durations;
use crate::model::run::{Run, RunStatus};
use crate::model::usage::UsageTotal;

/// Sums over some runs, or over the share that one model has in them. They change by difference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// By `RunStatus as usize`.
    pub n_by_status: [u64; RunStatus::ALL.len()],
    pub usage: UsageTotal,
    /// Of the runs that have ended.
    pub durations: Durations,
}

// === impl Tally ===

impl Tally {
    pub fn n_runs(&self) -> u64 {
        self.n_by_status.iter().sum()
    }

    pub fn n_of(&self, status: RunStatus) -> u64 {
        self.n_by_status[status as usize]
    }

    /// Counts a run of which `usage` is meant: all that it used, or the share of one model.
    pub fn add(&mut self, run: &Run, usage: &UsageTotal) {
        self.n_by_status[run.status as usize] += 1;
        self.usage.add(usage);
        run.duration().into_iter().for_each(|length| self.durations.add(length));
    }

    /// Takes away what was added; `false` if it was not.
    #[must_use]
    pub fn subtract(&mut self, run: &Run, usage: &UsageTotal) -> bool {
        let n_of_status = &mut self.n_by_status[run.status as usize];
        let Some(fewer) = n_of_status.checked_sub(1) else { return false };
        *n_of_status = fewer;
        self.usage.subtract(usage);
        run.duration().is_none_or(|length| self.durations.subtract(length))
    }

    /// The sums of both.
    pub fn join(&mut self, other: &Self) {
        self.n_by_status.iter_mut().zip(other.n_by_status).for_each(|(n, other)| *n += other);
        self.usage.add(&other.usage);
        self.durations.join(&other.durations);
    }
}
