//! Asking Tempo's query API: a trace by its id here, a TraceQL search or metric in [`search`].
//!
//! - Asks once, and gives up after the time that is given: a page waits for it.
//! - Believes no more than so many bytes; a trace is handed on encoded, never decoded.

pub mod search;
pub mod stream;
pub mod text;

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
    streams: stream::Streams,
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
    /// With Tempo's own words.
    #[error("tempo answered {status}: {words}")]
    Refused { status: u16, words: String },
    #[error("tempo's answer is not what was expected: {0}")]
    Answer(String),
    #[error("tempo wants to know the tenant: name it with --tenant, or as X-Scope-OrgID in forward.headers")]
    NoTenant,
    /// Fewer traces have to be asked for at a time.
    #[error("tempo's answer would be too large: {0}")]
    TooLarge(String),
    #[error("tempo does not stream answers here (stream_over_http_enabled): {0}")]
    NoStreaming(String),
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
        let streams = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Ok(Self { base, headers, send_tenant: options.send_tenant, timeout: options.timeout, client, streams })
    }

    /// The trace as an encoded `TracesData`; `None` if Tempo does not have it.
    pub async fn trace(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Bytes>, QueryError> {
        match self.get(tenant, &format!("/api/traces/{trace}"), "application/protobuf", MAX_TRACE_BYTES).await? {
            (StatusCode::OK, body) => Ok(Some(body)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (other, _) => Err(QueryError::Status(other.as_u16())),
        }
    }

    async fn get(&self, tenant: &Tenant, path: &str, accept: &'static str, max_bytes: usize) -> Result<(StatusCode, Bytes), QueryError> {
        match tokio::time::timeout(self.timeout, self.ask(tenant, path, accept, max_bytes)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueryError::Timeout(self.timeout)),
        }
    }

    async fn ask(&self, tenant: &Tenant, path: &str, accept: &'static str, max_bytes: usize) -> Result<(StatusCode, Bytes), QueryError> {
        let failed = |error: &dyn std::error::Error| QueryError::Request(error.to_string());
        let mut request = Request::get(format!("{}{path}", self.base)).header(header::ACCEPT, accept);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.send_tenant {
            request = request.header(TENANT, tenant.as_str());
        }
        let response =
            self.client.request(request.body(Empty::new()).map_err(|error| failed(&error))?).await.map_err(|error| failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), max_bytes).collect().await;
        Ok((status, body.map_err(|error| QueryError::Request(error.to_string()))?.to_bytes()))
    }
}

/// How Tempo asks for a tenant: with 401 over HTTP, and over gRPC with a code that says nothing.
fn is_tenant_missing(words: &str) -> bool {
    words.contains("no org id")
}

/// Whether Tempo says of its own answer that it cannot send it: "response larger than the max", "received message larger than max".
fn is_too_large(words: &str) -> bool {
    words.contains("larger than")
}
