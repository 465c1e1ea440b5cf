//! What can be asked of the sessions list.

use crate::model::ids::SessionId;
use crate::model::time::UnixNanos;

/// A validated query; every condition that is there must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionQuery {
    /// Substring of the session id, ASCII case-insensitive, special characters literal. Never empty.
    pub search: Option<String>,
    /// Exactly this session.
    pub session_id: Option<SessionId>,
    /// Exact agent name of one of the session's runs.
    pub agent: Option<String>,
    /// Exact id of the user of one of the session's runs.
    pub user: Option<String>,
    /// With `end`: sessions that have a run that overlaps [start, end]. Inclusive on both sides.
    pub start: Option<UnixNanos>,
    pub end: Option<UnixNanos>,
    pub status: Option<StatusFilter>,
    /// Whether it bears a bookmark.
    pub bookmarked: Option<bool>,
    pub sort: Sort,
    /// 1 to 100.
    pub limit: usize,
    pub offset: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusFilter {
    /// Has a run with status `running`.
    Running,
    /// Has a run with status `error`.
    Error,
    /// Has a run in which a tool failed.
    ToolError,
}

/// The order of a list; equal keys are always ordered by session id ascending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    pub field: SortField,
    pub descending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SortField {
    LastActivity,
    FirstRun,
    RunCount,
    TotalCost,
    TotalTokens,
    TotalDuration,
    SessionId,
}

impl SortField {
    pub const ALL: [Self; 7] =
        [Self::LastActivity, Self::FirstRun, Self::RunCount, Self::TotalCost, Self::TotalTokens, Self::TotalDuration, Self::SessionId];

    /// The name in `sort=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastActivity => "last_activity",
            Self::FirstRun => "first_run",
            Self::RunCount => "run_count",
            Self::TotalCost => "total_cost",
            Self::TotalTokens => "total_tokens",
            Self::TotalDuration => "total_duration",
            Self::SessionId => "session_id",
        }
    }
}

/// A page of the users, over all their runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserQuery {
    /// Substring of the user id, in small letters.
    pub search: Option<String>,
    pub sort: UserSort,
    pub descending: bool,
    pub limit: usize,
    pub offset: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserSort {
    LastSeen,
    FirstSeen,
    RunCount,
    TotalCost,
    TotalTokens,
    TotalDuration,
    UserId,
}

impl UserSort {
    pub const ALL: [Self; 7] =
        [Self::LastSeen, Self::FirstSeen, Self::RunCount, Self::TotalCost, Self::TotalTokens, Self::TotalDuration, Self::UserId];

    /// The name in `sort=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastSeen => "last_seen",
            Self::FirstSeen => "first_seen",
            Self::RunCount => "run_count",
            Self::TotalCost => "total_cost",
            Self::TotalTokens => "total_tokens",
            Self::TotalDuration => "total_duration",
            Self::UserId => "user_id",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToolSort {
    TotalDuration,
    CallCount,
    ErrorCount,
    ErrorRate,
    DurationP50,
    DurationP95,
    LastSeen,
    ToolName,
}

impl ToolSort {
    pub const ALL: [Self; 8] = [
        Self::TotalDuration,
        Self::CallCount,
        Self::ErrorCount,
        Self::ErrorRate,
        Self::DurationP50,
        Self::DurationP95,
        Self::LastSeen,
        Self::ToolName,
    ];

    /// The name in `sort=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TotalDuration => "total_duration",
            Self::CallCount => "call_count",
            Self::ErrorCount => "error_count",
            Self::ErrorRate => "error_rate",
            Self::DurationP50 => "duration_p50",
            Self::DurationP95 => "duration_p95",
            Self::LastSeen => "last_seen",
            Self::ToolName => "tool_name",
        }
    }
}

/// Which part of the agents list is wanted, in the order of their names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AgentQuery {
    pub offset: usize,
    pub limit: usize,
}

impl Default for AgentQuery {
    /// The first page as the documented endpoint gives it.
    fn default() -> Self {
        Self { offset: 0, limit: Self::LIMIT_MAX }
    }
}

impl AgentQuery {
    /// The largest page, and the usual one: few installations have more agents.
    pub const LIMIT_MAX: usize = 1_000;
}

impl Default for SessionQuery {
    /// The first page as the documented endpoint gives it: 25 sessions, the most recently active first.
    fn default() -> Self {
        Self {
            search: None,
            session_id: None,
            agent: None,
            user: None,
            start: None,
            end: None,
            status: None,
            bookmarked: None,
            sort: Sort { field: SortField::LastActivity, descending: true },
            limit: 25,
            offset: 0,
        }
    }
}
