//! `GET /api/v1/observability/agents/`: every agent that has a run in a session, for choosing one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};

use super::dto::{self, AgentList};
use super::guard::Reader;
use super::refusal::Refusal;
use super::{Api, head};
use crate::params::pairs::Pairs;

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let pairs = Pairs::read(uri.query(), &[])?;
    let agents = api.read(move |store| store.agents(&tenant)).await?;
    Ok(dto::answer(StatusCode::OK, head::headers(&pairs, None), &AgentList::new(&agents)))
}
