//! A note of how far the journal was acknowledged, beside the segments (`docs/format.md`, "The note of the end").
//!
//! - Written after a group's fsync and before its acknowledgement, in place and without an fsync: it survives the process, whose end is
//!   the common case, at the price of one small write. It is made durable where that holds nobody up: when nothing has come for a moment,
//!   with every new segment, and when the journal is opened and closed.
//! - So it may lie behind after a power cut, but never ahead: whatever it covers was durable and was promised to somebody.
//! - A hint: one that cannot be read or written costs certainty about the very last group, and is never a reason not to work.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{Files, NoteFile};
use super::segment::Segment;
use super::{OpenError, Position};

pub(super) const NOTE_BYTES: usize = 32;
const FILE_NAME: &str = "journal.end";
const MAGIC: [u8; 8] = *b"sfjend\r\n";
const FORMAT_VERSION: u32 = 1;

/// What is noted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Noted {
    /// Everything before it was durable and acknowledged.
    pub end: Position,
    /// Where the segment begins that was being written to: it must be there, or a later one.
    pub base: Position,
}

/// The note as its writer has it.
pub(super) struct EndNote {
    path: PathBuf,
    /// `None` until it could be opened.
    file: Option<Box<dyn NoteFile>>,
    noted: Noted,
    is_durable: bool,
    /// The last attempt failed, and that was logged.
    is_failing: bool,
}

pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

/// What the process before noted; `None` if there is nothing that can be read.
pub(super) fn read(dir: &Path) -> Result<Option<Noted>, OpenError> {
    let path = path_in(dir);
    match fs::read(&path) {
        Ok(bytes) => {
            let noted = Noted::decode(&bytes);
            if noted.is_none() {
                tracing::warn!(file = %path.display(), "the note of the journal's end cannot be read and is ignored");
            }
            Ok(noted)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Io { action: "reading", path, source }),
    }
}

// === impl EndNote ===

impl EndNote {
    /// Nothing is written yet.
    pub fn new(dir: &Path) -> Self {
        Self { path: path_in(dir), file: None, noted: Noted::default(), is_durable: false, is_failing: false }
    }

    /// Everything in the segment is durable.
    pub fn write(&mut self, active: &Segment, files: &dyn Files) {
        self.noted = Noted { end: active.end, base: active.base };
        self.is_durable = false;
        let written = self.overwrite(files);
        self.report(written);
    }

    /// The same, and waits until the note itself is durable.
    pub fn write_durably(&mut self, active: &Segment, files: &dyn Files) {
        self.write(active, files);
        self.make_durable();
    }

    pub fn make_durable(&mut self) {
        if self.is_failing || self.is_durable {
            return;
        }
        let synced = self.file.as_mut().map_or(Ok(()), |file| file.sync());
        // Asked for once for each thing noted, whether or not it succeeds.
        self.is_durable = true;
        self.report(synced);
    }

    pub fn is_durable(&self) -> bool {
        self.is_durable || self.is_failing
    }

    fn overwrite(&mut self, files: &dyn Files) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(files.open_note(&self.path)?),
        };
        file.overwrite(&self.noted.encode())
    }

    fn report(&mut self, done: io::Result<()>) {
        let was_failing = std::mem::replace(&mut self.is_failing, done.is_err());
        if let Err(error) = done
            && !was_failing
        {
            tracing::warn!(
                file = %self.path.display(),
                %error,
                "the note of the journal's end cannot be written: if the machine stops now, damage to the last records may be taken for a torn write"
            );
        }
    }
}

// === impl Noted ===

impl Noted {
    pub fn encode(&self) -> [u8; NOTE_BYTES] {
        let mut bytes = [0; NOTE_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.end.0.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.base.0.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[0..28]);
        bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; NOTE_BYTES] = bytes.try_into().ok()?;
        let (words, _) = bytes.as_chunks::<4>();
        let [_, _, version, e0, e1, b0, b1, checksum] = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
        let is_sound = bytes.starts_with(&MAGIC) && crc32fast::hash(&bytes[0..28]) == checksum && version == FORMAT_VERSION;
        let join = |low: u32, high: u32| Position(u64::from(high) << 32 | u64::from(low));
        is_sound.then(|| Self { end: join(e0, e1), base: join(b0, b1) })
    }

    /// Nothing was ever acknowledged: a directory without segments may be just that.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
