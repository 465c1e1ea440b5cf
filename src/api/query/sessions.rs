//! `query/sessions/`: the sessions of a window, or one with its runs.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};

use super::GROUPS_MAX;
use super::window::Asked;
use crate::api::Api;
use crate::api::dto::query::{SessionItem, Sessions};
use crate::api::reader::Reader;
use crate::api::refusal::Refusal;
use crate::api::whole::Whole;
use crate::model::ids::{SessionId, Tenant};
use crate::model::query::SessionQuery;
use crate::model::run::Run;
use crate::model::session::SessionSummary;
use crate::store::{RunPage, Store, StoreError};

/// Runs of a session that are listed: what a terminal can show.
const SESSION_RUNS_MAX: u64 = 1_000;

pub(in crate::api) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store| {
        let found = match asked.get("session_id").map(SessionId::new) {
            // Asked for by name, it is shown however old it is.
            Some(Some(id)) => one(store, &tenant, &id)?,
            Some(None) => Vec::new(),
            None => all(store, &tenant, SessionQuery { start: Some(asked.start()), limit: 100, ..SessionQuery::default() })?,
        };
        let sessions = found.iter().map(|(summary, runs)| SessionItem::new(summary, runs)).collect();
        Whole::json(HeaderMap::new(), &Sessions { sessions, hours: asked.hours })
    };
    api.answer(make).await
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
