//! What a server must answer once it has all of the traffic: computed from what was played, never from the spans.

use std::collections::BTreeMap;

/// One run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunTruth {
    pub agent: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    pub is_error: bool,
    /// Calls of models that were answered.
    pub n_calls: u64,
    pub tokens: u64,
    pub cost_nanos: u64,
    /// Answered calls whose price nobody knows.
    pub unpriced_calls: u64,
}

/// One session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionTruth {
    pub runs: Vec<RunTruth>,
}

/// Every session by its id.
pub type Truth = BTreeMap<String, SessionTruth>;

// === impl SessionTruth ===

impl SessionTruth {
    pub fn first_run(&self) -> u64 {
        self.runs.iter().map(|run| run.start).min().unwrap_or(0)
    }

    pub fn last_activity(&self) -> u64 {
        self.runs.iter().map(|run| run.end).max().unwrap_or(0)
    }

    pub fn duration(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    pub fn cost_nanos(&self) -> u64 {
        self.runs.iter().map(|run| run.cost_nanos).sum()
    }

    pub fn tokens(&self) -> u64 {
        self.runs.iter().map(|run| run.tokens).sum()
    }

    pub fn errors(&self) -> u64 {
        self.runs.iter().filter(|run| run.is_error).count() as u64
    }

    pub fn unpriced_calls(&self) -> u64 {
        self.runs.iter().map(|run| run.unpriced_calls).sum()
    }

    /// In the order of each one's first run.
    pub fn agents(&self) -> Vec<&str> {
        let mut runs: Vec<_> = self.runs.iter().map(|run| (run.start, run.agent.as_str())).collect();
        runs.sort_unstable();
        let mut agents = Vec::new();
        for (_, agent) in runs {
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        agents
    }
}
