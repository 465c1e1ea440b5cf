//! A receiver of OTLP over gRPC that acknowledges everything, keeps nothing and counts the spans: what stands where Tempo would.
//!
//! It runs on a thread of this process, so its CPU is not the server's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

/// Wide enough that flow control is never what is measured.
const WINDOW_BYTES: u32 = 16 << 20;

pub struct Sink {
    pub addr: SocketAddr,
    spans: Arc<AtomicU64>,
}

// === impl Sink ===

impl Sink {
    /// Serves until the process ends.
    pub fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// The same at an address.
    pub fn start_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let spans = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&spans);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("sink".into()).spawn(move || runtime.block_on(serve(listener, counter)))?;
        Ok(Self { addr, spans })
    }

    pub fn spans(&self) -> u64 {
        self.spans.load(Ordering::Relaxed)
    }

    /// Waits until `n` more spans came than `before`; false if they did not within `patience`.
    pub fn wait_for(&self, n: u64, before: u64, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.spans() - before < n {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

async fn serve(listener: std::net::TcpListener, spans: Arc<AtomicU64>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is not blocking");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let spans = Arc::clone(&spans);
        let answer = service_fn(move |request: Request<Incoming>| take(request, Arc::clone(&spans)));
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
        tokio::spawn(http.serve_connection(TokioIo::new(stream), answer));
    }
}

async fn take(
    request: Request<Incoming>,
    spans: Arc<AtomicU64>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    if let Ok(body) = request.into_body().collect().await {
        let frame = body.to_bytes();
        spans.fetch_add(count_spans(frame.get(5..).unwrap_or_default()), Ordering::Relaxed);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let empty_message = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(empty_message);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// The fields 1 (resource spans), 2 (scope spans), 2 (spans), one within the other.
fn count_spans(request: &[u8]) -> u64 {
    fields(request, 1).flat_map(|resource| fields(resource, 2)).map(|scope| fields(scope, 2).count() as u64).sum()
}

/// The length-delimited fields `number` of a message.
fn fields(mut bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let Some(tag) = varint(&mut bytes) {
            let len = match tag & 7 {
                0 => {
                    varint(&mut bytes)?;
                    continue;
                }
                1 => 8,
                2 => varint(&mut bytes)?,
                5 => 4,
                _ => return None,
            };
            let (field, rest) = bytes.split_at_checked(usize::try_from(len).ok()?)?;
            bytes = rest;
            if tag == number << 3 | 2 {
                return Some(field);
            }
        }
        None
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    if bytes.is_empty() { None } else { prost::encoding::decode_varint(bytes).ok() }
}
