//! `GET /api/v1/observability/runs/{run_id}/`: one run whole.
//!
//! The id is the number that a session's runs show; a trace id or a workflow id leads to its run as well.
//! With `include=explain` it says why the run has the figures it has; which attribute said what is read from the spans as they were
//! sent, where Tempo or the journal has them.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::Uri;

use super::dto::explain::Explain;
use super::dto::run::RunDetail;
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head};
use crate::model::ids::{RunId, Tenant, TraceId};
use crate::params::include::Include;
use crate::params::run::RunParams;
use crate::store::Store;
use crate::store::explain::ExplainQuery;
use crate::store::raw::{self, Found, Origin};
use crate::store::view::RunView;

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, Path(id): Path<String>, uri: Uri) -> Result<Whole, Refusal> {
    let params = RunParams::parse(uri.query())?;
    if params.include.has(Include::Explain) {
        return explain(&api, tenant, id, params).await;
    }
    let make = move |store: &dyn Store| {
        let view = find(store, &tenant, &id)?;
        Whole::json(head::headers(&params.pairs, None), &RunDetail::new(&view))
    };
    api.look(make).await
}

fn find(store: &dyn Store, tenant: &Tenant, id: &str) -> Result<RunView, Refusal> {
    store.find_run(tenant, id)?.map_or(Ok(None), |run| store.run(tenant, run))?.ok_or(Refusal::NotFound)
}

async fn explain(api: &Api, tenant: Tenant, id: String, params: RunParams) -> Result<Whole, Refusal> {
    let of = tenant.clone();
    let place = move |store: &dyn Store| find(store, &of, &id).map(|view| (view.run.id, view.run.trace_id()));
    let (run, trace): (RunId, Option<TraceId>) = api.look(place).await?;
    let found = match trace {
        Some(trace) => whole_spans(api, &tenant, trace).await?,
        None => Found { origin: Origin::NoTrace, ..Found::default() },
    };
    let make = move |store: &dyn Store| {
        let query = ExplainQuery { run, limit: params.limit, offset: params.offset, raw: &found.requests };
        let view = store.run(&tenant, run)?.ok_or(Refusal::NotFound)?;
        let explanation = store.explain(&tenant, &query)?.ok_or(Refusal::NotFound)?;
        let detail = RunDetail::new(&view).explained(Explain::new(&explanation, &found.origin));
        Whole::json(head::headers(&params.pairs, None), &detail)
    };
    api.look(make).await
}

/// The spans of a trace as they were sent.
async fn whole_spans(api: &Api, tenant: &Tenant, trace: TraceId) -> Result<Found, Refusal> {
    let missing = match raw::ask(api.tempo.as_deref(), tenant, trace).await {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    let tenant = tenant.clone();
    let read = move |store: &dyn Store| Ok(store.raw_spans(&tenant, &[trace])?);
    Ok(Found::in_journal(api.look(read).await?, missing))
}
