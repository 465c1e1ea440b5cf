//! `query/sessions/`: the sessions of a window, or one with its runs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::GROUPS_MAX;
use super::window::Asked;
use crate::api::Api;
use crate::api::dto::{self, query::SessionItem, query::Sessions};
use crate::api::guard::Reader;
use crate::api::refusal::Refusal;
use crate::model::ids::{SessionId, Tenant};
use crate::model::query::SessionQuery;
use crate::model::run::Run;
use crate::model::session::SessionSummary;
use crate::store::{RunPage, Store, StoreError};

/// Runs of a session that are listed: what a terminal can show.
const SESSION_RUNS_MAX: u64 = 1_000;

pub(in crate::api) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let asked = Asked::of(uri.query());
    let wanted = asked.get("session_id").map(SessionId::new);
    let found = match wanted {
        // Asked for by name, it is shown however old it is.
        Some(Some(id)) => api.read(move |store| one(store, &tenant, &id)).await?,
        Some(None) => Vec::new(),
        None => {
            let start = asked.start();
            let query = SessionQuery { start: Some(start), limit: 100, ..SessionQuery::default() };
            api.read(move |store| all(store, &tenant, query)).await?
        }
    };
    let sessions = Sessions { sessions: found.iter().map(|(summary, runs)| SessionItem::new(summary, runs)).collect(), hours: asked.hours };
    Ok(dto::answer(StatusCode::OK, HeaderMap::new(), &sessions))
}

type Found = Vec<(SessionSummary, Vec<Run>)>;

fn one(store: &dyn Store, tenant: &Tenant, id: &SessionId) -> Result<Found, StoreError> {
    let page = RunPage { limit: Some(SESSION_RUNS_MAX), offset: 0 };
    let Some(detail) = store.session(tenant, id, page)? else { return Ok(Vec::new()) };
    Ok(vec![(detail.summary, detail.runs.collect::<Result<_, _>>()?)])
}

fn all(store: &dyn Store, tenant: &Tenant, mut query: SessionQuery) -> Result<Found, StoreError> {
    let mut found = Vec::new();
    loop {
        let page = store.sessions(tenant, &query)?;
        let n_items = page.items.len();
        found.extend(page.items.into_iter().map(|summary| (summary, Vec::new())));
        query.offset += n_items;
        if n_items < query.limit || found.len() >= GROUPS_MAX {
            return Ok(found);
        }
    }
}
