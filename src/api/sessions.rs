//! `GET /api/v1/observability/sessions/`: one page of sessions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::dto::{self, SessionList};
use super::guard::Reader;
use super::refusal::Refusal;
use super::{Api, head, path};
use crate::params::base::Base;
use crate::params::links::Place;
use crate::params::sessions::ListParams;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let ListParams { query, include, pairs } = ListParams::parse(uri.query())?;
    let (offset, limit) = (query.offset as u64, query.limit as u64);
    let page = api.read(move |store| store.sessions(&tenant, &query)).await?;
    let place = Place { offset, limit, count: page.count };
    let link = place.header(&Base::of(api.public_url.as_deref(), &headers, &uri), path::SESSIONS, &pairs);
    let short = |offset| place.short(offset);
    let list = SessionList::new(&page, include, api.grafana.as_ref(), place.next().map(short), place.previous().map(short));
    Ok(dto::answer(StatusCode::OK, head::headers(&pairs, link), &list))
}
