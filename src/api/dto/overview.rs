//! The overview in JSON.

use serde::Serialize;

use super::tools::ToolFigures;
use super::user::UserRun;
use super::{Number, format};
use crate::model::Str;
use crate::model::run::RunStatus;
use crate::model::tally::Tally;
use crate::store::news::News;
use crate::store::series::{Leading, ModelTally, Series, ToolShare, UserShare};

#[derive(Serialize)]
pub(in crate::api) struct Overview<'a> {
    since: String,
    until: String,
    step_seconds: u64,
    totals: Figures,
    previous: Previous,
    /// `None` where there were no runs in the window before.
    new: Option<NewNames<'a>>,
    series: Vec<Point>,
    agents: Vec<AgentFigures<'a>>,
    agent_count: usize,
    models: Vec<ModelFigures<'a>>,
    model_count: usize,
    /// `None` where a model is asked for: nobody says which model asked for a call.
    tools: Option<Vec<ToolFigures<'a>>>,
    tool_count: Option<usize>,
    /// `None` where there are too many runs to add them up by user.
    users: Option<Vec<UserFigures<'a>>>,
    most_expensive_runs: Vec<UserRun<'a>>,
    slowest_runs: Vec<UserRun<'a>>,
    failed_runs: Vec<UserRun<'a>>,
    runs_are_complete: bool,
    includes_runs_without_session: bool,
}

/// What some runs came to.
#[derive(Serialize)]
struct Figures {
    run_count: u64,
    running_count: u64,
    error_count: u64,
    total_cost: Number,
    unpriced_calls: u64,
    total_tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    llm_calls: u64,
    duration_p50: Option<Number>,
    duration_p95: Option<Number>,
    duration_p99: Option<Number>,
}

/// The window before.
#[derive(Serialize)]
struct Previous {
    since: String,
    until: String,
    #[serde(flatten)]
    figures: Figures,
}

/// Of whom nothing was heard in the window before.
#[derive(Serialize)]
struct NewNames<'a> {
    agents: Vec<&'a str>,
    agent_count: usize,
    models: Vec<&'a str>,
    model_count: usize,
    /// `None` where a model is asked for, as in [`Overview::tools`].
    tools: Option<Vec<&'a str>>,
    tool_count: Option<usize>,
}

#[derive(Serialize)]
struct Point {
    start: String,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct AgentFigures<'a> {
    agent_name: &'a str,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct ModelFigures<'a> {
    model: &'a str,
    providers: Vec<&'a str>,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct UserFigures<'a> {
    user_id: &'a str,
    #[serde(flatten)]
    figures: Figures,
}

// === impl Overview ===

impl<'a> Overview<'a> {
    pub(in crate::api) fn new(series: &'a Series, before: &Series, leading: &'a Leading, limit: usize) -> Self {
        let points = series.points.iter().enumerate();
        let agent = |(name, tally): (&'a Str, &Tally)| AgentFigures { agent_name: name, figures: Figures::new(tally) };
        let model = |(name, ModelTally { tally, providers }): (&'a Str, &'a ModelTally)| ModelFigures {
            model: name,
            providers: providers.iter().map(|provider| &**provider).collect(),
            figures: Figures::new(tally),
        };
        let tool = |(name, share): (&'a Str, &'a ToolShare)| ToolFigures::new(name, share);
        let user = |UserShare { user, tally }: &'a UserShare| UserFigures { user_id: user, figures: Figures::new(tally) };
        Self {
            since: format::timestamp(series.since),
            until: format::timestamp(series.until()),
            step_seconds: series.step.0 / 1_000_000_000,
            totals: Figures::new(&series.total),
            previous: Previous {
                since: format::timestamp(before.since),
                until: format::timestamp(before.until()),
                figures: Figures::new(&before.total),
            },
            new: News::of(series, before).map(|news| NewNames::new(&news, limit)),
            series: points
                .map(|(at, tally)| Point { start: format::timestamp(series.start_of(at)), figures: Figures::new(tally) })
                .collect(),
            agents: series.agents_by_cost().into_iter().take(limit).map(agent).collect(),
            agent_count: series.agents.len(),
            models: series.models_by_cost().into_iter().take(limit).map(model).collect(),
            model_count: series.models.len(),
            tools: series.tools.as_ref().map(|_| series.tools_by_time().into_iter().take(limit).map(tool).collect()),
            tool_count: series.tools.as_ref().map(|tools| tools.len()),
            users: leading.users.as_ref().map(|users| users.iter().map(user).collect()),
            most_expensive_runs: leading.dearest.iter().map(UserRun::new).collect(),
            slowest_runs: leading.slowest.iter().map(UserRun::new).collect(),
            failed_runs: leading.failed.iter().map(UserRun::new).collect(),
            runs_are_complete: leading.is_complete,
            includes_runs_without_session: series.has_sessionless,
        }
    }
}

// === impl NewNames ===

impl<'a> NewNames<'a> {
    fn new(news: &News<'a>, limit: usize) -> Self {
        let first = |names: &[&'a Str]| names.iter().take(limit).map(|name| &***name).collect();
        Self {
            agents: first(&news.agents),
            agent_count: news.agents.len(),
            models: first(&news.models),
            model_count: news.models.len(),
            tools: news.tools.as_deref().map(first),
            tool_count: news.tools.as_ref().map(Vec::len),
        }
    }
}

// === impl Figures ===

impl Figures {
    fn new(tally: &Tally) -> Self {
        let quantile = |of_thousand| tally.durations.quantile(of_thousand).map(Number::seconds);
        Self {
            run_count: tally.n_runs(),
            running_count: tally.n_of(RunStatus::Running),
            error_count: tally.n_of(RunStatus::Error),
            total_cost: Number::dollars(tally.usage.cost),
            unpriced_calls: tally.usage.unpriced_calls,
            total_tokens: tally.usage.tokens,
            input_tokens: tally.usage.input_tokens,
            output_tokens: tally.usage.output_tokens,
            llm_calls: tally.usage.calls,
            duration_p50: quantile(500),
            duration_p95: quantile(950),
            duration_p99: quantile(990),
        }
    }
}
