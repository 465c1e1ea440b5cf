//! What the handles, the writer thread and the readers share.
//!
//! - One mutex, held for short sections only: never across file work, never across an await.
//! - `State` says what is durable; nothing in it runs ahead of the disk.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

use super::files::{Directory, Files};
use super::line::{Line, Pending, reserved_bytes};
use super::record::Payload;
use super::recovery::DirectoryLock;
use super::segment::Segment;
use super::stats::Stats;
use super::tail::Tail;
use super::{AppendError, Class, Item, Options, Position};

pub(super) struct Shared {
    pub dir: PathBuf,
    pub options: Options,
    pub files: Arc<dyn Files>,
    /// Open from the start, so that making names durable never waits for a file descriptor.
    pub directory: Box<dyn Directory>,
    pub stats: Stats,
    state: Mutex<State>,
    /// Wakes the writer: somebody stands in line, a roll is wanted, or the log is closing.
    work: Condvar,
    /// Wakes readers on plain threads: more is durable, or the log is closed.
    pub news: Condvar,
    /// Wakes readers in tasks, at the same moments.
    pub news_for_tasks: Notify,
    /// Held while segments are deleted, so that deletions keep their order. `None` once closed: then nothing may be deleted any
    /// more, because the directory may have another owner.
    pub directory_lock: Mutex<Option<DirectoryLock>>,
}

pub(super) struct State {
    /// Oldest first, without gaps; the last is the one that is written to. Never empty. Ends move when a group is durable (writer);
    /// the front goes away (release).
    pub segments: VecDeque<Segment>,
    /// When the last segment became the active one: an old one that nobody needs is given up.
    pub active_since: Instant,
    /// Recent durable records (writer adds, readers look).
    pub tail: Tail,
    /// Appends that wait (callers add and withdraw, the writer takes).
    pub line: Line,
    /// Bytes of all segment files (writer adds, release subtracts).
    pub used_bytes: u64,
    /// What all readers have passed, as told by `release`.
    pub keep: Position,
    /// `release` found that the active segment could go: the writer shall start another.
    pub retire_active: bool,
    /// Appends are refused, the writer finishes.
    pub closing: bool,
    /// The writer has finished: no record will ever follow.
    pub closed: bool,
    /// A write or an fsync failed. Never taken back.
    pub poisoned: bool,
    /// Why no new segment can be started at the moment (the writer sets it, and takes it back once one was started).
    pub stalled: Option<String>,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Work {
    Write(Vec<Pending>),
    /// Start a segment: the first in line does not fit into the active one.
    Roll,
    /// Start a segment because the active one can then be deleted.
    Retire,
    /// Nothing came for as long as the writer wanted to wait.
    Idle,
    Stop,
}

/// A caller's wait for its record to be acknowledged. Dropped before the answer came, it takes the record out of the line again.
pub(super) struct PendingAppend<'a> {
    shared: &'a Shared,
    number: u64,
    ack: oneshot::Receiver<Result<Position, AppendError>>,
}

// === impl Shared ===

impl Shared {
    pub fn new(
        dir: &Path,
        options: Options,
        files: Arc<dyn Files>,
        directory: Box<dyn Directory>,
        segments: VecDeque<Segment>,
        directory_lock: DirectoryLock,
    ) -> Self {
        let state = State {
            used_bytes: segments.iter().map(Segment::file_bytes).sum(),
            segments,
            active_since: Instant::now(),
            tail: Tail::new(options.tail_bytes),
            line: Line::default(),
            keep: Position(0),
            retire_active: false,
            closing: false,
            closed: false,
            poisoned: false,
            stalled: None,
        };
        Self {
            dir: dir.to_owned(),
            options,
            files,
            directory,
            stats: Stats::default(),
            state: Mutex::new(state),
            work: Condvar::new(),
            news: Condvar::new(),
            news_for_tasks: Notify::new(),
            directory_lock: Mutex::new(Some(directory_lock)),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts a record in line, or says at once why not.
    pub fn enqueue(&self, payload: Payload, class: Class) -> Result<PendingAppend<'_>, AppendError> {
        let (sender, ack) = oneshot::channel();
        let mut state = self.lock();
        state.admit(&payload, class, self.options.max_bytes)?;
        let number = state.line.push(Pending { payload, ack: sender });
        drop(state);
        self.work.notify_one();
        Ok(PendingAppend { shared: self, number, ack })
    }

    /// Waits until there is something to do, or until `patience` is over, if it ever is. For the writer thread only.
    pub fn next_work(&self, patience: Option<Duration>) -> Work {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut state = self.lock();
        loop {
            if let Some(work) = state.work(self.options.segment_bytes) {
                return work;
            }
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.work.wait(&mut state),
                Some(Duration::ZERO) => return Work::Idle,
                Some(left) => _ = self.work.wait_for(&mut state, left),
            }
        }
    }

    /// Makes a durable group visible. `items` follow the end of the active segment without a gap.
    pub fn publish(&self, items: Vec<Item>, reserved_bytes: u64) {
        let mut state = self.lock();
        let end = items.last().map_or(state.end(), |item| item.end);
        let written_bytes = end.0 - state.end().0;
        state.used_bytes += written_bytes;
        state.line.settle(reserved_bytes);
        if let Some(active) = state.segments.back_mut() {
            active.end = end;
        }
        for item in items {
            state.tail.push(item);
        }
        drop(state);
        self.wake_readers();
    }

    /// A new segment is durable and is written to from now on.
    pub fn add_segment(&self, segment: Segment) {
        let mut state = self.lock();
        state.used_bytes += segment.file_bytes();
        state.segments.push_back(segment);
        state.active_since = Instant::now();
        state.stalled = None;
    }

    /// Refuses everyone in line and everyone who comes.
    pub fn poison(&self) {
        let mut state = self.lock();
        state.poisoned = true;
        let refused: Vec<Pending> = state.line.drain().collect();
        drop(state);
        for pending in refused {
            let _ = pending.ack.send(Err(AppendError::Poisoned));
        }
    }

    pub fn begin_close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// The writer has ended: readers may end too, and the directory is free.
    pub fn finish_close(&self) {
        self.lock().closed = true;
        drop(self.directory_lock.lock().take());
        self.wake_readers();
    }

    pub fn wake_writer(&self) {
        self.work.notify_one();
    }

    fn wake_readers(&self) {
        self.news.notify_all();
        self.news_for_tasks.notify_waiters();
    }
}

// === impl State ===

impl State {
    pub fn start(&self) -> Position {
        self.segments.front().map_or(Position(0), |segment| segment.base)
    }

    pub fn end(&self) -> Position {
        self.segments.back().map_or(Position(0), |segment| segment.end)
    }

    /// The segment that holds the durable record at `position`.
    pub fn segment_at(&self, position: Position) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.base <= position);
        self.segments.get(after.checked_sub(1)?).filter(|segment| position < segment.end)
    }

    fn admit(&self, payload: &Payload, class: Class, max_bytes: u64) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.closing {
            return Err(AppendError::Closed);
        }
        let allowed_bytes = match class {
            Class::Spans => max_bytes - max_bytes / 20,
            Class::Events => max_bytes,
        };
        // What is in line counts as if it were written: it will be.
        let needed_bytes = self.used_bytes.saturating_add(self.line.reserved_bytes()).saturating_add(reserved_bytes(payload));
        if needed_bytes > allowed_bytes {
            return Err(AppendError::Full { used_bytes: self.used_bytes, max_bytes });
        }
        Ok(())
    }

    fn work(&mut self, segment_bytes: u64) -> Option<Work> {
        let active = self.segments.back()?;
        if let Some(first_bytes) = self.line.first_bytes() {
            let room_bytes = segment_bytes.saturating_sub(active.file_bytes());
            if first_bytes > room_bytes && !active.is_empty() {
                return Some(Work::Roll);
            }
            return Some(Work::Write(self.line.take(room_bytes)));
        }
        if std::mem::take(&mut self.retire_active) && !active.is_empty() && active.end <= self.keep {
            return Some(Work::Retire);
        }
        self.closing.then_some(Work::Stop)
    }
}

// === impl PendingAppend ===

impl PendingAppend<'_> {
    pub async fn acknowledged(mut self) -> Result<Position, AppendError> {
        // A writer that dies without an answer has poisoned the log.
        (&mut self.ack).await.unwrap_or(Err(AppendError::Poisoned))
    }
}

impl Drop for PendingAppend<'_> {
    fn drop(&mut self) {
        self.shared.lock().line.withdraw(self.number);
    }
}
