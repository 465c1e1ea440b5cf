//! Who looks at a page, and from where: all that a page needs of its request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Uri, header};

use super::Ui;
use super::refusal::Refusal;
use super::theme::Theme;
use crate::auth::{self, Denied, Right};
use crate::model::ids::Tenant;
use crate::params::base::Base;
use crate::params::pairs;

/// A person who may read, as an argument of a handler.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) tenant: Tenant,
    pub(super) context: PageContext,
    pub(super) wants_events: bool,
    /// To ask again, while a stream goes on, whether they still may.
    pub(super) headers: HeaderMap,
}

/// What a page is drawn for: the request, and the server as the browser sees it. Also for those who are not let in.
#[derive(Clone)]
pub(super) struct PageContext {
    pub(super) theme: Theme,
    /// What stands before every path, where a proxy serves us under one; empty or without a slash at its end.
    pub(super) prefix: String,
    /// Scheme, host and prefix, for what is pasted elsewhere. Where only the browser knows them, `live.js` corrects it.
    pub(super) base: String,
    /// Whether `base` is what was configured, not merely where this server listens.
    pub(super) is_base_known: bool,
    /// Whether the browser's connection is https, so that cookies need no other.
    pub(super) is_https: bool,
    /// Path and query of this page, without the prefix.
    pub(super) here: String,
    /// Whether there is somebody to log out.
    pub(super) has_login: bool,
    /// Whole seconds that what is shown is behind what was acknowledged.
    pub(super) behind_seconds: u64,
}

// === impl Visitor ===

impl FromRequestParts<Arc<Ui>> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Refusal> {
        let wants_events = accepts_events(&parts.headers);
        let context = PageContext::new(ui, &parts.headers, &parts.uri);
        match ui.authenticator.from_headers(&parts.headers, auth::peer(&parts.extensions), Right::Read) {
            Ok(tenant) => Ok(Self { tenant, context, wants_events, headers: parts.headers.clone() }),
            Err(Denied::Missing) if !wants_events => Err(Refusal::Login(context.login())),
            Err(Denied::Missing) => Err(Refusal::Unauthenticated),
            Err(Denied::WrongRight) => Err(Refusal::Forbidden),
            Err(denied @ Denied::Slowed(_)) => Err(Refusal::Slowed(denied)),
        }
    }
}

impl FromRequestParts<Arc<Ui>> for PageContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Self::Rejection> {
        Ok(Self::new(ui, &parts.headers, &parts.uri))
    }
}

// === impl PageContext ===

impl PageContext {
    pub(super) fn new(ui: &Ui, headers: &HeaderMap, uri: &Uri) -> Self {
        let public = Base::public(ui.public_url.as_deref());
        let is_base_known = !public.as_str().is_empty();
        let base = if is_base_known { public.as_str().to_owned() } else { ui.own_url.clone() };
        let forwarded = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().starts_with(b"https"));
        let is_https = base.starts_with("https://") || forwarded;
        let here = uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        let prefix = ui.public_url.as_deref().map(path_of).unwrap_or_default();
        Self {
            theme: Theme::of(headers),
            prefix,
            base,
            is_base_known,
            is_https,
            here,
            has_login: ui.authenticator.is_on(),
            behind_seconds: ui.store.lag().age.as_secs(),
        }
    }

    /// The address of one of our paths, which begins with a slash.
    pub(super) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Whether this is the page of one of our paths, whatever its parameters.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.here.split('?').next() == Some(path)
    }

    /// The header that has the browser keep a choice of how pages look, for so many seconds; 0 has it forgotten.
    pub(super) fn cookie(&self, name: &str, value: &str, seconds: u32) -> Option<HeaderValue> {
        let path = if self.prefix.is_empty() { "/" } else { &self.prefix };
        HeaderValue::from_str(&format!("{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Lax; HttpOnly")).ok()
    }

    /// Where to log in, and to come back here.
    fn login(&self) -> String {
        self.to(&format!("/login?next={}", pairs::encode(&self.here)))
    }
}

/// The path within a URL, without a slash at its end.
fn path_of(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |at| &after_scheme[at..]).trim_end_matches('/').to_owned()
}

/// The value of a cookie that the browser sent.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(held, _)| *held == name).map(|(_, value)| value)
}

/// Whether an `EventSource` asks.
fn accepts_events(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.starts_with("text/event-stream"))
}

/// A path of ours that somebody may be sent back to: never another site's.
pub(super) fn own_path(text: &str) -> Option<&str> {
    let is_own = text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\r', '\n', '\t']);
    (is_own && text.len() <= 4096 && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_back_to_another_site() {
        for own in ["/", "/sessions/a%2Fb?limit=2", "/?search=%2F%2Fevil.example"] {
            assert_eq!(own_path(own), Some(own));
        }
        for foreign in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/\tx", "/ x", "/ü", "evil"] {
            assert_eq!(own_path(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_prefix_is_the_path_of_the_public_url() {
        for (url, prefix) in [
            ("https://a.example", ""),
            ("https://a.example/", ""),
            ("https://a.example/traces/", "/traces"),
            ("http://a.example:8080/x/y", "/x/y"),
        ] {
            assert_eq!(path_of(url), prefix);
        }
    }
}
