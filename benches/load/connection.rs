//! One connection to a receiver, over gRPC (HTTP/2) or HTTP/1.1, and what its answers mean.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::net::TcpStream;

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Transport {
    Grpc,
    Http,
}

/// What a request holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    Traces,
    Logs,
}

#[derive(Clone)]
pub struct Target {
    pub transport: Transport,
    pub addr: SocketAddr,
    pub key: Option<HeaderValue>,
}

/// What became of one request.
pub enum Outcome {
    Acked {
        rejected: u64,
    },
    /// Worth sending again, after so long if the receiver said.
    Busy {
        reason: String,
        after: Option<Duration>,
    },
    /// Sending it again is no use.
    Refused {
        reason: String,
    },
}

/// The connection broke: whether the request was taken is not known.
pub struct Broken(pub String);

pub enum Connection {
    Grpc(http2::SendRequest<Full<Bytes>>),
    Http(http1::SendRequest<Full<Bytes>>),
}

// === impl Connection ===

impl Connection {
    pub async fn open(target: &Target) -> Result<Self, Broken> {
        let stream = TcpStream::connect(target.addr).await.map_err(|error| Broken(format!("connect: {error}")))?;
        stream.set_nodelay(true).map_err(|error| Broken(format!("connect: {error}")))?;
        let stream = TokioIo::new(stream);
        match target.transport {
            Transport::Grpc => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.map_err(broken)?;
                tokio::spawn(connection);
                Ok(Self::Grpc(sender))
            }
            Transport::Http => {
                let (sender, connection) = http1::handshake(stream).await.map_err(broken)?;
                tokio::spawn(connection);
                Ok(Self::Http(sender))
            }
        }
    }

    pub async fn send(&mut self, target: &Target, signal: Signal, bytes: Bytes) -> Result<Outcome, Broken> {
        match self {
            Self::Grpc(sender) => {
                sender.ready().await.map_err(broken)?;
                let response = sender.send_request(request(target, signal, bytes)).await.map_err(broken)?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(broken)?;
                let trailers = body.trailers().cloned().unwrap_or_default();
                Ok(read_grpc(head.status, &head.headers, &trailers, body.to_bytes()))
            }
            Self::Http(sender) => {
                sender.ready().await.map_err(broken)?;
                let response = sender.send_request(request(target, signal, bytes)).await.map_err(broken)?;
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(broken)?.to_bytes();
                Ok(read_http(head.status, &head.headers, body))
            }
        }
    }
}

fn request(target: &Target, signal: Signal, bytes: Bytes) -> Request<Full<Bytes>> {
    let (service, path) = match signal {
        Signal::Traces => ("trace.v1.TraceService", "/v1/traces"),
        Signal::Logs => ("logs.v1.LogsService", "/v1/logs"),
    };
    let mut request = Request::post(match target.transport {
        Transport::Grpc => format!("http://{}/opentelemetry.proto.collector.{service}/Export", target.addr),
        Transport::Http => path.to_owned(),
    });
    request = match target.transport {
        Transport::Grpc => request.header(header::CONTENT_TYPE, "application/grpc").header(header::TE, "trailers"),
        Transport::Http => request.header(header::CONTENT_TYPE, "application/x-protobuf").header(header::HOST, target.addr.to_string()),
    };
    if let Some(key) = &target.key {
        request = request.header("x-wax-key", key);
    }
    request.body(Full::new(bytes)).expect("the address, the paths and the headers are well-formed")
}

fn read_grpc(status: StatusCode, headers: &HeaderMap, trailers: &HeaderMap, mut body: Bytes) -> Outcome {
    let code = headers.get("grpc-status").or_else(|| trailers.get("grpc-status")).and_then(|code| code.to_str().ok());
    match code {
        Some("0") => {
            body.advance(body.len().min(5));
            Outcome::Acked { rejected: rejected(body) }
        }
        // Cancelled, deadline exceeded, resource exhausted, aborted, out of range, unavailable, data loss: retryable by OTLP.
        Some(code @ ("1" | "4" | "8" | "10" | "11" | "14" | "15")) => Outcome::Busy { reason: format!("grpc {code}"), after: None },
        Some(code) => Outcome::Refused { reason: format!("grpc {code}") },
        None => Outcome::Refused { reason: format!("no grpc-status (HTTP {})", status.as_u16()) },
    }
}

fn read_http(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Outcome {
    let reason = format!("http {}", status.as_u16());
    match status.as_u16() {
        200 => Outcome::Acked { rejected: rejected(body) },
        429 | 502 | 503 | 504 => {
            let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Outcome::Busy { reason, after: after.map(Duration::from_secs) }
        }
        _ => Outcome::Refused { reason },
    }
}

/// Of either signal: the answers to both have the same form.
fn rejected(body: Bytes) -> u64 {
    let response = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    response.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

fn broken(error: hyper::Error) -> Broken {
    Broken(format!("connection: {error}"))
}
