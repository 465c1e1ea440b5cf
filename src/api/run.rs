//! `GET /api/v1/observability/runs/{run_id}/`: one run whole.
//!
//! The id is the number that a session's runs show; a trace id or a workflow id leads to its run as well.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::{StatusCode, Uri};

use super::dto::{self, run::RunDetail};
use super::guard::Reader;
use super::refusal::Refusal;
use super::{Api, head};
use crate::params::pairs::Pairs;

pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Reader(tenant): Reader,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let pairs = Pairs::read(uri.query(), &[])?;
    let view = api.read(move |store| store.find_run(&tenant, &id)?.map_or(Ok(None), |run| store.run(&tenant, run))).await?;
    let view = view.ok_or(Refusal::NotFound)?;
    Ok(dto::answer(StatusCode::OK, head::headers(&pairs, None), &RunDetail::new(&view)))
}
