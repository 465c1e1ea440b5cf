//! From what a person pastes to a run: its number, the number's beginning, a trace id, its beginning, or a workflow id.
//!
//! The beginnings are what the `wax` command shows of ids: their first twelve characters.

use std::ops::Range;

use crate::conventions::posts;
use crate::model::ids::{RunId, TraceId};
use crate::model::run::Run;
use crate::store::StoreError;
use crate::store::local::disk::read::Reader;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::{LocalStore, store_error};

/// The shortest beginning of an id that is looked for.
const PREFIX_MIN_CHARS: usize = 12;
/// Digits of the largest run id.
const RUN_ID_MAX_DIGITS: u32 = 16;

impl LocalStore {
    pub(in crate::store::local) fn find_run_by_text(&self, cell: &TenantCell, text: &str) -> Result<Option<RunId>, StoreError> {
        let text = text.trim();
        let reader = self.shared.reader()?;
        let failed = |error| store_error("look for a run", error);
        let exact = posts::run_of_workflow(text).or_else(|| text.parse().ok().and_then(RunId::new));
        if let Some(run) = exact
            && reader.run_by_id(cell, &cell.read(), run).map_err(failed)?.is_some()
        {
            return Ok(Some(run));
        }
        let hex = text.to_ascii_lowercase();
        if let Some(trace) = TraceId::from_hex(&hex) {
            return self.first_run_of(cell, trace);
        }
        if text.len() < PREFIX_MIN_CHARS || !text.is_ascii() {
            return Ok(None);
        }
        if let Some(run) = run_with_prefix(&reader, cell, text).map_err(failed)? {
            return Ok(Some(run));
        }
        match trace_with_prefix(self, &reader, cell, &hex).map_err(failed)? {
            Some(trace) => self.first_run_of(cell, trace),
            None => Ok(None),
        }
    }

    /// The outermost run of a trace, the earliest of several.
    fn first_run_of(&self, cell: &TenantCell, trace: TraceId) -> Result<Option<RunId>, StoreError> {
        let Some(view) = self.view_trace(cell, trace)? else { return Ok(None) };
        let is_outermost = |run: &&Run| run.parent.is_none_or(|parent| view.runs.iter().all(|other| other.id != parent));
        Ok(view.runs.iter().find(is_outermost).or(view.runs.first()).map(|run| run.id))
    }
}

/// Of several the one that started last.
fn run_with_prefix(reader: &Reader, cell: &TenantCell, prefix: &str) -> rusqlite::Result<Option<RunId>> {
    let Some(number) = prefix.parse::<u64>().ok().filter(|_| prefix.bytes().all(|b| b.is_ascii_digit())) else { return Ok(None) };
    let n_digits = prefix.len() as u32;
    let range = |n_missing| {
        let scale = 10_u64.pow(n_missing);
        number.saturating_mul(scale)..number.saturating_add(1).saturating_mul(scale)
    };
    let ranges: Vec<Range<u64>> = (1..=RUN_ID_MAX_DIGITS.saturating_sub(n_digits)).map(range).collect();
    let is_meant = |id: &RunId| ranges.iter().any(|range| range.contains(&id.get()));
    let mut ids: Vec<RunId> = cell.read().recent.ids().filter(is_meant).collect();
    for range in &ranges {
        ids.extend(reader.run_ids_between(cell.no, range)?);
    }
    let mut best: Option<Run> = None;
    for id in ids {
        let found = reader.run_by_id(cell, &cell.read(), id)?;
        best = found.into_iter().chain(best).max_by_key(|run| (run.started_at, run.id));
    }
    Ok(best.map(|run| run.id))
}

fn trace_with_prefix(store: &LocalStore, reader: &Reader, cell: &TenantCell, hex: &str) -> rusqlite::Result<Option<TraceId>> {
    if hex.len() > 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let (Some(from), Some(to)) = (TraceId::from_hex(&format!("{hex:0<32}")), TraceId::from_hex(&format!("{hex:f<32}"))) else {
        return Ok(None);
    };
    // On disk it is found by its index; those that are only in memory have none.
    if let Some(trace) = reader.trace_between(cell.no, from, to)? {
        return Ok(Some(trace));
    }
    let open = store.shared.traces.map.iter().map(|open| *open.key());
    Ok(open.filter(|(tenant, _)| *tenant == cell.no).map(|(_, trace)| trace).find(|trace| (from..=to).contains(trace)))
}
