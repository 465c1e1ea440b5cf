//! The sums of a window in the cuts that `wax` asks for: by status, agent and model, costs, errors.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;

use super::RUNS_MAX;
use super::gather::Gathered;
use super::window::Asked;
use crate::api::Api;
use crate::api::dto::query::{Agents, Billing, Costs, Dashboard, Errors, Models, Runs};
use crate::api::dto::{self};
use crate::api::guard::Reader;
use crate::api::refusal::Refusal;
use crate::model::ids::Tenant;
use crate::model::run::{Run, RunStatus};

type Answer = Result<Response, Refusal>;

/// Failed runs that are listed with their errors.
const ERRORS_MAX: usize = 20;

/// `query/runs/`
pub(in crate::api) async fn runs(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let agent = asked.get("agent").or(asked.get("agent_name")).map(str::to_ascii_lowercase);
    let is_meant = move |run: &Run| agent.as_ref().is_none_or(|agent| run.agent.to_ascii_lowercase().contains(agent));
    let gathered = Gathered::of(&api, tenant, &asked, RUNS_MAX, is_meant).await?;
    Ok(answer(&Runs::new(&gathered, asked.hours)))
}

/// `query/agents/`
pub(in crate::api) async fn agents(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let name = asked.get("name").map(str::to_owned);
    let is_meant = move |run: &Run| name.as_ref().is_none_or(|name| *run.agent == **name);
    let gathered = Gathered::of(&api, tenant, &asked, 0, is_meant).await?;
    Ok(answer(&Agents::new(&gathered)))
}

/// `query/models/`
pub(in crate::api) async fn models(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    Ok(answer(&Models::new(&everything(&api, tenant, &asked).await?, asked.hours)))
}

/// `query/costs/`
pub(in crate::api) async fn costs(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    Ok(answer(&Costs::new(&everything(&api, tenant, &asked).await?, asked.hours)))
}

/// `query/dashboard/`
pub(in crate::api) async fn dashboard(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    Ok(answer(&Dashboard::new(&everything(&api, tenant, &asked).await?, asked.hours)))
}

/// `query/billing/`
pub(in crate::api) async fn billing(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    Ok(answer(&Billing::new(&everything(&api, tenant, &asked).await?, asked.hours)))
}

/// `query/errors/`
pub(in crate::api) async fn errors(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Answer {
    let asked = Asked::of(uri.query());
    let all = everything(&api, tenant.clone(), &asked).await?;
    let failed = Gathered::of(&api, tenant.clone(), &asked, ERRORS_MAX, |run| run.status == RunStatus::Error).await?;
    let ids: Vec<_> = failed.newest.iter().map(|run| run.id).collect();
    let reasons = api
        .read(move |store| {
            let reason = |id: &_| Ok(store.run(&tenant, *id)?.and_then(|view| view.error));
            ids.iter().map(reason).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(answer(&Errors::new(&all, failed.newest.iter().zip(reasons.iter().map(Option::as_deref)))))
}

async fn everything(api: &Arc<Api>, tenant: Tenant, asked: &Asked) -> Result<Gathered, Refusal> {
    Gathered::of(api, tenant, asked, 0, |_| true).await
}

fn answer<T: Serialize>(dto: &T) -> Response {
    dto::answer(StatusCode::OK, HeaderMap::new(), dto)
}
