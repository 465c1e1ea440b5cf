//! The sums of a window in the cuts that `wax` asks for: by status, agent and model, costs, errors.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};
use serde::Serialize;

use super::gather::Gathered;
use super::window::Asked;
use super::{GROUPS_MAX, RUNS_MAX, question};
use crate::api::Api;
use crate::api::dto::query::{Agents, Billing, Costs, Dashboard, Errors, Models, Runs};
use crate::api::reader::Reader;
use crate::api::refusal::Refusal;
use crate::api::whole::Whole;
use crate::bounds::memory::Memory;
use crate::model::ids::Tenant;
use crate::model::run::{Run, RunStatus};
use crate::store::{Store, StoreError};

type Answer = Result<Whole, Refusal>;

/// Failed runs that are listed with their errors.
const ERRORS_MAX: usize = 20;

/// `query/runs/`
pub(in crate::api) async fn runs(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store, memory: &Memory, tenant: &Tenant| {
        let agent = asked.get("agent").or(asked.get("agent_name")).map(str::to_ascii_lowercase);
        let is_meant = |run: &Run| agent.as_ref().is_none_or(|agent| run.agent.to_ascii_lowercase().contains(agent));
        let gathered = Gathered::of(store, memory, tenant, &asked, RUNS_MAX, is_meant)?;
        json(&Runs::new(&gathered, asked.hours))
    };
    ask(&api, tenant, &uri, make).await
}

/// `query/agents/`
pub(in crate::api) async fn agents(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store, memory: &Memory, tenant: &Tenant| {
        let mut gathered = Gathered::all(store, memory, tenant, &asked)?;
        if let Some(name) = asked.get("name") {
            gathered.agents.retain(|agent, _| **agent == *name);
        }
        let (offset, limit) = (asked.offset(), asked.limit(GROUPS_MAX, GROUPS_MAX));
        json(&Agents::new(&gathered, offset, limit))
    };
    ask(&api, tenant, &uri, make).await
}

/// `query/models/`
pub(in crate::api) async fn models(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    everything(&api, tenant, &uri, |gathered, hours| json(&Models::new(gathered, hours))).await
}

/// `query/costs/`
pub(in crate::api) async fn costs(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    everything(&api, tenant, &uri, |gathered, hours| json(&Costs::new(gathered, hours))).await
}

/// `query/dashboard/`
pub(in crate::api) async fn dashboard(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    everything(&api, tenant, &uri, |gathered, hours| json(&Dashboard::new(gathered, hours))).await
}

/// `query/billing/`
pub(in crate::api) async fn billing(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    everything(&api, tenant, &uri, |gathered, hours| json(&Billing::new(gathered, hours))).await
}

/// `query/errors/`
pub(in crate::api) async fn errors(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store, memory: &Memory, tenant: &Tenant| {
        let all = Gathered::all(store, memory, tenant, &asked)?;
        let failed = Gathered::of(store, memory, tenant, &asked, ERRORS_MAX, |run| run.status == RunStatus::Error)?;
        let reason = |run: &Run| Ok(store.run(tenant, run.id)?.and_then(|view| view.error));
        let reasons = failed.newest.iter().map(reason).collect::<Result<Vec<_>, StoreError>>()?;
        json(&Errors::new(&all, failed.newest.iter().zip(reasons.iter().map(Option::as_deref))))
    };
    ask(&api, tenant, &uri, make).await
}

async fn everything(api: &Arc<Api>, tenant: Tenant, uri: &Uri, cut: fn(&Gathered, u64) -> Answer) -> Answer {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store, memory: &Memory, tenant: &Tenant| cut(&Gathered::all(store, memory, tenant, &asked)?, asked.hours);
    ask(api, tenant, uri, make).await
}

async fn ask<F>(api: &Arc<Api>, tenant: Tenant, uri: &Uri, make: F) -> Answer
where
    F: FnOnce(&dyn Store, &Memory, &Tenant) -> Answer + Send + 'static,
{
    api.sum(question(&tenant, uri), move |store, memory| make(store, memory, &tenant)).await
}

fn json<T: Serialize>(dto: &T) -> Answer {
    Whole::json(HeaderMap::new(), dto)
}
