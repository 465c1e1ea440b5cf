//! Serving one listener: HTTP/1.1 and HTTP/2 without TLS, told apart by the first bytes.
//!
//! - The caller owns the listener and the shutdown token; this owns every connection and awaits each of them.
//! - A connection that says nothing, or never ends its headers, is closed. So is an HTTP/2 peer that stops answering pings.
//! - When there are as many connections as allowed, new ones wait in the kernel's queue until one ends.
//! - On shutdown: no new connection, requests in flight are finished, idle connections closed; what is left at the deadline is dropped.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::ingest::Notices;

/// The limits of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections served at once.
    pub max_connections: usize,
    /// How long a connection may take to send the headers of its next request (HTTP/1.1), or to say which protocol it speaks.
    pub header_timeout: Duration,
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

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long to wait after a failed accept: it fails for want of file descriptors, and trying at once would only burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            // Also the longest that an idle HTTP/1.1 connection is kept: longer than the interval between two exports.
            header_timeout: Duration::from_secs(75),
            max_headers: 100,
            max_header_bytes: 64 << 10,
            max_streams: 256,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves `router` on `listener` until `shutdown`, then drains. Returns when the last connection is gone.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken, limits: Limits) {
    let tasks = TaskTracker::new();
    let deadline = CancellationToken::new();
    let server = Arc::new(Server { router, shutdown: shutdown.clone(), deadline: deadline.clone(), tasks: tasks.clone(), limits });
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let notices = Notices::default();
    while let Some((stream, peer, place)) = next(&listener, &places, &notices, &shutdown).await {
        tasks.spawn(deadline.clone().run_until_cancelled_owned(connection(server.clone(), stream, peer, place)));
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

/// The next connection, once there is a place for it; `None` at shutdown.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    notices: &Notices,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    if places.available_permits() == 0 && notices.due("full", 1, Instant::now()).is_some() {
        tracing::warn!("as many connections are open as are allowed; new ones wait until one ends");
    }
    let place = shutdown.run_until_cancelled(places.clone().acquire_owned()).await?.ok()?;
    loop {
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok((stream, peer)) => return Some((stream, peer, place)),
            // The peer left before it was served.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                if let Some(n_times) = notices.due("accept", 1, Instant::now()) {
                    tracing::warn!(%error, n_times, "cannot accept a connection");
                }
                shutdown.run_until_cancelled(sleep(ACCEPT_PAUSE)).await?;
            }
        }
    }
}

async fn connection(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, _place: OwnedSemaphorePermit) {
    // Answers are small and complete: waiting to fill a packet would only delay them. Failing that, they are merely slower.
    let _ = stream.set_nodelay(true);
    let spoke = timeout(server.limits.header_timeout, speaks(&stream));
    match server.shutdown.run_until_cancelled(spoke).await {
        Some(Ok(true)) => {}
        Some(Ok(false) | Err(_)) | None => return,
    }
    let router = server.router.clone();
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request, peer));
    let builder = builder(&server);
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

async fn answer(router: Router, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
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
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}

/// Waits until the peer has said enough to know its protocol; false if it left before. hyper's own detection has no time limit.
async fn speaks(stream: &TcpStream) -> bool {
    let mut seen = [0; HTTP2_PREFACE.len()];
    loop {
        let Ok(n @ 1..) = stream.peek(&mut seen).await else { return false };
        if n == HTTP2_PREFACE.len() || seen[..n] != HTTP2_PREFACE[..n] {
            return true;
        }
        // A preface cut in two: peeking returns the same bytes again at once, so give the rest a moment.
        sleep(Duration::from_millis(10)).await;
    }
}
