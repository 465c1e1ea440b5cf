//! A small HTTP client for one server: with TLS or without, a time limit on every request, and errors that say what to do next.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::tempo::tls::{Identity, Trust, TrustError, Version};

/// A request without an answer for this long has failed.
const TIMEOUT: Duration = Duration::from_secs(15);
/// A page of 100 sessions is some 30 KB; an answer beyond this is not of sessionfold.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// Why a server could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{url:?} is not an address: write it as http://127.0.0.1:{port}")]
    BadUrl { url: String, port: u16 },
    #[error("{0}")]
    Trust(TrustError),
    #[error("{0} is not on this machine: a certificate that is not checked protects nothing on the way there; name its signer with --ca")]
    InsecureElsewhere(String),
    #[error("the key has characters that a header cannot hold")]
    BadKey,
    #[error("nothing answers at {base} ({reason})\n  start a server with `sessionfold`, or name the right address with {flag}")]
    NotRunning { base: String, reason: String, flag: &'static str },
    #[error("{base} did not answer within {} s", TIMEOUT.as_secs())]
    Timeout { base: String },
    #[error("{base} wants a key (it said {status})\n  pass one with --key or SESSIONFOLD_KEY")]
    Key { base: String, status: StatusCode },
    #[error("{base} is not a sessionfold server: it answered {status} to {path}\n  name the right address with {flag}")]
    NotOurs { base: String, status: StatusCode, path: String, flag: &'static str },
    #[error("{base} answered {status} to {path}: {said}")]
    Refused { base: String, status: StatusCode, path: String, said: String },
    #[error("the answer of {base} to {path} cannot be read: {reason}")]
    Unreadable { base: String, path: String, reason: String },
}

/// Which of the two addresses a client speaks to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    Otlp,
    Api,
}

#[derive(Clone)]
pub struct Client {
    http: Legacy<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a slash at the end.
    base: String,
    flag: &'static str,
    key: Option<HeaderValue>,
}

pub struct Answer {
    pub status: StatusCode,
    /// What `Retry-After` asks for, in seconds.
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

// === impl Door ===

impl Door {
    fn flag(self) -> &'static str {
        match self {
            Self::Otlp => "--otlp-http",
            Self::Api => "--http",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Otlp => 4318,
            Self::Api => 8080,
        }
    }
}

// === impl Client ===

impl Client {
    /// Over https those servers are believed that the system trusts.
    pub fn new(url: &str, door: Door, key: Option<&str>) -> Result<Self, ClientError> {
        Self::secured(url, door, key, &Trust::System, None)
    }

    /// Over https `trust` says which servers are believed, and `identity` what they are shown where they ask for a certificate.
    pub fn secured(url: &str, door: Door, key: Option<&str>, trust: &Trust, identity: Option<&Identity>) -> Result<Self, ClientError> {
        let bad_url = || ClientError::BadUrl { url: url.to_owned(), port: door.port() };
        let uri: Uri = url.parse().map_err(|_| bad_url())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(bad_url());
        }
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(bad_url());
        }
        let key = key.filter(|key| !key.is_empty()).map(HeaderValue::from_str).transpose().map_err(|_| ClientError::BadKey)?;
        // Who pastes the whole address of the receiver means the same.
        let base = url.trim_end_matches('/').trim_end_matches("/v1/traces").to_owned();
        if *trust == Trust::Anybody && !uri.host().is_some_and(is_here) {
            return Err(ClientError::InsecureElsewhere(url.to_owned()));
        }
        let http =
            Legacy::builder(TokioExecutor::new()).build(trust.connector(&uri, Version::Http1, identity).map_err(ClientError::Trust)?);
        Ok(Self { http, base, flag: door.flag(), key })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub async fn post_traces(&self, body: Bytes) -> Result<Answer, ClientError> {
        self.send(Method::POST, "/v1/traces", body).await
    }

    /// The body of a 200.
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        self.expect_ok(path, answer)
    }

    /// Whatever the answer is.
    pub async fn look(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::DELETE, path, Bytes::new()).await
    }

    /// The body, if the answer is a good one; else what it means.
    pub fn expect_ok(&self, path: &str, answer: Answer) -> Result<Bytes, ClientError> {
        let (base, path, status) = (self.base.clone(), path.to_owned(), answer.status);
        match status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ClientError::Key { base, status }),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(ClientError::NotOurs { base, status, path, flag: self.flag }),
            _ => {
                let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).escape_debug().to_string();
                Err(ClientError::Refused { base, status, path, said })
            }
        }
    }

    pub fn unreadable(&self, path: &str, reason: impl ToString) -> ClientError {
        ClientError::Unreadable { base: self.base.clone(), path: path.to_owned(), reason: reason.to_string() }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/x-protobuf");
        }
        if let Some(key) = &self.key {
            request = request.header("x-wax-key", key);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.unreadable(path, error))?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| self.no_answer(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await.map_err(|error| self.unreadable(path, error))?;
            let seconds = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Ok(Answer { status: parts.status, retry_after: seconds.map(Duration::from_secs), body: body.to_bytes() })
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout { base: self.base.clone() }),
        }
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        let mut root = error;
        while let Some(source) = root.source() {
            root = source;
        }
        ClientError::NotRunning { base: self.base.clone(), reason: root.to_string(), flag: self.flag }
    }
}

/// Whether this host is the machine itself.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
