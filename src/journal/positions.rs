//! How far a named reader has come: one small file that survives power loss, and a cheap note beside it that survives a crash.
//!
//! - `set` replaces the file atomically and durably. `note` overwrites a second file in place without waiting for the disk; torn or lost,
//!   it is ignored and the last `set` holds. A sequence number says which of the two is newer, so a position may also go backwards.
//! - The bytes are drawn in `docs/format.md`, "A position file".

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Position;

const FILE_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"sfposn\r\n";
const FORMAT_VERSION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// The durable file is not what was written. Removing it makes its reader begin at the journal's start.
    #[error("{file} is damaged: not a position file, or its checksum does not match")]
    Corrupt { file: PathBuf },
    #[error("{file} has position format version {found}, this program reads version {FORMAT_VERSION}")]
    UnsupportedVersion { file: PathBuf, found: u32 },
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// A reader's place, kept on disk. One owner at a time: the journal's lock is what keeps a second process away.
#[derive(Debug)]
pub struct PositionFile {
    path: PathBuf,
    note_path: PathBuf,
    /// Open from the first note on.
    note_file: Option<File>,
    kept: Kept,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Kept {
    sequence: u64,
    position: Position,
}

enum Unreadable {
    Damaged,
    Version(u32),
}

impl PositionFile {
    /// Reads the position, or begins with position 0 where there is no file. Its directory must exist.
    pub fn open(path: &Path) -> Result<Self, PositionError> {
        let note_path = beside(path, ".note");
        let durable = match read(path)? {
            None => Kept::default(),
            Some(bytes) => Kept::decode(&bytes).map_err(|unreadable| match unreadable {
                Unreadable::Damaged => PositionError::Corrupt { file: path.to_owned() },
                Unreadable::Version(found) => PositionError::UnsupportedVersion { file: path.to_owned(), found },
            })?,
        };
        // A note is a hint: one that cannot be read is as good as none.
        let noted = read(&note_path).ok().flatten().and_then(|bytes| Kept::decode(&bytes).ok()).unwrap_or_default();
        let kept = if noted.sequence > durable.sequence { noted } else { durable };
        Ok(Self { path: path.to_owned(), note_path, note_file: None, kept })
    }

    pub fn get(&self) -> Position {
        self.kept.position
    }

    /// Durable when this returns: temporary file, fsync, rename, fsync of the directory. Blocking.
    ///
    /// After an error the position is the one before, or this one: both were true. It may be called again.
    pub fn set(&mut self, position: Position) -> Result<(), PositionError> {
        let kept = self.kept.next(position);
        // Used up whatever comes of it: should the file have been replaced all the same, what is noted next must still be newer.
        self.kept.sequence = kept.sequence;
        // Opened first: want of a file descriptor is then met before anything has changed.
        let dir_path = directory_of(&self.path);
        let dir = File::open(dir_path).map_err(failed("opening", dir_path))?;
        let temporary_path = beside(&self.path, ".new");
        write_durably(&temporary_path, &kept.encode()).map_err(failed("writing", &temporary_path))?;
        fs::rename(&temporary_path, &self.path).map_err(failed("replacing", &self.path))?;
        dir.sync_all().map_err(failed("syncing", dir_path))?;
        self.kept = kept;
        Ok(())
    }

    /// Survives a crash of the process, not of the machine: one small write and no fsync.
    pub fn note(&mut self, position: Position) -> Result<(), PositionError> {
        let kept = self.kept.next(position);
        self.write_note(&kept).map_err(failed("writing", &self.note_path))?;
        self.kept = kept;
        Ok(())
    }

    fn write_note(&mut self, kept: &Kept) -> io::Result<()> {
        let file = match &mut self.note_file {
            Some(file) => file,
            None => self.note_file.insert(File::options().create(true).truncate(false).write(true).open(&self.note_path)?),
        };
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&kept.encode())
    }
}

// === impl Kept ===

impl Kept {
    fn next(self, position: Position) -> Self {
        Self { sequence: self.sequence + 1, position }
    }

    fn encode(&self) -> [u8; FILE_BYTES] {
        let mut bytes = [0; FILE_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.position.0.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[0..28]);
        bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes: &[u8; FILE_BYTES] = bytes.try_into().map_err(|_| Unreadable::Damaged)?;
        let (words, _) = bytes.as_chunks::<4>();
        let [_, _, version, s0, s1, p0, p1, checksum] = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
        if !bytes.starts_with(&MAGIC) || crc32fast::hash(&bytes[0..28]) != checksum {
            return Err(Unreadable::Damaged);
        }
        if version != FORMAT_VERSION {
            return Err(Unreadable::Version(version));
        }
        Ok(Self { sequence: join(s0, s1), position: Position(join(p0, p1)) })
    }
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, PositionError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("reading", path)(source)),
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PositionError {
    let path = path.to_owned();
    move |source| PositionError::Io { action, path, source }
}
