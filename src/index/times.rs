//! The bounds of a session computed from the times of its runs alone: what a shrunk boundary needs, without reading the runs whole.

use rustc_hash::FxHashMap;

use super::figures::{Interval, Share, widen};
use super::{SessionIndex, SessionNo};
use crate::model::Str;
use crate::model::time::UnixNanos;

/// Collects the times of all runs of a session, in any order.
#[derive(Debug, Default)]
pub struct SessionTimes {
    n_runs: u32,
    all: Option<Interval>,
    /// Of the runs whose times are believable.
    believable: Option<Interval>,
    agents: FxHashMap<Str, (u32, Interval)>,
}

impl SessionTimes {
    /// One run. Whether its times are believable is asked only where that could change anything.
    pub fn add<E>(
        &mut self,
        agent: &str,
        started_at: UnixNanos,
        last_activity: UnixNanos,
        is_believable: impl FnOnce() -> Result<bool, E>,
    ) -> Result<(), E> {
        let interval = Interval { start: started_at.0, end: last_activity.max(started_at).0 };
        self.n_runs = self.n_runs.saturating_add(1);
        widen(&mut self.all, interval);
        let widens = self.believable.is_none_or(|known| interval.start < known.start || interval.end > known.end);
        if widens && is_believable()? {
            widen(&mut self.believable, interval);
        }
        if !agent.is_empty() {
            match self.agents.get_mut(agent) {
                Some((n_runs, known)) => {
                    *n_runs += 1;
                    *known = known.with(interval);
                }
                None => _ = self.agents.insert(agent.into(), (1, interval)),
            }
        }
        Ok(())
    }

    pub fn n_runs(&self) -> u64 {
        u64::from(self.n_runs)
    }
}

impl SessionIndex {
    /// Sets the bounds of a session, and each agent's part in it, to what these times of all its runs say; sums stay.
    /// `false`, and nothing is done, if the times are of another number of runs than the session has.
    #[must_use]
    pub fn set_times(&mut self, no: SessionNo, times: &SessionTimes) -> bool {
        let Some(row) = self.directory.row_of(no) else { return true };
        let mut figures = self.figures(row);
        let Some(all) = times.all.filter(|_| figures.run_count == times.n_runs) else { return false };
        let believable = times.believable.unwrap_or(Interval { start: 0, end: 0 });
        (figures.first_run, figures.last_activity) = (all.start, all.end);
        (figures.sort_first_run, figures.sort_activity) = (believable.start, believable.end);
        let share = |(name, (n_runs, interval)): (&Str, &(u32, Interval))| {
            let agent = self.agents.intern(name);
            Share { agent, run_count: *n_runs, first_run: interval.start, last_activity: interval.end }
        };
        let shares = times.agents.iter().map(share).collect();
        self.set_shares(row, shares);
        self.put(row, figures);
        true
    }
}
