//! Collects what goes to Tempo in one request.
//!
//! - Encoded requests put one after the other *are* the encoding of the merged request: nothing is decoded.
//! - A batch holds at most `max_bytes`; an entry larger than that is cut between spans first.
//! - The order of the journal is kept.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashSet;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::split;
use crate::journal::Position;
use crate::model::ids::{SpanId, TraceId};
use crate::model::via::Via;
use crate::tempo::drain::Drain;
use crate::tempo::link::segmented::SegmentedBytes;
use crate::tempo::options::BatchOptions;
use crate::tempo::piece::{Doubted, Piece};
use crate::tempo::recover::ask::Answers;

/// One request to be, never empty.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) pieces: Vec<Piece>,
}

/// A batch cut in two, or found to be one span.
#[derive(Debug)]
pub(super) enum Halves {
    Two(Batch, Batch),
    Indivisible(Batch),
}

/// The receiving end of a lane.
#[derive(Debug)]
pub(super) struct Batcher {
    incoming: mpsc::Receiver<Piece>,
    /// Read, and not yet in a batch: what did not fit in the last one.
    ready: VecDeque<Piece>,
    /// The limit now: the configured one, or less where the receiver wanted less.
    max_bytes: usize,
    configured_max_bytes: usize,
    linger: Duration,
    drain: Drain,
}

/// A batch limit learned from refusals never gets smaller.
const MIN_BATCH_BYTES: usize = 64 << 10;

// === impl Batch ===

impl Batch {
    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// The request; shared, not copied.
    pub(super) fn payload(&self) -> SegmentedBytes {
        let mut payload = SegmentedBytes::default();
        self.pieces.iter().for_each(|piece| payload.append(&piece.bytes));
        payload
    }

    /// Through which instances any of its spans came: a receiver that is one of them refuses it as a whole.
    pub(super) fn via(&self) -> Via {
        let mut all = Via::default();
        for piece in &self.pieces {
            // The batcher sees to it that they fit.
            all.merge(&piece.via);
        }
        all
    }

    /// Where the last of its entries ends in the journal.
    pub(super) fn end(&self) -> Position {
        self.pieces.iter().map(|piece| piece.end).max().unwrap_or_default()
    }

    pub(super) fn n_spans(&self) -> u64 {
        self.pieces.iter().map(|piece| split::name_spans(&piece.bytes.contiguous(), 0).0 as u64).sum()
    }

    /// The traces of its spans, each once.
    pub(super) fn traces(&self) -> Vec<TraceId> {
        let mut traces = FxHashSet::default();
        for piece in &self.pieces {
            split::each_span(&piece.bytes.contiguous(), |trace, _| _ = traces.insert(trace));
        }
        traces.into_iter().collect()
    }

    /// How many of its spans Tempo has.
    pub(super) fn n_held(&self, answers: &Answers) -> u64 {
        let mut n_held = 0;
        for piece in &self.pieces {
            split::each_span(&piece.bytes.contiguous(), |trace, span| n_held += u64::from(is_held(answers, trace, span)));
        }
        n_held
    }

    /// Takes out what Tempo has.
    pub(super) fn leave_out(&mut self, answers: &Answers) {
        for piece in &mut self.pieces {
            piece.doubt = Doubted::No;
            piece.bytes = split::without(&piece.bytes.contiguous(), |trace, span| is_held(answers, trace, span)).into();
        }
    }

    /// Whether it holds more than one span.
    pub(super) fn is_divisible(&self) -> bool {
        self.pieces.len() > 1 || self.pieces.iter().any(|piece| split::name_spans(&piece.bytes.contiguous(), 0).0 > 1)
    }

    /// Two batches with everything this one had, in order: between pieces if there are several, else between spans.
    pub(super) fn halve(mut self) -> Halves {
        if self.pieces.len() > 1 {
            let second = self.pieces.split_off(self.pieces.len() / 2);
            return Halves::Two(self, Self { pieces: second });
        }
        let Some(piece) = self.pieces.pop() else {
            return Halves::Indivisible(self);
        };
        match split::halve(&piece.bytes.contiguous()) {
            Ok(Some((first, second))) => {
                let Piece { read_at, end, doubt, .. } = piece;
                let via = piece.via.clone();
                let first = Piece { bytes: first.into(), read_at, end, via, doubt, last: None };
                let second = Piece { bytes: second.into(), ..piece };
                Halves::Two(Self { pieces: vec![first] }, Self { pieces: vec![second] })
            }
            // Bytes that cannot be walked cannot be cut either; they were inspected before they were journaled.
            Ok(None) | Err(_) => Halves::Indivisible(Self { pieces: vec![piece] }),
        }
    }
}

fn is_held(answers: &Answers, trace: TraceId, span: SpanId) -> bool {
    answers.get(&trace).is_some_and(|holdings| holdings.holds(span))
}

// === impl Batcher ===

impl Batcher {
    pub(super) fn new(incoming: mpsc::Receiver<Piece>, options: &BatchOptions, drain: Drain) -> Self {
        let max_bytes = options.max_bytes.max(1);
        Self { incoming, ready: VecDeque::new(), max_bytes, configured_max_bytes: max_bytes, linger: options.linger, drain }
    }

    /// The next batch; `None` once nothing will come any more.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        let first = self.first().await?;
        // The time of the first record counts, not the time of this call: what came while the last request was under way has waited already.
        let deadline = first.read_at + self.linger;
        let mut bytes = first.bytes.len();
        let mut via = first.via.clone();
        let mut pieces = vec![first];
        while bytes < self.max_bytes {
            let Some(piece) = self.another(deadline).await else {
                break;
            };
            if bytes + piece.bytes.len() > self.max_bytes || !via.merge(&piece.via) {
                self.ready.push_front(piece);
                break;
            }
            bytes += piece.bytes.len();
            pieces.push(piece);
        }
        Some(Batch { pieces })
    }

    /// The receiver said that `bytes` are too many.
    pub(super) fn shrink_below(&mut self, bytes: usize) {
        self.max_bytes = self.max_bytes.min((bytes / 2).max(MIN_BATCH_BYTES));
    }

    /// A batch was taken: the limit creeps back to the configured one, doubling in about twenty batches.
    pub(super) fn grow(&mut self) {
        self.max_bytes = (self.max_bytes + self.max_bytes / 32).min(self.configured_max_bytes);
    }

    /// The first piece of a batch, cut to size.
    async fn first(&mut self) -> Option<Piece> {
        let piece = match self.ready.pop_front() {
            Some(piece) => piece,
            None => self.incoming.recv().await?,
        };
        if piece.bytes.len() <= self.max_bytes {
            return Some(piece);
        }
        let (bytes, max_bytes) = (piece.bytes.contiguous(), self.max_bytes);
        // Megabytes are copied here: not on a thread that others wait for.
        let parts = tokio::task::spawn_blocking(move || split::chunks(&bytes, max_bytes)).await;
        let parts = match parts {
            Ok(Ok(parts)) if parts.len() > 1 => parts,
            // One large span, or nothing that can be cut: the receiver decides.
            _ => return Some(piece),
        };
        let (read_at, end, doubt, via) = (piece.read_at, piece.end, piece.doubt, piece.via);
        let n_parts = parts.len();
        let mut last = piece.last;
        let pieces = parts.into_iter().enumerate().map(|(index, bytes)| {
            let last = if index + 1 == n_parts { last.take() } else { None };
            Piece { bytes: bytes.into(), read_at, end, via: via.clone(), doubt, last }
        });
        let pieces: Vec<Piece> = pieces.collect();
        for piece in pieces.into_iter().rev() {
            self.ready.push_front(piece);
        }
        // The first part may exceed the limit by what its resource adds; it goes as it is.
        self.ready.pop_front()
    }

    /// One more piece before `deadline`; when draining, only what is there already.
    async fn another(&mut self, deadline: Instant) -> Option<Piece> {
        if let Some(piece) = self.ready.pop_front() {
            return Some(piece);
        }
        tokio::select! {
            biased;
            piece = self.incoming.recv() => piece,
            () = sleep_until(deadline) => None,
            () = self.drain.begun() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tokio::sync::Semaphore;

    use super::super::ledger::Ledger;
    use super::*;
    use crate::model::time::UnixNanos;
    use crate::tempo::piece::Last;

    struct Bench {
        sender: mpsc::Sender<Piece>,
        batcher: Batcher,
        drain: Drain,
        ledger: Ledger,
        memory: Arc<Semaphore>,
    }

    fn bench(max_bytes: usize) -> Bench {
        let (sender, incoming) = mpsc::channel(64);
        let drain = Drain::default();
        let options = BatchOptions { max_bytes, linger: Duration::from_millis(200) };
        let batcher = Batcher::new(incoming, &options, drain.clone());
        Bench { sender, batcher, drain, ledger: Ledger::new(Position(0)), memory: Arc::new(Semaphore::new(1 << 20)) }
    }

    impl Bench {
        async fn put(&self, bytes: &'static [u8]) {
            let permit = self.memory.clone().acquire_owned().await.unwrap();
            let last = Last { ticket: self.ledger.open(Position(1), UnixNanos(1)), permit, in_use: Arc::default() };
            self.sender
                .send(Piece {
                    bytes: Bytes::from_static(bytes).into(),
                    read_at: Instant::now(),
                    end: Position(1),
                    via: Via::default(),
                    doubt: Doubted::No,
                    last: Some(last),
                })
                .await
                .unwrap();
        }

        async fn take(&mut self) -> Bytes {
            self.batcher.next().await.unwrap().payload().contiguous()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_leaves_when_its_first_record_has_waited_long_enough() {
        let mut bench = bench(1000);
        let began = Instant::now();
        bench.put(b"a").await;
        tokio::time::advance(Duration::from_millis(150)).await;
        bench.put(b"b").await;
        assert_eq!(&bench.take().await[..], b"ab");
        // The timer counts whole milliseconds.
        assert!((200..=201).contains(&began.elapsed().as_millis()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_while_a_request_was_under_way_leaves_at_once() {
        let mut bench = bench(1000);
        bench.put(b"a").await;
        bench.put(b"b").await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let began = Instant::now();
        assert_eq!(&bench.take().await[..], b"ab");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_does_not_wait_and_what_does_not_fit_begins_the_next() {
        let mut bench = bench(4);
        let began = Instant::now();
        for bytes in [b"aa", b"bb", b"cc", b"dd"] {
            bench.put(bytes).await;
        }
        bench.put(b"e").await;
        assert_eq!(&bench.take().await[..], b"aabb");
        assert_eq!(&bench.take().await[..], b"ccdd");
        assert_eq!(began.elapsed(), Duration::ZERO);
        bench.put(b"ffff").await;
        assert_eq!(&bench.take().await[..], b"e");
        assert_eq!(&bench.take().await[..], b"ffff");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_no_company() {
        let mut bench = bench(1000);
        bench.drain.begin(Instant::now() + Duration::from_secs(1));
        let began = Instant::now();
        bench.put(b"a").await;
        assert_eq!(&bench.take().await[..], b"a");
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_learned_limit_has_a_floor_and_creeps_back() {
        let mut bench = bench(1 << 20);
        bench.batcher.shrink_below(400 << 10);
        assert_eq!(bench.batcher.max_bytes, 200 << 10);
        bench.batcher.shrink_below(10);
        assert_eq!(bench.batcher.max_bytes, MIN_BATCH_BYTES);
        bench.batcher.shrink_below(1 << 20);
        assert_eq!(bench.batcher.max_bytes, MIN_BATCH_BYTES);
        (0..24).for_each(|_| bench.batcher.grow());
        assert!((120 << 10..140 << 10).contains(&bench.batcher.max_bytes));
        (0..1000).for_each(|_| bench.batcher.grow());
        assert_eq!(bench.batcher.max_bytes, 1 << 20);
    }
}
