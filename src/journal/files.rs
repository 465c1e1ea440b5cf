//! The file operations of the journal, behind a trait so that tests can make each of them fail and can tell what is durable from what is
//! only written.
//!
//! Of reading only the opening is here: what is read are plain files, and every checksum is checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) trait Files: Send + Sync {
    /// Makes a new file, or empties one that is there, for appending.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file that is there for appending.
    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;
    /// Opens a file that is there for reading.
    fn open_to_read(&self, path: &Path) -> io::Result<File>;
    /// Opens a small file that is overwritten in place, making it if it is not there.
    fn open_note(&self, path: &Path) -> io::Result<Box<dyn NoteFile>>;
    /// Opens the directory. Kept open by its user: what has been renamed must not wait for a free file descriptor to become durable.
    fn open_directory(&self, dir: &Path) -> io::Result<Box<dyn Directory>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
}

pub(super) trait Directory: Send + Sync {
    /// Makes durable which names are in the directory.
    fn sync(&self) -> io::Result<()>;
}

pub(super) trait NoteFile: Send {
    /// Replaces the first bytes of the file, in one write.
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
}

pub(super) trait LogFile: Send {
    /// Writes at the end; may write less than all.
    fn append(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Makes durable what was written, and the file's length.
    fn sync(&mut self) -> io::Result<()>;
    /// The same with all metadata: what follows a truncation.
    fn sync_all(&mut self) -> io::Result<()>;
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

/// Writes all of `slices` at the end.
pub(super) fn append_all(file: &mut dyn LogFile, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.append(slices) {
            Ok(0) if slices.iter().any(|slice| !slice.is_empty()) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The operating system's files.
pub(super) struct RealFiles;

impl Files for RealFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        // Truncated by a second call: `append` and `truncate` exclude each other when opening.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        file.set_len(0)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn open_note(&self, path: &Path) -> io::Result<Box<dyn NoteFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create(true).truncate(false).open(path)?))
    }

    fn open_directory(&self, dir: &Path) -> io::Result<Box<dyn Directory>> {
        Ok(Box::new(File::open(dir)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl Directory for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

impl NoteFile for File {
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, 0)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl LogFile for File {
    fn append(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_vectored(slices)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}
