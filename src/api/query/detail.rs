//! `query/traces/detail/`: one run with its calls, scores and spans, by its number, its trace, its workflow, or the beginning of an id.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::window::Asked;
use crate::api::Api;
use crate::api::dto::{self, detail::Detail};
use crate::api::guard::Reader;
use crate::api::refusal::Refusal;

pub(in crate::api) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let asked = Asked::of(uri.query());
    let id = asked.get("trace_id").unwrap_or_default().to_owned();
    let view = api.read(move |store| store.find_run(&tenant, &id)?.map_or(Ok(None), |run| store.run(&tenant, run))).await?;
    // Without a run `wax` says that there is none; a 404 it would show as a failure of the server.
    Ok(dto::answer(StatusCode::OK, HeaderMap::new(), &Detail::new(view.as_ref())))
}
