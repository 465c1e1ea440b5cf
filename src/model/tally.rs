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

/// A tally that many others are added to: as [`Tally::join`], and many times faster.
#[derive(Clone, Debug)]
pub struct TallySum {
    n_by_status: [u64; RunStatus::ALL.len()],
    usage: UsageTotal,
    counts: Box<[u32; 256]>,
}

// === impl TallySum ===

impl TallySum {
    pub fn add(&mut self, tally: &Tally) {
        self.n_by_status.iter_mut().zip(tally.n_by_status).for_each(|(n, other)| *n += other);
        self.usage.add(&tally.usage);
        for (bin, count) in tally.durations.bins() {
            let sum = &mut self.counts[usize::from(*bin)];
            *sum = sum.saturating_add(*count);
        }
    }

    pub fn tally(&self) -> Tally {
        Tally { n_by_status: self.n_by_status, usage: self.usage, durations: Durations::from_counts(&self.counts[..]) }
    }
}

impl Default for TallySum {
    fn default() -> Self {
        Self { n_by_status: [0; RunStatus::ALL.len()], usage: UsageTotal::default(), counts: Box::new([0; 256]) }
    }
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
