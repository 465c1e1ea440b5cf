//! The traces that may still change, in memory, and how one that went to disk comes back.

use std::sync::Arc;
use std::time::Instant;

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;

use super::recent::{Generation, RunOrder};
use super::tenant::TenantCell;
use crate::fold::{Decided, TraceFacts};
use crate::index::SessionNo;
use crate::model::ids::{RunId, RunKey, TraceId};
use crate::model::report::RunReport;
use crate::model::run::Run;
use crate::model::stretches::Stretches;
use crate::store::local::disk::read::Reader;
use crate::store::local::disk::rows::{NO_SESSION, TenantNo, TraceNo};
use crate::wire::format::stored::RunRef;

pub type TraceKey = (TenantNo, TraceId);

/// One trace with all its facts, and the runs the index was told of.
///
/// What the SDK reported of a run is kept in the same way, under the reserved trace id of that run: its unit has a report and no facts.
/// The report of a run that stands on a span of a trace is folded with that trace.
pub struct OpenTrace {
    /// The number of its row.
    pub no: TraceNo,
    /// It has that row, or will with the checkpoint that is being written.
    pub is_stored: bool,
    pub facts: TraceFacts,
    /// Shared, so that a fold can look at it while its trace is open too.
    pub report: Option<Arc<RunReport>>,
    /// Runs whose reports stand on spans of this trace, ordered.
    pub joined: Vec<RunId>,
    pub applied: Vec<AppliedRun>,
    /// Where in the journal its requests are.
    pub stretches: Stretches,
    /// What the last fold of it decided, for those who mark spans by it; empty until it is folded, and where nobody asks.
    pub decided: Option<Arc<Decided>>,
    /// The checkpoint generation in which it last changed; it may leave memory once that one is on disk.
    pub changed: Generation,
    /// When a span of it last came.
    pub touched: Instant,
    /// It waits to be folded again.
    pub is_dirty: bool,
    /// A trace so large that folding it takes long is not folded again before this.
    pub fold_after: Option<Instant>,
}

/// A run as the index knows it.
#[derive(Clone)]
pub struct AppliedRun {
    /// [`NO_SESSION`] where it has none.
    pub session_no: SessionNo,
    pub run: Arc<Run>,
}

/// All open traces: changed by the fold thread alone, in a map that others can look into without stopping it.
pub struct OpenTraces {
    pub map: DashMap<TraceKey, OpenTrace, FxBuildHasher>,
}

// === impl OpenTrace ===

impl OpenTrace {
    /// One that nothing is known of.
    pub fn new(no: TraceNo) -> Self {
        Self {
            no,
            is_stored: false,
            facts: TraceFacts::default(),
            report: None,
            joined: Vec::new(),
            applied: Vec::new(),
            stretches: Stretches::default(),
            decided: None,
            changed: Generation(0),
            touched: Instant::now(),
            is_dirty: false,
            fold_after: None,
        }
    }

    /// Bytes it holds in memory.
    pub fn weight(&self) -> usize {
        self.facts.weight() + self.stretches.weight() + self.report.as_ref().map_or(0, |report| report.weight())
    }

    /// Nothing is known of it that a checkpoint could keep.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.report.is_none() && self.joined.is_empty()
    }

    pub fn run_refs(&self) -> Vec<RunRef> {
        let place = |applied: &AppliedRun| RunRef {
            session_no: applied.session_no.0,
            started_at: applied.run.started_at,
            id: applied.run.id,
            span: applied.run.key.span,
        };
        self.applied.iter().map(place).collect()
    }
}

// === impl OpenTraces ===

impl OpenTraces {
    pub fn new() -> Self {
        Self { map: DashMap::with_hasher(FxBuildHasher) }
    }
}

/// Reads a trace back from disk; `None` if it is not there. A run whose row is gone (its session was removed) is no longer applied.
pub fn load(reader: &Reader, cell: &TenantCell, trace: TraceId) -> rusqlite::Result<Option<OpenTrace>> {
    let Some((no, stored)) = reader.stored_trace(cell.no, trace)? else { return Ok(None) };
    let mut open = OpenTrace::new(no);
    open.is_stored = true;
    open.applied.reserve(stored.runs.len());
    for place in &stored.runs {
        open.applied.extend(load_run(reader, cell, trace, place)?);
    }
    open.facts = TraceFacts::restore(stored.facts, stored.n_refused);
    open.report = stored.report.map(Arc::new);
    open.joined = stored.joined;
    open.stretches = stored.stretches;
    Ok(Some(open))
}

fn load_run(reader: &Reader, cell: &TenantCell, trace: TraceId, place: &RunRef) -> rusqlite::Result<Option<AppliedRun>> {
    let session_no = SessionNo(place.session_no);
    let session = match session_no {
        NO_SESSION => None,
        no => match cell.read().index.row(no) {
            None => return Ok(None),
            Some(row) => Some(row.summary.id),
        },
    };
    let key = RunKey { trace, span: place.span };
    let order = RunOrder { started_at: place.started_at, id: place.id, key };
    let run = reader.run(cell.no, session_no, session.as_ref(), &order)?;
    Ok(run.map(|run| AppliedRun { session_no, run: Arc::new(run) }))
}
