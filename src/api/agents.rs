//! `GET /api/v1/observability/agents/`: the agents that have a run in a session, for choosing one.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;

use super::dto::AgentList;
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head, path};
use crate::params::agents::AgentsParams;
use crate::params::base::Base;
use crate::params::links::Place;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let AgentsParams { query, pairs } = AgentsParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let make = move |store: &dyn crate::store::Store| {
        let page = store.agents(&tenant, &query)?;
        let place = Place { offset: query.offset as u64, limit: query.limit as u64, count: page.count };
        let link = place.header(&base, path::AGENTS, &pairs);
        let short = |offset| place.short(offset);
        let list = AgentList::new(&page, place.next().map(short), place.previous().map(short));
        Whole::json(head::headers(&pairs, link), &list)
    };
    api.answer(make).await
}
