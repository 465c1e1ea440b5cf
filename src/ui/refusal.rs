//! Every answer that is not the page that was asked for.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use maud::html;

use super::frame::Frame;
use super::visitor::Place;
use super::words;
use crate::auth::Denied;
use crate::params::BadParam;

/// Why a page is not shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// Log in there first.
    Login(String),
    /// Somebody must log in, but it is no page that could send them.
    Unauthenticated,
    Forbidden,
    /// One wrong key too many.
    Slowed(Denied),
    /// Holds what was looked for, in words.
    NotFound(&'static str),
    BadParam(String),
    Busy,
    /// The log says more.
    Internal,
}

// === impl Refusal ===

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Login(_) => StatusCode::SEE_OTHER,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Slowed(denied) => denied.status(),
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::BadParam(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Login(_) | Self::Unauthenticated => ("Log in", "Log in with a key that may read.".into()),
            Self::Forbidden => ("Not with this key", "This key may send traces, but not read them.".into()),
            Self::Slowed(denied) => ("Wait a minute", denied.detail().into()),
            Self::NotFound(what) => {
                ("Not found", format!("There is no such {what}: it was never here, was deleted, or is past its retention."))
            }
            Self::BadParam(detail) => ("Cannot be meant", detail.clone()),
            Self::Busy => ("Busy", "The server is busy; try again in a second.".into()),
            Self::Internal => ("Something went wrong", "The server's log says more.".into()),
        }
    }
}

impl Refusal {
    /// What is shown instead of the page.
    pub(super) fn page(&self, place: &Place) -> Response {
        let (title, detail) = self.words();
        let content = html! {
            div.narrow {
                h1 { (title) }
                p { (words::visible(&detail)) }
                p { a href=(place.to("/")) { "To all sessions" } }
            }
        };
        let mut page = (self.status(), Frame { place, title, is_live: false }.around(&content)).into_response();
        self.advise(&mut page);
        page
    }
}

impl Refusal {
    /// Says when it is worth coming again.
    fn advise(&self, response: &mut Response) {
        let seconds = match self {
            Self::Busy => Some(1),
            Self::Slowed(denied) => denied.retry_after_seconds(),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Self::BadParam(bad.detail)
    }
}

impl IntoResponse for Refusal {
    /// The status, and itself for whoever knows where the visitor is: `routes::protect` makes the page.
    fn into_response(self) -> Response {
        if let Self::Login(to) = &self {
            return Redirect::to(to).into_response();
        }
        let mut response = self.status().into_response();
        self.advise(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}
