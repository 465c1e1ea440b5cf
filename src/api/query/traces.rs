//! `query/traces/`: the newest runs of a window.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};

use super::gather::Gathered;
use super::window::Asked;
use super::{RUNS_MAX, question};
use crate::api::Api;
use crate::api::dto::query::{RunItem, Traces};
use crate::api::reader::Reader;
use crate::api::refusal::Refusal;
use crate::api::whole::Whole;
use crate::bounds::memory::Memory;
use crate::model::ids::Tenant;
use crate::model::run::{Run, RunStatus};
use crate::store::Store;

const LIMIT_DEFAULT: usize = 10;

pub(in crate::api) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let asked = Asked::of(uri.query());
    api.sum(question(&tenant, &uri), move |store, memory| newest(store, memory, &tenant, &asked)).await
}

fn newest(store: &dyn Store, memory: &Memory, tenant: &Tenant, asked: &Asked) -> Result<Whole, Refusal> {
    let agent = asked.get("agent_name").or(asked.get("agent")).map(str::to_ascii_lowercase);
    let status = asked.get("status").map(str::to_owned);
    let session = asked.get("session_id").map(str::to_owned);
    let is_meant = |run: &Run| {
        agent.as_ref().is_none_or(|agent| run.agent.to_ascii_lowercase().contains(agent))
            && status.as_ref().is_none_or(|status| has_status(run, status))
            && session.as_ref().is_none_or(|session| run.session.as_ref().is_some_and(|of| of.as_str() == session))
    };
    let gathered = Gathered::of(store, memory, tenant, asked, asked.limit(LIMIT_DEFAULT, RUNS_MAX), is_meant)?;
    let traces = Traces { traces: gathered.newest.iter().map(RunItem::new).collect(), total: gathered.n_runs, hours: asked.hours };
    Whole::json(HeaderMap::new(), &traces)
}

/// A status in the words of `wax`.
fn has_status(run: &Run, status: &str) -> bool {
    match status {
        "policy_invalidated" | "policy_blocked" => run.status == RunStatus::Blocked,
        "completed" => run.status == RunStatus::Success,
        "failed" => run.status == RunStatus::Error,
        status => run.status.as_str() == status,
    }
}
