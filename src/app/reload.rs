//! Keys and certificates are read again while it runs: on SIGHUP, and when their files change.
//!
//! - Files are looked at every second, by time, size and inode, which also sees a secret that is mounted by exchanging a link. A change
//!   counts once it has been the same for two looks, so that a file is not read while it is being written.
//! - What cannot be read leaves the old in place, counted and logged as an error, once for each change.
//! - Only keys and certificates. Whether there are keys at all, and every other setting, is as it was at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::access::{self, Access};
use crate::config::{Auth, Config, ConfigError};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// How the settings are read again.
#[derive(Clone)]
pub struct Source {
    /// The file they come from, if there is one.
    pub file: Option<PathBuf>,
    /// The same settings as at the start, from the same places.
    pub read: Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>,
}

/// What keeps keys and certificates up to date.
pub(super) struct Reloader {
    access: Access,
    /// The settings in effect; of them only the keys are ever exchanged.
    config: Config,
    source: Option<Source>,
    keys: Watched,
    tls: Watched,
}

/// Files, and how they looked.
#[derive(Default)]
struct Watched {
    paths: Vec<PathBuf>,
    /// When they were last read.
    read: Vec<Look>,
    /// A moment ago.
    last: Vec<Look>,
}

/// `None`: it cannot be looked at.
type Look = Option<(SystemTime, u64, u64)>;

/// Why keys stay as they are.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error("{0}")]
    Keys(String),
    #[error("there are none left: whether keys are needed changes only at a restart")]
    None,
}

// === impl Reloader ===

impl Reloader {
    pub(super) fn new(access: Access, config: Config, source: Option<Source>) -> Self {
        let tls = access.tls.as_ref().map(|tls| tls.paths()).unwrap_or_default();
        let mut reloader = Self { access, config, source, keys: Watched::default(), tls: Watched::new(tls) };
        reloader.keys = Watched::new(reloader.key_files());
        reloader
    }

    /// Looks at the files until `stop`; a message of `asked` has everything read at once.
    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<()>, stop: CancellationToken) {
        let mut is_open = true;
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => false,
                message = asked.recv(), if is_open => {
                    is_open = message.is_some();
                    is_open
                }
            };
            // Files may lie on a network that hangs.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(is_asked);
                self
            });
            match looked.await {
                Ok(reloader) => self = reloader,
                Err(error) => return tracing::error!(%error, "keys and certificates are not read again any more: looking at them panicked"),
            }
        }
    }

    fn look(&mut self, is_asked: bool) {
        if is_asked {
            tracing::info!("SIGHUP: reading keys and certificates again");
        }
        if self.keys.is_due(is_asked) {
            self.read_keys();
        }
        if self.tls.is_due(is_asked) {
            self.read_tls();
        }
    }

    fn read_keys(&mut self) {
        let read = self.source.as_ref().map(|source| (source.read)()).transpose();
        let read = match read {
            Ok(read) => read.unwrap_or_else(|| self.config.clone()),
            Err(error) => return self.kept_keys(&error.into()),
        };
        let others = Config { auth: Auth::default(), ..read.clone() };
        if others != (Config { auth: Auth::default(), ..self.config.clone() }) {
            tracing::warn!("settings other than the keys have changed: they take effect at the next start");
        }
        let was_on = self.access.authenticator.is_on();
        self.config = read;
        match (was_on, self.config.auth.is_on()) {
            (false, false) => return,
            (false, true) => return tracing::warn!("there are keys now: they are needed from the next start on"),
            (true, false) => return self.kept_keys(&KeysError::None),
            (true, true) => {}
        }
        match access::keys(&self.config.auth) {
            Err(problem) => self.kept_keys(&KeysError::Keys(problem)),
            Ok(keys) => {
                let n_keys = keys.count();
                let n_logins_ended = self.access.authenticator.replace(keys);
                self.access.gate.metrics.reloaded("keys", true);
                tracing::info!(n_keys, n_logins_ended, "keys were read again");
            }
        }
        self.keys.watch(self.key_files());
    }

    fn kept_keys(&self, error: &KeysError) {
        self.access.gate.metrics.reloaded("keys", false);
        tracing::error!(%error, "keys could not be read again: the old ones are still used");
    }

    fn read_tls(&self) {
        let Some(tls) = &self.access.tls else { return };
        let outcome = tls.reload();
        self.access.gate.metrics.reloaded("tls", outcome.is_ok());
        match outcome {
            Ok(()) => tracing::info!("the TLS certificate was read again: new connections get it"),
            Err(error) => tracing::error!(%error, "the TLS certificate could not be read again: the old one is still used"),
        }
    }

    /// The files that keys come from.
    fn key_files(&self) -> Vec<PathBuf> {
        let settings = self.source.as_ref().and_then(|source| source.file.clone());
        let keys = Some(self.config.auth.keys_file.clone()).filter(|path| !path.as_os_str().is_empty());
        settings.into_iter().chain(keys).collect()
    }
}

// === impl Watched ===

impl Watched {
    fn new(paths: Vec<PathBuf>) -> Self {
        let read: Vec<Look> = paths.iter().map(|path| look(path)).collect();
        Self { paths, last: read.clone(), read }
    }

    /// From now on these, as they look now.
    fn watch(&mut self, paths: Vec<PathBuf>) {
        if paths != self.paths {
            *self = Self::new(paths);
        }
    }

    /// Whether to read the files: one differs from what was read and has not just been changed, or somebody asks for it.
    fn is_due(&mut self, is_asked: bool) -> bool {
        let now: Vec<Look> = self.paths.iter().map(|path| look(path)).collect();
        let is_settled = now == self.last;
        self.last = now;
        let is_due = is_asked || is_settled && self.last != self.read;
        if is_due {
            self.read = self.last.clone();
        }
        is_due
    }
}

fn look(path: &Path) -> Look {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_and_only_when_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        std::fs::write(&path, "one").unwrap();
        let mut watched = Watched::new(vec![path.clone()]);
        assert!(!watched.is_due(false));
        std::fs::write(&path, "once").unwrap();
        assert!(watched.is_due(true), "whoever asks gets it read");
        assert!(!watched.is_due(false) && !watched.is_due(false), "and not once more");
        std::fs::write(&path, "three").unwrap();
        assert!(!watched.is_due(false), "it may still be being written");
        assert!(watched.is_due(false));
        assert!(!watched.is_due(false));
        // As a mounted secret is exchanged: another file under the same name, of the same size and time.
        let other = dir.path().join("other");
        std::fs::write(&other, "seven").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!watched.is_due(false));
        assert!(watched.is_due(false));
        std::fs::remove_file(&path).unwrap();
        assert!(!watched.is_due(false));
        assert!(watched.is_due(false), "a file that is gone is a change too");
    }
}
