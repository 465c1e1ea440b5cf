//! Strangers before the real program's doors: under other names, from other sites, with wrong keys, with TLS and without.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod certificates;
mod gate;
mod keys;
mod tls;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub const LIST: &str = "/api/v1/observability/sessions/";
pub const START: &str = "/api/v1/observe/runs/start/";
pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// What is asked, as it goes over the wire: `host` is `Host` or `:authority`.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub host: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
    pub http2: bool,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { method: "GET", path: LIST, host: "localhost", headers: &[], body: "", http2: false }
    }
}

impl Ask<'_> {
    pub async fn of(self, address: SocketAddr) -> Answer {
        self.over(TcpStream::connect(address).await.unwrap()).await.unwrap()
    }

    /// Over any connection; an error if that breaks.
    pub async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, io: S) -> Result<Answer, hyper::Error> {
        let uri = if self.http2 { format!("http://{}{}", self.host, self.path) } else { self.path.to_owned() };
        let mut request = Request::builder().method(self.method).uri(uri);
        if !self.http2 {
            request = request.header("host", self.host);
        }
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(self.body.to_owned()))).unwrap();
        let io = TokioIo::new(io);
        let response = if self.http2 {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&body).into_owned() })
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The metadata of a gRPC refusal.
    pub fn grpc(&self) -> (&str, String) {
        let message = percent_encoding::percent_decode_str(self.header("grpc-message")).decode_utf8_lossy().into_owned();
        (self.header("grpc-status"), message)
    }
}

/// A line of `/metrics`; 0 if it is not there yet.
pub async fn metric(http: SocketAddr, headers: &[(&str, &str)], line: &str) -> u64 {
    let page = Ask { path: "/metrics", headers, ..Ask::default() }.of(http).await.text;
    page.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0)
}
