//! The pages over the real binary: what they say, where they lead, and who may see them. What a browser makes of them is tested in
//! `tests/ui/browser`.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod compare;
mod compressed;
mod dialects;
mod empty;
mod export;
mod list;
mod live;
mod login;
mod navigation;
mod notes;
mod overview;
mod questions;
mod refused;
mod said_in_tempo;
mod search;
mod session;
mod start;
mod status;
mod told;
mod tools;
mod trace;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::support::server::{Place, Server, until};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

/// A session id that no page may trip over.
pub const HOSTILE: &str = "<script>alert('x')</script>/a b\"&%2F?#💬 \u{202e}עברית";

/// An answer with its head, redirects not followed.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// A browser without a window: keeps one cookie.
pub struct Visitor {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
    pub cookie: Option<String>,
}

impl Visitor {
    pub fn of(server: &Server) -> Self {
        Self { base: format!("http://{}", server.http), client: Client::builder(TokioExecutor::new()).build_http(), cookie: None }
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn post(&self, path: &str, form: &str) -> Page {
        self.send(Method::POST, path, &[("content-type", "application/x-www-form-urlencoded")], form).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let response = self.client.request(request.body(Full::new(body.to_owned().into())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.text.contains(text), "does not say {text:?}:\n{}", self.text);
    }

    /// The addresses of all links, in order, as they stand in the page.
    pub fn links(&self) -> Vec<String> {
        self.text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&")).collect()
    }
}

/// Sessions are kept and runs wait for their end whatever their age, so that fixed times can be used.
pub fn place() -> Place {
    Place::new().set("retention.max_age", "0s").set("fold.run_timeout", "3650d")
}

/// A run of `agent` in a session: an agent's span with one call of a model in it.
pub fn run(trace: u128, session: &str, name: &str, at: u64) -> [Span; 2] {
    let start = TEN + at * SECOND;
    [
        agent(trace, 1, 0, name).session(session).between(start, start + 2 * SECOND),
        chat(trace, 2, 1, (100, 20), 300)
            .with("gen_ai.input.messages", "What is <b>this</b>?")
            .with("gen_ai.output.messages", "It is bold & brave.")
            .between(start, start + SECOND),
    ]
}

pub async fn shows(server: &Server, n_sessions: u64) {
    until("the sessions are there", async || server.json(crate::support::server::SESSIONS).await["count"] == n_sessions).await;
}

pub async fn send(server: &Server, spans: impl IntoIterator<Item = Span>) {
    server.send(request(spans)).await.unwrap();
}

/// As one segment of a path.
pub fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
