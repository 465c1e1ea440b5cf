//! `GET /api/v1/status/`: how the server is, the same as the page `/status`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::dto::status::StatusDto;
use super::reader::Reader;
use super::refusal::Refusal;
use super::{Api, dto};

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader) -> Result<Response, Refusal> {
    let read = Arc::clone(&api.status);
    let status = tokio::task::spawn_blocking(move || read(&tenant)).await.map_err(|error| {
        tracing::error!(%error, "reading the status panicked");
        Refusal::Internal
    })?;
    // `/status` answers with this or with a page.
    let headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("Accept"))]);
    Ok(dto::answer(StatusCode::OK, headers, &StatusDto(&status)))
}
