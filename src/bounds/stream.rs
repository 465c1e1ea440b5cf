//! Answers of any length, written on a blocking thread and sent as they grow.
//!
//! - What fits one chunk is sent whole, with its length: most sessions. Only longer answers take one of the few streaming slots.
//! - At most `chunk_bytes` x (`CHUNKS_AHEAD` + 2) of an answer are in memory, taken from the ledger when it begins to be streamed.
//! - Writing begins in the short lane. What goes on for longer than some milliseconds moves to the long one and takes turns there, so that
//!   many long answers take no more cores than one; while the client is waited for, the slot is somebody else's.
//! - A client that takes nothing for `stall` is let go, so that no thread and no read transaction waits for ever.
//! - Failures before the first chunk are ordinary refusals. Later ones end the body with an error: the connection breaks, and no
//!   client can take the part for the whole. This holds even where the writing thread panics.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::lanes::{LaneSlot, Lanes, Undone};
use super::memory::{Memory, Permit, Use};

/// What streamed answers may take.
#[derive(Clone)]
pub struct StreamLimits {
    /// One permit for each answer under way; each holds a blocking thread and perhaps a read transaction. With none left: 503.
    pub slots: Arc<Semaphore>,
    /// An answer longer than this is streamed.
    pub chunk_bytes: usize,
    /// How long a client may take nothing.
    pub stall: Duration,
    pub lanes: Lanes,
    pub memory: Memory,
}

/// Where an answer is written to.
pub struct Sink {
    /// What is not sent yet.
    buffer: Vec<u8>,
    /// Headers of the answer; they leave with the first chunk.
    pub headers: HeaderMap,
    limits: StreamLimits,
    runtime: Handle,
    /// Until the answer's head is decided.
    head: Option<oneshot::Sender<Result<Response, Stop>>>,
    /// Once the answer is streamed.
    pieces: Option<mpsc::Sender<Piece>>,
    /// The permit and the memory of a long answer. Without them it may neither be streamed nor wait for a slot of the long lane: who waits
    /// holds a connection to the database.
    long_permits: Option<(OwnedSemaphorePermit, Permit)>,
    /// The right to work, with the moment it was had; none while the client is waited for.
    lane_slot: Option<(LaneSlot, Instant)>,
    is_long: bool,
    n_paced: u32,
}

/// Why writing ends before the end: `R` is the refusal of a door.
#[derive(Debug)]
pub enum Cut<R> {
    Refused(R),
    Stopped(Stop),
}

/// The same where it is the answer's own way that ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Too many long answers are under way.
    Busy,
    /// The client took nothing for too long.
    Stalled,
    /// The client went away.
    Gone,
    /// The writing thread panicked.
    Panicked,
}

/// How a streamed answer ended early, after its head was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aborted {
    /// Reading failed.
    Error,
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
/// Between two looks at the clock.
const STEPS_PER_LOOK: u32 = 64;
/// What takes longer is long.
const SHORT_MAX: Duration = Duration::from_millis(10);
/// How long a slot of the long lane is kept at a time.
const LONG_SLOT_MAX: Duration = Duration::from_millis(25);

/// Runs `write` on a blocking thread and answers with what it writes. `aborted` hears of answers that break off.
pub async fn respond<R, F>(limits: &StreamLimits, aborted: impl Fn(Aborted) + Send + 'static, write: F) -> Result<Response, R>
where
    R: From<Stop> + Send + 'static,
    F: FnOnce(&mut Sink) -> Result<(), Cut<R>> + Send + 'static,
{
    let lane_slot = limits.lanes.short.slot().await.map_err(|_| R::from(Stop::Busy))?;
    let (head, answer) = oneshot::channel();
    let (refused, refusal) = oneshot::channel();
    let mut sink = Sink {
        buffer: Vec::new(),
        headers: HeaderMap::new(),
        limits: limits.clone(),
        runtime: Handle::current(),
        head: Some(head),
        pieces: None,
        long_permits: None,
        lane_slot: Some((lane_slot, Instant::now())),
        is_long: false,
        n_paced: 0,
    };
    // Ends by itself: with the answer, when the client leaves (the body drops the receiver), or when it stalls.
    tokio::task::spawn_blocking(move || {
        let outcome = write(&mut sink).and_then(|()| sink.finish().map_err(Cut::Stopped));
        let is_undecided = sink.head.is_some();
        match outcome {
            Ok(()) => {}
            // Nobody listens if the client has left.
            Err(Cut::Refused(refusal)) if is_undecided => drop(refused.send(refusal)),
            Err(Cut::Refused(_)) => aborted(Aborted::Error),
            Err(Cut::Stopped(stop)) if is_undecided => drop(refused.send(R::from(stop))),
            Err(Cut::Stopped(Stop::Stalled)) => aborted(Aborted::Stalled),
            Err(Cut::Stopped(Stop::Gone)) => aborted(Aborted::Gone),
            Err(Cut::Stopped(_)) => aborted(Aborted::Error),
        }
    });
    if let Ok(answer) = answer.await {
        return answer.map_err(R::from);
    }
    // The head was dropped undecided: a refusal, or a panic, about which tokio has written.
    Err(refusal.await.unwrap_or_else(|_| R::from(Stop::Panicked)))
}

// === impl StreamLimits ===

impl Default for StreamLimits {
    /// 32 answers of at most 4 x 64 KiB in memory: 8 MiB and 32 threads at the worst.
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(32)),
            chunk_bytes: 64 * 1024,
            stall: Duration::from_secs(30),
            lanes: Lanes::default(),
            memory: Memory::default(),
        }
    }
}

// === impl Sink ===

impl Sink {
    pub fn text(&mut self, text: &str) -> Result<(), Stop> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.relieve()
    }

    /// Writes what `write` appends.
    pub fn bytes<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), Cut<E>> {
        write(&mut self.buffer).map_err(Cut::Refused)?;
        self.relieve().map_err(Cut::Stopped)
    }

    /// To be called once for each row read: hands the slot on when it has been kept long enough.
    pub fn pace(&mut self) -> Result<(), Stop> {
        self.n_paced += 1;
        if !self.n_paced.is_multiple_of(STEPS_PER_LOOK) {
            return Ok(());
        }
        let kept = self.lane_slot.as_ref().map(|(_, since)| since.elapsed());
        let max = if self.is_long { LONG_SLOT_MAX } else { SHORT_MAX };
        if kept.is_none_or(|kept| kept > max) {
            self.lane_slot = None;
            self.is_long = true;
            self.take_long_permits()?;
            self.take_lane_slot()?;
        }
        Ok(())
    }

    fn take_long_permits(&mut self) -> Result<(), Stop> {
        if self.long_permits.is_none() {
            let slot = Arc::clone(&self.limits.slots).try_acquire_owned().map_err(|_| Stop::Busy)?;
            let held = self.limits.chunk_bytes.saturating_mul(CHUNKS_AHEAD + 2);
            let held = self.limits.memory.take(Use::Streams, held).map_err(|_| Stop::Busy)?;
            self.long_permits = Some((slot, held));
        }
        Ok(())
    }

    fn take_lane_slot(&mut self) -> Result<(), Stop> {
        let lane = if self.is_long { &self.limits.lanes.long } else { &self.limits.lanes.short };
        let lane_slot = lane.slot_blocking(&self.runtime).map_err(|undone| match undone {
            Undone::Busy => Stop::Busy,
            Undone::Panicked => Stop::Panicked,
        })?;
        self.lane_slot = Some((lane_slot, Instant::now()));
        Ok(())
    }

    /// Sends what was written once there is enough of it.
    fn relieve(&mut self) -> Result<(), Stop> {
        if self.buffer.len() < self.limits.chunk_bytes {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.buffer));
        self.open()?;
        self.send(Piece::Chunk(chunk))
    }

    /// Sends the head of a streamed answer, if it is not sent yet.
    fn open(&mut self) -> Result<(), Stop> {
        if self.pieces.is_some() {
            return Ok(());
        }
        self.take_long_permits()?;
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        self.pieces = Some(sender);
        self.start(Body::from_stream(Pieces { receiver, is_over: false }))
    }

    fn start(&mut self, body: Body) -> Result<(), Stop> {
        let mut response = Response::new(body);
        *response.headers_mut() = std::mem::take(&mut self.headers);
        let head = self.head.take().ok_or(Stop::Gone)?;
        head.send(Ok(response)).map_err(|_| Stop::Gone)
    }

    fn send(&mut self, piece: Piece) -> Result<(), Stop> {
        let Some(sender) = &self.pieces else { return Err(Stop::Gone) };
        let piece = match sender.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Stop::Gone),
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
        };
        // Others may work while this client takes its time.
        self.lane_slot = None;
        let sent = self.runtime.block_on(async { tokio::time::timeout(self.limits.stall, sender.send(piece)).await });
        match sent {
            Ok(Ok(())) => self.take_lane_slot(),
            Ok(Err(_)) => Err(Stop::Gone),
            Err(_) => Err(Stop::Stalled),
        }
    }

    fn finish(&mut self) -> Result<(), Stop> {
        let rest = Bytes::from(std::mem::take(&mut self.buffer));
        if self.pieces.is_none() {
            return self.start(Body::from(rest));
        }
        self.send(Piece::Chunk(rest))?;
        self.send(Piece::End)
    }
}

// === impl Cut ===

impl<R> From<Stop> for Cut<R> {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
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
