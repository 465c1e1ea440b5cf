//! Waiting for what passes: the fold cannot do without what it reads, so where it cannot read it for a moment, for want of a file
//! descriptor or from a device that comes back, it waits and says so, instead of ending until a restart.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::faults::Fault;
use crate::store::local::Shared;

/// The first wait, doubled after each attempt up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often it is looked meanwhile whether the store stops.
const STEP: Duration = Duration::from_millis(20);

impl Shared {
    /// Reads until that succeeds, fails for good, or the store stops. Before the store is open nobody waits: the start fails and says why.
    ///
    /// `read` may have done nothing that its repetition would do twice. For the fold thread, and under no lock.
    pub fn patiently<T, E: Error + 'static>(&self, mut read: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let mut waited: Option<Instant> = None;
        let mut wait = FIRST_WAIT;
        loop {
            let error = match read() {
                Ok(value) => {
                    if let Some(since) = waited {
                        self.trouble.lock().reading = None;
                        tracing::info!(millis = since.elapsed().as_millis() as u64, "the fold can read again and goes on");
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            let may_wait = self.is_open.load(Ordering::Acquire) && !self.is_stopping();
            if !may_wait || !Fault::of(&error).may_read_again() {
                return Err(error);
            }
            if waited.is_none() {
                waited = Some(Instant::now());
                tracing::warn!(%error, "the fold waits for what it cannot read: what is acknowledged is kept, and shown once this has passed");
                self.trouble.lock().reading = Some(format!("the fold waits for what it cannot read at the moment: {error}"));
            }
            self.wait(wait);
            wait = LONGEST_WAIT.min(2 * wait);
        }
    }

    fn wait(&self, wait: Duration) {
        let began = Instant::now();
        while began.elapsed() < wait && !self.is_stopping() {
            std::thread::sleep(STEP);
        }
    }
}
