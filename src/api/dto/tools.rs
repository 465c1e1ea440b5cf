//! Tools in JSON.

use serde::Serialize;

use super::user::UserRun;
use super::{Number, format};
use crate::model::Str;
use crate::model::run::Run;
use crate::model::tool::ToolCalls;
use crate::params::links::PageWindow;
use crate::store::series::{Callers, Series, ToolShare};

#[derive(Serialize)]
pub(in crate::api) struct ToolList<'a> {
    since: String,
    until: String,
    results: Vec<ToolFigures<'a>>,
    count: u64,
    includes_runs_without_session: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

#[derive(Serialize)]
pub(in crate::api) struct Tool<'a> {
    since: String,
    until: String,
    step_seconds: u64,
    #[serde(flatten)]
    figures: ToolFigures<'a>,
    series: Vec<Point>,
    calls_by_agent: Vec<ByAgent<'a>>,
    slowest_runs: Vec<ToolRun<'a>>,
    failed_runs: Vec<ToolRun<'a>>,
    latest_runs: Vec<ToolRun<'a>>,
    runs_are_complete: bool,
    includes_runs_without_session: bool,
}

/// One tool of some time.
#[derive(Serialize)]
pub(in crate::api) struct ToolFigures<'a> {
    tool_name: &'a str,
    #[serde(flatten)]
    calls: Calls,
    run_count: u64,
    last_seen: Option<String>,
    agents: Vec<&'a str>,
}

/// What some calls came to.
#[derive(Serialize)]
struct Calls {
    call_count: u64,
    error_count: u64,
    total_duration: Number,
    duration_mean: Option<Number>,
    duration_p50: Option<Number>,
    duration_p95: Option<Number>,
    duration_p99: Option<Number>,
}

#[derive(Serialize)]
struct Point {
    start: String,
    #[serde(flatten)]
    calls: Calls,
}

#[derive(Serialize)]
struct ByAgent<'a> {
    agent_name: &'a str,
    #[serde(flatten)]
    calls: Calls,
}

/// A run, and what it called the tool for.
#[derive(Serialize)]
struct ToolRun<'a> {
    #[serde(flatten)]
    run: UserRun<'a>,
    calls: Calls,
}

// === impl ToolList ===

impl<'a> ToolList<'a> {
    pub(in crate::api) fn new(
        series: &Series,
        tools: &[(&'a Str, &'a ToolShare)],
        window: PageWindow,
        next: Option<String>,
        previous: Option<String>,
    ) -> Self {
        let [offset, limit] = [window.offset, window.limit].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        Self {
            since: format::timestamp(series.since),
            until: format::timestamp(series.until()),
            results: tools.iter().skip(offset).take(limit).map(|(name, tool)| ToolFigures::new(name, tool)).collect(),
            count: window.count,
            includes_runs_without_session: series.has_sessionless,
            next,
            previous,
        }
    }
}

// === impl Tool ===

impl<'a> Tool<'a> {
    pub(in crate::api) fn new(name: &'a str, series: &'a Series, callers: &'a Callers) -> Self {
        static NONE: std::sync::LazyLock<ToolShare> = std::sync::LazyLock::new(ToolShare::default);
        let share = series.tools.as_ref().and_then(|tools| tools.get(name)).unwrap_or(&NONE);
        let mut agents: Vec<(&Str, &ToolCalls)> = share.agents.iter().collect();
        agents.sort_by_key(|(_, calls)| std::cmp::Reverse((calls.total, calls.n_calls)));
        let runs = |runs: &'a [Run]| {
            let told = |run: &'a Run| Some(ToolRun { run: UserRun::new(run), calls: Calls::new(run.calls_of(name)?) });
            runs.iter().filter_map(told).collect()
        };
        Self {
            since: format::timestamp(series.since),
            until: format::timestamp(series.until()),
            step_seconds: series.step.0 / 1_000_000_000,
            figures: ToolFigures::new(name, share),
            series: (series.calls.iter().enumerate())
                .map(|(at, calls)| Point { start: format::timestamp(series.start_of(at)), calls: Calls::new(calls) })
                .collect(),
            calls_by_agent: agents.into_iter().map(|(agent, calls)| ByAgent { agent_name: agent, calls: Calls::new(calls) }).collect(),
            slowest_runs: runs(&callers.slowest),
            failed_runs: runs(&callers.failed),
            latest_runs: runs(&callers.latest),
            runs_are_complete: callers.is_complete,
            includes_runs_without_session: series.has_sessionless,
        }
    }
}

// === impl ToolFigures ===

impl<'a> ToolFigures<'a> {
    pub(super) fn new(name: &'a str, tool: &'a ToolShare) -> Self {
        Self {
            tool_name: name,
            calls: Calls::new(&tool.calls),
            run_count: tool.n_runs,
            last_seen: (tool.n_runs > 0).then(|| format::timestamp(tool.last_seen)),
            agents: tool.agents.keys().map(|agent| &**agent).collect(),
        }
    }
}

// === impl Calls ===

impl Calls {
    fn new(calls: &ToolCalls) -> Self {
        let quantile = |of_thousand| calls.durations.quantile(of_thousand).map(Number::seconds);
        Self {
            call_count: calls.n_calls,
            error_count: calls.n_errors,
            total_duration: Number::seconds(calls.total),
            duration_mean: calls.mean().map(Number::seconds),
            duration_p50: quantile(500),
            duration_p95: quantile(950),
            duration_p99: quantile(990),
        }
    }
}
