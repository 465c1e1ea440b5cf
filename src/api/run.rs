//! `GET /api/v1/observability/runs/{run_id}/`: one run whole.
//!
//! The id is the number that a session's runs show; a trace id or a workflow id leads to its run as well.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;

use super::dto::run::RunDetail;
use super::guard::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head};
use crate::params::pairs::Pairs;
use crate::store::Store;

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, Path(id): Path<String>, uri: Uri) -> Result<Whole, Refusal> {
    let pairs = Pairs::read(uri.query(), &[])?;
    let make = move |store: &dyn Store| {
        let view = store.find_run(&tenant, &id)?.map_or(Ok(None), |run| store.run(&tenant, run))?.ok_or(Refusal::NotFound)?;
        Whole::json(head::headers(&pairs, None), &RunDetail::new(&view))
    };
    api.look(make).await
}
