//! What the store must show, in the plainest way: all facts from the beginning, folded anew for every question, and sums over runs.

use std::collections::{BTreeMap, BTreeSet};

use sessionfold::conventions::{Conventions, Strings, extract};
use sessionfold::fold::{Rules, TraceFacts, TraceLimit, fold};
use sessionfold::model::Str;
use sessionfold::model::ids::{SessionId, TraceId};
use sessionfold::model::query::{SessionQuery, SortField, StatusFilter};
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::session::{AgentSummary, Page, SessionSummary};
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::model::usage::NanoUsd;
use sessionfold::wire::otlp::resource_spans;

/// All that was accepted for one tenant.
#[derive(Default)]
pub struct Truth {
    /// Unfinished runs that were last active before this have timed out.
    pub silent_since: UnixNanos,
    /// Runs whose root never came and that were last active before this are over.
    pub idle_since: UnixNanos,
    traces: BTreeMap<TraceId, TraceFacts>,
    tombstones: BTreeMap<SessionId, UnixNanos>,
    conventions: Conventions,
    strings: Strings,
}

/// Every session with its runs in chronological order.
pub type Sessions = BTreeMap<SessionId, Vec<Run>>;

// === impl Truth ===

impl Truth {
    pub fn take(&mut self, request: &[u8], received_at: UnixNanos) {
        for resource_spans in resource_spans(request).map(Result::unwrap) {
            let resource = self.conventions.resource(resource_spans.attributes().map(Result::unwrap));
            for scope_spans in resource_spans.scope_spans().map(Result::unwrap) {
                let scope = self.conventions.scope(scope_spans.scope_name, &mut self.strings);
                for span in scope_spans.spans().map(Result::unwrap) {
                    let extracted = extract(&span, &scope, &resource, received_at, &mut self.strings).unwrap();
                    self.traces.entry(extracted.trace).or_default().join(extracted.fact, TraceLimit { max_spans: 50_000 });
                }
            }
        }
    }

    /// Deletes as documented: what started before stays gone; a trace that was all of the session and has ended is forgotten.
    pub fn delete(&mut self, session: &SessionId, at: UnixNanos) -> Option<u64> {
        let sessions = self.sessions();
        let runs = sessions.get(session)?;
        let newest = runs.iter().filter(|run| !run.is_future).map(|run| run.started_at).max();
        let (shown, of_all) = (self.runs(), self.all_runs());
        self.tombstones.insert(session.clone(), newest.map_or(at, |newest| newest.max(at)));
        for trace in runs.iter().map(|run| run.key.trace).collect::<BTreeSet<_>>() {
            let is_of_it = |run: &&Run| run.key.trace == trace;
            let has_ended = |run: &Run| run.completed_at.is_some() && !run.is_provisional;
            if shown.iter().filter(is_of_it).all(|run| run.session.as_ref() == Some(session))
                && of_all.iter().filter(is_of_it).all(has_ended)
            {
                self.traces.remove(&trace);
            }
        }
        Some(runs.len() as u64)
    }

    pub fn sessions(&self) -> Sessions {
        let mut sessions = Sessions::new();
        for run in self.runs() {
            if let Some(session) = &run.session {
                sessions.entry(session.clone()).or_default().push(run);
            }
        }
        for runs in sessions.values_mut() {
            runs.sort_by_key(|run| (run.started_at, run.id, run.key));
        }
        sessions
    }

    /// Every run that is not deleted, with and without a session.
    fn runs(&self) -> Vec<Run> {
        let mut runs = self.all_runs();
        runs.retain(|run| {
            let tombstone = run.session.as_ref().and_then(|session| self.tombstones.get(session));
            tombstone.is_none_or(|at| run.started_at > *at && !run.is_future)
        });
        runs
    }

    fn all_runs(&self) -> Vec<Run> {
        let rules = Rules { price: &|_, _| None, silent_since: self.silent_since, idle_since: self.idle_since, next_turn: UnixNanos::ZERO };
        self.traces.iter().flat_map(|(trace, facts)| fold(*trace, facts, &[], &rules).runs).collect()
    }
}

// === sums and lists ===

pub fn list(sessions: &Sessions, query: &SessionQuery) -> Page<SessionSummary> {
    let fitting = sessions.iter().filter(|(id, runs)| fits(id, runs, query));
    let mut rows: Vec<(SessionSummary, u64)> =
        fitting.map(|(id, runs)| (summary(id, runs), sort_key(id, runs, query.sort.field))).collect();
    if query.sort.field == SortField::SessionId && query.sort.descending {
        rows.reverse();
    } else if query.sort.descending {
        rows.sort_by_key(|(_, key)| std::cmp::Reverse(*key));
    } else {
        rows.sort_by_key(|(_, key)| *key);
    }
    let count = rows.len() as u64;
    Page { items: rows.into_iter().map(|(row, _)| row).skip(query.offset).take(query.limit).collect(), count }
}

pub fn summary(id: &SessionId, runs: &[Run]) -> SessionSummary {
    let sum = |value: fn(&Run) -> u64| runs.iter().map(value).sum();
    SessionSummary {
        id: id.clone(),
        note: None,
        run_count: runs.len() as u64,
        first_run: runs.iter().map(|run| run.started_at).min().unwrap(),
        last_activity: runs.iter().map(|run| run.last_activity).max().unwrap(),
        total_duration: Nanos(sum(|run| run.duration().map_or(0, |length| length.0))),
        total_cost: NanoUsd(sum(|run| run.usage.cost.0)),
        total_tokens: sum(|run| run.usage.tokens),
        agents: agents_of(runs),
        error_count: sum(|run| u64::from(run.status == RunStatus::Error)),
        tool_errors: sum(|run| u64::from(run.tool_errors)),
        running_count: sum(|run| u64::from(run.status == RunStatus::Running)),
        unpriced_calls: sum(|run| run.usage.unpriced_calls),
    }
}

pub fn agents(sessions: &Sessions) -> Vec<AgentSummary> {
    let mut agents: BTreeMap<Str, (u64, UnixNanos)> = BTreeMap::new();
    for run in sessions.values().flatten().filter(|run| !run.agent.is_empty()) {
        let (count, last) = agents.entry(run.agent.clone()).or_default();
        *count += 1;
        *last = run.last_activity.max(*last);
    }
    agents.into_iter().map(|(name, (run_count, last_activity))| AgentSummary { name, run_count, last_activity }).collect()
}

fn agents_of(runs: &[Run]) -> Vec<Str> {
    let mut first: BTreeMap<&Str, UnixNanos> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.agent.is_empty()) {
        let at = first.entry(&run.agent).or_insert(run.started_at);
        *at = run.started_at.min(*at);
    }
    let mut agents: Vec<_> = first.into_iter().collect();
    agents.sort_by_key(|(name, at)| (*at, *name));
    agents.into_iter().map(|(name, _)| name.clone()).collect()
}

fn sort_key(id: &SessionId, runs: &[Run], field: SortField) -> u64 {
    let believable = || runs.iter().filter(|run| !run.is_future);
    let row = summary(id, runs);
    match field {
        SortField::LastActivity => believable().map(|run| run.last_activity.0).max().unwrap_or(0),
        SortField::FirstRun => believable().map(|run| run.started_at.0).min().unwrap_or(0),
        SortField::RunCount => row.run_count,
        SortField::TotalCost => row.total_cost.0,
        SortField::TotalTokens => row.total_tokens,
        SortField::TotalDuration => row.total_duration.0,
        SortField::SessionId => 0,
    }
}

fn fits(id: &SessionId, runs: &[Run], query: &SessionQuery) -> bool {
    let has_status = |status: StatusFilter| {
        runs.iter().any(|run| match status {
            StatusFilter::Running => run.status == RunStatus::Running,
            StatusFilter::Error => run.status == RunStatus::Error,
            StatusFilter::ToolError => run.tool_errors > 0,
        })
    };
    let (start, end) = (query.start.unwrap_or(UnixNanos::ZERO), query.end.unwrap_or(UnixNanos::MAX));
    let is_within = |run: &Run| start <= end && run.started_at <= end && run.last_activity >= start;
    query.search.as_ref().is_none_or(|search| id.as_str().contains(search.as_str()))
        && query.session_id.as_ref().is_none_or(|wanted| wanted == id)
        && query.agent.as_ref().is_none_or(|agent| runs.iter().any(|run| *run.agent == **agent))
        && query.user.as_ref().is_none_or(|user| runs.iter().any(|run| run.user.as_deref() == Some(user)))
        && query.status.is_none_or(has_status)
        && runs.iter().any(is_within)
}
