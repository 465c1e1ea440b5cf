//! `query/traces/detail/`: one run with its calls, scores and spans, by its number, its trace, its workflow, or the beginning of an id.

use std::sync::Arc;

use axum::extract::State;
use http::{HeaderMap, Uri};

use super::window::Asked;
use crate::api::Api;
use crate::api::dto::detail::Detail;
use crate::api::reader::Reader;
use crate::api::refusal::Refusal;
use crate::api::whole::Whole;
use crate::store::Store;

pub(in crate::api) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let asked = Asked::of(uri.query());
    let make = move |store: &dyn Store| {
        let found = store.find_run(&tenant, asked.get("trace_id").unwrap_or_default())?;
        let view = found.map_or(Ok(None), |run| store.run(&tenant, run))?;
        // Without a run `wax` says that there is none; a 404 it would show as a failure of the server.
        Whole::json(HeaderMap::new(), &Detail::new(view.as_ref()))
    };
    api.look(make).await
}
