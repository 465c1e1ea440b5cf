//! Asking Tempo's query API: a trace by its id here, a TraceQL search or metric in [`search`].
//!
//! - Asks once, and gives up after the time that is given: a page waits for it.
//! - Believes no more than so many bytes; a trace is handed on encoded, never decoded.

mod refusal;
pub mod said;
pub mod search;
pub mod stream;
pub mod text;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::model::ids::{Tenant, TraceId};
use crate::tempo::tls::{Trust, Version};

/// Tempo itself cuts a trace at 5 MB unless it is configured otherwise.
const MAX_TRACE_BYTES: usize = 64 << 20;

const MAX_READY_BYTES: usize = 64 << 10;
const MAX_METRICS_BYTES: usize = 16 << 20;

const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// How Tempo is asked.
#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// For instance `http://tempo:3200`, or with https.
    pub url: String,
    /// A PEM file of those who sign its certificate; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
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
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    streams: stream::Streams,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    #[error("`{0}` is not an http or https URL of Tempo's query API")]
    Url(String),
    #[error("{0}")]
    Trust(String),
    #[error("the header `{0}` cannot be sent")]
    Header(String),
    #[error("tempo did not answer within {0:?}")]
    Timeout(Duration),
    #[error("cannot ask tempo: {0}")]
    Request(String),
    /// With Tempo's own message.
    #[error("tempo answered {status}: {words}")]
    Refused { status: u16, words: String },
    #[error("tempo's answer is not what was expected: {0}")]
    Answer(String),
    #[error("tempo wants to know the tenant: name it with --tenant, or as X-Scope-OrgID in forward.headers")]
    NoTenant,
    /// A smaller question may be answered.
    #[error("tempo's answer would be too large: {0}")]
    TooLarge(String),
    /// The same of a range of time, whatever is in it (`max_duration`).
    #[error("tempo does not look at so long a time at once: {0}")]
    TooLong(String),
    /// The same: it took Tempo longer than it allows itself.
    #[error("tempo gave up on the question: {0}")]
    GaveUp(String),
    #[error("tempo returns at most {max} traces (max_result_limit)")]
    TooManyTraces { max: usize },
    #[error("tempo returns at most {max} spans of a trace (max_spans_per_span_set)")]
    TooManySpans { max: usize },
    #[error("tempo does not stream answers here (stream_over_http_enabled): {0}")]
    NoStreaming(String),
}

// === impl QueryError ===

impl QueryError {
    /// Whether a smaller question may be answered.
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::TooLong(_) | Self::GaveUp(_) | Self::Timeout(_))
    }

    /// Whether an answer was not made in time.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::GaveUp(_) | Self::Timeout(_))
    }

    /// Whether the same question may be answered in some seconds: Tempo is busy, or being restarted.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503),
            Self::Request(_) | Self::Timeout(_) | Self::GaveUp(_) => true,
            _ => false,
        }
    }
}

// === impl QueryClient ===

impl QueryClient {
    pub fn new(options: &QueryOptions) -> Result<Self, QueryError> {
        let base = options.url.trim_end_matches('/').to_owned();
        let uri: http::Uri = base.parse().map_err(|_| QueryError::Url(options.url.clone()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            return Err(QueryError::Url(options.url.clone()));
        }
        let mut headers = Vec::with_capacity(options.headers.len());
        for (name, value) in &options.headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => headers.push((name, value)),
                _ => return Err(QueryError::Header(name.clone())),
            }
        }
        let trust = Trust::file_or_system(options.ca.as_deref());
        let connector = |version| trust.connector(&uri, version, None).map_err(|error| QueryError::Trust(error.to_string()));
        let client = Client::builder(TokioExecutor::new()).build(connector(Version::Http1)?);
        let streams = Client::builder(TokioExecutor::new()).http2_only(true).build(connector(Version::Http2)?);
        Ok(Self { base, headers, send_tenant: options.send_tenant, timeout: options.timeout, client, streams })
    }

    /// The same client for one who has more time, or less.
    pub fn patient(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The trace as an encoded `TracesData`; `None` if Tempo does not have it.
    pub async fn trace(&self, tenant: &Tenant, trace: TraceId) -> Result<Option<Bytes>, QueryError> {
        match self.get(tenant, &format!("/api/traces/{trace}"), "application/protobuf", MAX_TRACE_BYTES).await? {
            (StatusCode::OK, body) => Ok(Some(body)),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (other, body) => Err(refusal::refused(other.as_u16(), &String::from_utf8_lossy(&body))),
        }
    }

    /// Whether Tempo says that it is ready: before that, what it does not find may still be there.
    pub async fn is_ready(&self) -> bool {
        matches!(self.get(&Tenant::default(), "/ready", "*/*", MAX_READY_BYTES).await, Ok((StatusCode::OK, _)))
    }

    /// When Tempo's process began, in seconds since 1970 by its own clock; `None` if it does not say.
    pub async fn process_start(&self) -> Option<f64> {
        let Ok((StatusCode::OK, body)) = self.get(&Tenant::default(), "/metrics", "text/plain", MAX_METRICS_BYTES).await else {
            return None;
        };
        let text = std::str::from_utf8(&body).ok()?;
        text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds "))?.trim().parse().ok()
    }

    async fn get(&self, tenant: &Tenant, path: &str, accept: &'static str, max_bytes: usize) -> Result<(StatusCode, Bytes), QueryError> {
        match tokio::time::timeout(self.timeout, self.ask(tenant, path, accept, max_bytes)).await {
            Ok(answer) => answer,
            Err(_) => Err(QueryError::Timeout(self.timeout)),
        }
    }

    async fn ask(&self, tenant: &Tenant, path: &str, accept: &'static str, max_bytes: usize) -> Result<(StatusCode, Bytes), QueryError> {
        let failed = |error: &dyn std::error::Error| QueryError::Request(chain(error));
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
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => QueryError::TooLarge(format!("more than {max_bytes} bytes")),
            // The server's own time-out for writing cuts an answer off.
            false => QueryError::GaveUp(format!("the answer was cut off: {error}")),
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// An error and what is below it: of a failed handshake the last says what is wrong.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |error| error.source()).fold(error.to_string(), |text, error| format!("{text}: {error}"))
}
