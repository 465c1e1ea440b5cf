//! The one thread that writes: group commit.
//!
//! - Takes what stands in line, writes it with one vectored write, makes it durable with one `fdatasync`, then answers everyone.
//! - Bodies are handed to the kernel from where they are; only headers and small parts are gathered in one buffer.
//! - A group lies in one segment, and a segment is durable before the next one exists.
//! - After a failed fsync it stops for good, whatever the error. What it left on the disk cannot be known: the kernel may have dropped
//!   the dirty pages and marked them clean, so a second fsync that succeeds would prove nothing.
//! - A failed write is taken back where the error is a shortage ([`Fault::is_transient`]); any other stops it for good too.
//! - A new segment that cannot be made for a shortage is tried again, as long as it has not been given its name: until then the log is as
//!   it was. Meanwhile the old segment takes what fits.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::end_note::EndNote;
use super::files::{Directory, Files, LogFile, append_all};
use super::line::Pending;
use super::segment::{Segment, SegmentHeader, path_of, temporary_path_of};
use super::state::{Shared, Work};
use super::{AppendError, Item, Position};
use crate::faults::Fault;

/// Parts smaller than this are copied next to their headers: a slice of its own costs the kernel about as much as copying this many bytes.
const GATHERED_BYTES: usize = 4096;
/// The note of the end is made durable once nothing has come for so long: then its fsync holds nobody up.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// How long after a failed attempt a new segment is tried again although nobody asks for one.
const ROLL_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The segment that is written to.
pub(super) struct ActiveSegment {
    pub file: Box<dyn LogFile>,
    pub segment: Segment,
}

struct Writer {
    shared: Arc<Shared>,
    active: ActiveSegment,
    note: EndNote,
    /// When a new segment is to be tried again, after a shortage stood in the way of the last attempt.
    roll_again_at: Option<Instant>,
    /// Headers and small parts of the group being written; kept for its capacity.
    gathered: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    GoOn,
    Stop,
}

/// A piece of a group as it is handed to the kernel.
enum Piece {
    Gathered(Range<usize>),
    Shared(Bytes),
}

pub(super) fn spawn(shared: Arc<Shared>, active: ActiveSegment, note: EndNote) -> io::Result<JoinHandle<()>> {
    let writer = Writer { shared, active, note, roll_again_at: None, gathered: Vec::new() };
    thread::Builder::new().name("journal-writer".to_owned()).spawn(move || writer.run())
}

/// A segment with a header, under a temporary name, not yet durable.
pub(super) struct NewSegment {
    file: Box<dyn LogFile>,
    segment: Segment,
    temporary_path: PathBuf,
}

/// Why there is no new segment.
#[derive(Debug, thiserror::Error)]
pub(super) enum NewSegmentError {
    /// No file has the segment's name: the log is what it was.
    #[error(transparent)]
    Unnamed(io::Error),
    /// A file may have that name, or may have it after a restart: the segment before it must not grow any more.
    #[error(transparent)]
    Named(io::Error),
}

// === impl Writer ===

impl Writer {
    fn run(mut self) {
        loop {
            match self.do_next() {
                Ok(Next::GoOn) => {}
                Ok(Next::Stop) => return,
                Err(error) => {
                    tracing::error!(
                        file = %self.active.segment.path.display(),
                        %error,
                        "the journal stopped: a write failed, nothing is accepted until a restart"
                    );
                    self.shared.poison();
                    return;
                }
            }
        }
    }

    /// An error is fatal for the log.
    fn do_next(&mut self) -> io::Result<Next> {
        let now = Instant::now();
        if self.roll_again_at.is_some_and(|at| at <= now) {
            self.roll()?;
        }
        let until_roll = self.roll_again_at.map(|at| at.saturating_duration_since(now));
        let until_note = (!self.note.is_durable()).then_some(NOTE_AFTER);
        match self.shared.next_work(until_roll.into_iter().chain(until_note).min()) {
            Work::Write(group) => self.write(group)?,
            Work::Roll => self.roll_for_first()?,
            Work::Retire => self.retire()?,
            Work::Idle => self.note.make_durable(),
            Work::Stop => {
                self.note.make_durable();
                return Ok(Next::Stop);
            }
        }
        Ok(Next::GoOn)
    }

    /// An error is fatal for the log.
    fn write(&mut self, group: Vec<Pending>) -> io::Result<()> {
        let start = self.active.segment.end;
        let (pieces, end) = gather(&group, &self.active.segment, &mut self.gathered);
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| piece.slice(&self.gathered)).collect();
        if let Err(error) = append_all(&mut *self.active.file, &mut slices) {
            return self.take_back(group, error);
        }
        let sync_began = Instant::now();
        if let Err(error) = self.active.file.sync() {
            // The truncation is for the restart only: what was never acknowledged should not be found in the page cache by a new
            // process and taken for durable. If it fails too, nothing is worse than before.
            let _ = self.active.file.truncate(self.active.segment.file_bytes());
            return self.refuse_for_good(group, error);
        }
        self.shared.stats.count_sync(sync_began.elapsed());
        self.shared.stats.count_group(group.len() as u64, end.0 - start.0);
        self.active.segment.end = end;
        self.note.write(&self.active.segment, &*self.shared.files);
        self.acknowledge(group, start);
        Ok(())
    }

    /// A shortage does not poison if the partial write can be taken back, and that is sound: what was durable before is not touched
    /// (the file is only cut back to its durable end), the refused bytes were never shown or acknowledged, and should the machine
    /// stop before the truncation is durable, they are a torn tail. The truncation changes the file's size, not written data, so no
    /// fsync whose failure could go unnoticed stands between here and the next group, whose own fsync covers the new size.
    fn take_back(&mut self, group: Vec<Pending>, error: io::Error) -> io::Result<()> {
        let restored = self.active.file.truncate(self.active.segment.file_bytes());
        let fault = Fault::of(&error);
        if !fault.is_transient() || restored.is_err() {
            return self.refuse_for_good(group, error);
        }
        self.refuse_for_shortage(group, fault);
        Ok(())
    }

    /// Poisons before it answers, so that whoever is refused sees a poisoned log.
    fn refuse_for_good(&self, group: Vec<Pending>, error: io::Error) -> io::Result<()> {
        self.shared.poison();
        for pending in group {
            let _ = pending.ack.send(Err(AppendError::Poisoned));
        }
        Err(error)
    }

    /// Makes the group visible to readers, then answers: who has an answer can be sure that readers will find the record.
    fn acknowledge(&self, group: Vec<Pending>, start: Position) {
        let reserved_bytes = group.iter().map(Pending::reserved_bytes).sum();
        let mut items = Vec::with_capacity(group.len());
        let mut answers = Vec::with_capacity(group.len());
        let mut position = start;
        for Pending { payload, ack } in group {
            let end = Position(position.0 + payload.encoded_bytes);
            items.push(Item { position, end, record: payload.record });
            answers.push((ack, position));
            position = end;
        }
        self.shared.publish(items, reserved_bytes);
        for (ack, position) in answers {
            // A caller that has gone does not want to know.
            let _ = ack.send(Ok(position));
        }
    }

    /// Starts a new segment. The old one is durable to its last byte, so whoever finds the new one knows that the old one was whole.
    ///
    /// What was short, if that stood in the way: no new segment has its name, and the old one can be written to as before. Once the name
    /// may have been given there is no way back: the old one must not grow past the base of a segment that a restart may find.
    fn roll(&mut self) -> io::Result<Option<Fault>> {
        let (dir, files) = (&self.shared.dir, &*self.shared.files);
        let base = self.active.segment.end;
        let made = NewSegment::create(dir, base, files).and_then(|new| new.install(&*self.shared.directory, files));
        match made {
            Ok(active) => self.active = active,
            Err(NewSegmentError::Unnamed(error)) if Fault::of(&error).is_transient() => {
                // What is left of it is overwritten by the next attempt, or removed by the next start.
                let _ = files.remove(&temporary_path_of(dir, base));
                self.stall(&error);
                return Ok(Some(Fault::of(&error)));
            }
            Err(error) => return Err(error.into()),
        }
        // Durable, because the name is: from now on it would be missed.
        self.note.write_durably(&self.active.segment, files);
        self.shared.add_segment(self.active.segment.clone());
        if self.roll_again_at.take().is_some() {
            tracing::info!("the journal has started a new segment and goes on");
        }
        Ok(None)
    }

    fn stall(&mut self, error: &io::Error) {
        if self.roll_again_at.is_none() {
            tracing::warn!(
                dir = %self.shared.dir.display(),
                %error,
                "the journal cannot start a new segment; what does not fit into the old one is refused, and it is tried again every second"
            );
        }
        self.roll_again_at = Some(Instant::now() + ROLL_AGAIN_AFTER);
        self.shared.lock().stalled = Some(format!("the journal cannot start a new segment, and tries again every second: {error}"));
    }

    /// Makes room for the first in line, or refuses it.
    fn roll_for_first(&mut self) -> io::Result<()> {
        if let Some(fault) = self.roll()? {
            let refused = self.shared.lock().line.take(0);
            self.refuse_for_shortage(refused, fault);
        }
        Ok(())
    }

    /// Leaves the active segment, which every reader has passed, and deletes it. After a shortage the next release asks again.
    fn retire(&mut self) -> io::Result<()> {
        if self.roll()?.is_none() {
            self.shared.delete_passed();
        }
        Ok(())
    }

    fn refuse_for_shortage(&self, group: Vec<Pending>, fault: Fault) {
        let refusal = match fault {
            Fault::Space => AppendError::NoSpace,
            other => AppendError::Shortage(other.shortage().unwrap_or("a resource")),
        };
        match refusal {
            AppendError::NoSpace => self.shared.stats.count_no_space(),
            _ => self.shared.stats.count_shortage(),
        }
        self.shared.lock().line.settle(group.iter().map(Pending::reserved_bytes).sum());
        for pending in group {
            let _ = pending.ack.send(Err(refusal.clone()));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A bug must not leave callers waiting for a thread that is gone.
        if thread::panicking() {
            self.shared.poison();
        }
    }
}

/// Lays a group out for one vectored write behind the segment's end, and says where it ends.
fn gather(group: &[Pending], segment: &Segment, gathered: &mut Vec<u8>) -> (Vec<Piece>, Position) {
    gathered.clear();
    let mut pieces = Vec::new();
    let mut from = 0;
    let start = segment.end;
    let mut position = start;
    for Pending { payload, .. } in group {
        let back_bytes = u32::try_from(position.0 - start.0).expect("a group of several records is at most GROUP_BYTES long");
        gathered.extend_from_slice(&payload.header(back_bytes).encode(segment.salt, position));
        for part in [&payload.record.head, &payload.record.body] {
            if part.len() < GATHERED_BYTES {
                gathered.extend_from_slice(part);
                continue;
            }
            pieces.push(Piece::Gathered(from..gathered.len()));
            pieces.push(Piece::Shared(part.clone()));
            from = gathered.len();
        }
        position = Position(position.0 + payload.encoded_bytes);
    }
    pieces.push(Piece::Gathered(from..gathered.len()));
    (pieces, position)
}

// === impl NewSegment ===

impl NewSegment {
    pub fn create(dir: &Path, base: Position, files: &dyn Files) -> Result<Self, NewSegmentError> {
        Self::write(dir, base, files).map_err(NewSegmentError::Unnamed)
    }

    fn write(dir: &Path, base: Position, files: &dyn Files) -> io::Result<Self> {
        let salt = random()?;
        let temporary_path = temporary_path_of(dir, base);
        let mut file = files.create(&temporary_path)?;
        append_all(&mut *file, &mut [IoSlice::new(&SegmentHeader { base, salt }.encode())])?;
        Ok(Self { file, segment: Segment { path: path_of(dir, base), base, end: base, salt }, temporary_path })
    }

    /// Makes it durable, then gives it its name, then makes the name durable: a file with a segment's name always has a header.
    ///
    /// Whether a rename that failed has happened all the same (a network file system may lose the answer alone) is found out by removing
    /// the temporary file: if that succeeds, the file had no other name. A failed sync of the directory leaves open which names a restart
    /// will find, and is not repeated, as no fsync is.
    pub fn install(mut self, directory: &dyn Directory, files: &dyn Files) -> Result<ActiveSegment, NewSegmentError> {
        self.file.sync().map_err(NewSegmentError::Unnamed)?;
        if let Err(error) = files.rename(&self.temporary_path, &self.segment.path) {
            return Err(match files.remove(&self.temporary_path) {
                Ok(()) => NewSegmentError::Unnamed(error),
                Err(_) => NewSegmentError::Named(error),
            });
        }
        directory.sync().map_err(NewSegmentError::Named)?;
        Ok(ActiveSegment { file: self.file, segment: self.segment })
    }
}

/// Read from a file where the kernel has no call for it, so it can want for a file descriptor.
fn random() -> io::Result<u32> {
    getrandom::u32().map_err(|error| match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other(error),
    })
}

// === impl NewSegmentError ===

impl From<NewSegmentError> for io::Error {
    fn from(error: NewSegmentError) -> Self {
        match error {
            NewSegmentError::Unnamed(error) | NewSegmentError::Named(error) => error,
        }
    }
}

// === impl Piece ===

impl Piece {
    fn slice<'a>(&'a self, gathered: &'a [u8]) -> IoSlice<'a> {
        match self {
            // Ranges of `gathered` by construction; an empty slice would be found by the reader's checksums.
            Self::Gathered(range) => IoSlice::new(gathered.get(range.clone()).unwrap_or_default()),
            Self::Shared(bytes) => IoSlice::new(bytes),
        }
    }
}
