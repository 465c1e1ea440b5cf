//! `GET /api/v1/observability/sessions/`: one page of sessions.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;

use super::dto::SessionList;
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head, path};
use crate::params::base::Base;
use crate::params::include::Include;
use crate::params::links::Place;
use crate::params::sessions::ListParams;
use crate::store::Store;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let ListParams { query, include, pairs } = ListParams::parse(uri.query())?;
    let (offset, limit) = (query.offset as u64, query.limit as u64);
    let base = Base::public(api.public_url.as_deref());
    let grafana = api.grafana.clone();
    let make = move |store: &dyn Store| {
        let page = store.sessions(&tenant, &query)?;
        let place = Place { offset, limit, count: page.count };
        let link = place.header(&base, path::SESSIONS, &pairs);
        let short = |offset| place.short(offset);
        let last_errors = if include.has(Include::Errors) { store.last_errors(&tenant, &page.items)? } else { Vec::new() };
        let list = SessionList::new(&page, &last_errors, include, grafana.as_ref(), place.next().map(short), place.previous().map(short));
        Whole::json(head::headers(&pairs, link), &list)
    };
    api.answer(make).await
}
