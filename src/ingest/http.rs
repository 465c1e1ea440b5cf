//! OTLP over HTTP: protobuf and JSON, answered in the language of the request.

use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::Signal;
use super::body;
use super::encoding::{self, Coding};
use super::grpc;
use super::receiver::Receiver;
use super::refusal::Refusal;
use super::reply::Taken;
use super::screen::Format;
use crate::auth::CHALLENGE;

/// A content type we read, and answer in. Its name goes back just as the OTLP specification demands: the one that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Media {
    name: &'static str,
    format: Format,
}

const MEDIA: [Media; 3] = [
    Media { name: "application/x-protobuf", format: Format::Protobuf },
    Media { name: "application/protobuf", format: Format::Protobuf },
    Media { name: "application/json", format: Format::Json },
];

/// `/v1/{signal}`, any method. Without a signal the body tells which it is.
pub(super) async fn export(receiver: Receiver, mut signal: Option<Signal>, request: Request) -> Response {
    let arrived = Instant::now();
    let (parts, mut body) = request.into_parts();
    let media = Media::of(&parts.headers);
    let answer = answer(&receiver, &mut signal, &parts, &mut body).await;
    let signal = signal.unwrap_or(Signal::Traces);
    if answer.as_ref().is_err_and(|refusal| is_still_sending(refusal, &parts)) {
        body::linger(&mut body).await;
    }
    receiver.record(signal, media.map_or("http", Media::transport), arrived, &answer);
    match (answer, media) {
        // In the language of whoever asked: a gRPC client shows nothing of any other answer.
        (Err(refusal @ Refusal::GrpcOverHttp), None) if parts.version >= Version::HTTP_2 => grpc::failure(refusal.to_status()),
        (Ok(taken), Some(media)) => media.response(media.success(signal, &taken)),
        (Ok(_), None) => Refusal::Internal.http_status().into_response(),
        (Err(refusal), media) => refused(&refusal, media),
    }
}

async fn answer(receiver: &Receiver, signal: &mut Option<Signal>, parts: &Parts, body: &mut axum::body::Body) -> Result<Taken, Refusal> {
    if parts.method != Method::POST {
        return Err(Refusal::Method);
    }
    let (tenant, via) = (receiver.sender(parts)?, receiver.via(&parts.headers)?);
    let Some(media) = Media::of(&parts.headers) else {
        if grpc::is_grpc(&parts.headers) {
            return Err(Refusal::GrpcOverHttp);
        }
        let sent = parts.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).chars().take(100).collect());
        return Err(Refusal::MediaType(sent.unwrap_or_default()));
    };
    let coding = Coding::from_headers(parts.headers.get_all(CONTENT_ENCODING))?;
    let held = receiver.read(body, 0).await?;
    if let Some(signal) = *signal {
        return receiver.take(signal, (&tenant, via), held, coding, media.format).await;
    }
    let held = receiver.decode(held, coding).await?;
    let told = *signal.insert(Signal::of_body(&held.bytes, media.format));
    let taken = receiver.take(told, (&tenant, via), held, Coding::Identity, media.format).await?;
    Ok(Taken { coding, ..taken })
}

/// Whether a refused sender may be writing its body and not listening yet.
fn is_still_sending(refusal: &Refusal, parts: &Parts) -> bool {
    let gave_up = matches!(refusal, Refusal::Slow | Refusal::Interrupted);
    parts.version < Version::HTTP_2 && !gave_up && !parts.headers.contains_key(EXPECT)
}

fn refused(refusal: &Refusal, media: Option<Media>) -> Response {
    let mut response = match media {
        Some(media) => media.response(media.failure(refusal)),
        None => format!("{refusal}\n").into_response(),
    };
    *response.status_mut() = refusal.http_status();
    let headers = response.headers_mut();
    if let Some(delay) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
    }
    match refusal {
        Refusal::Unauthenticated => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)),
        Refusal::Method => headers.insert(ALLOW, HeaderValue::from_static("POST")),
        Refusal::Encoding(_) => headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPTED)),
        _ => None,
    };
    response
}

// === impl Media ===

impl Media {
    /// The content type of a request, without its parameters.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let name = value.split(';').next()?.trim();
        MEDIA.into_iter().find(|media| media.name.eq_ignore_ascii_case(name))
    }

    pub(super) fn transport(self) -> &'static str {
        match self.format {
            Format::Protobuf => "http_protobuf",
            Format::Json => "http_json",
        }
    }

    fn success(self, signal: Signal, taken: &Taken) -> Vec<u8> {
        match self.format {
            Format::Protobuf => taken.to_protobuf(signal),
            Format::Json => taken.to_json(signal),
        }
    }

    fn failure(self, refusal: &Refusal) -> Vec<u8> {
        match self.format {
            Format::Protobuf => refusal.to_protobuf(),
            Format::Json => refusal.to_json(),
        }
    }

    fn response(self, body: Vec<u8>) -> Response {
        ([(CONTENT_TYPE, self.name)], body).into_response()
    }
}
