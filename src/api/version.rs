//! `GET /version`: what is running, for scripts that deploy. Needs no credential: `/api/openapi.yaml` says the version as well.

use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::dto::{self, Version};

pub(super) async fn show() -> Response {
    dto::answer(StatusCode::OK, HeaderMap::new(), &Version::new())
}
