//! Reads records in order, each once, none before it is durable: from memory when it keeps up, else from the disk.
//!
//! - A task's reads of the disk happen on the runtime's blocking threads; a future that is dropped meanwhile loses nothing.
//! - Every record read from the disk has its checksums checked. Damage is an error and the reader stays before it.
//! - A read that fails, for want of a file descriptor for instance, is an error too; the reader stays where it is and may be asked again.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::files::Files;
use super::record::Flaw;
use super::segment::Segment;
use super::segment_reader::SegmentReader;
use super::state::Shared;
use super::{Item, Position, ReadError};

/// Reads records in order, each once, none before it is durable.
pub struct Reader {
    shared: Arc<Shared>,
    position: Position,
    /// What was read ahead from the disk. Dropped once the tail serves.
    disk: Option<SegmentReader>,
    /// A read of the disk that `next` began; kept here so that dropping `next`'s future does not lose it.
    loading: Option<JoinHandle<Result<SegmentReader, ReadError>>>,
}

/// Where the next record is.
enum Next {
    Here(Item),
    OnDisk(Segment),
    NotYet,
    Never,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: Position) -> Self {
        let state = shared.lock();
        let position = from.min(state.end()).max(state.start());
        drop(state);
        Self { shared, position, disk: None, loading: None }
    }

    /// The next record, waiting until there is one. `Ok(None)` once the journal is closed and all is read.
    ///
    /// Cancel safe: a record is either returned or still to come. Runs in a tokio runtime.
    pub async fn next(&mut self) -> Result<Option<Item>, ReadError> {
        let shared = Arc::clone(&self.shared);
        loop {
            // Made before looking, so that what becomes durable between the look and the wait is not missed: `notify_waiters` counts
            // for every future that was there, polled or not.
            let news = shared.news_for_tasks.notified();
            match self.look()? {
                Next::Here(item) => return Ok(Some(item)),
                Next::OnDisk(segment) => self.load_in_background(segment).await?,
                Next::NotYet => news.await,
                Next::Never => return Ok(None),
            }
        }
    }

    /// The same for a plain thread; `Ok(None)` also after `timeout` without one.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Item>, ReadError> {
        let began = Instant::now();
        loop {
            if let Some(item) = self.try_next()? {
                return Ok(Some(item));
            }
            let Some(left) = timeout.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else { return Ok(None) };
            let mut state = self.shared.lock();
            if self.position < state.end() {
                continue;
            }
            if state.closed {
                return Ok(None);
            }
            self.shared.news.wait_for(&mut state, left);
        }
    }

    /// The next record if there is one now. Never waits for an append, but may read up to one chunk (1 MiB) or record from the disk;
    /// a task that must not do that asks `next_in_memory`.
    pub fn try_next(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            match self.look()? {
                Next::Here(item) => return Ok(Some(item)),
                Next::OnDisk(segment) => {
                    // A read in flight is left alone: its result would only be what is read here.
                    self.loading = None;
                    self.disk = Some(load(self.disk.take(), segment, self.position, &*self.shared.files)?);
                }
                Next::NotYet | Next::Never => return Ok(None),
            }
        }
    }

    /// The next record if it is in memory: what completes a batch that `next` began. `Ok(None)` does not mean that all is read.
    pub fn next_in_memory(&mut self) -> Result<Option<Item>, ReadError> {
        match self.look()? {
            Next::Here(item) => Ok(Some(item)),
            Next::OnDisk(_) | Next::NotYet | Next::Never => Ok(None),
        }
    }

    /// The position of the record that `next` would give.
    pub fn position(&self) -> Position {
        self.position
    }

    fn look(&mut self) -> Result<Next, ReadError> {
        if let Some(disk) = &self.disk {
            match disk.item(self.position) {
                Some(Ok(item)) => return Ok(self.pass(item)),
                Some(Err(flaw)) => {
                    let error = corrupt(&disk.segment, self.position, flaw);
                    // So that asking again reads again.
                    self.disk = None;
                    return Err(error);
                }
                None => {}
            }
        }
        let state = self.shared.lock();
        if let Some(item) = state.tail.get(self.position) {
            let item = item.clone();
            drop(state);
            self.disk = None;
            return Ok(self.pass(item));
        }
        if self.position < state.start() {
            return Err(ReadError::Released { position: self.position, start: state.start() });
        }
        Ok(match state.segment_at(self.position) {
            Some(segment) => Next::OnDisk(segment.clone()),
            None if state.closed => Next::Never,
            None => Next::NotYet,
        })
    }

    fn pass(&mut self, item: Item) -> Next {
        self.position = item.end;
        // Begun for a record that is passed now.
        self.loading = None;
        Next::Here(item)
    }

    async fn load_in_background(&mut self, segment: Segment) -> Result<(), ReadError> {
        let path = segment.path.clone();
        let loading = match &mut self.loading {
            Some(loading) => loading,
            None => {
                let (disk, position, files) = (self.disk.take(), self.position, Arc::clone(&self.shared.files));
                self.loading.insert(tokio::task::spawn_blocking(move || load(disk, segment, position, &*files)))
            }
        };
        let loaded = loading.await;
        self.loading = None;
        self.disk = Some(loaded.map_err(|error| ReadError::Io { path, source: io::Error::other(error) })??);
        Ok(())
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Brings the record at `position` into memory, and what follows it in the chunk.
fn load(disk: Option<SegmentReader>, segment: Segment, position: Position, files: &dyn Files) -> Result<SegmentReader, ReadError> {
    let unreadable = |source| ReadError::Io { path: segment.path.clone(), source };
    let mut disk = match disk {
        Some(disk) if disk.segment.base == segment.base => disk,
        _ => SegmentReader::open(segment.clone(), files).map_err(unreadable)?,
    };
    disk.load(position, segment.end).map_err(unreadable)?.map_err(|flaw| corrupt(&segment, position, flaw))?;
    Ok(disk)
}

fn corrupt(segment: &Segment, position: Position, flaw: Flaw) -> ReadError {
    ReadError::Corrupt { file: segment.path.clone(), offset: segment.offset_of(position), flaw }
}
