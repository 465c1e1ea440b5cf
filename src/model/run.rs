//! A run: one execution of one agent, as the fold computes it from the facts of one trace.

use crate::model::Str;
use crate::model::ids::{RunId, RunKey, SessionId, TraceId};
use crate::model::reason::Reason;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::{ToolCalls, ToolUsage};
use crate::model::usage::{ModelUsage, UsageTotal};

/// What became of a run (product decision "Two paths, one run").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RunStatus {
    /// No end is known yet.
    Running = 0,
    Success = 1,
    Error = 2,
    /// Stopped by a policy.
    Blocked = 3,
    /// Stopped by a signal.
    Interrupted = 4,
    /// No end, and silent for longer than the configured time (24 h).
    Timeout = 5,
}

/// One run. Two equal runs are indistinguishable to every reader.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    pub key: RunKey,
    pub id: RunId,
    pub session: Option<SessionId>,
    /// Empty where no span names one.
    pub agent: Str,
    pub workflow: Str,
    pub user: Option<Str>,
    pub user_group: Option<Str>,
    /// The run that this one was started in.
    pub parent: Option<RunId>,
    pub started_at: UnixNanos,
    /// `None` while it runs.
    pub completed_at: Option<UnixNanos>,
    /// The latest moment it was active: its end, else its newest span, else its start.
    pub last_activity: UnixNanos,
    pub status: RunStatus,
    /// Why it failed, where anybody says so.
    pub error: Option<Reason>,
    /// Calls of tools that failed, whatever became of the run.
    pub tool_errors: u32,
    pub usage: UsageTotal,
    /// Claims that were left out so that nothing counts twice: echoes, wrappers, containers' sums.
    pub suppressed: UsageTotal,
    /// `usage` by model, ordered by model and provider.
    pub models: Vec<ModelUsage>,
    /// The tools that it called, ordered by name; see [`crate::model::tool::bound`]. Empty where it was folded by a version before 0.2.
    pub tools: Vec<ToolUsage>,
    /// The beginning of what it was asked first, where its spans or its report say so, as they say it; [`Question`] shows it.
    ///
    /// [`Question`]: crate::model::question::Question
    pub question: Option<Str>,
    pub n_spans: u32,
    /// Its root span is missing; everything known comes from its children.
    pub is_provisional: bool,
    /// Its times lie in the far future: shown as sent, but kept from leading a list.
    pub is_future: bool,
    /// Its trace holds more spans than the limit; what lies beyond was not folded.
    pub is_truncated: bool,
    /// The SDK's HTTP path tells of it.
    pub is_reported: bool,
    /// It is complete and its report named no trace, so its spans, if there are any, are traces without an agent (`docs/sdk.md`). Or it is a
    /// turn of an agent whose logs tell all that its spans do, in other traces (decision 061).
    pub is_untraced: bool,
    /// It stands on spans of the SDK's scope among which there is no agent, or on those of an agent that tells all in its logs: a report or
    /// logs may tell of the same run.
    pub is_agentless: bool,
    /// It is a turn that log events tell of: its end is when the next one of the session begins, where they tell of none.
    pub is_turn: bool,
    /// It has calls of an instrumentation whose spans are never the current ones: what is made inside them may tell of the same in traces
    /// of its own.
    pub is_retelling: bool,
    /// What was judged of it, in the order it came.
    pub scores: Vec<Score>,
}

/// A judgement on a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Score {
    pub name: Str,
    pub value: ScoreValue,
    pub comment: Option<Str>,
    /// Who judged: `sdk`, `manual`, `evaluator` or what else the sender says.
    pub source: Str,
    /// When it came.
    pub at: UnixNanos,
}

#[derive(Clone, PartialEq, Debug)]
pub enum ScoreValue {
    /// Finite.
    Numeric(f64),
    Categorical(Str),
    Boolean(bool),
}

// === impl RunStatus ===

impl RunStatus {
    pub const ALL: [Self; 6] = [Self::Running, Self::Success, Self::Error, Self::Blocked, Self::Interrupted, Self::Timeout];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
            Self::Blocked => "blocked",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
        }
    }

    /// The status that a `complete/` of the SDK states, in its own words and in those of other servers that its tools know.
    pub fn from_report(status: &str, has_error: bool) -> Self {
        match status {
            "success" | "completed" | "ok" | "degraded" => Self::Success,
            "error" | "failed" => Self::Error,
            "blocked" | "policy_blocked" | "policy_invalidated" => Self::Blocked,
            "interrupted" | "cancelled" => Self::Interrupted,
            "timeout" => Self::Timeout,
            _ if has_error => Self::Error,
            _ => Self::Success,
        }
    }

    /// The inverse of `as u8`, for what comes from disk.
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Running,
            1 => Self::Success,
            2 => Self::Error,
            3 => Self::Blocked,
            4 => Self::Interrupted,
            5 => Self::Timeout,
            _ => return None,
        })
    }
}

// === impl Run ===

impl Run {
    /// `None` for a run that only the SDK's HTTP path tells of and that named no trace.
    pub fn trace_id(&self) -> Option<TraceId> {
        (!self.key.trace.is_reserved()).then_some(self.key.trace)
    }

    /// What it called a tool for; `None` if it did not, by that name.
    pub fn calls_of(&self, tool: &str) -> Option<&ToolCalls> {
        self.tools.iter().find(|usage| *usage.tool == *tool).map(|usage| &usage.calls)
    }

    /// `None` while it runs; zero where its end lies before its start.
    pub fn duration(&self) -> Option<Nanos> {
        self.completed_at.map(|end| end.since(self.started_at))
    }
}
