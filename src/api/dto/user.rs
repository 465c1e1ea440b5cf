//! Users in JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Number, RunLine, format};
use crate::api::user_totals::UserTotal;
use crate::model::run::Run;
use crate::params::include::Includes;

#[derive(Serialize)]
pub(in crate::api) struct UserList<'a> {
    pub(in crate::api) results: Vec<UserSummary<'a>>,
    pub(in crate::api) count: usize,
    pub(in crate::api) next: Option<String>,
    pub(in crate::api) previous: Option<String>,
}

#[derive(Serialize)]
pub(in crate::api) struct UserSummary<'a> {
    user_id: &'a str,
    user_group: Option<&'a str>,
    #[serde(flatten)]
    aggregates: UserAggregates<'a>,
}

#[derive(Serialize)]
pub(in crate::api) struct UserAggregates<'a> {
    run_count: u64,
    session_count: usize,
    first_seen: String,
    last_seen: String,
    total_duration: Number,
    total_cost: Number,
    total_tokens: u64,
    agents: Vec<&'a str>,
    cost_by_model: BTreeMap<&'a str, Number>,
}

#[derive(Serialize)]
pub(in crate::api) struct UserDetail<'a> {
    user_id: &'a str,
    user_group: Option<&'a str>,
    aggregates: UserAggregates<'a>,
    sessions: Vec<&'a str>,
    runs: Vec<UserRun<'a>>,
    count: usize,
    next: Option<String>,
    previous: Option<String>,
}

/// A run with the session it is of.
#[derive(Serialize)]
pub(super) struct UserRun<'a> {
    session_id: Option<&'a str>,
    #[serde(flatten)]
    run: RunLine<'a>,
}

impl<'a> UserSummary<'a> {
    pub(in crate::api) fn new(user_id: &'a str, total: &'a UserTotal) -> Self {
        Self { user_id, user_group: total.group.as_deref(), aggregates: UserAggregates::new(total) }
    }
}

impl<'a> UserAggregates<'a> {
    fn new(total: &'a UserTotal) -> Self {
        Self {
            run_count: total.run_count,
            session_count: total.sessions.len(),
            first_seen: format::timestamp(total.first_seen),
            last_seen: format::timestamp(total.last_seen),
            total_duration: Number::seconds(total.duration),
            total_cost: Number::dollars(total.cost),
            total_tokens: total.tokens,
            agents: total.agents_in_order(),
            cost_by_model: total.cost_by_model.iter().map(|(model, cost)| (&**model, Number::dollars(*cost))).collect(),
        }
    }
}

impl<'a> UserRun<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        Self { session_id: run.session.as_ref().map(|session| session.as_str()), run: RunLine::new(run, Includes::default()) }
    }
}

impl<'a> UserDetail<'a> {
    pub(in crate::api) fn new(
        user_id: &'a str,
        total: &'a UserTotal,
        runs: &'a [Run],
        next: Option<String>,
        previous: Option<String>,
    ) -> Self {
        Self {
            user_id,
            user_group: total.group.as_deref(),
            aggregates: UserAggregates::new(total),
            sessions: total.sessions.iter().map(|session| session.as_str()).collect(),
            runs: runs.iter().map(UserRun::new).collect(),
            count: usize::try_from(total.run_count).unwrap_or(usize::MAX),
            next,
            previous,
        }
    }
}
