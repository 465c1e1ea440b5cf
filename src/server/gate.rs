//! Before every door: the host that is asked for, the page that asks and the transfer coding are looked at before anything else is.
//!
//! - A refusal is worded for whoever can change something: it names the setting.
//! - Programs are concerned only where they ask for a name that is not served.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::hosts::Hosts;
use super::metrics::Metrics;
use super::origins::Origins;
use crate::log_limiter::LogLimiter;

/// What is looked at.
pub struct Gate {
    pub hosts: Hosts,
    pub origins: Origins,
    pub metrics: Metrics,
    /// When which refusal was last logged.
    pub log_limiter: LogLimiter,
}

#[derive(Clone)]
struct Guarded {
    gate: Arc<Gate>,
    checks_host: bool,
}

/// Why a request does not come as far as a door.
#[derive(Debug)]
enum Refusal {
    Host(String),
    Origin(String),
    TransferCoding(String),
}

/// Longer names are cut in answers and logs.
const NAME_MAX_CHARS: usize = 100;

// === impl Gate ===

impl Gate {
    /// A router whose requests are looked at first; their hosts only where that is wanted.
    pub fn around(self: &Arc<Self>, router: Router, checks_host: bool) -> Router {
        router.layer(middleware::from_fn_with_state(Guarded { gate: Arc::clone(self), checks_host }, look))
    }

    fn refusal(&self, parts: &Parts, checks_host: bool) -> Option<Refusal> {
        // First, because of such a request nobody knows where it ends.
        if let Some(names) = foreign_coding(parts) {
            return Some(Refusal::TransferCoding(names));
        }
        if checks_host && let Some(host) = self.hosts.stranger(&parts.uri, &parts.headers) {
            return Some(Refusal::Host(host));
        }
        self.origins.stranger(parts).map(Refusal::Origin)
    }
}

async fn look(State(Guarded { gate, checks_host }): State<Guarded>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(refusal) = gate.refusal(&parts, checks_host) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let reason = refusal.reason();
    gate.metrics.refused_request(reason);
    if let Some(n_requests) = gate.log_limiter.due(reason, 1, Instant::now()) {
        tracing::warn!(reason, n_requests, method = %parts.method, problem = refusal.detail(), "requests were refused before any door");
    }
    refusal.answer(&parts)
}

/// A transfer coding besides `chunked`, which nobody here undoes (RFC 9112, section 6.1).
fn foreign_coding(parts: &Parts) -> Option<String> {
    let mut names = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let foreign = names.find(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"))?;
    Some(String::from_utf8_lossy(foreign.as_bytes()).into_owned())
}

// === impl Refusal ===

impl Refusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::Host(_) => "host",
            Self::Origin(_) => "origin",
            Self::TransferCoding(_) => "transfer_coding",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::TransferCoding(_) => StatusCode::NOT_IMPLEMENTED,
        }
    }

    fn detail(&self) -> String {
        let shown = |name: &str| name.chars().take(NAME_MAX_CHARS).collect::<String>().escape_debug().to_string();
        match self {
            Self::Host(host) => format!(
                "sessionfold is not served here under the name \"{}\", so that no web page can reach it by a name of its own. If that is how \
                 it is reached, add the name to server.allowed_hosts (SESSIONFOLD_SERVER_ALLOWED_HOSTS), or set server.public_url",
                shown(host)
            ),
            Self::Origin(origin) => format!(
                "this request was sent by a web page of {}, which may not write here. If sessionfold's own pages are reached under that \
                 address, set server.public_url to it; if agents run in that page, add it to server.cors_origins",
                shown(origin)
            ),
            Self::TransferCoding(names) => format!(
                "Transfer-Encoding: {} is not undone here, only chunked is: a body that is compressed says so in Content-Encoding",
                shown(names)
            ),
        }
    }

    /// In the language of whoever asked.
    fn answer(&self, parts: &Parts) -> Response {
        let detail = self.detail();
        let is_grpc = parts.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if is_grpc {
            return tonic::Status::permission_denied(detail).into_http::<Body>();
        }
        if parts.uri.path().starts_with("/api/") {
            let body = serde_json::json!({ "detail": detail }).to_string();
            return (self.status(), [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response();
        }
        (self.status(), format!("{detail}\n")).into_response()
    }
}
