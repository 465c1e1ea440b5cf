//! A scratch journal, and files that fail on request and know what would survive a power cut.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use crate::journal::end_note;
use crate::journal::files::{Directory, Files, LogFile, NoteFile, RealFiles};
use crate::journal::{AppendError, Class, Item, Journal, OpenError, Options, Position, Reader, Record, Recovery};

pub struct Scratch {
    pub dir: TempDir,
    pub options: Options,
    pub files: Arc<FaultyFiles>,
}

/// Real files behind switches.
#[derive(Default)]
pub struct FaultyFiles {
    pub faults: Mutex<Faults>,
    /// Signalled when `faults.hold_sync` changes, or when a sync begins to wait for that.
    changed: Condvar,
    /// What each live name would hold after a power cut, and which names would be there.
    names: Mutex<Names>,
}

#[derive(Default)]
struct Names {
    live: HashMap<PathBuf, Arc<Mutex<u64>>>,
    durable: HashMap<PathBuf, Arc<Mutex<u64>>>,
    /// What the note of the end would hold.
    durable_note: Option<Vec<u8>>,
}

#[derive(Default)]
pub struct Faults {
    /// What everything that is to fail fails with, where it is not said otherwise.
    pub errno: Option<i32>,
    pub fail_sync: bool,
    /// Syncs wait until this is false again.
    pub hold_sync: bool,
    syncs_waiting: usize,
    /// Held syncs that may finish all the same.
    let_through: usize,
    n_syncs: u64,
    /// Bytes that can still be written, and what the write after that fails with.
    pub write_budget: Option<(usize, io::ErrorKind)>,
    pub fail_truncate: bool,
    pub fail_create: Option<io::ErrorKind>,
    pub fail_open_to_read: bool,
    pub fail_note: bool,
    pub fail_rename: bool,
    /// The answer to a rename is lost, the file has its new name.
    pub lose_rename: bool,
    pub fail_sync_directory: bool,
    pub fail_remove: bool,
    pub panic_on_write: bool,
}

pub struct HeldSync<'a>(&'a Scratch);

impl Drop for HeldSync<'_> {
    fn drop(&mut self) {
        self.0.set(|faults| faults.hold_sync = false);
    }
}

struct FaultyFile {
    file: Box<dyn LogFile>,
    written_bytes: u64,
    durable_bytes: Arc<Mutex<u64>>,
    owner: Arc<FaultyFiles>,
}

/// `Files` for an `Arc`, so that files can point back to their owner.
pub struct Handle(pub Arc<FaultyFiles>);

struct FaultyNote {
    file: Box<dyn NoteFile>,
    path: PathBuf,
    owner: Arc<FaultyFiles>,
}

struct FaultyDirectory {
    directory: Box<dyn Directory>,
    owner: Arc<FaultyFiles>,
}

impl Faults {
    fn broken(&self) -> io::Error {
        self.errno.map_or_else(|| io::Error::other("broken on request"), io::Error::from_raw_os_error)
    }

    fn broken_as(&self, kind: io::ErrorKind) -> io::Error {
        self.errno.map_or_else(|| kind.into(), io::Error::from_raw_os_error)
    }
}

// === impl Scratch ===

impl Scratch {
    pub fn new(segment_bytes: u64, tail_bytes: usize) -> Self {
        let options = Options { segment_bytes, max_bytes: 64 << 20, tail_bytes };
        Self { dir: TempDir::new().unwrap(), options, files: Arc::default() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn open(&self) -> Journal {
        self.try_open().unwrap().0
    }

    pub fn try_open(&self) -> Result<(Journal, Recovery), OpenError> {
        Journal::open_with(self.path(), self.options.clone(), Arc::new(Handle(Arc::clone(&self.files))))
    }

    /// The segment files in order.
    pub fn segments(&self) -> Vec<PathBuf> {
        let paths = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "journal")).collect();
        paths.sort();
        paths
    }

    pub fn last_segment(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }

    pub fn disk_bytes(&self) -> u64 {
        self.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum()
    }

    pub fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.files.faults.lock());
        self.files.changed.notify_all();
    }

    /// Syncs wait until the answer is dropped, also by a test that fails.
    pub fn hold_sync(&self) -> HeldSync<'_> {
        self.set(|faults| faults.hold_sync = true);
        HeldSync(self)
    }

    /// Lets the sync that is held finish and holds the one after it.
    pub fn hold_next_sync(&self) {
        let mut faults = self.files.faults.lock();
        faults.let_through = 1;
        self.files.changed.notify_all();
        self.files.changed.wait_while(&mut faults, |faults| faults.let_through > 0);
    }

    /// Returns when the writer waits in a held sync: everything it took is written, nothing of it is durable.
    pub fn wait_for_held_sync(&self) {
        let mut faults = self.files.faults.lock();
        self.files.changed.wait_while(&mut faults, |faults| faults.syncs_waiting == 0);
    }

    /// The note of the end.
    pub fn note(&self) -> PathBuf {
        end_note::path_in(self.path())
    }

    /// What a power cut would leave, in a directory of its own. `rest` says what became of the bytes of a file that were written but
    /// not durable. Of the note of the end its durable state is left.
    pub fn power_cut(&self, rest: impl FnMut(u64, Vec<u8>) -> Vec<u8>) -> Scratch {
        let after = self.power_cut_without_note(rest);
        fs::write(after.note(), self.durable_note()).unwrap();
        after
    }

    /// What a power cut would leave of the note of the end.
    pub fn durable_note(&self) -> Vec<u8> {
        self.files.names.lock().durable_note.clone().unwrap()
    }

    pub fn power_cut_without_note(&self, mut rest: impl FnMut(u64, Vec<u8>) -> Vec<u8>) -> Scratch {
        let after = Scratch { dir: TempDir::new().unwrap(), options: self.options.clone(), files: Arc::default() };
        for (path, durable_bytes) in &self.files.names.lock().durable {
            let durable_bytes = *durable_bytes.lock();
            let Ok(mut bytes) = fs::read(path) else { continue };
            let undurable = bytes.split_off(durable_bytes as usize);
            bytes.extend(rest(durable_bytes, undurable));
            fs::write(after.path().join(path.file_name().unwrap()), bytes).unwrap();
        }
        after
    }
}

// === impl FaultyFiles ===

impl FaultyFiles {
    pub fn n_syncs(&self) -> u64 {
        self.faults.lock().n_syncs
    }

    fn wrap(self: &Arc<Self>, path: &Path, file: Box<dyn LogFile>, written_bytes: u64) -> Box<dyn LogFile> {
        let mut names = self.names.lock();
        let durable_bytes = Arc::new(Mutex::new(written_bytes));
        names.live.insert(path.to_owned(), Arc::clone(&durable_bytes));
        if written_bytes > 0 {
            names.durable.insert(path.to_owned(), Arc::clone(&durable_bytes));
        }
        Box::new(FaultyFile { file, written_bytes, durable_bytes, owner: Arc::clone(self) })
    }
}

impl Files for Handle {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        let faults = self.0.faults.lock();
        if let Some(kind) = faults.fail_create {
            return Err(faults.broken_as(kind));
        }
        drop(faults);
        Ok(self.0.wrap(path, RealFiles.create(path)?, 0))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(self.0.wrap(path, RealFiles.open(path)?, fs::metadata(path)?.len()))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<File> {
        let faults = self.0.faults.lock();
        if faults.fail_open_to_read { Err(faults.broken()) } else { RealFiles.open_to_read(path) }
    }

    fn open_note(&self, path: &Path) -> io::Result<Box<dyn NoteFile>> {
        Ok(Box::new(FaultyNote { file: RealFiles.open_note(path)?, path: path.to_owned(), owner: Arc::clone(&self.0) }))
    }

    fn open_directory(&self, dir: &Path) -> io::Result<Box<dyn Directory>> {
        Ok(Box::new(FaultyDirectory { directory: RealFiles.open_directory(dir)?, owner: Arc::clone(&self.0) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let faults = self.0.faults.lock();
        if faults.fail_rename {
            return Err(faults.broken());
        }
        let lost = faults.lose_rename.then(|| faults.broken());
        drop(faults);
        RealFiles.rename(from, to)?;
        let mut names = self.0.names.lock();
        let durable_bytes = names.live.remove(from).unwrap();
        assert!(*durable_bytes.lock() > 0, "named before it was durable");
        names.live.insert(to.to_owned(), durable_bytes);
        lost.map_or(Ok(()), Err)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let faults = self.0.faults.lock();
        if faults.fail_remove {
            return Err(faults.broken());
        }
        drop(faults);
        self.0.names.lock().live.remove(path);
        RealFiles.remove(path)
    }
}

impl Directory for FaultyDirectory {
    fn sync(&self) -> io::Result<()> {
        let faults = self.owner.faults.lock();
        if faults.fail_sync_directory {
            return Err(faults.broken());
        }
        drop(faults);
        self.directory.sync()?;
        let mut names = self.owner.names.lock();
        names.durable = names.live.clone();
        Ok(())
    }
}

impl NoteFile for FaultyNote {
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let faults = self.owner.faults.lock();
        if faults.fail_note { Err(faults.broken()) } else { self.file.overwrite(bytes) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let faults = self.owner.faults.lock();
        if faults.fail_note {
            return Err(faults.broken());
        }
        drop(faults);
        self.owner.names.lock().durable_note = Some(fs::read(&self.path)?);
        Ok(())
    }
}

impl LogFile for FaultyFile {
    fn append(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut faults = self.owner.faults.lock();
        assert!(!faults.panic_on_write, "broken on request");
        let errno = faults.errno;
        let Some((budget, kind)) = &mut faults.write_budget else {
            let written = self.file.append(slices)?;
            self.written_bytes += written as u64;
            return Ok(written);
        };
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(*budget).collect();
        if bytes.is_empty() {
            return Err(errno.map_or_else(|| (*kind).into(), io::Error::from_raw_os_error));
        }
        // A short write: part of what was asked for.
        let written = self.file.append(&[IoSlice::new(&bytes)])?;
        *budget -= written;
        self.written_bytes += written as u64;
        Ok(written)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut faults = self.owner.faults.lock();
        faults.syncs_waiting += 1;
        self.owner.changed.notify_all();
        self.owner.changed.wait_while(&mut faults, |faults| faults.hold_sync && faults.let_through == 0);
        faults.let_through = faults.let_through.saturating_sub(1);
        faults.syncs_waiting -= 1;
        faults.n_syncs += 1;
        self.owner.changed.notify_all();
        if faults.fail_sync {
            return Err(faults.broken());
        }
        self.file.sync()?;
        *self.durable_bytes.lock() = self.written_bytes;
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let faults = self.owner.faults.lock();
        if faults.fail_truncate {
            return Err(faults.broken());
        }
        drop(faults);
        self.written_bytes = bytes;
        self.file.truncate(bytes)
    }
}

// === helpers ===

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Waits for the writer to have done something of its own accord.
pub fn eventually(happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never happened");
        thread::yield_now();
    }
}

/// Polls once.
pub fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A record that no other number gives, without zero bytes.
pub fn record(number: usize, body_bytes: usize) -> Record {
    let body: Vec<u8> = (0..body_bytes).map(|i| (i.wrapping_mul(31) ^ number.wrapping_mul(97)) as u8 | 1).collect();
    Record { head: Bytes::from(format!("record {number}")), body: Bytes::from(body) }
}

pub fn append(journal: &Journal, record: Record) -> Result<Position, AppendError> {
    block_on(journal.append(record, Class::Events))
}

/// Appends records of these body sizes, one after the other: each is a group.
pub fn fill(journal: &Journal, body_bytes: &[usize]) -> Vec<Record> {
    let records: Vec<_> = body_bytes.iter().enumerate().map(|(number, &bytes)| record(number, bytes)).collect();
    for record in &records {
        append(journal, record.clone()).unwrap();
    }
    records
}

/// Everything that is there now.
pub fn drain(reader: &mut Reader) -> Vec<Item> {
    std::iter::from_fn(|| reader.try_next().unwrap()).collect()
}

pub fn records(journal: &Journal) -> Vec<Record> {
    drain(&mut journal.reader(Position(0))).into_iter().map(|item| item.record).collect()
}

pub fn encoded_bytes(record: &Record) -> u64 {
    20 + record.head.len() as u64 + record.body.len() as u64
}
