//! A run: one execution of one agent, as the fold computes it from the facts of one trace.

use crate::model::Str;
use crate::model::ids::{RunId, RunKey, SessionId};
use crate::model::time::{Nanos, UnixNanos};
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    pub key: RunKey,
    pub id: RunId,
    pub session: Option<SessionId>,
    /// Empty where no span names one.
    pub agent: Str,
    pub workflow: Str,
    pub user: Option<Str>,
    pub user_group: Option<Str>,
    /// The run that this one was started in, if it is of the same trace.
    pub parent: Option<RunKey>,
    pub started_at: UnixNanos,
    /// `None` while it runs.
    pub completed_at: Option<UnixNanos>,
    /// The latest moment it was active: its end, else its newest span, else its start.
    pub last_activity: UnixNanos,
    pub status: RunStatus,
    pub usage: UsageTotal,
    /// Claims that were left out so that nothing counts twice: echoes, wrappers, containers' sums.
    pub suppressed: UsageTotal,
    /// `usage` by model, ordered by model and provider.
    pub models: Vec<ModelUsage>,
    pub n_spans: u32,
    /// Its root span is missing; everything known comes from its children.
    pub is_provisional: bool,
    /// Its times lie in the far future: shown as sent, but kept from leading a list.
    pub is_future: bool,
    /// Its trace holds more spans than the limit; what lies beyond was not folded.
    pub is_truncated: bool,
}

// === impl RunStatus ===

impl RunStatus {
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
    /// `None` while it runs; zero where its end lies before its start.
    pub fn duration(&self) -> Option<Nanos> {
        self.completed_at.map(|end| end.since(self.started_at))
    }
}
