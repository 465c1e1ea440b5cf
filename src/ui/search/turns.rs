//! Which turn of its session's conversation a run is.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::model::ids::{RunId, SessionId, Tenant};
use crate::store::{RunPage, Store, StoreError};
use crate::ui::session::TURNS;

/// In a longer session the turn is not looked for: the link leads to its beginning.
const RUNS_MAX: u64 = 10_000;

/// A turn, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Turn(u64);

// === impl Turn ===

impl Turn {
    /// The query and the fragment behind the path of the session.
    pub(super) fn query(self) -> String {
        let offset = self.0 / TURNS * TURNS;
        let page = if offset > 0 { format!("&offset={offset}") } else { String::new() };
        format!("?view=conversation{page}#turn-{}", self.0 + 1)
    }
}

/// Of each of the runs of a session, its own turn or that of the run it was started in.
pub(super) fn turns_of(
    store: &dyn Store,
    tenant: &Tenant,
    session: &SessionId,
    wanted: &BTreeSet<RunId>,
) -> Result<BTreeMap<RunId, Turn>, StoreError> {
    let mut found = BTreeMap::new();
    let Some(detail) = store.session(tenant, session, RunPage::default())? else { return Ok(found) };
    if detail.summary.run_count > RUNS_MAX {
        return Ok(found);
    }
    let mut turns: FxHashMap<RunId, Turn> = FxHashMap::default();
    let mut n_turns = 0;
    for run in detail.runs {
        let run = run?;
        // Chronological, as the pages of the conversation count them.
        let turn = run.parent.and_then(|parent| turns.get(&parent)).copied().unwrap_or_else(|| {
            n_turns += 1;
            Turn(n_turns - 1)
        });
        turns.insert(run.id, turn);
        if wanted.contains(&run.id) {
            found.insert(run.id, turn);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_on_the_page_that_shows_it() {
        assert_eq!(Turn(0).query(), "?view=conversation#turn-1");
        assert_eq!(Turn(49).query(), "?view=conversation#turn-50");
        assert_eq!(Turn(50).query(), "?view=conversation&offset=50#turn-51");
        assert_eq!(Turn(149).query(), "?view=conversation&offset=100#turn-150");
    }
}
