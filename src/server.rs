//! Serving one listener: HTTP/1.1 and HTTP/2, told apart by the first bytes, with TLS or without.
//!
//! - The caller owns the listener and the shutdown token; this owns every connection and awaits each of them.
//! - A connection that says nothing, or never ends its headers, is closed. So is an HTTP/2 peer that stops answering pings.
//! - A handshake has a time limit. Who speaks plainly where TLS is spoken is told so, and the other way round.
//! - When there are as many connections as allowed, new ones wait in the kernel's queue until one ends.
//! - Who ends their side of an HTTP/1.1 connection after a whole POST gets the answer (`ingest/peer.rs`).
//! - On shutdown: no new connection, requests in flight are finished, idle connections closed; what is left at the deadline is dropped.

pub mod gate;
pub mod hosts;
mod metrics;
pub mod origins;
mod rewound;
pub mod tls;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use self::rewound::Rewound;
use self::tls::Tls;
use crate::bounds::lanes::ConnectionReads;
use crate::ingest::{Answering, Peer, Whole};
use crate::log_limiter::LogLimiter;

pub use self::metrics::Metrics;

/// The limits of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections served at once.
    pub max_connections: usize,
    /// How long a connection may take to send the headers of its next request (HTTP/1.1), or to say which protocol it speaks.
    pub header_timeout: Duration,
    /// How long a TLS handshake may take, from the first byte of the connection on.
    pub handshake_timeout: Duration,
    /// Header fields of one HTTP/1.1 request; more are answered with 431.
    pub max_headers: usize,
    /// Bytes of the headers of one request; more are answered with 431.
    pub max_header_bytes: usize,
    /// Requests in flight on one HTTP/2 connection.
    pub max_streams: u32,
    /// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    /// How long requests in flight may take to finish after the shutdown began.
    pub drain: Duration,
}

/// Body bytes that an HTTP/2 peer may send before we have read them: of one request, and of a connection. They are memory that no door
/// has admitted yet, and still 20 MB/s over a line of 50 ms.
const STREAM_WINDOW_BYTES: u32 = 512 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Of an answer over HTTP/2, what is taken from us before the client has taken it. hyper's own default is 400 KiB.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// How long to wait after a failed accept: it fails for want of file descriptors, and trying at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            // Also the longest that an idle HTTP/1.1 connection is kept: longer than the interval between two exports.
            header_timeout: Duration::from_secs(75),
            // Four round trips, on a bad line and a busy machine.
            handshake_timeout: Duration::from_secs(10),
            max_headers: 100,
            max_header_bytes: 64 << 10,
            max_streams: 256,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// How many connections are open on one listener; clones count the same ones.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicU64>);

/// One of them; counted until it is dropped.
struct Counted(Connections);

impl Connections {
    pub fn open(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One listener and what is served on it.
pub struct Door {
    pub listener: TcpListener,
    pub router: Router,
    /// `None`: plain.
    pub tls: Option<Arc<Tls>>,
    pub metrics: Metrics,
    /// Those that are open are counted here.
    pub connections: Connections,
}

/// Where a program on this machine reaches a listener: one that listens everywhere, on loopback.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Serves `router` on `listener` without TLS until `shutdown`, then drains. Returns when the last connection is gone.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken, limits: Limits) {
    let (metrics, connections) = Default::default();
    serve_door(Door { listener, router, tls: None, metrics, connections }, shutdown, limits).await;
}

/// Serves a door until `shutdown`, then drains. Returns when the last connection is gone.
pub async fn serve_door(door: Door, shutdown: CancellationToken, limits: Limits) {
    let Door { listener, router, tls, metrics, connections } = door;
    let tasks = TaskTracker::new();
    let deadline = CancellationToken::new();
    let log_limiter = LogLimiter::default();
    let server =
        Server { router, tls, metrics, log_limiter, shutdown: shutdown.clone(), deadline: deadline.clone(), tasks: tasks.clone(), limits };
    let server = Arc::new(server);
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    while let Some((stream, peer, permit)) = next(&listener, &permits, &server.log_limiter, &shutdown).await {
        let counted = connections.count();
        let served = connection(server.clone(), stream, peer, permit);
        let served = async move {
            let _counted = counted;
            served.await;
        };
        tasks.spawn(deadline.clone().run_until_cancelled_owned(served));
    }
    drop(listener);
    tasks.close();
    if timeout(limits.drain, tasks.wait()).await.is_err() {
        tracing::warn!(n_tasks = tasks.len(), "requests did not finish before the deadline and are dropped");
        deadline.cancel();
        tasks.wait().await;
    }
}

/// What every connection of one listener shares.
struct Server {
    router: Router,
    tls: Option<Arc<Tls>>,
    metrics: Metrics,
    /// When which cause was last logged.
    log_limiter: LogLimiter,
    /// No new requests.
    shutdown: CancellationToken,
    /// No more time for old ones.
    deadline: CancellationToken,
    tasks: TaskTracker,
    limits: Limits,
}

/// Where hyper runs the requests of an HTTP/2 connection: beside the connections, so that they are awaited and end at the same deadline.
#[derive(Clone)]
struct Tracked {
    tasks: TaskTracker,
    deadline: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.tasks.spawn(self.deadline.clone().run_until_cancelled_owned(future));
    }
}

/// The next connection, once one more is allowed; `None` at shutdown.
async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    log_limiter: &LogLimiter,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    if permits.available_permits() == 0 && log_limiter.due("full", 1, Instant::now()).is_some() {
        tracing::warn!("as many connections are open as are allowed; new ones wait until one ends");
    }
    let permit = shutdown.run_until_cancelled(permits.clone().acquire_owned()).await?.ok()?;
    loop {
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok((stream, peer)) => return Some((stream, peer, permit)),
            // The peer left before it was served.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if let Some(n_times) = log_limiter.due("accept", 1, Instant::now()) {
                    tracing::warn!(%error, n_times, "cannot accept a connection");
                }
                shutdown.run_until_cancelled(sleep(ACCEPT_PAUSE)).await?;
            }
        }
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, _permit: OwnedSemaphorePermit) {
    // Answers are small and complete: waiting to fill a packet would only delay them. Failing that, they are merely slower.
    let _ = stream.set_nodelay(true);
    let is_secure = server.tls.is_some();
    let patience = if is_secure { server.limits.handshake_timeout } else { server.limits.header_timeout };
    let Some(mut heard) = hear(&server, stream, patience).await else { return };
    match (&server.tls, heard.is_tls()) {
        (None, false) => exchange(&server, heard, peer, server.router.clone()).await,
        (None, true) => {
            server.failed("tls_on_plain", peer, "a client spoke TLS to a plain port: let it use http://, or set server.tls_cert");
            // Clients know this as "wrong version number".
            let _ =
                heard.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nthis port speaks plain HTTP: use http://\n").await;
        }
        (Some(_), false) => {
            server.failed("plain_on_tls", peer, "a client spoke plainly to a port with TLS: let it use https://");
            exchange(&server, heard, peer, Router::new().fallback(wants_tls)).await;
        }
        (Some(tls), true) => {
            let handshake = timeout(patience, tls.acceptor().accept(heard));
            match server.shutdown.run_until_cancelled(handshake).await {
                None => {}
                Some(Err(_)) => server.failed("tls_timeout", peer, "a TLS handshake was not finished in time"),
                Some(Ok(Err(error))) => server.failed("tls_handshake", peer, &format!("a TLS handshake failed: {error}")),
                Some(Ok(Ok(stream))) => {
                    let Some(heard) = hear(&server, stream, server.limits.header_timeout).await else { return };
                    exchange(&server, heard, peer, server.router.clone()).await;
                }
            }
        }
    }
}

/// The connection once its peer has said something; `None` if it leaves, says nothing for too long, or the server stops.
async fn hear<S: AsyncRead + Unpin>(server: &Server, stream: S, patience: Duration) -> Option<Rewound<S>> {
    server.shutdown.run_until_cancelled(timeout(patience, Rewound::hear(stream))).await?.ok()?
}

/// The answer to whoever speaks plainly where TLS is spoken, in their language.
async fn wants_tls(request: Request<Body>) -> Response<Body> {
    const WORDS: &str = "this port speaks TLS: use https://";
    let content_type = request.headers().get(http::header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return tonic::Status::failed_precondition(WORDS).into_http();
    }
    (StatusCode::BAD_REQUEST, [(http::header::CONNECTION, "close")], format!("{WORDS}\n")).into_response()
}

/// Serves what comes over one connection until it ends.
async fn exchange<S>(server: &Arc<Server>, stream: Rewound<S>, peer: SocketAddr, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let reads = ConnectionReads::default();
    let other_end = stream.peer();
    let service = service_fn(move |request: Request<Incoming>| {
        // Said before hyper reads on.
        let is_held = request.version() < http::Version::HTTP_2 && request.method() == http::Method::POST;
        let answering = is_held.then(|| other_end.answering());
        answer(router.clone(), request, peer, reads.clone(), (other_end.clone(), answering))
    });
    let builder = builder(server);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = server.shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The peer's doing: it went away, or spoke something else.
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    reads: ConnectionReads,
    (other_end, answering): (Peer, Option<Answering>),
) -> Result<Response<Body>, Infallible> {
    let mut request = match &answering {
        Some(_) => request.map(|body| Whole::body(body, other_end.clone())),
        None => request.map(Body::new),
    };
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(reads);
    if answering.is_some() {
        request.extensions_mut().insert(other_end);
    }
    let response = router.oneshot(request).await;
    drop(answering);
    response
}

// === impl Server ===

impl Server {
    /// Counts a connection that never came to a request, and says so once in a while.
    fn failed(&self, reason: &'static str, peer: SocketAddr, words: &str) {
        self.metrics.failed_connection(reason);
        if let Some(n_connections) = self.log_limiter.due(reason, 1, Instant::now()) {
            tracing::warn!(%peer, reason, n_connections, "{words}");
        }
    }
}

fn builder(server: &Server) -> auto::Builder<Tracked> {
    let limits = server.limits;
    let mut builder = auto::Builder::new(Tracked { tasks: server.tasks.clone(), deadline: server.deadline.clone() });
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.max_headers)
        // hyper panics below 8 KiB.
        .max_buf_size(limits.max_header_bytes.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}
