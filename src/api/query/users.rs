//! `query/users/`: who used the agents in a window.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::GROUPS_MAX;
use super::window::Asked;
use crate::api::Api;
use crate::api::dto::{self, query::UserItem, query::Users};
use crate::api::guard::Reader;
use crate::api::refusal::Refusal;
use crate::model::Str;
use crate::model::ids::RunId;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::NanoUsd;
use crate::store::view::RunQuery;

/// Runs that are listed of one user.
const RECENT_MAX: usize = 10;

/// One user in a window.
#[derive(Default)]
pub(in crate::api) struct QueryUser {
    pub(in crate::api) group: Option<Str>,
    /// The latest run that names a group, which says what it is.
    group_of: Option<(UnixNanos, RunId)>,
    pub(in crate::api) n_runs: u64,
    pub(in crate::api) cost: NanoUsd,
    pub(in crate::api) tokens: u64,
    pub(in crate::api) last_seen: UnixNanos,
    /// Runs and cost by agent.
    pub(in crate::api) agents: BTreeMap<Str, (u64, NanoUsd)>,
    /// Newest first.
    pub(in crate::api) recent: Vec<Run>,
}

pub(in crate::api) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let asked = Asked::of(uri.query());
    let user = asked.get("user_id").map(Str::from);
    let query = RunQuery { start: Some(asked.start()), end: None, user };
    let users = api
        .read(move |store| {
            let mut users: BTreeMap<Str, QueryUser> = BTreeMap::new();
            store.runs(&tenant, &query, &mut |run| {
                if let Some(user) = &run.user {
                    users.entry(user.clone()).or_default().add(run);
                }
            })?;
            Ok(users)
        })
        .await?;
    let mut ordered: Vec<(&Str, &QueryUser)> = users.iter().collect();
    ordered.sort_by_key(|(_, user)| std::cmp::Reverse((user.cost, user.n_runs)));
    ordered.truncate(GROUPS_MAX);
    let users = Users { users: ordered.iter().map(|(id, user)| UserItem::new(id, user)).collect(), hours: asked.hours };
    Ok(dto::answer(StatusCode::OK, HeaderMap::new(), &users))
}

// === impl QueryUser ===

impl QueryUser {
    fn add(&mut self, run: &Run) {
        self.n_runs += 1;
        self.cost = NanoUsd(self.cost.0.wrapping_add(run.usage.cost.0));
        self.tokens = self.tokens.wrapping_add(run.usage.tokens);
        self.last_seen = self.last_seen.max(run.last_activity);
        let this = Some((run.started_at, run.id));
        if run.user_group.is_some() && this > self.group_of {
            (self.group, self.group_of) = (run.user_group.clone(), this);
        }
        let agent = self.agents.entry(run.agent.clone()).or_default();
        *agent = (agent.0 + 1, NanoUsd(agent.1.0.wrapping_add(run.usage.cost.0)));
        let at = self.recent.partition_point(|known| (known.started_at, known.id) >= (run.started_at, run.id));
        if at < RECENT_MAX {
            self.recent.insert(at, run.clone());
            self.recent.truncate(RECENT_MAX);
        }
    }
}
