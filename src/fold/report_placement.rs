//! Reports of the SDK's HTTP path beside the spans of a trace: on which span each stands.
//!
//! - A report stands on the span that its `complete/` named. Where that span is not here (yet, or for ever: the agent was killed, or not
//!   sampled), a stand-in takes its place, so that its children and what lies in its time find it.
//! - Two reports that name one span: the one with the smaller number stands there, the other on a stand-in of its own.

use std::collections::BTreeSet;

use super::TraceFacts;
use crate::model::Str;
use crate::model::facts::{SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{RunId, SpanId};
use crate::model::report::RunReport;
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;

/// The scope of the SDK's spans.
const SCOPE: &str = "waxell.observe";

/// A report that belongs to this trace.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub report: &'a RunReport,
    pub span: SpanId,
    /// In place of a span that is not here.
    pub stand_in: Option<SpanFact>,
}

pub(super) fn place<'a>(facts: &TraceFacts, reports: &[&'a RunReport]) -> Vec<Placed<'a>> {
    let mut ordered: Vec<&RunReport> = reports.iter().copied().filter(|report| report.is_run()).collect();
    ordered.sort_unstable_by_key(|report| report.id);
    let mut placed: Vec<Placed<'_>> = Vec::with_capacity(ordered.len());
    let mut taken: BTreeSet<SpanId> = BTreeSet::new();
    for report in ordered {
        let named = report.own_span().map_or(report.id.to_span(), |key| key.span);
        let span = if taken.insert(named) { named } else { report.id.to_span() };
        taken.insert(span);
        placed.push(Placed { report, span, stand_in: None });
    }
    // Ordered by run, as the reports are.
    let spans: Vec<(RunId, SpanId)> = placed.iter().map(|placed| (placed.report.id, placed.span)).collect();
    for placed in placed.iter_mut().filter(|placed| facts.get(placed.span).is_none()) {
        let parent = placed.report.start.as_ref().and_then(|start| start.parent);
        let parent = parent.and_then(|parent| spans.binary_search_by_key(&parent, |(run, _)| *run).ok()).map(|at| spans[at].1);
        placed.stand_in = Some(stand_in(placed.report, placed.span, parent));
    }
    placed
}

fn stand_in(report: &RunReport, span: SpanId, parent: Option<SpanId>) -> SpanFact {
    let agent = report.start.as_ref().map_or("", |start| &start.agent);
    SpanFact {
        end: report.completed_at().unwrap_or(UnixNanos::ZERO),
        call: None,
        labels: None,
        start: report.started_at(),
        span,
        parent,
        kind: SpanKind::Agent,
        status: match report.completion.as_ref().map(|completion| completion.status) {
            Some(RunStatus::Error) => SpanStatus::Error,
            Some(_) => SpanStatus::Ok,
            None => SpanStatus::Unset,
        },
        has_response_model: false,
        is_framework: false,
        is_future: false,
        name: Str::from(format!("invoke_agent {agent}").trim_end()),
        scope: Str::from(SCOPE),
        failure: None,
        tool: None,
        question: None,
    }
}

// === impl Placed ===

impl Placed<'_> {
    /// No span of the run is known.
    pub fn is_spanless(&self) -> bool {
        self.stand_in.is_some()
    }
}
