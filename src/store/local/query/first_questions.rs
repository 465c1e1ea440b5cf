//! What was asked first in sessions: what people know them by. The index holds none of it, so the earliest runs of each are asked.

use crate::index::SessionNo;
use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::question::Question;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::recent::{Overlay, RunOrder};
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};
use crate::store::{FIRST_QUESTION_RUNS, StoreError};

impl LocalStore {
    pub(in crate::store::local) fn find_first_questions(
        &self,
        cell: &TenantCell,
        sessions: &[&SessionId],
    ) -> Result<Vec<Option<Question>>, StoreError> {
        let failed = |error| store_error("read what was asked", error);
        let reader = self.shared.reader()?;
        let state = cell.read();
        // Under the lock, so that disk and memory are of one moment.
        reader.begin_snapshot().map_err(failed)?;
        let newer: Vec<_> = sessions.iter().map(|id| state.index.find(id).map(|no| (no, state.recent.overlay(no)))).collect();
        drop(state);
        let mut questions = Vec::with_capacity(sessions.len());
        for (id, newer) in sessions.iter().zip(newer) {
            questions.push(match newer {
                Some((no, newer)) => first_question(&reader, cell.no, no, id, &newer).map_err(failed)?,
                None => None,
            });
        }
        reader.end_snapshot().map_err(failed)?;
        Ok(questions)
    }
}

/// Of the earliest runs, wherever they are.
fn first_question(reader: &Reader, tenant: TenantNo, no: SessionNo, id: &SessionId, newer: &Overlay) -> rusqlite::Result<Option<Question>> {
    let mut earliest: Vec<(RunOrder, Option<Str>)> = Vec::new();
    let mut after = None;
    loop {
        let rows = reader.runs_after(tenant, no, id, after, FIRST_QUESTION_RUNS)?;
        let is_last = rows.len() < FIRST_QUESTION_RUNS;
        after = rows.last().map(RunOrder::of);
        // What is out of date on disk is looked past.
        earliest.extend(rows.into_iter().map(|run| (RunOrder::of(&run), run.question)).filter(|(order, _)| !newer.contains(order)));
        if is_last || earliest.len() >= FIRST_QUESTION_RUNS {
            break;
        }
    }
    earliest.extend(newer.runs().take(FIRST_QUESTION_RUNS).map(|run| (RunOrder::of(run), run.question.clone())));
    earliest.sort_by_key(|(order, _)| *order);
    Ok(earliest.into_iter().take(FIRST_QUESTION_RUNS).find_map(|(_, asked)| Question::of(&asked?)))
}
