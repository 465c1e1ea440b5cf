//! Every answer that is not what was asked for, as JSON with a `detail`.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::dto::{self, Refused};
use crate::auth::Denied;
use crate::bounds::lanes::Undone;
use crate::bounds::memory::{Spent, Use};
use crate::bounds::stream::{Cut, Stop};
use crate::params::BadParam;
use crate::store::{AcceptError, NoteError, StoreError};

/// Why a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    BadParam(BadParam),
    /// The body is not what was asked for; why.
    BadBody(String),
    /// The body is longer than any that could be meant.
    TooLarge,
    Unauthenticated,
    Forbidden,
    /// One wrong key too many.
    Slowed(Denied),
    /// No such session.
    NotFound,
    NoSuchPath,
    /// Holds the methods that the path has, as `Allow` lists them.
    BadMethod(&'static str),
    /// Too much of this kind is going on: answers being sent, questions being answered, readers of the database.
    Busy,
    /// The answer needs more memory than questions may take; a narrower one would not.
    TooWide,
    /// Sums that were not on disk are being made: only after the first start with an index of before.
    AddingUp,
    /// The notes of the tenant take what they may.
    TooManyNotes,
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
            Self::BadParam(_) | Self::BadBody(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyNotes => StatusCode::CONFLICT,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Slowed(denied) => denied.status(),
            Self::NotFound | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::BadMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Busy | Self::TooWide | Self::AddingUp | Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> Cow<'_, str> {
        let words = match self {
            Self::BadParam(bad) => &bad.detail,
            Self::BadBody(why) => return format!("Invalid body: {why}.").into(),
            Self::TooLarge => "The body is too large.",
            Self::TooManyNotes => "The notes of all sessions take as much memory as they may: shorten or remove some first.",
            Self::Unauthenticated => "Authentication credentials were not provided.",
            Self::Forbidden => "You do not have permission to perform this action.",
            Self::Slowed(denied) => denied.detail(),
            Self::NotFound => "Not found.",
            Self::NoSuchPath => "No such path; the API is described at /api/openapi.yaml.",
            Self::BadMethod(_) => "Method not allowed.",
            Self::Busy => "The server is busy; try again soon.",
            Self::TooWide => "More agents, users or sessions than can be summed up at once now; ask about a shorter time.",
            Self::AddingUp => "All runs are being added up for the first time; try again in some seconds.",
            Self::Full => "The journal is full, so nothing can be changed now; try again later.",
            Self::Unavailable => "The store accepts no changes right now; try again later.",
            Self::Internal => "Internal error; the server's log says more.",
        };
        words.into()
    }

    /// The header that says what to do next, where there is one.
    fn advice(&self) -> Option<(http::HeaderName, &'static str)> {
        match self {
            Self::Unauthenticated => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"sessionfold\"")),
            Self::BadMethod(allow) => Some((header::ALLOW, allow)),
            Self::Busy | Self::TooWide => Some((header::RETRY_AFTER, RETRY_BUSY_SECONDS)),
            Self::AddingUp | Self::Full | Self::Unavailable => Some((header::RETRY_AFTER, RETRY_STORE_SECONDS)),
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
        if let Self::Slowed(denied) = &self
            && let Some(seconds) = denied.retry_after_seconds()
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        dto::answer(self.status(), headers, &Refused { detail: &self.detail(), parameter })
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
            Denied::Slowed(_) => Self::Slowed(denied),
        }
    }
}

impl From<AcceptError> for Refusal {
    fn from(error: AcceptError) -> Self {
        tracing::warn!(%error, "a change was refused");
        match error {
            AcceptError::Full(_) => Self::Full,
            AcceptError::Behind { .. } | AcceptError::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl From<NoteError> for Refusal {
    fn from(error: NoteError) -> Self {
        match error {
            NoteError::NotAccepted(error) => error.into(),
            NoteError::TooMany => Self::TooManyNotes,
        }
    }
}

impl From<Undone> for Refusal {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Busy => Self::Busy,
            Undone::Panicked => Self::Internal,
        }
    }
}

impl From<Spent> for Refusal {
    fn from(Spent(of): Spent) -> Self {
        if of == Use::Sums { Self::TooWide } else { Self::Busy }
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Busy => Self::Busy,
            // Of the other two nobody is left to hear.
            Stop::Panicked | Stop::Stalled | Stop::Gone => {
                if stop == Stop::Panicked {
                    tracing::error!("writing an answer panicked");
                }
                Self::Internal
            }
        }
    }
}

impl From<Refusal> for Cut<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Cut<Refusal> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "a read failed for want of something that is short at the moment");
            return Self::Busy;
        }
        if error.is_busy() {
            return Self::Busy;
        }
        tracing::error!(%error, "a read failed");
        Self::Internal
    }
}
