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
use crate::params::links::PageWindow;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let AgentsParams { query, pairs } = AgentsParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let make = move |store: &dyn crate::store::Store| {
        let page = store.agents(&tenant, &query)?;
        let window = PageWindow { offset: query.offset as u64, limit: query.limit as u64, count: page.count };
        let link = window.header(&base, path::AGENTS, &pairs);
        let short = |offset| window.short(offset);
        let list = AgentList::new(&page, window.next().map(short), window.previous().map(short));
        Whole::json(head::headers(&pairs, link), &list)
    };
    api.answer(make).await
}
