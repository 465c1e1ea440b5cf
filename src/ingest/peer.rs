//! Who is at the other end of an HTTP/1.1 connection, and whether they still speak.
//!
//! - A client may end its side once its request is whole (RFC 9112, section 9.6) and wait for the answer; one that gives up ends both sides,
//!   and the first sign of either is the same. hyper takes the sign for the second, so it is not shown one while a POST is answered.
//! - Other methods are not held: who asks for a long answer and leaves shall cost nothing more.
//! - A body that ends before its time breaks off as ever ([`Whole`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The peer of one connection; clones are the same. One that nobody told of anything never ends.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    held: Arc<Mutex<Held>>,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Held {
    is_answering: bool,
    /// Reads the end once the answer is under way.
    reader: Option<Waker>,
}

/// While this lives, the end of the peer's side is not shown to hyper.
#[derive(Debug)]
pub struct Answering(Peer);

// === impl Peer ===

impl Peer {
    /// From now on a request of this peer is answered.
    pub fn answering(&self) -> Answering {
        self.held().is_answering = true;
        Answering(self.clone())
    }

    /// Notes that nothing more comes from the peer. True if whoever reads shall not know of it yet: they are woken when they may.
    pub fn holds_end(&self, context: &Context<'_>) -> bool {
        self.ended.cancel();
        let mut held = self.held();
        if held.is_answering {
            held.reader = Some(context.waker().clone());
        }
        held.is_answering
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Returns when nothing more comes from the peer: it may have gone.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    fn held(&self) -> parking_lot::MutexGuard<'_, Held> {
        self.held.lock()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut held = self.0.held();
        held.is_answering = false;
        if let Some(reader) = held.reader.take() {
            reader.wake();
        }
    }
}

/// The body of a request whose peer's end is held: where the rest of it never comes, it breaks off.
pub struct Whole {
    body: Incoming,
    peer: Peer,
}

// === impl Whole ===

impl Whole {
    pub fn body(body: Incoming, peer: Peer) -> Body {
        Body::new(Self { body, peer })
    }
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            // hyper hands on what it has read before it reads on: what is not here by now was not sent.
            Poll::Pending if self.peer.has_ended() => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))),
            polled => polled.map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
