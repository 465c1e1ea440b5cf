//! What a server must answer about the load, as sums per session: 64 bytes each.

use std::io::{self, Write};

use serde_json::json;

use super::run::{AGENTS, Run};
use super::shape::session_id;

#[derive(Clone, Copy, Default)]
struct Session {
    runs: u32,
    errors: u32,
    cost_nanos: u64,
    tokens: u64,
    duration: u64,
    first_run: u64,
    last_activity: u64,
    agents: [u8; AGENTS.len()],
    n_agents: u8,
}

pub struct Truth {
    sessions: Vec<Session>,
}

// === impl Truth ===

impl Truth {
    pub fn new(sessions: u64) -> Self {
        Self { sessions: vec![Session::default(); sessions as usize] }
    }

    /// Runs must come in the order of their numbers, which is that of their starts.
    pub fn add(&mut self, run: &Run) {
        let session = &mut self.sessions[run.session as usize];
        if session.runs == 0 {
            session.first_run = run.start;
        }
        session.runs += 1;
        session.errors += u32::from(run.is_error);
        session.cost_nanos += run.cost_nanos();
        session.tokens += run.tokens();
        session.duration += run.end() - run.start;
        session.last_activity = session.last_activity.max(run.end());
        let known = usize::from(session.n_agents);
        if !session.agents[..known].contains(&run.agent) {
            session.agents[known] = run.agent;
            session.n_agents += 1;
        }
    }

    /// Sessions with at least one run.
    pub fn sessions(&self) -> u64 {
        self.sessions.iter().filter(|session| session.runs > 0).count() as u64
    }

    pub fn runs(&self) -> u64 {
        self.sessions.iter().map(|session| u64::from(session.runs)).sum()
    }

    pub fn tokens(&self) -> u64 {
        self.sessions.iter().map(|session| session.tokens).sum()
    }

    pub fn cost_nanos(&self) -> u64 {
        self.sessions.iter().map(|session| session.cost_nanos).sum()
    }

    /// One JSON object; every session on a line of its own.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "{{\"sessions\":{{")?;
        let mut separator = "";
        for (n, session) in self.sessions.iter().enumerate().filter(|(_, session)| session.runs > 0) {
            let agents: Vec<_> = session.agents[..usize::from(session.n_agents)].iter().map(|agent| AGENTS[usize::from(*agent)]).collect();
            let truth = json!({
                "run_count": session.runs,
                "total_cost_nanos": session.cost_nanos,
                "total_tokens": session.tokens,
                "total_duration_nanos": session.duration,
                "first_run_unix_nanos": session.first_run,
                "last_activity_unix_nanos": session.last_activity,
                "agents": agents,
                "error_count": session.errors,
            });
            write!(out, "{separator}\"{}\":{truth}", session_id(n as u64))?;
            separator = ",\n";
        }
        writeln!(out, "\n}}}}")?;
        out.flush()
    }
}
