//! Every answer that is not the page that was asked for.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

use super::frame::Frame;
use super::list;
use super::visitor::PageContext;
use super::words;
use crate::auth::Denied;
use crate::model::ids::TraceId;
use crate::params::{BadParam, pairs, path};
use crate::store::NoteError;

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
    /// The path is none of ours.
    NoPage,
    BadParam(String),
    /// Longer than any form of ours.
    TooLarge,
    /// Sent by a program, where only our form changes anything.
    NotAForm,
    /// The notes of the tenant take what they may.
    TooManyNotes,
    /// Nothing can be recorded now.
    NotNow,
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
            Self::NotFound(_) | Self::NoPage => StatusCode::NOT_FOUND,
            Self::BadParam(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyNotes => StatusCode::CONFLICT,
            Self::Busy | Self::NotNow => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::NoPage => ("Not found", "There is no page at this address.".into()),
            Self::BadParam(detail) => ("Cannot be meant", detail.clone()),
            Self::TooLarge => ("Too long", "The form holds more than any of ours.".into()),
            Self::NotAForm => ("Cannot be meant", "Only the form of this page changes a note; programs use the API.".into()),
            Self::TooManyNotes => {
                ("Not noted", "The notes of all sessions take as much memory as they may: shorten or remove some first.".into())
            }
            Self::NotNow => ("Not noted", "The server accepts no changes right now; go back and try again in some seconds.".into()),
            Self::Busy => ("Busy", "The server is busy; try again in a second.".into()),
            Self::Internal => ("Something went wrong", "The server's log says more.".into()),
        }
    }
}

impl Refusal {
    /// What is shown instead of the page.
    pub(super) fn page(&self, context: &PageContext) -> Response {
        let (title, detail) = self.words();
        let content = html! {
            div.narrow {
                h1 { (title) }
                p { (words::visible(&detail)) }
                (self.next_step(context))
            }
        };
        let mut page = (self.status(), Frame { context, title, is_live: false }.around(&content)).into_response();
        self.advise(&mut page);
        page
    }
}

impl Refusal {
    /// What was looked for, and where to look instead.
    fn next_step(&self, context: &PageContext) -> Markup {
        let path = context.here.split('?').next().unwrap_or_default();
        let looked_for = match self {
            // A session's id may have slashes.
            Self::NotFound("session") => path.strip_prefix("/sessions/").and_then(path::decoded),
            Self::NotFound(_) => path.split('/').nth(2).and_then(path::decoded),
            Self::NoPage => path::decoded(path),
            _ => None,
        };
        let looked_for = looked_for.filter(|text| !text.is_empty());
        let is_id = matches!(self, Self::NotFound(_));
        html! {
            @if let Some(text) = &looked_for { p { "Looked for: " code { (words::name(&cut(text))) } } }
            @if *self == Self::NotFound("trace") && looked_for.as_deref().is_some_and(|text| TraceId::from_hex(text).is_none()) {
                p { "The id of a trace is 32 hexadecimal digits." }
            }
            @if *self == Self::NotFound("run") && looked_for.as_deref().is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_digit())) {
                p { "A run is looked up by its number, as lists and the API show it." }
            }
            ul {
                @if let Some(text) = looked_for.as_ref().filter(|_| is_id) {
                    li { a href=(context.to(&format!("{}?search={}", list::PATH, pairs::encode(text)))) { "Search all sessions for it" } }
                }
                li { a href=(context.to(list::PATH)) { "All sessions" } }
                @if *self == Self::NoPage {
                    li { a href=(context.to("/status")) { "How the server is" } }
                    li { a href=(context.to("/api/")) { "The API" } }
                }
            }
        }
    }

    /// Says when it is worth coming again.
    fn advise(&self, response: &mut Response) {
        let seconds = match self {
            Self::Busy => Some(1),
            Self::NotNow => Some(5),
            Self::Slowed(denied) => denied.retry_after_seconds(),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// As much of a text as is repeated.
fn cut(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    let more = if text.chars().nth(MAX_CHARS).is_some() { "…" } else { "" };
    text.chars().take(MAX_CHARS).collect::<String>() + more
}

impl From<BadParam> for Refusal {
    fn from(bad: BadParam) -> Self {
        Self::BadParam(bad.detail)
    }
}

impl From<NoteError> for Refusal {
    fn from(error: NoteError) -> Self {
        match error {
            NoteError::TooMany => Self::TooManyNotes,
            NoteError::NotAccepted(error) => {
                tracing::warn!(%error, "a change was refused");
                Self::NotNow
            }
        }
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
