//! The body of a fuzz target: what must hold for a journal's directory, whatever is in its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::record::{Payload, RecordHeader};
use super::segment::{SegmentHeader, path_of};
use super::{Item, Journal, Options, Position, Record};

const SALT: u32 = 0x5eed;

/// Records that a fuzzer writes are short.
const SEGMENTS_MAX: usize = 8;

/// Any directory: opened or refused. What was opened is read to its end without an error, in order and without a gap, and is the same when
/// it is opened again; what was refused is refused again in the same words. Where nothing was damaged every record is there.
///
/// The input is a list of steps, each a byte that says what is done and a byte that says with how many of the bytes that follow.
pub fn check_directory(bytes: &[u8]) {
    let written = Directory::of(bytes);
    let scratch = Scratch::new();
    for (base, content) in &written.segments {
        fs::write(path_of(&scratch.0, *base), content).expect("a scratch file");
    }
    let first = read(&scratch.0);
    let again = read(&scratch.0);
    match (&first, &again) {
        (Ok(first), Ok(again)) => {
            assert_eq!(first.items, again.items);
            assert_eq!(again.torn_bytes, 0, "what was healed is sound");
        }
        (first, again) => assert_eq!(first, again),
    }
    if let Ok(opened) = &first {
        let ends = opened.items.iter().map(|item| item.end);
        assert!(opened.items.iter().skip(1).map(|item| item.position).eq(ends.take(opened.items.len().saturating_sub(1))));
    }
    if !written.is_damaged {
        let opened = first.expect("an undamaged journal is opened");
        assert_eq!(opened.torn_bytes, 0);
        assert!(opened.items.into_iter().map(|item| item.record).eq(written.records));
    }
}

#[derive(PartialEq, Debug)]
struct Opened {
    items: Vec<Item>,
    torn_bytes: u64,
}

fn read(dir: &Path) -> Result<Opened, String> {
    let options = Options { segment_bytes: 1 << 20, max_bytes: 8 << 20, tail_bytes: 1 << 10 };
    let (journal, recovery) = Journal::open(dir, options).map_err(|error| error.to_string())?;
    let mut reader = journal.reader(Position(0));
    let mut items = Vec::new();
    while let Some(item) = reader.try_next().expect("what was opened can be read") {
        items.push(item);
    }
    assert_eq!(reader.position(), journal.end());
    journal.close();
    Ok(Opened { items, torn_bytes: recovery.torn_bytes })
}

/// What the steps of an input leave behind.
struct Directory {
    segments: Vec<(Position, Vec<u8>)>,
    records: Vec<Record>,
    is_damaged: bool,
    /// The end of the log, and where the group of the last record began.
    end: Position,
    group: Position,
}

// === impl Directory ===

impl Directory {
    fn of(mut steps: &[u8]) -> Self {
        let mut directory = Self { segments: Vec::new(), records: Vec::new(), is_damaged: false, end: Position(0), group: Position(0) };
        directory.begin_segment();
        while let Some((&[what, n_bytes], rest)) = steps.split_first_chunk::<2>() {
            let (bytes, rest) = rest.split_at(rest.len().min(usize::from(n_bytes)));
            steps = rest;
            directory.step(what, bytes);
        }
        directory
    }

    fn step(&mut self, what: u8, bytes: &[u8]) {
        match what % 8 {
            0..=2 => self.record(bytes, what & 8 != 0),
            3 if self.segments.len() < SEGMENTS_MAX => self.begin_segment(),
            3 => {}
            // A record whose header says what its payload is not.
            4 => self.forged_record(bytes),
            5 => self.damage(|content| content.extend_from_slice(bytes)),
            6 => {
                let at = number(bytes.get(..2).unwrap_or_default());
                let n_bytes = bytes.len().saturating_sub(2);
                self.damage(|content| {
                    let at = at as usize % content.len().max(1);
                    for (byte, mask) in content.iter_mut().skip(at).zip(&bytes[bytes.len() - n_bytes..]) {
                        *byte ^= mask;
                    }
                });
            }
            _ => {
                let n_bytes = number(bytes) as usize;
                self.damage(|content| content.truncate(content.len() - n_bytes.min(content.len())));
            }
        }
    }

    fn begin_segment(&mut self) {
        let header = SegmentHeader { base: self.end, salt: SALT }.encode();
        // Two segments cannot begin at one place; an empty one is replaced by its like.
        self.segments.retain(|(base, _)| *base != self.end);
        self.segments.push((self.end, header.to_vec()));
        self.group = self.end;
    }

    fn record(&mut self, bytes: &[u8], begins_group: bool) {
        if begins_group {
            self.group = self.end;
        }
        let (head, body) = bytes.split_at(bytes.len() / 3);
        let record = Record { head: Bytes::copy_from_slice(head), body: Bytes::copy_from_slice(body) };
        let payload = Payload::new(record.clone()).expect("it is short");
        let back_bytes = u32::try_from(self.end.0 - self.group.0).expect("groups are short");
        let header = payload.header(back_bytes).encode(SALT, self.end);
        self.append(&[&header, bytes]);
        self.records.push(record);
    }

    fn forged_record(&mut self, bytes: &[u8]) {
        let field = |n: usize| number(bytes.get(4 * n..4 * n + 4).unwrap_or_default());
        let header = RecordHeader { head_bytes: field(0), body_bytes: field(1), back_bytes: field(2), payload_checksum: field(3) };
        self.is_damaged = true;
        self.append(&[&header.encode(SALT, self.end), bytes.get(16..).unwrap_or_default()]);
    }

    fn append(&mut self, pieces: &[&[u8]]) {
        let Some((_, content)) = self.segments.last_mut() else { return };
        for piece in pieces {
            content.extend_from_slice(piece);
            self.end.0 += piece.len() as u64;
        }
    }

    fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        self.is_damaged = true;
        if let Some((_, content)) = self.segments.last_mut() {
            change(content);
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

// === scratch ===

/// A directory that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sessionfold-fuzz-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // In memory where there is such a directory: a fuzzer writes thousands a minute, and nothing waits for a disk.
        let memory = Path::new("/dev/shm");
        let path = if memory.is_dir() { memory.join(name) } else { std::env::temp_dir().join(name) };
        fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
