//! `/healthz` and `/readyz`: for orchestrators, without credentials.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use super::Api;

/// The process answers; nothing else is asked, so that a busy disk never gets it killed.
pub(super) async fn alive() -> &'static str {
    "ok"
}

/// Whether data can be taken and shown now; if not, why.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, String) {
    match api.store.not_ready() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}
