//! A session: all runs of a tenant that share a session id, as sums over them.

use std::sync::Arc;

use crate::model::Str;
use crate::model::ids::SessionId;
use crate::model::note::Note;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;

/// One line of the sessions list; every figure is over all runs of the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionSummary {
    pub id: SessionId,
    pub run_count: u64,
    /// Earliest `started_at` of its runs.
    pub first_run: UnixNanos,
    /// Latest moment any of its runs was active.
    pub last_activity: UnixNanos,
    /// Sum of the durations of its completed runs, nested runs included.
    pub total_duration: Nanos,
    pub total_cost: NanoUsd,
    pub total_tokens: u64,
    /// Distinct names in the order of each agent's first run, ties by name; runs without an agent add none.
    pub agents: Vec<Str>,
    /// Runs with status `error`.
    pub error_count: u64,
    /// Calls of tools that failed, over all runs.
    pub tool_errors: u64,
    /// Runs with status `running`.
    pub running_count: u64,
    /// Calls with tokens and no known price: with any of these the cost is "at least".
    pub unpriced_calls: u64,
    /// What a person noted of it.
    pub note: Option<Arc<Note>>,
}

/// One agent of a tenant, for the agents list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSummary {
    pub name: Str,
    /// Runs of the agent that belong to a session.
    pub run_count: u64,
    pub last_activity: UnixNanos,
}

/// How many sessions were last active in each of some spans of time that follow one another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Activity {
    /// Where the first begins.
    pub start: UnixNanos,
    /// How long each is.
    pub width: Nanos,
    pub counts: Vec<u64>,
}

/// A page of a list, and how many there are in all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub count: u64,
}

// === impl Page ===

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), count: 0 }
    }
}
