//! The JSON of the API. Only types of this file derive `Serialize`.
//!
//! - The order of the fields is the order of the keys, and part of the interface.
//! - A key that was not asked for by `include=` is absent; a documented key is always there.

pub(super) mod detail;
pub(super) mod explain;
pub(super) mod links;
pub(super) mod note;
pub(super) mod overview;
pub(super) mod query;
pub(super) mod run;
pub(super) mod score;
pub(super) mod status;
pub(super) mod tools;
mod tree;
pub(super) mod user;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::value::RawValue;

use self::links::Links;
use self::note::NoteKeys;
use self::score::{ScoreLine, ScoreSummary};
use crate::model::ids::RunId;
use crate::model::question::Question;
use crate::model::reason::Reason;
use crate::model::run::Run;
use crate::model::scores::ScoreTotals;
use crate::model::session::{AgentSummary, Page, SessionSummary};
use crate::model::time::Nanos;
use crate::model::usage::{ModelUsage, NanoUsd, UsageTotal};
use crate::model::{Str, build};
use crate::params::explore::{Elsewhere, Grafana};
use crate::params::format;
use crate::params::include::{Include, Includes};

#[derive(Serialize)]
pub(super) struct Refused<'a> {
    pub(super) detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameter: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct SessionList<'a> {
    results: Vec<SessionLine<'a>>,
    count: u64,
    next: Option<String>,
    previous: Option<String>,
}

#[derive(Serialize)]
pub(super) struct SessionLine<'a> {
    session_id: &'a str,
    run_count: u64,
    first_run: String,
    last_activity: String,
    total_duration: Number,
    total_cost: Number,
    total_tokens: u64,
    agents: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Pricing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<LineErrors<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<ScoreSummary<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
    #[serde(flatten)]
    note: Option<NoteKeys<'a>>,
    // The outer option is whether the key is there, the inner one whether the value is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_question: Option<Option<&'a str>>,
}

/// What a line has of its session's runs, as far as it was asked for.
#[derive(Default)]
pub(super) struct LineRuns {
    /// Why the newest failed run failed.
    pub(super) last_error: Option<Reason>,
    /// Of the newest runs, the newest first.
    pub(super) users: Vec<Str>,
    /// Of the newest runs.
    pub(super) scores: ScoreTotals,
    /// Of the earliest runs.
    pub(super) first_question: Option<Question>,
}

/// The part of a session's usage that the list has at hand.
#[derive(Serialize)]
struct Pricing {
    unpriced_calls: u64,
    cost_is_partial: bool,
}

#[derive(Serialize)]
pub(super) struct Errors {
    error_count: u64,
    running_count: u64,
    tool_errors: u64,
}

#[derive(Serialize)]
struct LineErrors<'a> {
    #[serde(flatten)]
    errors: Errors,
    /// Why the newest failed run failed.
    last_error: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Aggregates<'a> {
    run_count: u64,
    total_duration: Number,
    total_cost: Number,
    total_tokens: u64,
    agents: Vec<&'a str>,
}

#[derive(Serialize)]
pub(super) struct RunLine<'a> {
    id: u64,
    agent_name: &'a str,
    workflow_name: &'a str,
    started_at: String,
    completed_at: Option<String>,
    duration: Option<Number>,
    status: &'static str,
    cost: Number,
    tokens: u64,
    trace_id: String,
    // The outer option is whether the key is there, the inner one whether the value is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_run_id: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_group: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<ModelLine<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<ScoreLine<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_errors: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<Links>,
}

#[derive(Serialize)]
pub(super) struct Usage {
    llm_calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    unpriced_calls: u64,
    cost_is_partial: bool,
    /// Where the cost is from, see [`cost_source`].
    cost_source: Option<&'static str>,
    suppressed: Suppressed,
}

/// Claims that were left out so that nothing counts twice.
#[derive(Serialize)]
struct Suppressed {
    llm_calls: u64,
    tokens: u64,
    cost: Number,
}

#[derive(Serialize)]
pub(super) struct ModelLine<'a> {
    model: &'a str,
    provider: &'a str,
    llm_calls: u64,
    tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost: Number,
    unpriced_calls: u64,
    /// Only with `include=usage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_source: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct UserLine<'a> {
    pub(super) user_id: &'a str,
    pub(super) user_group: Option<&'a str>,
    pub(super) run_count: u64,
    pub(super) tokens: u64,
    pub(super) cost: Number,
}

#[derive(Serialize)]
pub(super) struct AgentList<'a> {
    results: Vec<AgentLine<'a>>,
    count: u64,
    /// Absent where there is no other page, as they were before there were pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

#[derive(Serialize)]
struct AgentLine<'a> {
    name: &'a str,
    run_count: u64,
    last_activity: String,
}

#[derive(Serialize)]
pub(super) struct Deleted<'a> {
    pub(super) session_id: &'a str,
    pub(super) deleted_runs: u64,
    pub(super) detail: &'static str,
}

#[derive(Serialize)]
pub(super) struct Version {
    version: &'static str,
    /// `None`: the build did not know its commit.
    revision: Option<&'static str>,
}

/// A decimal number whose digits are given.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Number(Box<RawValue>);

/// A whole JSON answer; what is longer than some pages goes through `stream` instead.
pub(super) fn answer<T: Serialize>(status: StatusCode, mut headers: HeaderMap, dto: &T) -> Response {
    let bytes = serde_json::to_vec(dto).expect("no map has keys other than strings, and memory cannot fail to take bytes");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

// === impl Version ===

impl Version {
    pub(super) fn new() -> Self {
        Self { version: build::VERSION, revision: build::REVISION }
    }
}

// === impl Number ===

impl Number {
    pub(super) fn seconds(length: Nanos) -> Self {
        Self::new(format::seconds(length))
    }

    pub(super) fn dollars(cost: NanoUsd) -> Self {
        Self::new(format::dollars(cost))
    }

    fn new(digits: String) -> Self {
        Self(RawValue::from_string(digits).expect("digits, a point and digits are a JSON number"))
    }
}

// === impl SessionList ===

impl<'a> SessionList<'a> {
    pub(super) fn new(
        page: &'a Page<SessionSummary>,
        runs: &'a [LineRuns],
        include: Includes,
        grafana: Option<&Grafana>,
        next: Option<String>,
        previous: Option<String>,
    ) -> Self {
        let results = page.items.iter().zip(runs).map(|(summary, runs)| SessionLine::new(summary, runs, include, grafana)).collect();
        Self { results, count: page.count, next, previous }
    }
}

impl<'a> SessionLine<'a> {
    pub(super) fn new(summary: &'a SessionSummary, runs: &'a LineRuns, include: Includes, grafana: Option<&Grafana>) -> Self {
        Self {
            session_id: summary.id.as_str(),
            run_count: summary.run_count,
            first_run: format::timestamp(summary.first_run),
            last_activity: format::timestamp(summary.last_activity),
            total_duration: Number::seconds(summary.total_duration),
            total_cost: Number::dollars(summary.total_cost),
            total_tokens: summary.total_tokens,
            agents: names(&summary.agents),
            usage: include.has(Include::Usage).then(|| Pricing::new(summary)),
            errors: include
                .has(Include::Errors)
                .then(|| LineErrors { errors: Errors::new(summary), last_error: runs.last_error.as_deref() }),
            users: include.has(Include::Users).then(|| names(&runs.users)),
            scores: include.has(Include::Scores).then(|| ScoreSummary::all(&runs.scores)),
            links: include.has(Include::Links).then(|| Links::new(Elsewhere::session(summary), grafana)),
            note: include.has(Include::Note).then(|| NoteKeys::new(summary)),
            first_question: include.has(Include::Question).then_some(runs.first_question.as_deref()),
        }
    }
}

impl Pricing {
    fn new(summary: &SessionSummary) -> Self {
        Self { unpriced_calls: summary.unpriced_calls, cost_is_partial: summary.unpriced_calls > 0 }
    }
}

impl Errors {
    pub(super) fn new(summary: &SessionSummary) -> Self {
        Self { error_count: summary.error_count, running_count: summary.running_count, tool_errors: summary.tool_errors }
    }
}

// === impl Aggregates ===

impl<'a> Aggregates<'a> {
    pub(super) fn new(summary: &'a SessionSummary) -> Self {
        Self {
            run_count: summary.run_count,
            total_duration: Number::seconds(summary.total_duration),
            total_cost: Number::dollars(summary.total_cost),
            total_tokens: summary.total_tokens,
            agents: names(&summary.agents),
        }
    }
}

// === impl RunLine ===

impl<'a> RunLine<'a> {
    pub(super) fn new(run: &'a Run, include: Includes) -> Self {
        let has_users = include.has(Include::Users);
        Self {
            id: run.id.get(),
            agent_name: &run.agent,
            workflow_name: &run.workflow,
            started_at: format::timestamp(run.started_at),
            completed_at: run.completed_at.map(format::timestamp),
            duration: run.duration().map(Number::seconds),
            status: run.status.as_str(),
            cost: Number::dollars(run.usage.cost),
            tokens: run.usage.tokens,
            trace_id: trace_id(run),
            parent_run_id: include.has(Include::Parents).then_some(run.parent.map(RunId::get)),
            usage: include.has(Include::Usage).then(|| Usage::new(&run.usage, &run.suppressed)),
            user_id: has_users.then_some(run.user.as_deref()),
            user_group: has_users.then_some(run.user_group.as_deref()),
            models: include.has(Include::Models).then(|| run.models.iter().map(|usage| ModelLine::of(usage, include)).collect()),
            scores: include.has(Include::Scores).then(|| run.scores.iter().map(ScoreLine::new).collect()),
            error: include.has(Include::Errors).then_some(run.error.as_deref()),
            tool_errors: include.has(Include::Errors).then_some(run.tool_errors),
            links: None,
        }
    }

    /// With links, if they are asked for.
    pub(super) fn linked(self, run: &Run, include: Includes, grafana: Option<&Grafana>) -> Self {
        Self { links: include.has(Include::Links).then(|| Links::new(Elsewhere::run(run), grafana)), ..self }
    }
}

// === impl Usage ===

impl Usage {
    pub(super) fn new(usage: &UsageTotal, suppressed: &UsageTotal) -> Self {
        Self {
            llm_calls: usage.calls,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            unpriced_calls: usage.unpriced_calls,
            cost_is_partial: usage.unpriced_calls > 0,
            cost_source: cost_source(usage),
            suppressed: Suppressed { llm_calls: suppressed.calls, tokens: suppressed.tokens, cost: Number::dollars(suppressed.cost) },
        }
    }
}

// === impl ModelLine ===

impl<'a> ModelLine<'a> {
    pub(super) fn new(model: &'a str, provider: &'a str, total: &UsageTotal) -> Self {
        Self {
            model,
            provider,
            llm_calls: total.calls,
            tokens: total.tokens,
            input_tokens: total.input_tokens,
            output_tokens: total.output_tokens,
            cost: Number::dollars(total.cost),
            unpriced_calls: total.unpriced_calls,
            cost_source: None,
        }
    }

    /// With the source of its cost.
    pub(super) fn sourced(model: &'a str, provider: &'a str, total: &UsageTotal) -> Self {
        Self { cost_source: cost_source(total), ..Self::new(model, provider, total) }
    }

    fn of(usage: &'a ModelUsage, include: Includes) -> Self {
        let line = if include.has(Include::Usage) { Self::sourced } else { Self::new };
        line(&usage.model, &usage.provider, &usage.total)
    }
}

// === impl AgentList ===

impl<'a> AgentList<'a> {
    pub(super) fn new(page: &'a Page<AgentSummary>, next: Option<String>, previous: Option<String>) -> Self {
        let line = |agent: &'a AgentSummary| AgentLine {
            name: &agent.name,
            run_count: agent.run_count,
            last_activity: format::timestamp(agent.last_activity),
        };
        Self { results: page.items.iter().map(line).collect(), count: page.count, next, previous }
    }
}

/// Empty where a run is of no trace that is known.
fn trace_id(run: &Run) -> String {
    run.trace_id().map(|trace| trace.to_string()).unwrap_or_default()
}

/// Where the cost of these calls is from: `emitted` (the sender states it), `override` (the operator's file), `price_table` (the table in
/// the binary), `unknown` (tokens, and nobody knows a price), `mixed`; `None` where nothing was used.
pub(super) fn cost_source(total: &UsageTotal) -> Option<&'static str> {
    let sources = [
        (total.emitted_calls > 0, "emitted"),
        (total.override_calls > 0, "override"),
        (total.table_calls > 0, "price_table"),
        (total.unpriced_calls > 0, "unknown"),
    ];
    let mut named = sources.into_iter().filter(|(is, _)| *is).map(|(_, name)| name);
    match (named.next(), named.next()) {
        (only, None) => only,
        _ => Some("mixed"),
    }
}

fn names(agents: &[Str]) -> Vec<&str> {
    agents.iter().map(|agent| &**agent).collect()
}
