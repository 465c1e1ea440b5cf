//! `GET /api/v1/observability/overview/`: what runs came to over time, by agent, model and user, and which of them stand out.

use std::sync::Arc;

use axum::extract::State;
use http::Uri;

use super::dto::overview::Overview;
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::{Question, Whole};
use super::{Api, head};
use crate::clock::now;
use crate::model::ids::Tenant;
use crate::params::overview::OverviewParams;
use crate::store::Store;

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Whole, Refusal> {
    let params = OverviewParams::parse(uri.query())?;
    if params.user.is_none() {
        return api.look(move |store| overview(store, &tenant, &params)).await;
    }
    // As many runs are read as the user has.
    let question = Question::new(&tenant, &uri, "");
    api.sum(question, move |store, _| overview(store, &tenant, &params)).await
}

fn overview(store: &dyn Store, tenant: &Tenant, params: &OverviewParams) -> Result<Whole, Refusal> {
    let query = params.query(now());
    let series = store.series(tenant, &query)?.ok_or(Refusal::AddingUp)?;
    let before = OverviewParams::before(&query, series.since, series.until(), series.step);
    let before = store.series(tenant, &before)?.ok_or(Refusal::AddingUp)?;
    let leading = store.leading(tenant, &query, params.limit)?;
    Whole::json(head::headers(&params.pairs, None), &Overview::new(&series, &before, &leading, params.limit))
}
