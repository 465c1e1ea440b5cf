//! Dark, light, or as the system has it: kept in a cookie, so that it needs no JavaScript.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Uri, header};

use super::Ui;
use super::visitor::{PageContext, cookie, own_path};
use crate::params::pairs::Pairs;

const COOKIE: &str = "sessionfold_theme";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// `GET /theme?theme=dark&next=/`: takes note and goes back.
pub(super) async fn set(State(_): State<Arc<Ui>>, context: PageContext, uri: Uri) -> Response {
    let pairs = Pairs::read(uri.query(), &["theme", "next"]).ok();
    let get = |name| pairs.as_ref().and_then(|pairs| pairs.get(name));
    let theme = get("theme").map(Theme::named).unwrap_or_default();
    let next = get("next").and_then(own_path).unwrap_or("/");
    let mut response = Redirect::to(&context.to(next)).into_response();
    if let Some(cookie) = context.cookie(COOKIE, theme.name(), 31_536_000) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

// === impl Theme ===

impl Theme {
    pub(super) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// What the request's cookie says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        cookie(headers, COOKIE).map(Self::named).unwrap_or_default()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.name() == name).unwrap_or_default()
    }
}
