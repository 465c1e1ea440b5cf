//! A whole answer as a value: made on a blocking thread, and given to everybody who asked the same.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Serialize;

use super::refusal::Refusal;
use crate::model::ids::Tenant;

/// A JSON answer; copies share the body.
#[derive(Clone, Debug)]
pub struct Whole {
    headers: HeaderMap,
    body: Bytes,
}

/// All that an answer depends on, beside the state of the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    tenant: Tenant,
    path_and_query: String,
    /// What links begin with.
    base: String,
}

// === impl Whole ===

impl Whole {
    pub(super) fn json<T: Serialize>(mut headers: HeaderMap, dto: &T) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(dto).map_err(|error| {
            tracing::error!(%error, "cannot write an answer");
            Refusal::Internal
        })?;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { headers, body: body.into() })
    }
}

impl IntoResponse for Whole {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = self.headers;
        response
    }
}

// === impl Question ===

impl Question {
    pub(super) fn new(tenant: &Tenant, uri: &Uri, base: &str) -> Self {
        let path_and_query = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        Self { tenant: tenant.clone(), path_and_query, base: base.to_owned() }
    }
}
