//! The query plane in JSON, as `wax` 0.1.9 reads it: a value that it knows by two names has both.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Number, cost_source, format, trace_id};
use crate::api::query::GROUPS_MAX;
use crate::api::query::gather::{AgentTotal, Gathered};
use crate::api::query::users::QueryUser;
use crate::model::Str;
use crate::model::run::{Run, RunStatus};
use crate::model::session::SessionSummary;
use crate::model::usage::{NanoUsd, UsageTotal};

#[derive(Serialize)]
pub(in crate::api) struct Sessions<'a> {
    pub(in crate::api) sessions: Vec<SessionItem<'a>>,
    pub(in crate::api) hours: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct SessionItem<'a> {
    session_id: &'a str,
    run_count: u64,
    agent_names: Vec<&'a str>,
    agents: Vec<&'a str>,
    started_at: String,
    last_activity_at: String,
    duration: Number,
    cost: Number,
    total_cost: Number,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<RunItem<'a>>,
}

#[derive(Serialize)]
pub(in crate::api) struct Traces<'a> {
    pub(in crate::api) traces: Vec<RunItem<'a>>,
    pub(in crate::api) total: u64,
    pub(in crate::api) hours: u64,
}

/// A run in a list.
#[derive(Serialize)]
pub(in crate::api) struct RunItem<'a> {
    id: u64,
    run_id: u64,
    agent_name: &'a str,
    workflow_name: &'a str,
    status: &'static str,
    duration: Number,
    cost: Number,
    total_cost: Number,
    total_tokens: u64,
    user_id: Option<&'a str>,
    session_id: Option<&'a str>,
    trace_id: String,
    span_count: u32,
    started_at: String,
    completed_at: Option<String>,
}

#[derive(Serialize)]
pub(in crate::api) struct Runs<'a> {
    total_runs: u64,
    by_status: &'a BTreeMap<&'static str, u64>,
    by_agent: BTreeMap<&'a str, u64>,
    recent_runs: Vec<RunItem<'a>>,
    runs: Vec<RunItem<'a>>,
    hours: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct Agents<'a> {
    agents: Vec<AgentItem<'a>>,
    /// How many there are in all.
    total: usize,
}

#[derive(Serialize)]
struct AgentItem<'a> {
    agent_name: &'a str,
    name: &'a str,
    display_name: &'a str,
    version: &'static str,
    status: &'static str,
    total_runs: u64,
    run_count: u64,
    runs: u64,
    executions: u64,
    error_rate: f64,
    errors: u64,
    cost: Number,
    total_tokens: u64,
    last_run_at: String,
    max_concurrent: Option<u64>,
}

#[derive(Serialize)]
pub(in crate::api) struct Models<'a> {
    by_model: Vec<ModelItem<'a>>,
    models: Vec<&'a str>,
    total_calls: u64,
    hours: u64,
}

#[derive(Serialize)]
struct ModelItem<'a> {
    model: &'a str,
    provider: &'a str,
    calls: u64,
    call_count: u64,
    input_tokens: u64,
    output_tokens: u64,
    tokens: u64,
    total_tokens: u64,
    cost: Number,
    cost_source: Option<&'static str>,
}

#[derive(Serialize)]
pub(in crate::api) struct Costs<'a> {
    total_cost: Number,
    total_tokens: u64,
    models: Vec<ModelItem<'a>>,
    by_model: Vec<ModelItem<'a>>,
    agents: Vec<AgentItem<'a>>,
    by_agent: Vec<AgentItem<'a>>,
    hours: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct Dashboard<'a> {
    total_runs: u64,
    success_rate: f64,
    error_rate: f64,
    error_count: u64,
    active_agents: usize,
    active_alerts: u64,
    policy_violations: u64,
    total_cost: Number,
    total_tokens: u64,
    avg_cost_per_run: f64,
    top_agents: Vec<AgentItem<'a>>,
    hours: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct Billing<'a> {
    usage: BillingUsage<'a>,
    total_cost: Number,
    hours: u64,
}

#[derive(Serialize)]
struct BillingUsage<'a> {
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    total_calls: u64,
    total_runs: u64,
    total_cost: Number,
    by_agent: BTreeMap<&'a str, AgentUsage>,
}

#[derive(Serialize)]
struct AgentUsage {
    cost: Number,
    tokens: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct Errors<'a> {
    total_errors: u64,
    error_rate: f64,
    by_agent: Vec<AgentItem<'a>>,
    recent_errors: Vec<ErrorItem<'a>>,
}

#[derive(Serialize)]
struct ErrorItem<'a> {
    #[serde(flatten)]
    run: RunItem<'a>,
    error: &'a str,
}

#[derive(Serialize)]
pub(in crate::api) struct Users<'a> {
    pub(in crate::api) users: Vec<UserItem<'a>>,
    pub(in crate::api) hours: u64,
}

#[derive(Serialize)]
pub(in crate::api) struct UserItem<'a> {
    user_id: &'a str,
    group: Option<&'a str>,
    runs: u64,
    run_count: u64,
    cost: Number,
    total_cost: Number,
    total_tokens: u64,
    last_seen: String,
    agents: Vec<UserAgent<'a>>,
    recent_runs: Vec<RunItem<'a>>,
}

#[derive(Serialize)]
struct UserAgent<'a> {
    name: &'a str,
    agent_name: &'a str,
    runs: u64,
    cost: Number,
}

/// Agents that a dashboard names.
const TOP_AGENTS: usize = 10;

// === impl ===

impl<'a> SessionItem<'a> {
    pub(in crate::api) fn new(summary: &'a SessionSummary, runs: &'a [Run]) -> Self {
        let agents: Vec<&str> = summary.agents.iter().map(|agent| &**agent).collect();
        Self {
            session_id: summary.id.as_str(),
            run_count: summary.run_count,
            agent_names: agents.clone(),
            agents,
            started_at: format::timestamp(summary.first_run),
            last_activity_at: format::timestamp(summary.last_activity),
            duration: Number::seconds(summary.total_duration),
            cost: Number::dollars(summary.total_cost),
            total_cost: Number::dollars(summary.total_cost),
            total_tokens: summary.total_tokens,
            runs: runs.iter().map(RunItem::new).collect(),
        }
    }
}

impl<'a> RunItem<'a> {
    pub(in crate::api) fn new(run: &'a Run) -> Self {
        // A run that is going on has lasted as long as it has been heard of.
        let duration = run.duration().unwrap_or_else(|| run.last_activity.since(run.started_at));
        Self {
            id: run.id.get(),
            run_id: run.id.get(),
            agent_name: &run.agent,
            workflow_name: &run.workflow,
            status: run.status.as_str(),
            duration: Number::seconds(duration),
            cost: Number::dollars(run.usage.cost),
            total_cost: Number::dollars(run.usage.cost),
            total_tokens: run.usage.tokens,
            user_id: run.user.as_deref(),
            session_id: run.session.as_ref().map(|session| session.as_str()),
            trace_id: trace_id(run),
            span_count: run.n_spans,
            started_at: format::timestamp(run.started_at),
            completed_at: run.completed_at.map(format::timestamp),
        }
    }
}

impl<'a> Runs<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, hours: u64) -> Self {
        Self {
            total_runs: gathered.n_runs,
            by_status: &gathered.by_status,
            by_agent: busiest(gathered, |_| true, 0, GROUPS_MAX).map(|(name, agent)| (&**name, agent.n_runs)).collect(),
            recent_runs: gathered.newest.iter().map(RunItem::new).collect(),
            runs: gathered.newest.iter().map(RunItem::new).collect(),
            hours,
        }
    }
}

impl<'a> Agents<'a> {
    /// `limit` of them from `offset` on, the busiest first.
    pub(in crate::api) fn new(gathered: &'a Gathered, offset: usize, limit: usize) -> Self {
        Self { agents: agents(gathered, |_| true, offset, limit), total: gathered.agents.len() }
    }
}

impl<'a> AgentItem<'a> {
    fn new(name: &'a Str, agent: &AgentTotal) -> Self {
        Self {
            agent_name: name,
            name,
            display_name: name,
            version: "",
            status: if agent.n_running > 0 { "running" } else { "active" },
            total_runs: agent.n_runs,
            run_count: agent.n_runs,
            runs: agent.n_runs,
            executions: agent.n_runs,
            error_rate: rate(agent.n_errors, agent.n_runs),
            errors: agent.n_errors,
            cost: Number::dollars(agent.cost),
            total_tokens: agent.tokens,
            last_run_at: format::timestamp(agent.last_run),
            max_concurrent: None,
        }
    }
}

impl<'a> Models<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, hours: u64) -> Self {
        let by_model = models(gathered);
        Self { models: by_model.iter().map(|item| item.model).collect(), total_calls: gathered.usage.calls, by_model, hours }
    }
}

impl<'a> ModelItem<'a> {
    fn new(model: &'a str, provider: &'a str, total: &UsageTotal) -> Self {
        Self {
            model,
            provider,
            calls: total.calls,
            call_count: total.calls,
            input_tokens: total.input_tokens,
            output_tokens: total.output_tokens,
            tokens: total.tokens,
            total_tokens: total.tokens,
            cost: Number::dollars(total.cost),
            cost_source: cost_source(total),
        }
    }
}

impl<'a> Costs<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, hours: u64) -> Self {
        Self {
            total_cost: Number::dollars(gathered.usage.cost),
            total_tokens: gathered.usage.tokens,
            models: models(gathered),
            by_model: models(gathered),
            agents: agents(gathered, |_| true, 0, GROUPS_MAX),
            by_agent: agents(gathered, |_| true, 0, GROUPS_MAX),
            hours,
        }
    }
}

impl<'a> Dashboard<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, hours: u64) -> Self {
        let n_errors = gathered.n_of(RunStatus::Error);
        let top_agents = agents(gathered, |_| true, 0, TOP_AGENTS);
        let n_runs = gathered.n_runs;
        Self {
            total_runs: n_runs,
            success_rate: if n_runs == 0 { 100.0 } else { rate(n_runs - n_errors, n_runs) },
            error_rate: rate(n_errors, n_runs),
            error_count: n_errors,
            active_agents: gathered.agents.keys().filter(|name| !name.is_empty()).count(),
            active_alerts: 0,
            policy_violations: gathered.n_of(RunStatus::Blocked),
            total_cost: Number::dollars(gathered.usage.cost),
            total_tokens: gathered.usage.tokens,
            avg_cost_per_run: if n_runs == 0 { 0.0 } else { gathered.usage.cost.0 as f64 / 1e9 / n_runs as f64 },
            top_agents,
            hours,
        }
    }
}

impl<'a> Billing<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, hours: u64) -> Self {
        let used = |agent: &AgentTotal| AgentUsage { cost: Number::dollars(agent.cost), tokens: agent.tokens };
        Self {
            usage: BillingUsage {
                total_tokens: gathered.usage.tokens,
                input_tokens: gathered.usage.input_tokens,
                output_tokens: gathered.usage.output_tokens,
                total_calls: gathered.usage.calls,
                total_runs: gathered.n_runs,
                total_cost: Number::dollars(gathered.usage.cost),
                by_agent: busiest(gathered, |_| true, 0, GROUPS_MAX).map(|(name, agent)| (&**name, used(agent))).collect(),
            },
            total_cost: Number::dollars(gathered.usage.cost),
            hours,
        }
    }
}

impl<'a> Errors<'a> {
    pub(in crate::api) fn new(gathered: &'a Gathered, failed: impl Iterator<Item = (&'a Run, Option<&'a str>)>) -> Self {
        let n_errors = gathered.n_of(RunStatus::Error);
        Self {
            total_errors: n_errors,
            error_rate: rate(n_errors, gathered.n_runs),
            by_agent: agents(gathered, |agent| agent.n_errors > 0, 0, GROUPS_MAX),
            recent_errors: failed.map(|(run, error)| ErrorItem { run: RunItem::new(run), error: error.unwrap_or_default() }).collect(),
        }
    }
}

impl<'a> UserItem<'a> {
    pub(in crate::api) fn new(id: &'a str, user: &'a QueryUser) -> Self {
        let agent = |(name, (runs, cost)): (&'a Str, &(u64, NanoUsd))| UserAgent {
            name,
            agent_name: name,
            runs: *runs,
            cost: Number::dollars(*cost),
        };
        Self {
            user_id: id,
            group: user.group.as_deref(),
            runs: user.n_runs,
            run_count: user.n_runs,
            cost: Number::dollars(user.cost),
            total_cost: Number::dollars(user.cost),
            total_tokens: user.tokens,
            last_seen: format::timestamp(user.last_seen),
            agents: user.agents.iter().map(agent).collect(),
            recent_runs: user.recent.iter().map(RunItem::new).collect(),
        }
    }
}

/// As `wax` reads a rate: a fraction below 1, and 100 where it is all of them.
fn rate(part: u64, of: u64) -> f64 {
    match (part, of) {
        (_, 0) => 0.0,
        (part, of) if part >= of => 100.0,
        (part, of) => part as f64 / of as f64,
    }
}

/// The busiest first.
fn agents(gathered: &Gathered, is_meant: impl Fn(&AgentTotal) -> bool, offset: usize, limit: usize) -> Vec<AgentItem<'_>> {
    busiest(gathered, is_meant, offset, limit).map(|(name, agent)| AgentItem::new(name, agent)).collect()
}

fn busiest(
    gathered: &Gathered,
    is_meant: impl Fn(&AgentTotal) -> bool,
    offset: usize,
    limit: usize,
) -> impl Iterator<Item = (&Str, &AgentTotal)> {
    let mut agents: Vec<(&Str, &AgentTotal)> = gathered.agents.iter().filter(|(_, agent)| is_meant(agent)).collect();
    agents.sort_by_key(|(_, agent)| std::cmp::Reverse(agent.n_runs));
    agents.into_iter().skip(offset).take(limit)
}

/// The dearest first.
fn models(gathered: &Gathered) -> Vec<ModelItem<'_>> {
    let mut models: Vec<_> = gathered.models.iter().collect();
    models.sort_by_key(|(_, total)| std::cmp::Reverse((total.cost, total.tokens)));
    models.into_iter().map(|((model, provider), total)| ModelItem::new(model, provider, total)).collect()
}
