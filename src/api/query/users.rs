//! `query/users/`: who used the agents in a window.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};
use rustc_hash::FxHashMap;

use super::gather::{ENTRY_BYTES, RUN_BYTES};
use super::window::Asked;
use super::{GROUPS_MAX, question};
use crate::api::Api;
use crate::api::dto::query::{UserItem, Users};
use crate::api::reader::Reader;
use crate::api::refusal::Refusal;
use crate::api::whole::Whole;
use crate::bounds::memory::{Memory, Permit, Spent, Use};
use crate::model::Str;
use crate::model::ids::{RunId, Tenant};
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::NanoUsd;
use crate::store::Store;
use crate::store::view::RunQuery;

/// Runs that are listed of one user.
const RECENT_MAX: usize = 10;
/// About what a user takes in memory while each is summed up, beside the id.
const USER_BYTES: usize = 128;

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

pub(in crate::api) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let asked = Asked::of(uri.query());
    api.sum(question(&tenant, &uri), move |store, memory| users(store, memory, &tenant, &asked)).await
}

/// Which users are listed is found first, then what is said of them: of all of them at once it would be too much.
fn users(store: &dyn Store, memory: &Memory, tenant: &Tenant, asked: &Asked) -> Result<Whole, Refusal> {
    let query = RunQuery { start: Some(asked.start()), end: None, user: asked.get("user_id").map(Str::from) };
    let mut held = memory.take(Use::Sums, 0)?;
    let mut spent: FxHashMap<Str, (NanoUsd, u64)> = FxHashMap::default();
    let mut fits = Ok(());
    store.runs(tenant, &query, &mut |run| {
        let Some(user) = run.user.as_ref().filter(|_| fits.is_ok()) else { return };
        if !spent.contains_key(user) {
            fits = held.grow(USER_BYTES + user.len());
        }
        let (cost, n_runs) = spent.entry(user.clone()).or_default();
        (*cost, *n_runs) = (NanoUsd(cost.0.wrapping_add(run.usage.cost.0)), *n_runs + 1);
    })?;
    fits?;
    let mut ordered: Vec<(&Str, &(NanoUsd, u64))> = spent.iter().collect();
    ordered.sort_unstable_by(|(a, spent_a), (b, spent_b)| spent_b.cmp(spent_a).then_with(|| a.cmp(b)));
    ordered.truncate(GROUPS_MAX);
    let ordered: Vec<Str> = ordered.into_iter().map(|(user, _)| user.clone()).collect();
    drop(spent);
    held.shrink_to(0);

    let mut users: FxHashMap<Str, QueryUser> = ordered.iter().map(|user| (user.clone(), QueryUser::default())).collect();
    let mut fits = Ok(());
    store.runs(tenant, &query, &mut |run| {
        let Some(user) = run.user.as_ref().and_then(|user| users.get_mut(user)).filter(|_| fits.is_ok()) else { return };
        fits = user.add(run, &mut held);
    })?;
    fits?;
    let items = ordered.iter().filter_map(|id| Some(UserItem::new(id, users.get(id).filter(|user| user.n_runs > 0)?)));
    Whole::json(HeaderMap::new(), &Users { users: items.collect(), hours: asked.hours })
}

// === impl QueryUser ===

impl QueryUser {
    fn add(&mut self, run: &Run, held: &mut Permit) -> Result<(), Spent> {
        if !self.agents.contains_key(&run.agent) {
            held.grow(ENTRY_BYTES + run.agent.len())?;
        }
        if self.recent.len() < RECENT_MAX {
            held.grow(RUN_BYTES)?;
        }
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
        Ok(())
    }
}
