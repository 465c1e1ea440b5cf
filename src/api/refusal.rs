//! Every answer that is not what was asked for, as JSON with a `detail`.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::dto::{self, Refused};
use crate::auth::Denied;
use crate::params::BadParam;
use crate::store::{AcceptError, StoreError};

/// Why a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    BadParam(BadParam),
    Unauthenticated,
    Forbidden,
    /// No such session.
    NotFound,
    NoSuchPath,
    /// Holds the methods that the path has, as `Allow` lists them.
    BadMethod(&'static str),
    /// Too many streamed answers are under way, or something that an answer needs is short at the moment.
    Busy,
    /// The journal is full: nothing can be recorded until it has room.
    Full,
    /// Stopping, or stopped after a failed write.
    Unavailable,
    /// The log says more.
    Internal,
}

/// Seconds after which a refused request is worth repeating.
const RETRY_BUSY_SECONDS: &str = "1";
const RETRY_STORE_SECONDS: &str = "5";

// === impl Refusal ===

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadParam(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::BadMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> &str {
        match self {
            Self::BadParam(bad) => &bad.detail,
            Self::Unauthenticated => "Authentication credentials were not provided.",
            Self::Forbidden => "You do not have permission to perform this action.",
            Self::NotFound => "Not found.",
            Self::NoSuchPath => "No such path; the API is described at /api/openapi.yaml.",
            Self::BadMethod(_) => "Method not allowed.",
            Self::Busy => "Too much is being asked for at this moment; try again soon.",
            Self::Full => "The journal is full, so nothing can be deleted now; try again later.",
            Self::Unavailable => "The store takes no changes now; try again later.",
            Self::Internal => "Internal error; the server's log says more.",
        }
    }

    /// The header that tells what to do next, where there is one.
    fn advice(&self) -> Option<(http::HeaderName, &'static str)> {
        match self {
            Self::Unauthenticated => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"sessionfold\"")),
            Self::BadMethod(allow) => Some((header::ALLOW, allow)),
            Self::Busy => Some((header::RETRY_AFTER, RETRY_BUSY_SECONDS)),
            Self::Full | Self::Unavailable => Some((header::RETRY_AFTER, RETRY_STORE_SECONDS)),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let parameter = match &self {
            Self::BadParam(bad) => Some(bad.parameter),
            _ => None,
        };
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = self.advice() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        dto::answer(self.status(), headers, &Refused { detail: self.detail(), parameter })
    }
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Self::BadParam(bad)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::Unauthenticated,
            Denied::WrongRight => Self::Forbidden,
        }
    }
}

impl From<AcceptError> for Refusal {
    fn from(error: AcceptError) -> Self {
        tracing::warn!(%error, "a deletion was refused");
        match error {
            AcceptError::Full(_) => Self::Full,
            AcceptError::Behind { .. } | AcceptError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a read failed for want of something that is short at the moment");
            return Self::Busy;
        }
        tracing::error!(%error, "a read failed");
        Self::Internal
    }
}
