//! What an answer holds until its client has taken it, and how many are under way.
//!
//! - A request is paid for from its head until its answer's last byte is taken; a body, until its bytes are written to the socket.
//! - What does not fit is refused with 503, a time to come again and no body: such an answer is never held up by a client that reads nothing.
//! - The reads of one connection are answered some at a time ([`ConnectionReads`]), and one that leaves many answers untaken is the first to
//!   be refused.
//! - `/healthz` and `/readyz` are always answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::bounds::lanes::ConnectionReads;
use crate::bounds::memory::{Memory, Permit, Use};

/// A connection that has so many answers to take gets no more once half of what there is for answers is taken.
const FAIR_SHARE: usize = 8;
/// About what a request takes while it is answered: its head, its task, the state of its stream.
const REQUEST_BYTES: usize = 4 << 10;

/// The router with its answers under the bounds of `memory`.
pub(super) fn bounded(router: Router, memory: Memory) -> Router {
    router.layer(middleware::from_fn_with_state(memory, hold))
}

async fn hold(State(memory): State<Memory>, request: Request, next: Next) -> Response {
    // Always answered: the orchestrator would restart what is only busy.
    if is_health(request.uri().path()) {
        return next.run(request).await;
    }
    let connection = request.extensions().get::<ConnectionReads>().cloned().unwrap_or_default();
    let open = Open::new(connection.n_open);
    let is_greedy = open.n_others >= FAIR_SHARE && (memory.is_tight(Use::Requests) || memory.is_tight(Use::Answers));
    let Some(permit) = memory.take(Use::Requests, REQUEST_BYTES).ok().filter(|_| !is_greedy) else { return refusal() };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    // It is never closed, and without a slot the request would be answered all the same.
    let slot = if is_read { connection.slots.acquire_owned().await.ok() } else { None };
    let response = next.run(request).await;
    drop(slot);
    let (parts, body) = response.into_parts();
    let n_bytes = body.size_hint().exact().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let paid = match n_bytes.map(|n| memory.take(Use::Answers, n)).transpose() {
        Ok(paid) => paid,
        Err(_) => return refusal(),
    };
    Response::from_parts(parts, Body::new(Held { body, paid, _held: (permit, open) }))
}

/// A request of a connection, until its answer is taken.
struct Open {
    count: Arc<AtomicUsize>,
    n_others: usize,
}

impl Open {
    fn new(count: Arc<AtomicUsize>) -> Self {
        let n_others = count.fetch_add(1, Ordering::Relaxed);
        Self { count, n_others }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn refusal() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A body that is paid for.
struct Held {
    body: Body,
    /// For a whole body: moves on to its bytes.
    paid: Option<Permit>,
    _held: (Permit, Open),
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame) };
        Poll::Ready(Some(Ok(frame.map_data(|bytes| match self.paid.take() {
            Some(paid) => paid.around(bytes),
            None => bytes,
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::bounds::memory::Shares;

    fn used(memory: &Memory, of: &str) -> u64 {
        memory.standing().find(|standing| standing.of == of).unwrap().used_bytes
    }

    async fn ask(router: &Router) -> Response {
        router.clone().oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_paid_for_until_its_bytes_are_gone() {
        let memory = Memory::default();
        let router = bounded(Router::new().route("/", get(async || "x".repeat(10_000))), memory.clone());
        let response = ask(&router).await;
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "10000");
        assert_eq!((used(&memory, "answers"), used(&memory, "requests")), (10_000, REQUEST_BYTES as u64));
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!((used(&memory, "answers"), used(&memory, "requests")), (10_000, 0));
        drop(bytes);
        assert_eq!(used(&memory, "answers"), 0);
    }

    #[tokio::test]
    async fn health_is_answered_and_newcomers_are_too_while_one_connection_takes_nothing() {
        let shares = Shares { requests: 40 * REQUEST_BYTES as u64, ..Shares::default() };
        let memory = Memory::new(&shares);
        let router = Router::new().route("/", get(async || "x")).route("/readyz", get(async || "ok"));
        let router = bounded(router, memory.clone());
        let greedy = ConnectionReads::default();
        let of = |connection: &ConnectionReads, path: &str| {
            let mut request = Request::get(path).body(Body::empty()).unwrap();
            request.extensions_mut().insert(connection.clone());
            router.clone().oneshot(request)
        };
        let mut untaken = Vec::new();
        for _ in 0..60 {
            untaken.push(of(&greedy, "/").await.unwrap());
        }
        let n_answered = untaken.iter().filter(|response| response.status() == StatusCode::OK).count();
        assert_eq!(n_answered, 21, "half of the places, and the one that made it more");
        assert_eq!(of(&ConnectionReads::default(), "/").await.unwrap().status(), StatusCode::OK);
        let _all = memory.take(Use::Requests, 18 * REQUEST_BYTES).unwrap();
        assert_eq!(of(&greedy, "/readyz").await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_without_a_body_and_with_a_time_to_come_again() {
        let shares = Shares { answers: 15_000, requests: 3 * REQUEST_BYTES as u64, ..Shares::default() };
        let memory = Memory::new(&shares);
        let router = bounded(Router::new().route("/", get(async || "x".repeat(10_000))), memory.clone());
        let first = ask(&router).await;
        let refused = ask(&router).await;
        assert_eq!(
            (refused.status(), &refused.headers()[header::RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("1"))
        );
        assert!(refused.into_body().is_end_stream());
        drop(first);
        assert_eq!(ask(&router).await.status(), StatusCode::OK);
        let _places: Vec<_> = (0..3).map(|_| memory.take(Use::Requests, REQUEST_BYTES).unwrap()).collect();
        assert_eq!(ask(&router).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
