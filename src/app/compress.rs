//! Answers to readers, compressed where they ask for it: Brotli or gzip.
//!
//! - Only what is read (GET, HEAD) and is text: what senders of telemetry are answered stays as it is, and so do event streams, whose events
//!   would wait in a buffer.
//! - A whole answer is compressed at once, on a blocking thread in the short lane, and leaves with its length. Where that lane is full it
//!   leaves as it is.
//! - A streamed answer is gzip, whose state is small: each of its chunks leaves as it comes, flushed. It pays for that state.
//! - Compressed text of which an attacker chooses a part tells the length of a secret beside it (BREACH): no answer of ours holds one. Keys
//!   and cookies are in headers only.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::{Body as _, Frame};

use crate::bounds::memory::{Permit, Use};
use crate::bounds::stream::StreamLimits;

/// What is smaller travels in one packet either way.
const MIN_BYTES: u64 = 1_024;
/// A page of a hundred sessions becomes a twelfth in about a millisecond; 5 takes half as long again for a tenth less (`docs/performance.md`).
const BROTLI_QUALITY: i32 = 4;
/// 2^18 bytes: larger than nearly all pages. It bounds what one answer takes while it is compressed.
const BROTLI_WINDOW_BITS: i32 = 18;
/// A chunk of 64 KiB of a streamed answer takes a quarter of a millisecond, which may be spent where it is sent; 6 takes twice as long for 1 %.
const GZIP_LEVEL: u32 = 4;
/// The state of a gzip encoder.
const STREAM_BYTES: usize = 320 << 10;

/// The router with its answers to readers compressed.
pub(super) fn compressed(router: Router, limits: StreamLimits) -> Router {
    router.layer(middleware::from_fn_with_state(limits, compress))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Brotli,
    Gzip,
}

async fn compress(State(limits): State<StreamLimits>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let accepted = Accepted::of(request.headers());
    let mut response = next.run(request).await;
    if !is_compressible(&response) {
        return response;
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    // The answer to HEAD is that to GET up to here: the router drops its body later, and keeps its length.
    match response.body().size_hint().exact() {
        Some(length) if length < MIN_BYTES => response,
        Some(length) => match accepted.best() {
            Some(coding) => whole(response, length, coding, &limits).await,
            None => response,
        },
        None => {
            let Some(permit) = accepted.gzip().and_then(|_| limits.memory.take(Use::Streams, STREAM_BYTES).ok()) else { return response };
            mark(&mut response, Coding::Gzip);
            let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            response.map(|body| Body::new(Squeezed { body, encoder: Some(encoder), _permit: permit }))
        }
    }
}

async fn whole(response: Response, length: u64, coding: Coding, limits: &StreamLimits) -> Response {
    let (parts, body) = response.into_parts();
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let Ok(plain) = body::to_bytes(body, length).await else {
        // A whole body is in memory: it cannot fail.
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let work = {
        let plain = plain.clone();
        move || coding.encode(&plain)
    };
    match limits.lanes.short.run(work).await {
        Ok(small) if small.len() < plain.len() => {
            let mut response = Response::from_parts(parts, Body::from(small));
            mark(&mut response, coding);
            response
        }
        _ => Response::from_parts(parts, Body::from(plain)),
    }
}

/// Says which coding the body has. What was said of its plain bytes does not hold any more: their length, and that they are the same byte
/// for byte as others with that tag (RFC 9110, section 8.8.1).
fn mark(response: &mut Response, coding: Coding) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    headers.remove(header::CONTENT_LENGTH);
    let weak = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).map(|tag| [b"W/", tag.as_bytes()].concat());
    if let Some(weak) = weak.and_then(|weak| HeaderValue::from_bytes(&weak).ok()) {
        headers.insert(header::ETAG, weak);
    }
}

fn is_compressible(response: &Response) -> bool {
    let headers = response.headers();
    let has_body = !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT);
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let is_text = media.starts_with("text/") && media != "text/event-stream"
        || matches!(
            media,
            "application/json" | "application/x-ndjson" | "application/yaml" | "application/openmetrics-text" | "image/svg+xml"
        );
    has_body && is_text && !headers.contains_key(header::CONTENT_ENCODING)
}

/// What a client says it can read, as thousandths of its preference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Accepted {
    brotli: u16,
    gzip: u16,
}

// === impl Accepted ===

impl Accepted {
    /// RFC 9110, section 12.5.3. What cannot be read counts as not said.
    fn of(headers: &HeaderMap) -> Self {
        let (mut brotli, mut gzip, mut others) = (None, None, None);
        let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for item in values.flat_map(|value| value.split(',')) {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse::<f32>().ok());
            let Some(weight) = weight.filter(|weight| (0.0..=1.0).contains(weight)) else { continue };
            let thousandths = (weight * 1_000.0) as u16;
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => brotli = Some(thousandths),
                "gzip" | "x-gzip" => gzip = Some(thousandths),
                "*" => others = Some(thousandths),
                _ => {}
            }
        }
        let of = |named: Option<u16>| named.or(others).unwrap_or(0);
        Self { brotli: of(brotli), gzip: of(gzip) }
    }

    /// What is preferred, and Brotli where that is not said.
    fn best(self) -> Option<Coding> {
        if self.brotli > 0 && self.brotli >= self.gzip { Some(Coding::Brotli) } else { self.gzip() }
    }

    fn gzip(self) -> Option<Coding> {
        (self.gzip > 0).then_some(Coding::Gzip)
    }
}

// === impl Coding ===

impl Coding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn encode(self, plain: &[u8]) -> Vec<u8> {
        let mut small = Vec::with_capacity(plain.len() / 4);
        // Writing to a vector cannot fail.
        match self {
            Self::Brotli => {
                let params = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW_BITS,
                    size_hint: plain.len(),
                    ..Default::default()
                };
                let _ = brotli::BrotliCompress(&mut &*plain, &mut small, &params);
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut small, Compression::new(GZIP_LEVEL));
                let _ = encoder.write_all(plain);
                let _ = encoder.finish();
            }
        }
        small
    }
}

/// The body of a streamed answer as gzip.
struct Squeezed {
    body: Body,
    /// Until the end is written.
    encoder: Option<GzEncoder<Vec<u8>>>,
    _permit: Permit,
}

impl http_body::Body for Squeezed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let Some(mut encoder) = self.encoder.take() else { return Poll::Ready(None) };
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => {
                    self.encoder = Some(encoder);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            let Some(frame) = frame else {
                return Poll::Ready(Some(encoder.finish().map(|rest| Frame::data(rest.into())).map_err(axum::Error::new)));
            };
            // What broke off ends without the end of gzip: nobody can take the part for the whole.
            let Ok(data) = frame?.into_data() else {
                self.encoder = Some(encoder);
                continue;
            };
            let written = encoder.write_all(&data).and_then(|()| encoder.flush());
            written.map_err(axum::Error::new)?;
            let chunk = std::mem::take(encoder.get_mut());
            self.encoder = Some(encoder);
            return Poll::Ready(Some(Ok(Frame::data(chunk.into()))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::routing::get;
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn text() -> String {
        (0..2_000).map(|n| format!("<tr><td>conv-{n}</td><td>$0.{n}</td></tr>")).collect()
    }

    fn router() -> Router {
        let html = async || ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::ETAG, "\"tag\"")], text());
        let events = async || ([(header::CONTENT_TYPE, "text/event-stream")], text());
        let tiny = async || ([(header::CONTENT_TYPE, "application/json")], "{}");
        let stream = async || {
            let chunks = (0..3).map(|n| Ok::<_, std::io::Error>(Bytes::from(format!("chunk {n};"))));
            let broken = std::iter::once(Err(std::io::Error::other("broken off")));
            let body = Body::from_stream(futures_util::stream::iter(chunks.chain(broken)));
            ([(header::CONTENT_TYPE, "text/csv")], body)
        };
        let router = Router::new()
            .route("/html", get(html).post(html))
            .route("/events", get(events))
            .route("/tiny", get(tiny))
            .route("/stream", get(stream));
        compressed(router, StreamLimits::default())
    }

    async fn ask(method: Method, path: &str, accepts: &str) -> Response {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT_ENCODING, accepts);
        router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    fn coding(response: &Response) -> &str {
        response.headers().get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_whole_answer_comes_in_the_coding_that_is_asked_for_and_is_the_same_text() {
        let browser = "gzip, deflate, br, zstd";
        for (accepts, expect) in
            [(browser, "br"), ("gzip", "gzip"), ("gzip;q=1.0, br;q=0.5", "gzip"), ("br;q=0, *", "gzip"), ("", ""), ("zstd", "")]
        {
            let response = ask(Method::GET, "/html", accepts).await;
            assert_eq!(coding(&response), expect, "{accepts}");
            assert_eq!(response.headers()[header::VARY], "accept-encoding");
            let etag = response.headers()[header::ETAG].clone();
            let said = response.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            if let Some(said) = said {
                assert_eq!(said, bytes.len().to_string(), "{accepts}");
            }
            let mut read = Vec::new();
            match expect {
                "br" => brotli::BrotliDecompress(&mut &*bytes, &mut read).unwrap(),
                "gzip" => _ = GzDecoder::new(&*bytes).read_to_end(&mut read).unwrap(),
                _ => read = bytes.to_vec(),
            }
            assert_eq!(read, text().as_bytes(), "{accepts}");
            assert_eq!(etag, if expect.is_empty() { "\"tag\"" } else { "W/\"tag\"" }, "{accepts}");
            assert!(expect.is_empty() || bytes.len() * 4 < read.len(), "{accepts}: {} bytes", bytes.len());
        }
    }

    #[tokio::test]
    async fn events_tiny_answers_and_what_senders_are_answered_stay_as_they_are() {
        for (method, path) in [(Method::GET, "/events"), (Method::GET, "/tiny"), (Method::POST, "/html")] {
            assert_eq!(coding(&ask(method.clone(), path, "br, gzip").await), "", "{method} {path}");
        }
        let posted = ask(Method::POST, "/html", "br, gzip").await;
        assert!(!posted.headers().contains_key(header::VARY));
    }

    #[tokio::test]
    async fn head_says_what_get_says() {
        for accepts in ["br", "gzip", ""] {
            let (head, get) = (ask(Method::HEAD, "/html", accepts).await, ask(Method::GET, "/html", accepts).await);
            assert_eq!(head.headers(), get.headers(), "{accepts}");
            assert!(head.headers().contains_key(header::CONTENT_LENGTH));
            assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
        }
    }

    #[tokio::test]
    async fn each_chunk_of_a_stream_can_be_read_when_it_comes_and_what_breaks_off_never_ends() {
        let mut body = ask(Method::GET, "/stream", "br, gzip").await.into_body();
        let mut heard = Vec::new();
        for n in 0..3 {
            heard.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
            let mut read = vec![0; (n + 1) * "chunk 0;".len()];
            GzDecoder::new(&*heard).read_exact(&mut read).unwrap();
            assert!(read.ends_with(format!("chunk {n};").as_bytes()));
        }
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none());
        assert!(GzDecoder::new(&*heard).read_to_end(&mut Vec::new()).is_err(), "a part was taken for the whole");
    }
}
