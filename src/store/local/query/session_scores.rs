//! How the newest runs of sessions were judged: the index knows no scores, so the runs are asked.

use crate::model::ids::SessionId;
use crate::model::run::Score;
use crate::model::scores::ScoreTotals;
use crate::store::local::state::recent::RunOrder;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::{SCORED_RUNS, StoreError};

impl LocalStore {
    pub(in crate::store::local) fn newest_scores(
        &self,
        cell: &TenantCell,
        sessions: &[&SessionId],
    ) -> Result<Vec<ScoreTotals>, StoreError> {
        let failed = |error| store_error("read the scores of a session", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let newer: Vec<_> = sessions.iter().map(|id| state.index.find(id).map(|no| (no, state.recent.overlay(no)))).collect();
        drop(state);
        let mut all = Vec::with_capacity(sessions.len());
        for of_session in newer {
            let mut runs: Vec<(RunOrder, Vec<Score>)> = Vec::new();
            if let Some((no, newer)) = of_session {
                runs.extend(newer.runs().map(|run| (RunOrder::of(run), run.scores.clone())));
                let mut take = |order: RunOrder, scores: Vec<Score>| {
                    if !newer.contains(&order) {
                        runs.push((order, scores));
                    }
                };
                reader.each_newest_scores(cell.no, no, SCORED_RUNS, &mut take).map_err(failed)?;
            }
            runs.sort_unstable_by_key(|(order, _)| *order);
            // In the order in which the session's own page adds them up.
            let newest = runs.len().saturating_sub(SCORED_RUNS as usize);
            let mut totals = ScoreTotals::default();
            runs[newest..].iter().flat_map(|(_, scores)| scores).for_each(|score| totals.add(score));
            all.push(totals);
        }
        Ok(all)
    }
}
