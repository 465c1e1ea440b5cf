//! One trace from Tempo's query API, by its id.
//!
//! - Asks once, and gives up after a short while: a page waits for it.
//! - Believes no more than so many bytes; what comes is handed on encoded, never decoded.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::model::ids::{Tenant, TraceId};

/// Tempo itself cuts a trace at 5 MB unless it is told otherwise.
const MAX_TRACE_BYTES: usize = 64 << 20;

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// How Tempo is asked.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// For instance `http://tempo:3200`.
    pub url: String,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// Say whose trace it is.
    pub send_tenant: bool,
    pub timeout: Duration,
}

/// A client of Tempo's query API; clones share its connections.
#[derive(Clone, Debug)]
pub struct QueryClient {
    base: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    send_tenant: bool,
    timeout: Duration,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    #[error("`{0}` is not an http URL of Tempo's query API")]
    Url(String),
    #[error("the header `{0}` cannot be sent")]
    Header(String),
    #[error("tempo did not answer within {0:?}")]
    Timeout(Duration),
    #[error("tempo answered {0}")]
    Status(u16),
    #[error("cannot ask tempo: {0}")]
    Request(String),
}

// === impl QueryClient ===

impl QueryClient {
    pub fn new(options: &QueryOptions) -> Result<Self, QueryError> {
        let base = options.url.trim_end_matches('/').to_owned();
        let is_http = base.parse::<http::Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        if !is_http {
            return Err(QueryError::Url(options.url.clone()));
        }
        let mut headers = Vec::with_capacity(options.headers.len());
        for (name, value) in &options.headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => return Err(QueryError::Header(name.clone())),
            }
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { base, headers, send_tenant: options.send_tenant, timeout: options.timeout, client })
    }

    /// The trace as an encoded `TracesData`; `None` if Tempo does not have it.
    pub async fn trace(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Bytes>, QueryError> {
        match tokio::time::timeout(self.timeout, self.ask(tenant, trace)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueryError::Timeout(self.timeout)),
        }
    }

    async fn ask(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Bytes>, QueryError> {
        let failed = |error: &dyn std::error::Error| QueryError::Request(error.to_string());
        let mut request = Request::get(format!("{}/api/traces/{trace}", self.base)).header(header::ACCEPT, "application/protobuf");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.send_tenant {
            request = request.header(TENANT, tenant.as_str());
        }
        let response =
            self.client.request(request.body(Empty::new()).map_err(|error| failed(&error))?).await.map_err(|error| failed(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            other => return Err(QueryError::Status(other.as_u16())),
        }
        let body = Limited::new(response.into_body(), MAX_TRACE_BYTES).collect().await;
        Ok(Some(body.map_err(|error| QueryError::Request(error.to_string()))?.to_bytes()))
    }
}
