//! A session as a conversation: what each run was asked, what it did and what it answered, where that was captured.
//!
//! - One turn for each run that was not started by another; those are within.
//! - What the SDK posted goes first (inputs, `io:` steps, result), then the spans.
//! - Spans come from Tempo, some at a time and for a few seconds at most, or from the journal.

mod failure;
mod reported;
mod show;
mod turn;
mod unsaid;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use maud::Markup;

use self::turn::{PageBudget, Trace, Turn};
use super::Asked;
use crate::model::ids::{Tenant, TraceId};
use crate::model::run::Run;
use crate::store::raw::Origin;
use crate::store::view::TraceView;
use crate::ui::refusal::Refusal;
use crate::ui::source;
use crate::ui::spans::Gathered;
use crate::ui::{Effort, Ui};

/// Traces asked of Tempo at a time, and how long all of them may take.
const AT_A_TIME: usize = 8;
const TIME_MAX: Duration = Duration::from_secs(4);
/// Bytes of spans that are read for one page: each call of a model repeats what was said before it.
const READ_MAX: usize = 48 * 1024 * 1024;
/// Runs within others on one page.
const RUNS_MAX: usize = 500;

/// The page's part: not live, since its texts come from elsewhere.
pub(super) async fn part(ui: &Arc<Ui>, asked: Asked) -> Result<Markup, Refusal> {
    let (tenant, id, page) = (asked.tenant.clone(), asked.id.clone(), asked.page);
    let effort = super::effort(ui, &asked).await?;
    let digest = ui.read(effort, move |ui| super::digest(ui, &tenant, &id, page)).await?;
    let runs = digest.turns.clone();
    let traces: BTreeSet<TraceId> = runs.iter().filter_map(Run::trace_id).collect();
    let requests = requests(ui, &asked.tenant, &traces).await?;
    ui.read(Effort::Trace, move |ui| {
        let turns = turns(ui, &asked.tenant, &runs, &traces, &requests)?;
        Ok(show::talk(&asked.context, &digest, asked.page, &turns))
    })
    .await
}

async fn requests(ui: &Arc<Ui>, tenant: &Tenant, traces: &BTreeSet<TraceId>) -> Result<Vec<Bytes>, Refusal> {
    let (mut requests, mut missing) = (Vec::new(), traces.clone());
    if let Some(tempo) = &ui.tempo {
        let asking = futures_util::stream::iter(traces.iter().copied())
            .map(|trace| async move { (trace, tempo.trace(tenant, trace).await.ok().flatten()) })
            .buffer_unordered(AT_A_TIME);
        let mut asking = std::pin::pin!(asking);
        // What is not there by then is not shown.
        let _ = tokio::time::timeout(TIME_MAX, async {
            while let Some((trace, found)) = asking.next().await {
                if let Some(found) = found {
                    requests.push(found);
                    missing.remove(&trace);
                }
            }
        })
        .await;
    }
    if !missing.is_empty() {
        let raw = source::find_in_journal(ui, tenant, missing.into_iter().collect(), Origin::Nowhere).await?;
        requests.extend(raw.requests);
    }
    Ok(requests)
}

fn turns(ui: &Ui, tenant: &Tenant, runs: &[Run], traces: &BTreeSet<TraceId>, requests: &[Bytes]) -> Result<Vec<Turn>, Refusal> {
    let gathered = Gathered::new(requests, traces);
    let budget = PageBudget { bytes: Cell::new(READ_MAX), runs: Cell::new(RUNS_MAX) };
    let mut views: Vec<TraceView> = Vec::with_capacity(traces.len());
    for trace in traces {
        views.extend(ui.store.trace(tenant, *trace)?);
    }
    let traces: BTreeMap<TraceId, Trace<'_>> = views.iter().map(|view| (view.trace, Trace::new(view, &gathered, &budget))).collect();
    let mut turns = Vec::with_capacity(runs.len());
    for run in runs {
        let trace = run.trace_id().and_then(|trace| traces.get(&trace));
        let mut turn = trace.map_or_else(|| Turn::bare(run.clone()), |trace| trace.turn(run, 0));
        if run.is_reported {
            reported::add(ui, tenant, &mut turn, 0)?;
        }
        turns.push(turn);
    }
    Ok(turns)
}
