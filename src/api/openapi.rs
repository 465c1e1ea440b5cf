//! `GET /api/openapi.yaml`: the description of this API, for people and tools.

use http::HeaderName;
use http::header::CONTENT_TYPE;

const DESCRIPTION: &str = include_str!("../../docs/openapi.yaml");

/// Needs no credential: it is the same for everybody.
pub(super) async fn show() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/yaml")], DESCRIPTION)
}
