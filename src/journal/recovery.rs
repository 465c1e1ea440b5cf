//! Opening: what is on disk is checked record by record, and is taken as it is, healed, or refused.
//!
//! What a stopped machine leaves behind is damage in the last group of the last segment only: every group is durable before the next is
//! written, every segment before the next exists. So
//! - damage with nothing valid behind it in the last segment is a torn write and is cut off;
//! - damage before a record of a *later* group, or before another segment, was durable once: refused;
//! - damage before a record of the *same* group is torn if the damaged place was never written (a disk may persist the later pages of
//!   one write and not the earlier: they read as zeros), else refused.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::record::{Flaw, RECORD_HEADER_BYTES, RecordHeader};
use super::segment::{FORMAT_VERSION, HeaderError, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, base_of, is_temporary};
use super::segment_reader::{CHUNK_BYTES, SegmentReader};
use super::writer::{ActiveSegment, NewSegment};
use super::{OpenError, Position};

const LOCK_FILE: &str = "journal.lock";
/// The unit in which disks write: a torn write leaves whole sectors unwritten.
const SECTOR_BYTES: u64 = 512;

/// Far beyond what anybody can write; keeps sums of positions and sizes from overflowing whatever a file claims.
const MAX_BASE: Position = Position(1 << 62);

/// Held while the journal is open; the operating system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock(#[allow(dead_code)] File);

pub(super) struct Recovered {
    pub segments: VecDeque<Segment>,
    pub active: ActiveSegment,
    pub torn_bytes: u64,
}

/// What lies behind a damaged record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    Nothing,
    /// A record of the group that the damaged one was in, at this position.
    SameGroup(Position),
    LaterGroup,
}

pub(super) fn lock_directory(dir: &Path, files: &dyn Files) -> Result<DirectoryLock, OpenError> {
    if !dir.is_dir() {
        fs::create_dir_all(dir).map_err(failed("creating", dir))?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            files.sync_directory(parent).map_err(failed("syncing", parent))?;
        }
    }
    let path = dir.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(DirectoryLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { action: "locking", path, source }),
    }
}

/// Whether another handle holds the lock.
pub(super) fn is_locked(dir: &Path) -> bool {
    let file = File::options().write(true).open(dir.join(LOCK_FILE));
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

pub(super) fn recover(dir: &Path, files: &dyn Files) -> Result<Recovered, OpenError> {
    let mut paths = list(dir, files)?;
    let Some(last_path) = paths.pop() else {
        let new = NewSegment::create(dir, Position(0), files).map_err(failed("creating a segment in", dir))?;
        let active = new.install(dir, files).map_err(failed("creating a segment in", dir))?;
        return Ok(Recovered { segments: VecDeque::from([active.segment.clone()]), active, torn_bytes: 0 });
    };
    let mut segments = VecDeque::new();
    for (base, path) in paths {
        let segment = follow(&segments, open_segment(path, base)?)?;
        segments.push_back(check_closed(segment)?);
    }
    let last = follow(&segments, open_segment(last_path.1, last_path.0)?)?;
    let (active, torn_bytes) = heal_last(last, files)?;
    // The names may be in memory only, if the process was killed between a rename and the sync after it.
    files.sync_directory(dir).map_err(failed("syncing", dir))?;
    segments.push_back(active.segment.clone());
    Ok(Recovered { segments, active, torn_bytes })
}

/// The segments in order; removes those whose making was interrupted. Everything else in the directory is left alone.
fn list(dir: &Path, files: &dyn Files) -> Result<Vec<(Position, PathBuf)>, OpenError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("listing", dir))? {
        let path = entry.map_err(failed("listing", dir))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_temporary(name) {
            files.remove(&path).map_err(failed("removing", &path))?;
        } else if let Some(base) = base_of(name) {
            segments.push((base, path));
        }
    }
    segments.sort();
    Ok(segments)
}

/// Reads the header. The segment's `end` is the file's.
fn open_segment(path: PathBuf, base: Position) -> Result<SegmentReader, OpenError> {
    let corrupt = |flaw| OpenError::Corrupt { file: path.clone(), offset: 0, flaw };
    let file_bytes = fs::metadata(&path).map_err(failed("reading", &path))?.len();
    let header = match SegmentHeader::decode(&read_header(&path).map_err(failed("reading", &path))?) {
        Ok(header) => header,
        Err(HeaderError::Flawed(flaw)) => return Err(corrupt(flaw)),
        Err(HeaderError::Version(found)) => return Err(OpenError::UnsupportedVersion { file: path, found, supported: FORMAT_VERSION }),
    };
    if header.base != base || base > MAX_BASE {
        return Err(corrupt(Flaw::WrongBase));
    }
    let end = Position(base.0 + file_bytes.saturating_sub(SEGMENT_HEADER_BYTES as u64));
    let segment = Segment { path: path.clone(), base, end, salt: header.salt };
    SegmentReader::open(segment).map_err(failed("reading", &path))
}

fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    io::Read::read_to_end(&mut io::Read::take(File::open(path)?, SEGMENT_HEADER_BYTES as u64), &mut header)?;
    Ok(header)
}

fn follow(before: &VecDeque<Segment>, next: SegmentReader) -> Result<SegmentReader, OpenError> {
    match before.back() {
        Some(before) if before.end < next.segment.base => {
            Err(OpenError::Gap { file: next.segment.path, expected: before.end, found: next.segment.base })
        }
        Some(before) if before.end > next.segment.base => {
            // The records up to the next segment's base are whole, what follows them has no place in the log.
            Err(OpenError::Corrupt { file: before.path.clone(), offset: before.offset_of(next.segment.base), flaw: Flaw::PastEnd })
        }
        _ => Ok(next),
    }
}

/// A segment behind which there is another was durable to its last byte: every record must be whole.
fn check_closed(mut reader: SegmentReader) -> Result<Segment, OpenError> {
    match sound_end(&mut reader)? {
        (_, None) => Ok(reader.segment),
        (position, Some(flaw)) => Err(corrupt(&reader.segment, position, flaw)),
    }
}

fn heal_last(mut reader: SegmentReader, files: &dyn Files) -> Result<(ActiveSegment, u64), OpenError> {
    let file_end = reader.segment.end;
    let (end, flaw) = sound_end(&mut reader)?;
    if let Some(flaw) = flaw {
        refuse_if_durable(&mut reader, end, flaw)?;
    }
    let torn_bytes = file_end.0 - end.0;
    let segment = Segment { end, ..reader.segment };
    let mut file = files.open(&segment.path).map_err(failed("opening", &segment.path))?;
    if torn_bytes > 0 {
        file.truncate(segment.file_bytes()).map_err(failed("cutting the torn end of", &segment.path))?;
    }
    // A killed process may have left its last write in the page cache only; readers must not see it before it is durable.
    file.sync_all().map_err(failed("syncing", &segment.path))?;
    Ok((ActiveSegment { file, segment }, torn_bytes))
}

/// The end of the last record before the first flaw, and the flaw.
fn sound_end(reader: &mut SegmentReader) -> Result<(Position, Option<Flaw>), OpenError> {
    let limit = reader.segment.end;
    let mut position = reader.segment.base;
    while position < limit {
        let checked = reader.check(position, limit);
        match checked.map_err(failed("reading", &reader.segment.path))? {
            Ok(end) => position = end,
            Err(flaw) => return Ok((position, Some(flaw))),
        }
    }
    Ok((position, None))
}

/// Decides whether the damage at `damaged` in the last segment can be a torn write.
fn refuse_if_durable(reader: &mut SegmentReader, damaged: Position, flaw: Flaw) -> Result<(), OpenError> {
    let path = reader.segment.path.clone();
    let torn = match look_behind(reader, damaged).map_err(failed("reading", &path))? {
        Behind::Nothing => true,
        Behind::SameGroup(next) => never_written(reader, damaged, next).map_err(failed("reading", &path))?,
        Behind::LaterGroup => false,
    };
    if torn { Ok(()) } else { Err(corrupt(&reader.segment, damaged, flaw)) }
}

/// Looks for a record header at every offset behind `damaged`. A header alone is proof enough: its checksum covers its place and the
/// segment's salt, and a plausible length is needed on top.
fn look_behind(reader: &mut SegmentReader, damaged: Position) -> io::Result<Behind> {
    let limit = reader.segment.end;
    let salt = reader.segment.salt;
    let mut behind = Behind::Nothing;
    let mut from = Position(damaged.0 + 1);
    loop {
        let bytes = reader.bytes(from, CHUNK_BYTES as u64, limit)?;
        let candidates = bytes.windows(RECORD_HEADER_BYTES);
        if candidates.len() == 0 {
            return Ok(behind);
        }
        let next = Position(from.0 + candidates.len() as u64);
        for (position, candidate) in (from.0..).map(Position).zip(candidates) {
            let Some(header) = candidate.as_array().and_then(|bytes| RecordHeader::decode(bytes, salt, position)) else { continue };
            if position.0 + header.encoded_bytes() > limit.0 {
                // The last record of a torn group, or garbage.
                continue;
            }
            if position.0 - u64::from(header.back_bytes) > damaged.0 {
                return Ok(Behind::LaterGroup);
            }
            if behind == Behind::Nothing {
                behind = Behind::SameGroup(position);
            }
        }
        from = next;
    }
}

/// Whether a sector that lies wholly between `damaged` and `next` reads as zeros, or the rest of the sector that `damaged` lies in.
fn never_written(reader: &mut SegmentReader, damaged: Position, next: Position) -> io::Result<bool> {
    let limit = reader.segment.end;
    let mut from = damaged;
    while from < next {
        let offset = reader.segment.offset_of(from);
        let rest_bytes = (SECTOR_BYTES - offset % SECTOR_BYTES).min(next.0 - from.0);
        let bytes = reader.bytes(from, rest_bytes, limit)?;
        let sector = bytes.get(..usize::try_from(rest_bytes).unwrap_or(usize::MAX)).unwrap_or(bytes);
        let reaches_sector_end = (offset + rest_bytes).is_multiple_of(SECTOR_BYTES);
        // A few zeros at the end of a sector can be part of a length.
        if reaches_sector_end && sector.len() >= RECORD_HEADER_BYTES && sector.iter().all(|&byte| byte == 0) {
            return Ok(true);
        }
        from = Position(from.0 + rest_bytes);
    }
    Ok(false)
}

fn corrupt(segment: &Segment, position: Position, flaw: Flaw) -> OpenError {
    OpenError::Corrupt { file: segment.path.clone(), offset: segment.offset_of(position), flaw }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { action, path, source }
}
