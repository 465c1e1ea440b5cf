//! Opening: what is on disk is checked record by record, and is taken as it is, healed, or refused.
//!
//! What a stopped machine leaves behind is damage in the last group of the last segment only: every group is durable before the next is
//! written, every segment before the next exists. So
//! - damage before what the note of the end covers (`end_note.rs`) was acknowledged: refused, and so is an end that is not there;
//! - damage before a record of a *later* group, or before another segment, was durable once: refused;
//! - other damage is torn, and is cut off, if a record is incomplete, or was not written where it is damaged (a disk may persist the later
//!   pages of one write and not the earlier: they read as zeros), or if nothing there was ever a record;
//! - a record that is all there and is not what its checksum says was written once and has rotted since: refused. So is one of which a
//!   single flipped bit explains everything.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::end_note::{self, EndNote, Noted};
use super::files::{Directory, Files};
use super::one_bit;
use super::record::{Flaw, RECORD_HEADER_BYTES, RecordHeader};
use super::segment::{FORMAT_VERSION, HeaderError, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, base_of, is_temporary, path_of};
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
    pub directory: Box<dyn Directory>,
    pub segments: VecDeque<Segment>,
    pub active: ActiveSegment,
    pub note: EndNote,
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
            files.open_directory(parent).and_then(|parent| parent.sync()).map_err(failed("syncing", parent))?;
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
    let directory = files.open_directory(dir).map_err(failed("opening", dir))?;
    let noted = end_note::read(dir)?;
    let mut paths = list(dir, files)?;
    let last_path = paths.pop();
    refuse_if_gone(dir, last_path.as_ref(), noted)?;
    let mut segments = VecDeque::new();
    let (active, torn_bytes) = match last_path {
        None => {
            let made = NewSegment::create(dir, Position(0), files).and_then(|new| new.install(&*directory, files));
            (made.map_err(|error| failed("creating a segment in", dir)(error.into()))?, 0)
        }
        Some((last_base, last_path)) => {
            for (base, path) in paths {
                let segment = follow(&segments, open_segment(path, base, files)?)?;
                segments.push_back(check_closed(segment)?);
            }
            let last = follow(&segments, open_segment(last_path, last_base, files)?)?;
            heal_last(last, noted.unwrap_or_default(), dir, files)?
        }
    };
    let mut note = EndNote::new(dir);
    note.write_durably(&active.segment, files);
    // The names may be in memory only, if the process was killed between a rename and the sync after it.
    directory.sync().map_err(failed("syncing", dir))?;
    segments.push_back(active.segment.clone());
    Ok(Recovered { directory, segments, active, note, torn_bytes })
}

/// The segment that was written to must be there, or a later one.
fn refuse_if_gone(dir: &Path, last: Option<&(Position, PathBuf)>, noted: Option<Noted>) -> Result<(), OpenError> {
    let Some(noted) = noted.filter(|noted| !noted.is_empty()) else { return Ok(()) };
    if last.is_some_and(|(base, _)| *base >= noted.base) {
        return Ok(());
    }
    // Before the missing segment lies a whole one, whose end is the missing one's base; or nothing at all.
    let end = if last.is_some() { noted.base } else { Position(0) };
    let (file, note) = (path_of(dir, noted.base), end_note::path_in(dir));
    Err(OpenError::Missing { file, is_there: false, end, acknowledged: noted.end, note })
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
fn open_segment(path: PathBuf, base: Position, files: &dyn Files) -> Result<SegmentReader, OpenError> {
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
    SegmentReader::open(segment, files).map_err(failed("reading", &path))
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

fn heal_last(mut reader: SegmentReader, noted: Noted, dir: &Path, files: &dyn Files) -> Result<(ActiveSegment, u64), OpenError> {
    let file_end = reader.segment.end;
    let (end, flaw) = sound_end(&mut reader)?;
    if file_end < noted.end {
        let (file, note) = (reader.segment.path, end_note::path_in(dir));
        return Err(OpenError::Missing { file, is_there: true, end, acknowledged: noted.end, note });
    }
    if let Some(flaw) = flaw {
        if end < noted.end {
            return Err(corrupt(&reader.segment, end, flaw));
        }
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
        Behind::LaterGroup => false,
        _ if is_one_bit_off(reader, damaged).map_err(failed("reading", &path))? => false,
        Behind::SameGroup(next) => never_written(reader, damaged, next).map_err(failed("reading", &path))?,
        Behind::Nothing if flaw == Flaw::Payload => {
            let end = reader.segment.end;
            never_written(reader, damaged, end).map_err(failed("reading", &path))?
        }
        Behind::Nothing => true,
    };
    if torn { Ok(()) } else { Err(corrupt(&reader.segment, damaged, flaw)) }
}

/// Whether one flipped bit in the record at `damaged` explains its flaw.
fn is_one_bit_off(reader: &mut SegmentReader, damaged: Position) -> io::Result<bool> {
    let (limit, salt) = (reader.segment.end, reader.segment.salt);
    let bytes = reader.bytes(damaged, RECORD_HEADER_BYTES as u64, limit)?;
    let Some(header) = bytes.first_chunk::<RECORD_HEADER_BYTES>() else { return Ok(false) };
    let Some(decoded) = RecordHeader::decode(header, salt, damaged) else {
        return Ok(one_bit::explains_header(header, salt, damaged, limit));
    };
    let encoded_bytes = decoded.encoded_bytes();
    if encoded_bytes > (RECORD_HEADER_BYTES + one_bit::MAX_PAYLOAD_BYTES) as u64 {
        return Ok(false);
    }
    let bytes = reader.bytes(damaged, encoded_bytes, limit)?;
    let payload = usize::try_from(encoded_bytes).ok().and_then(|end| bytes.get(RECORD_HEADER_BYTES..end));
    Ok(payload.is_some_and(|payload| one_bit::explains_payload(payload, decoded.payload_checksum)))
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

/// Whether a sector that lies wholly between `damaged` and `next` reads as zeros, or the rest of the sector that `damaged` lies in, or,
/// where `next` is the file's end, what the file has of its last sector.
fn never_written(reader: &mut SegmentReader, damaged: Position, next: Position) -> io::Result<bool> {
    let limit = reader.segment.end;
    let mut from = damaged;
    while from < next {
        let offset = reader.segment.offset_of(from);
        let rest_bytes = (SECTOR_BYTES - offset % SECTOR_BYTES).min(next.0 - from.0);
        let bytes = reader.bytes(from, rest_bytes, limit)?;
        let sector = bytes.get(..usize::try_from(rest_bytes).unwrap_or(usize::MAX)).unwrap_or(bytes);
        let begins_sector = offset.is_multiple_of(SECTOR_BYTES);
        let reaches_sector_end = (offset + rest_bytes).is_multiple_of(SECTOR_BYTES);
        let is_last_of_file = begins_sector && from.0 + rest_bytes == limit.0;
        // A few zeros at the end of a sector can be part of a length.
        let counts = reaches_sector_end && sector.len() >= RECORD_HEADER_BYTES || is_last_of_file;
        if counts && sector.iter().all(|&byte| byte == 0) {
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
