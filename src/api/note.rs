//! `GET`, `PUT` and `DELETE /api/v1/observability/sessions/{session_id}/note/`: what people note of a session.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};

use super::dto::note::{NoteBody, Noted};
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, dto, head, path};
use crate::model::ids::{SessionId, Tenant};
use crate::model::note::NoteChange;
use crate::model::query::SessionQuery;
use crate::params::pairs::Pairs;
use crate::store::Store;

/// The longest text with every character escaped, and some room.
pub(super) const BODY_MAX_BYTES: usize = 64 << 10;

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let id = path::noted_session_id(&uri)?;
    let pairs = Pairs::read(uri.query(), &[])?;
    let make = move |store: &dyn Store| {
        let one = SessionQuery { session_id: Some(id), limit: 1, ..SessionQuery::default() };
        let found = store.sessions(&tenant, &one)?.items;
        let summary = found.first().ok_or(Refusal::NotFound)?;
        Whole::json(head::headers(&pairs, None), &Noted::new(summary))
    };
    api.answer(make).await.map(IntoResponse::into_response)
}

pub(super) async fn put(
    State(api): State<Arc<Api>>,
    Reader(tenant): Reader,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let id = path::noted_session_id(&uri)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::BadBody("it did not come whole".into()),
    })?;
    let change = NoteBody::parse(&body)?;
    changed(&api, &tenant, &id, change, &uri).await
}

pub(super) async fn delete(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let id = path::noted_session_id(&uri)?;
    changed(&api, &tenant, &id, NoteChange::removal(), &uri).await
}

async fn changed(api: &Api, tenant: &Tenant, id: &SessionId, change: NoteChange, uri: &Uri) -> Result<Response, Refusal> {
    let headers: HeaderMap = head::headers(&Pairs::read(uri.query(), &[])?, None);
    let summary = api.store.change_note(tenant, id, change).await?.ok_or(Refusal::NotFound)?;
    Ok(dto::answer(StatusCode::OK, headers, &Noted::new(&summary)))
}
