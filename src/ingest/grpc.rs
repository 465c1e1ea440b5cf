//! OTLP over gRPC: one unary method a signal, whose message is never decoded.
//!
//! ```text
//! request body    0    1          5
//!                 ├────┼──────────┼───────────┤
//!                 │flag│ length   │ message   │   flag 1: the message is compressed as grpc-encoding says
//!                 └────┴──────────┴───────────┘   length: big-endian, of the message as sent
//! ```
//!
//! - The frame is read here and not by tonic's server, so that both doors share one body reader with its limits, its admission and its
//!   blocking threads. tonic 0.14 answers a message over the limit with `OUT_OF_RANGE`, which OTLP exporters retry for ever, reserves
//!   memory for a length that was only declared, decompresses on the connection's thread, and lets a zstd frame demand a window of 128 MiB.
//! - Statuses and their details are tonic's.

use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tonic::Status;

use super::Signal;
use super::encoding::{self, Coding};
use super::receiver::Receiver;
use super::refusal::Refusal;
use super::reply::Taken;
use super::screen::Format;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The flag and the length before a message.
const PREFIX_BYTES: usize = 5;

/// `Export` of one of the OTLP services, any method.
pub(super) async fn export(receiver: Receiver, signal: Signal, request: Request) -> Response {
    let arrived = Instant::now();
    if request.method() != Method::POST {
        let allow = [(http::header::ALLOW, "POST")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "this path is a gRPC method\n").into_response();
    }
    if !is_grpc(request.headers()) {
        let refusal = Refusal::NotGrpc;
        let response = (refusal.http_status(), format!("{refusal}\n")).into_response();
        receiver.record(signal, "grpc", arrived, &Err(refusal));
        return response;
    }
    let (parts, mut body) = request.into_parts();
    let answer = answer(&receiver, signal, &parts, &mut body).await;
    receiver.record(signal, "grpc", arrived, &answer);
    match answer {
        Ok(taken) => success(&taken.to_protobuf(signal)),
        Err(refusal) => failure(refusal.to_status()),
    }
}

/// Whether the sender speaks gRPC with protobuf messages.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let name = value.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The answer to a method that is not ours.
pub(super) fn unimplemented(path: &str) -> Response {
    let path: String = path.chars().take(200).collect();
    failure(Status::unimplemented(format!("sessionfold has no gRPC method {path}")))
}

async fn answer(receiver: &Receiver, signal: Signal, parts: &Parts, body: &mut Body) -> Result<Taken, Refusal> {
    if parts.version < Version::HTTP_2 {
        return Err(Refusal::Framing("gRPC needs HTTP/2"));
    }
    let (tenant, via) = (receiver.sender(parts)?, receiver.via(&parts.headers)?);
    let coding = Coding::from_headers(parts.headers.get_all(ENCODING))?;
    let mut held = receiver.read(body, PREFIX_BYTES).await?;
    let is_compressed = unframe(&mut held.bytes)?;
    let coding = match (is_compressed, coding) {
        (false, _) => Coding::Identity,
        (true, Coding::Identity) => return Err(Refusal::Framing("the message is marked as compressed and grpc-encoding does not say how")),
        (true, coding) => coding,
    };
    receiver.take(signal, (&tenant, via), held, coding, Format::Protobuf).await
}

/// Strips the prefix of the one message of a unary call. Returns whether the message is compressed.
pub(super) fn unframe(body: &mut Bytes) -> Result<bool, Refusal> {
    let Some((&[flag, a, b, c, d], message)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(Refusal::Framing("the request ends before its message begins"));
    };
    if flag > 1 {
        return Err(Refusal::Framing("the message has an unknown compression flag"));
    }
    match (message.len() as u64).cmp(&u64::from(u32::from_be_bytes([a, b, c, d]))) {
        std::cmp::Ordering::Less => Err(Refusal::Framing("the message is shorter than its length says")),
        std::cmp::Ordering::Greater => Err(Refusal::Framing("more bytes follow the one message of a unary call")),
        std::cmp::Ordering::Equal => {
            *body = body.slice(PREFIX_BYTES..);
            Ok(flag == 1)
        }
    }
}

fn success(message: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.extend_from_slice(&[0]);
    // A message of ours is some hundred bytes.
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPTED));
    response
}

pub(super) fn failure(status: Status) -> Response {
    let mut response = status.into_http::<Body>();
    response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPTED));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unary_request_is_exactly_one_frame() {
        let check = |body: &'static [u8]| {
            let mut body = Bytes::from_static(body);
            unframe(&mut body).map(|compressed| (compressed, body))
        };
        assert_eq!(check(b"\0\0\0\0\0"), Ok((false, Bytes::new())));
        assert_eq!(check(b"\x01\0\0\0\x02ab"), Ok((true, Bytes::from_static(b"ab"))));
        for bad in [&b""[..], b"\0\0\0\0", b"\x02\0\0\0\0", b"\0\0\0\0\x03ab", b"\0\0\0\0\x01ab", b"\0\xff\xff\xff\xffab"] {
            assert!(matches!(check(bad), Err(Refusal::Framing(_))), "{bad:?}");
        }
    }
}
