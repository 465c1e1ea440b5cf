//! A settings file: where it is, what it holds, and how it is replaced.
//!
//! - It is replaced whole, by a file beside it that takes its name: whoever reads it sees the old one or the new one.
//! - A link stays a link: what it leads to is replaced. Rights, and where possible the owner, stay.
//! - What was there is kept beside it, under a name with the time.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use tempfile::{Builder, NamedTempFile};

use super::agents::SettingsFile;

/// Nobody's settings are longer; what is was not meant.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// A new file is its owner's only, since keys may come to stand in it.
pub(super) const OF_ONE: u32 = 0o600;
/// What everybody's agent reads.
pub(super) const OF_ALL: u32 = 0o644;

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("there is no home directory to look for settings in: say where they are with --file")]
    NoHome,
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is {what}", path.display())]
    Unfit { path: PathBuf, what: &'static str },
    #[error("cannot write {}: {source}; nothing has changed", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{} was changed by somebody else meanwhile; nothing has been written: look again", path.display())]
    Changed { path: PathBuf },
}

/// A settings file as it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// What links lead to.
    path: PathBuf,
    /// Empty where there is no file.
    pub text: String,
    metadata: Option<Metadata>,
}

/// Where the agent itself would look.
pub(super) fn locate(file: &SettingsFile) -> Result<PathBuf, FileError> {
    let (variable, below) = file.variable;
    let folder = match std::env::var_os(variable).filter(|value| !value.is_empty()) {
        Some(folder) => expanded(Path::new(&folder)).join(below),
        None => std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or(FileError::NoHome)?.join(file.below_home),
    };
    let mut candidates = file.names.iter().map(|name| folder.join(name));
    let is_there = |path: &PathBuf| path.symlink_metadata().is_ok();
    Ok(candidates.clone().find(is_there).or_else(|| candidates.next_back()).unwrap_or(folder))
}

/// A `~` that a shell did not see, because it stood in quotes.
fn expanded(folder: &Path) -> PathBuf {
    match (folder.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder.to_owned(),
    }
}

/// Reads a settings file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<Found, FileError> {
    let unfit = |what| FileError::Unfit { path: path.to_owned(), what };
    let failed = |source| FileError::Unreadable { path: path.to_owned(), source };
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = std::path::absolute(path).map_err(failed)?;
            return Ok(Found { path, text: String::new(), metadata: None });
        }
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    let real = path.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unfit("a link that leads nowhere"),
        _ => failed(error),
    })?;
    let metadata = real.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(unfit("not a file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(unfit("too long for settings"));
    }
    let text = String::from_utf8(std::fs::read(&real).map_err(failed)?).map_err(|_| unfit("not text in UTF-8"))?;
    Ok(Found { path: real, text, metadata: Some(metadata) })
}

// === impl Found ===

impl Found {
    pub(super) fn is_new(&self) -> bool {
        self.metadata.is_none()
    }

    /// Writes the new text, and says where the old one is kept. A file that is new gets the rights `new_mode`.
    pub(super) fn replace(&self, text: &str, new_mode: u32, now: DateTime<Utc>) -> Result<Option<PathBuf>, FileError> {
        let failed = |source| FileError::Unwritable { path: self.path.clone(), source };
        if self.metadata.as_ref().is_some_and(|metadata| metadata.permissions().readonly()) {
            return Err(FileError::Unfit { path: self.path.clone(), what: "read-only, and somebody will have meant that" });
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if self.is_new() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let fresh = self.beside(folder, text, new_mode).map_err(failed)?;
        // Only a moment lies between this look and the renaming.
        let now_there = read(&self.path)?;
        if now_there.text != self.text || now_there.is_new() != self.is_new() {
            return Err(FileError::Changed { path: self.path.clone() });
        }
        let backup = if self.is_new() { None } else { Some(self.keep(folder, now).map_err(failed)?) };
        fresh.persist(&self.path).map_err(|error| {
            // A file that is mounted by itself cannot be replaced; then there is nothing to go back to.
            if let Some(backup) = &backup {
                let _ = std::fs::remove_file(backup);
            }
            failed(error.error)
        })?;
        // Best effort: what was renamed is there without it, unless the machine fails now.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(backup)
    }

    /// A file in the same directory, on disk, with the rights of the one that is there.
    fn beside(&self, folder: &Path, text: &str, new_mode: u32) -> io::Result<NamedTempFile> {
        let mut file = Builder::new().prefix(".sessionfold-").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        if let Some(old) = &self.metadata {
            // Only root may give a file away; for all others it is their own in any case.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
        let mode = self.metadata.as_ref().map_or(new_mode, |old| old.permissions().mode());
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Keeps the old text, under a name that nothing has yet.
    fn keep(&self, folder: &Path, now: DateTime<Utc>) -> io::Result<PathBuf> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let stamp = now.format("%Y%m%dT%H%M%SZ");
        let names = std::iter::once(format!("{name}.{stamp}.bak")).chain((2..100).map(|n| format!("{name}.{stamp}-{n}.bak")));
        let mut copy = self.beside(folder, &self.text, OF_ONE)?;
        for name in names {
            let path = folder.join(name);
            match copy.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => copy = error.file,
                Err(error) => return Err(error.error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-29T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_backup_never_takes_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        std::fs::write(&path, "1").unwrap();
        for (text, backup) in [("2", "settings.json.20261129T120000Z.bak"), ("3", "settings.json.20261129T120000Z-2.bak")] {
            let kept = read(&path).unwrap().replace(text, OF_ONE, noon()).unwrap().unwrap();
            assert_eq!(kept, dir.path().canonicalize().unwrap().join(backup));
        }
        let texts = ["settings.json", "settings.json.20261129T120000Z.bak", "settings.json.20261129T120000Z-2.bak"];
        let texts = texts.map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap());
        assert_eq!(texts, ["3", "1", "2"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "something was left behind");
    }

    #[test]
    fn rights_and_links_stay_and_a_new_file_is_its_owners_only() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("dotfiles/real.json");
        let link = dir.path().join("settings.json");
        std::fs::create_dir(dir.path().join("dotfiles")).unwrap();
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("dotfiles/real.json", &link).unwrap();
        let kept = read(&link).unwrap().replace("new", OF_ONE, noon()).unwrap().unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        for file in [&real, &kept] {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        }
        let new = dir.path().join("a/b/settings.json");
        assert_eq!(read(&new).unwrap().replace("new", OF_ONE, noon()).unwrap(), None);
        assert_eq!(new.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_settings_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        std::fs::write(path("binary"), b"\xff\xfe").unwrap();
        for (found, says) in
            [(read(&path("dangling")), "leads nowhere"), (read(dir.path()), "not a file"), (read(&path("binary")), "UTF-8")]
        {
            let error = found.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::write(path("read-only"), "old").unwrap();
        std::fs::set_permissions(path("read-only"), Permissions::from_mode(0o444)).unwrap();
        assert!(read(&path("read-only")).unwrap().replace("new", OF_ONE, noon()).unwrap_err().to_string().contains("read-only"));
        std::fs::write(path("changing"), "old").unwrap();
        let found = read(&path("changing")).unwrap();
        std::fs::write(path("changing"), "newer").unwrap();
        assert!(matches!(found.replace("new", OF_ONE, noon()), Err(FileError::Changed { .. })));
        assert_eq!(std::fs::read_to_string(path("changing")).unwrap(), "newer");
    }
}
