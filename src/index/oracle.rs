//! The index as its specification reads: a list of sessions, each with all its runs; everything is computed anew for every question.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AgentShare, SessionNo, SessionRow};
use crate::model::Str;
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::note::Note;
use crate::model::query::{SessionQuery, SortField, StatusFilter};
use crate::model::run::{Run, RunStatus};
use crate::model::session::{AgentSummary, Page, SessionSummary};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{NanoUsd, UsageTotal};

#[derive(Default)]
pub(super) struct Oracle {
    /// Also sessions that were minted and have no run yet.
    pub(super) sessions: BTreeMap<SessionNo, (SessionId, Vec<Run>)>,
    pub(super) notes: BTreeMap<SessionId, Arc<Note>>,
}

// === impl Oracle ===

impl Oracle {
    pub(super) fn runs(&self, no: SessionNo) -> &[Run] {
        self.sessions.get(&no).map_or(&[], |(_, runs)| runs)
    }

    pub(super) fn rows(&self) -> Vec<SessionRow> {
        self.sessions
            .iter()
            .filter(|(_, (_, runs))| !runs.is_empty())
            .map(|(no, (id, runs))| row(*no, id, runs, self.notes.get(id)))
            .collect()
    }

    pub(super) fn list(&self, query: &SessionQuery) -> Page<SessionSummary> {
        let mut rows = self.rows();
        rows.retain(|row| fits(row, self.runs(row.no), query));
        let id_key = |row: &SessionRow| row.summary.id.as_str().to_owned();
        if query.sort.field == SortField::SessionId {
            rows.sort_by_key(id_key);
            if query.sort.descending {
                rows.reverse();
            }
        } else {
            let flip = if query.sort.descending { u64::MAX } else { 0 };
            rows.sort_by_key(|row| (key(row, query.sort.field) ^ flip, id_key(row)));
        }
        let count = rows.len() as u64;
        let items = rows.into_iter().skip(query.offset).take(query.limit).map(|row| row.summary).collect();
        Page { items, count }
    }

    pub(super) fn agents(&self) -> Vec<AgentSummary> {
        let runs = || self.sessions.values().flat_map(|(_, runs)| runs);
        let names: BTreeSet<&Str> = runs().map(|run| &run.agent).filter(|name| !name.is_empty()).collect();
        let summary = |name: &Str| AgentSummary {
            name: name.clone(),
            run_count: runs().filter(|run| run.agent == *name).count() as u64,
            last_activity: runs().filter(|run| run.agent == *name).map(end).max().unwrap(),
        };
        names.into_iter().map(summary).collect()
    }

    pub(super) fn idle_since(&self, floor: UnixNanos, limit: usize) -> Vec<SessionNo> {
        let mut rows = self.rows();
        rows.retain(|row| row.summary.last_activity < floor);
        rows.sort_by_key(|row| (row.summary.last_activity, row.summary.id.clone()));
        rows.iter().take(limit).map(|row| row.no).collect()
    }
}

fn end(run: &Run) -> UnixNanos {
    run.last_activity.max(run.started_at)
}

pub(super) fn overlaps(run: &Run, start: UnixNanos, window_end: UnixNanos) -> bool {
    start <= window_end && run.started_at <= window_end && end(run) >= start
}

fn row(no: SessionNo, id: &SessionId, runs: &[Run], note: Option<&Arc<Note>>) -> SessionRow {
    let names: BTreeSet<&Str> = runs.iter().map(|run| &run.agent).filter(|name| !name.is_empty()).collect();
    let share = |name: &Str| {
        let own: Vec<&Run> = runs.iter().filter(|run| run.agent == *name).collect();
        AgentShare {
            run_count: own.len() as u32,
            first_run: own.iter().map(|run| run.started_at).min().unwrap(),
            last_activity: own.iter().map(|run| end(run)).max().unwrap(),
        }
    };
    let mut agents: Vec<(Str, AgentShare)> = names.into_iter().map(|name| (name.clone(), share(name))).collect();
    agents.sort_by_key(|(name, share)| (share.first_run, name.clone()));
    let sum = |value: fn(&Run) -> u64| runs.iter().map(value).fold(0, u64::wrapping_add);
    let believable = || runs.iter().filter(|run| !run.is_future);
    let summary = SessionSummary {
        id: id.clone(),
        note: note.cloned(),
        run_count: runs.len() as u64,
        first_run: runs.iter().map(|run| run.started_at).min().unwrap(),
        last_activity: runs.iter().map(end).max().unwrap(),
        total_duration: Nanos(sum(|run| run.completed_at.map_or(0, |end| end.0.saturating_sub(run.started_at.0)))),
        total_cost: NanoUsd(sum(|run| run.usage.cost.0)),
        total_tokens: sum(|run| run.usage.tokens),
        agents: agents.iter().map(|(name, _)| name.clone()).collect(),
        error_count: sum(|run| u64::from(run.status == RunStatus::Error)),
        tool_errors: sum(|run| u64::from(run.tool_errors)),
        running_count: sum(|run| u64::from(run.status == RunStatus::Running)),
        unpriced_calls: sum(|run| run.usage.unpriced_calls),
    };
    SessionRow {
        no,
        summary,
        agents: agents.into_iter().map(|(_, share)| share).collect(),
        sort_activity: believable().map(end).max().unwrap_or_default(),
        sort_first_run: believable().map(|run| run.started_at).min().unwrap_or_default(),
    }
}

fn key(row: &SessionRow, field: SortField) -> u64 {
    match field {
        SortField::LastActivity => row.sort_activity.0,
        SortField::FirstRun => row.sort_first_run.0,
        SortField::RunCount => row.summary.run_count,
        SortField::TotalCost => row.summary.total_cost.0,
        SortField::TotalTokens => row.summary.total_tokens,
        SortField::TotalDuration => row.summary.total_duration.0,
        SortField::SessionId => unreachable!("ids are not numbers"),
    }
}

fn fits(row: &SessionRow, runs: &[Run], query: &SessionQuery) -> bool {
    let id = row.summary.id.as_str();
    let has_text = |search: &String| {
        let (id, search) = (id.to_ascii_lowercase(), search.to_ascii_lowercase());
        (0..=id.len()).any(|at| id.as_bytes()[at..].starts_with(search.as_bytes()))
    };
    let has_status = |status| match status {
        StatusFilter::Running => runs.iter().any(|run| run.status == RunStatus::Running),
        StatusFilter::Error => runs.iter().any(|run| run.status == RunStatus::Error),
        StatusFilter::ToolError => runs.iter().any(|run| run.tool_errors > 0),
    };
    let is_timed = query.start.is_some() || query.end.is_some();
    let (start, window_end) = (query.start.unwrap_or(UnixNanos::ZERO), query.end.unwrap_or(UnixNanos::MAX));
    query.search.as_ref().is_none_or(has_text)
        && query.session_id.as_ref().is_none_or(|wanted| wanted.as_str() == id)
        && query.agent.as_ref().is_none_or(|agent| !agent.is_empty() && runs.iter().any(|run| *run.agent == **agent))
        && query.status.is_none_or(has_status)
        && query.bookmarked.is_none_or(|wanted| row.summary.note.as_ref().is_some_and(|note| note.is_bookmarked) == wanted)
        && (!is_timed || runs.iter().any(|run| overlaps(run, start, window_end)))
}

/// A run that took from `start` to `end` and used nothing; a success.
pub(super) fn run(agent: &str, start: u64, end: u64) -> Run {
    let key = RunKey { trace: TraceId::from_bytes(&[7; 16]).unwrap(), span: SpanId::from_u64(1).unwrap() };
    Run {
        key,
        id: RunId::derive(key),
        session: None,
        agent: agent.into(),
        workflow: "".into(),
        user: None,
        user_group: None,
        parent: None,
        started_at: UnixNanos(start),
        completed_at: Some(UnixNanos(end)),
        last_activity: UnixNanos(end),
        status: RunStatus::Success,
        error: None,
        tool_errors: 0,
        usage: UsageTotal::default(),
        suppressed: UsageTotal::default(),
        models: Vec::new(),
        tools: Vec::new(),
        question: None,
        n_spans: 1,
        is_provisional: false,
        is_future: false,
        is_truncated: false,
        is_reported: false,
        is_untraced: false,
        is_agentless: false,
        is_turn: false,
        is_retelling: false,
        scores: Vec::new(),
    }
}
