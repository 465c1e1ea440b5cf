//! Answers of any length, written on a blocking thread and sent as they grow.
//!
//! - What fits one chunk is sent whole, with its length: most sessions. Only longer answers take one of the few streaming slots.
//! - At most `chunk_bytes` x (`CHUNKS_AHEAD` + 2) of an answer are in memory.
//! - A client that takes nothing for `stall` is let go, so that no thread and no read transaction waits for ever.
//! - Failures before the first chunk are ordinary refusals. Later ones end the body with an error: the connection breaks, and no
//!   client can take the part for the whole. This holds even where the writing thread panics.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::metrics::{Abort, ApiMetrics};
use super::refusal::Refusal;
use crate::store::StoreError;

/// What streamed answers may take.
#[derive(Clone)]
pub struct StreamLimits {
    /// One permit for each answer under way; each holds a blocking thread and perhaps a read transaction. With none left: 503.
    pub slots: Arc<Semaphore>,
    /// An answer longer than this is streamed.
    pub chunk_bytes: usize,
    /// How long a client may take nothing.
    pub stall: Duration,
}

/// Where an answer is written to.
pub(super) struct Sink {
    /// What is not sent yet.
    buffer: Vec<u8>,
    /// Headers of the answer; they leave with the first chunk.
    pub(super) headers: HeaderMap,
    limits: StreamLimits,
    metrics: ApiMetrics,
    runtime: Handle,
    /// Until the answer's head is decided.
    head: Option<oneshot::Sender<Result<Response, Refusal>>>,
    /// Once the answer is streamed.
    pieces: Option<(mpsc::Sender<Piece>, OwnedSemaphorePermit)>,
}

/// Why writing ends before the end.
#[derive(Debug)]
pub(super) enum Cut {
    Refused(Refusal),
    Stalled,
    Gone,
}

enum Piece {
    Chunk(Bytes),
    /// Without it the answer is incomplete.
    End,
}

/// The body of a streamed answer.
struct Pieces {
    receiver: mpsc::Receiver<Piece>,
    is_over: bool,
}

/// Chunks that may wait for the client.
const CHUNKS_AHEAD: usize = 2;

/// Runs `write` on a blocking thread and answers with what it writes.
pub(super) async fn respond<F>(limits: &StreamLimits, metrics: &ApiMetrics, write: F) -> Result<Response, Refusal>
where
    F: FnOnce(&mut Sink) -> Result<(), Cut> + Send + 'static,
{
    let (head, answer) = oneshot::channel();
    let mut sink = Sink {
        buffer: Vec::new(),
        headers: HeaderMap::new(),
        limits: limits.clone(),
        metrics: metrics.clone(),
        runtime: Handle::current(),
        head: Some(head),
        pieces: None,
    };
    // Ends by itself: with the answer, when the client leaves (the body drops the receiver), or when it stalls.
    let writer = tokio::task::spawn_blocking(move || {
        let outcome = write(&mut sink).and_then(|()| sink.finish());
        if let Err(cut) = outcome {
            sink.abort(cut);
        }
    });
    if let Ok(answer) = answer.await {
        return answer;
    }
    if let Err(error) = writer.await {
        tracing::error!(%error, "writing an answer panicked");
    }
    Err(Refusal::Internal)
}

// === impl StreamLimits ===

impl Default for StreamLimits {
    /// 32 answers of at most 4 x 64 KiB in memory: 8 MiB and 32 threads at the worst.
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(32)), chunk_bytes: 64 * 1024, stall: Duration::from_secs(30) }
    }
}

// === impl Sink ===

impl Sink {
    pub(super) fn text(&mut self, text: &str) -> Result<(), Cut> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.relieve()
    }

    pub(super) fn json<T: Serialize>(&mut self, dto: &T) -> Result<(), Cut> {
        serde_json::to_writer(&mut self.buffer, dto).map_err(|error| {
            tracing::error!(%error, "cannot write an answer");
            Refusal::Internal
        })?;
        self.relieve()
    }

    /// Sends what was written once there is enough of it.
    fn relieve(&mut self) -> Result<(), Cut> {
        if self.buffer.len() < self.limits.chunk_bytes {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.open()?;
        self.send(Piece::Chunk(chunk))
    }

    /// Sends the head of a streamed answer, if it is not sent yet.
    fn open(&mut self) -> Result<(), Cut> {
        if self.pieces.is_some() {
            return Ok(());
        }
        let slot = Arc::clone(&self.limits.slots).try_acquire_owned().map_err(|_| Refusal::Busy)?;
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        self.pieces = Some((sender, slot));
        self.start(Body::from_stream(Pieces { receiver, is_over: false }))
    }

    fn start(&mut self, body: Body) -> Result<(), Cut> {
        let mut response = Response::new(body);
        *response.headers_mut() = std::mem::take(&mut self.headers);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let head = self.head.take().ok_or(Cut::Gone)?;
        head.send(Ok(response)).map_err(|_| Cut::Gone)
    }

    fn send(&mut self, piece: Piece) -> Result<(), Cut> {
        let Some((sender, _)) = &self.pieces else { return Err(Cut::Gone) };
        let sent = self.runtime.block_on(async { tokio::time::timeout(self.limits.stall, sender.send(piece)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Cut::Gone),
            Err(_) => Err(Cut::Stalled),
        }
    }

    fn finish(&mut self) -> Result<(), Cut> {
        let rest = Bytes::from(std::mem::take(&mut self.buffer));
        if self.pieces.is_none() {
            return self.start(Body::from(rest));
        }
        self.send(Piece::Chunk(rest))?;
        self.send(Piece::End)
    }

    fn abort(&mut self, cut: Cut) {
        match (self.head.take(), cut) {
            (Some(head), Cut::Refused(refusal)) => drop(head.send(Err(refusal))),
            (_, Cut::Refused(_)) => self.metrics.aborted(Abort::Error),
            (_, Cut::Stalled) => self.metrics.aborted(Abort::Stalled),
            (_, Cut::Gone) => self.metrics.aborted(Abort::Gone),
        }
    }
}

// === impl Cut ===

impl From<Refusal> for Cut {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Cut {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

// === impl Pieces ===

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.receiver.poll_recv(context));
        self.is_over = !matches!(piece, Some(Piece::Chunk(_)));
        Poll::Ready(match piece {
            Some(Piece::Chunk(chunk)) => Some(Ok(chunk)),
            Some(Piece::End) => None,
            None => Some(Err(io::Error::other("the answer was cut short"))),
        })
    }
}
