//! One run and one trace as a whole, for whoever opens them.

use crate::model::Str;
use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::reason::Reason;
use crate::model::report::{ReportedSpan, Step};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Cost, NanoUsd, Usage};

/// A run with all that is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct RunView {
    pub run: Run,
    /// The calls that count, in the order they were made: their sums are the run's.
    pub calls: Vec<CallView>,
    pub steps: Vec<Step>,
    /// Compact JSON, as far as it was kept.
    pub inputs: Option<Str>,
    pub result: Option<Str>,
    /// Why it failed, whole as it was reported, else as far as it is kept of its spans.
    pub error: Option<Str>,
    pub parent: Option<RunBrief>,
    /// Runs started in this one, chronological.
    pub children: Vec<RunBrief>,
    /// The run's own spans by their start; empty where only the SDK's HTTP path knows it.
    pub spans: Vec<SpanView>,
    /// What the SDK told of its spans over HTTP.
    pub reported_spans: Vec<ReportedSpan>,
}

/// Enough of a run to name it and to lead there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunBrief {
    pub id: RunId,
    pub agent: Str,
    pub status: RunStatus,
    pub started_at: UnixNanos,
}

/// A call that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallView {
    pub model: Str,
    pub provider: Str,
    /// What the SDK calls it, such as `chat.completions`; empty where only a span tells of it.
    pub task: Str,
    pub usage: Usage,
    /// `None`: nobody knows.
    pub cost: Option<Cost>,
    pub is_error: bool,
    pub prompt: Option<Str>,
    pub response: Option<Str>,
    /// When it began, else when it was told of.
    pub at: UnixNanos,
    /// The span that tells of it.
    pub span: Option<SpanId>,
}

/// A trace with its runs.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceView {
    pub trace: TraceId,
    /// Chronological.
    pub runs: Vec<Run>,
    /// By start.
    pub spans: Vec<SpanView>,
}

/// A span as far as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpanView {
    pub span: SpanId,
    pub parent: Option<SpanId>,
    pub name: Str,
    /// The tool that a span of that kind is a call of.
    pub tool: Option<Str>,
    pub kind: SpanKind,
    pub status: SpanStatus,
    pub start: UnixNanos,
    /// `None` while it is not ended.
    pub end: Option<UnixNanos>,
    /// Made of a log event of a coding agent.
    pub is_of_log: bool,
    /// Why it failed.
    pub failure: Option<Reason>,
    /// How Tempo comes to know of it.
    pub delivery: Delivery,
    /// Whose it is; `None` is an orphan.
    pub run: Option<RunId>,
    pub call: Option<Call>,
    /// Tokens and cost that count in that run, if its call counts.
    pub counted: Option<(u64, Option<NanoUsd>)>,
}

/// Which runs to look at, across sessions. Conditions that are there must all hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunQuery {
    /// Active at or after this: it ended, or was last heard of, no earlier.
    pub start: Option<UnixNanos>,
    /// Started at or before this.
    pub end: Option<UnixNanos>,
    /// Exactly this user.
    pub user: Option<Str>,
}

// === impl RunView ===

impl RunView {
    /// A run of which nothing else is kept.
    pub fn bare(run: Run) -> Self {
        let error = run.error.as_deref().map(Str::from);
        Self {
            run,
            calls: Vec::new(),
            steps: Vec::new(),
            inputs: None,
            result: None,
            error,
            parent: None,
            children: Vec::new(),
            spans: Vec::new(),
            reported_spans: Vec::new(),
        }
    }
}

// === impl SpanView ===

impl SpanView {
    /// As [`crate::model::facts::SpanFact::has_failed`].
    pub fn has_failed(&self) -> bool {
        self.status == SpanStatus::Error || self.failure.is_some()
    }
}

// === impl RunBrief ===

impl RunBrief {
    pub fn of(run: &Run) -> Self {
        Self { id: run.id, agent: run.agent.clone(), status: run.status, started_at: run.started_at }
    }
}

// === impl RunQuery ===

impl RunQuery {
    /// All runs of each.
    pub fn of_users(users: &[Str]) -> Vec<Self> {
        users.iter().map(|user| Self { user: Some(user.clone()), ..Self::default() }).collect()
    }

    pub fn matches(&self, run: &Run) -> bool {
        self.start.is_none_or(|start| run.last_activity >= start)
            && self.end.is_none_or(|end| run.started_at <= end)
            && self.user.as_ref().is_none_or(|user| run.user.as_ref() == Some(user))
    }
}
