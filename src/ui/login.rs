//! `/login` and `/logout`: a read key for a cookie, and back.
//!
//! - The cookie is HttpOnly and SameSite=Lax, and Secure where the server is reached over https.
//! - Wrong keys are slowed (`auth::Throttle`); the answer does not reveal whether a key exists.
//! - Forms of other sites do not come as far as here (`server::gate`).
//! - Keys are never logged and never repeated in a page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header};
use maud::html;

use super::Ui;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{PageContext, own_path};
use crate::auth::{self, Denied, SESSION_COOKIES, SESSION_TTL};
use crate::params::pairs::Pairs;

/// A form of two short fields.
const BODY_MAX_BYTES: usize = 8 << 10;

pub(super) async fn show(State(ui): State<Arc<Ui>>, context: PageContext, uri: Uri) -> Response {
    let pairs = Pairs::read(uri.query(), &["next"]).ok();
    let next = pairs.as_ref().and_then(|pairs| pairs.get("next")).and_then(own_path).unwrap_or("/");
    if !ui.authenticator.is_on() {
        return Redirect::to(&context.to(next)).into_response();
    }
    form(&context, next, StatusCode::OK, None)
}

pub(super) async fn enter(
    State(ui): State<Arc<Ui>>,
    context: PageContext,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let pairs = if body.len() <= BODY_MAX_BYTES { Pairs::read(Some(text), &["key", "next"]).ok() } else { None };
    let get = |name| pairs.as_ref().and_then(|pairs| pairs.get(name));
    let next = get("next").and_then(own_path).unwrap_or("/");
    if !ui.authenticator.is_on() {
        return Redirect::to(&context.to(next)).into_response();
    }
    if !is_form(&headers) {
        return form(&context, next, StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("Only this form logs in."));
    }
    let login = match ui.authenticator.login(get("key").unwrap_or_default().trim(), auth::peer(&extensions)) {
        Ok(login) => login,
        Err(denied) => return refused(&context, next, denied),
    };
    let token = match ui.authenticator.issue(login) {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(%error, "cannot begin a browser session: the system provides no random numbers");
            return Refusal::Internal.into_response();
        }
    };
    with_cookie(&context, Redirect::to(&context.to(next)), &token, SESSION_TTL.as_secs())
}

pub(super) async fn leave(State(ui): State<Arc<Ui>>, context: PageContext, headers: HeaderMap) -> Response {
    for token in tokens(&headers) {
        ui.authenticator.revoke(token);
    }
    let to = if ui.authenticator.is_on() { "/login" } else { "/" };
    with_cookie(&context, Redirect::to(&context.to(to)), "", 0)
}

fn refused(context: &PageContext, next: &str, denied: Denied) -> Response {
    let words = match denied {
        Denied::Missing => "This is not a key that is known here.",
        Denied::WrongRight => "This key may send traces, but not read them. Ask for one with the right to read.",
        Denied::Slowed(_) => "Too many wrong keys came from your address, and this is another one. Wait a minute, then try again.",
    };
    let mut response = form(context, next, denied.status(), Some(words));
    if let Some(seconds) = denied.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What browsers call a form without files.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn form(context: &PageContext, next: &str, status: StatusCode, problem: Option<&str>) -> Response {
    let content = html! {
        div.narrow {
            h1 { "Log in" }
            p { "With a key that has the right to read. The browser keeps a cookie for seven days, not the key." }
            form.login method="post" action=(context.to("/login")) {
                label for="key" { "Key" }
                input #key type="password" name="key" required autocomplete="current-password" spellcheck="false" autofocus
                    aria-describedby=[problem.map(|_| "problem")] aria-invalid=[problem.map(|_| "true")];
                input type="hidden" name="next" value=(next);
                button type="submit" { "Log in" }
                @if let Some(problem) = problem { p.problem #problem role="alert" { (problem) } }
            }
        }
    };
    let here = PageContext { here: "/login".into(), has_login: false, ..context.clone() };
    (status, Frame { context: &here, title: "Log in", is_live: false }.around(&content)).into_response()
}

fn with_cookie(context: &PageContext, response: impl IntoResponse, token: &str, max_age: u64) -> Response {
    let mut response = response.into_response();
    let secure = if context.is_https { "; Secure" } else { "" };
    let path = if context.prefix.is_empty() { "/" } else { &context.prefix };
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
