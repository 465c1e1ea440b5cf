//! `/login` and `/logout`: a read key for a cookie, and back.
//!
//! - The cookie is HttpOnly and SameSite=Lax, and Secure where the server is reached over https.
//! - A form from another site is refused: neither may strangers log somebody in, nor out.
//! - Failures are throttled (`auth::Throttle`); the answer does not tell whether a key exists.
//! - Keys are never logged and never repeated in a page.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header};
use maud::html;

use super::Ui;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{Place, own_path};
use crate::auth::{Denied, SESSION_COOKIES, SESSION_TTL};
use crate::params::pairs::Pairs;

/// A form of two short fields.
const BODY_MAX_BYTES: usize = 8 << 10;

pub(super) async fn show(State(ui): State<Arc<Ui>>, place: Place, uri: Uri) -> Response {
    let pairs = Pairs::read(uri.query(), &["next"]).ok();
    let next = pairs.as_ref().and_then(|pairs| pairs.get("next")).and_then(own_path).unwrap_or("/");
    if !ui.authenticator.is_on() {
        return Redirect::to(&place.to(next)).into_response();
    }
    form(&place, next, StatusCode::OK, None)
}

pub(super) async fn enter(State(ui): State<Arc<Ui>>, place: Place, headers: HeaderMap, extensions: Extensions, body: Bytes) -> Response {
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let pairs = if body.len() <= BODY_MAX_BYTES { Pairs::read(Some(text), &["key", "next"]).ok() } else { None };
    let get = |name| pairs.as_ref().and_then(|pairs| pairs.get(name));
    let next = get("next").and_then(own_path).unwrap_or("/");
    if !is_own_form(&headers) {
        return form(&place, next, StatusCode::FORBIDDEN, Some("This form came from another site. Log in here."));
    }
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if let Err(wait) = ui.authenticator.may_try(peer, Instant::now()) {
        let mut response = form(
            &place,
            next,
            StatusCode::TOO_MANY_REQUESTS,
            Some("Too many wrong keys came from your address. Wait a minute, then try again."),
        );
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        return response;
    }
    let tenant = match ui.authenticator.login(get("key").unwrap_or_default().trim()) {
        Ok(tenant) => tenant,
        Err(denied) => return refused(&ui, &place, next, denied, peer),
    };
    let token = match ui.authenticator.issue(tenant) {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(%error, "cannot begin a browser session: the system gives no random numbers");
            return Refusal::Internal.into_response();
        }
    };
    with_cookie(&place, Redirect::to(&place.to(next)), &token, SESSION_TTL.as_secs())
}

pub(super) async fn leave(State(ui): State<Arc<Ui>>, place: Place, headers: HeaderMap) -> Response {
    if !is_own_form(&headers) {
        return Refusal::Forbidden.into_response();
    }
    for token in tokens(&headers) {
        ui.authenticator.revoke(token);
    }
    let to = if ui.authenticator.is_on() { "/login" } else { "/" };
    with_cookie(&place, Redirect::to(&place.to(to)), "", 0)
}

fn refused(ui: &Ui, place: &Place, next: &str, denied: Denied, peer: Option<IpAddr>) -> Response {
    ui.authenticator.has_failed(peer, Instant::now());
    let words = match denied {
        Denied::Missing => "This is not a key that is known here.",
        Denied::WrongRight => "This key may send traces, but not read them. Ask for one with the right to read.",
    };
    form(place, next, denied.status(), Some(words))
}

fn form(place: &Place, next: &str, status: StatusCode, problem: Option<&str>) -> Response {
    let content = html! {
        div.narrow {
            h1 { "Log in" }
            p { "With a key that has the right to read. The browser keeps a cookie for seven days, not the key." }
            form.login method="post" action=(place.to("/login")) {
                label for="key" { "Key" }
                input #key type="password" name="key" required autocomplete="current-password" spellcheck="false" autofocus
                    aria-describedby=[problem.map(|_| "problem")] aria-invalid=[problem.map(|_| "true")];
                input type="hidden" name="next" value=(next);
                button type="submit" { "Log in" }
                @if let Some(problem) = problem { p.problem #problem role="alert" { (problem) } }
            }
        }
    };
    let here = Place { here: "/login".into(), has_login: false, ..place.clone() };
    (status, Frame { place: &here, title: "Log in", is_live: false }.around(&content)).into_response()
}

fn with_cookie(place: &Place, response: impl IntoResponse, token: &str, max_age: u64) -> Response {
    let mut response = response.into_response();
    let secure = if place.base.starts_with("https://") { "; Secure" } else { "" };
    let path = if place.prefix.is_empty() { "/" } else { &place.prefix };
    let cookie = format!("{}={token}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", SESSION_COOKIES[0]);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Every token the request bears, ours and the one under the documented name.
fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| SESSION_COOKIES.contains(name)).map(|(_, value)| value)
}

/// Whether the form is ours: browsers say where a form comes from, in `Sec-Fetch-Site`, and older ones in `Origin`. A client that says
/// neither is no browser, and bears no cookie that it was not given.
fn is_own_form(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let host = text("x-forwarded-host").or(text("host")).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, from)| from == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_told_from_ours() {
        let own = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_own_form(&headers)
        };
        assert!(own(&[]));
        assert!(own(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(own(&[("origin", "http://a.example:8080"), ("host", "a.example:8080")]));
        for foreign in ["cross-site", "same-site"] {
            assert!(!own(&[("sec-fetch-site", foreign), ("origin", "http://a.example"), ("host", "a.example")]));
        }
        assert!(!own(&[("origin", "http://evil.example"), ("host", "a.example")]));
        assert!(!own(&[("origin", "null"), ("host", "a.example")]));
    }
}
