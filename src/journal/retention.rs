//! Giving space back: whole segments that every reader has passed.
//!
//! Oldest first, one at a time, the directory made durable after each: whatever moment the machine stops at, what is left has no gap.

use std::io;
use std::time::Duration;

use super::Position;
use super::segment::Segment;
use super::state::{Shared, State};

/// An active segment older than this that every reader has passed is given up although it is not full: data that nobody needs should
/// not stay on disk for days because little came after it.
const ACTIVE_MAX_AGE: Duration = Duration::from_secs(3600);

impl Shared {
    pub fn release(&self, keep: Position) {
        let mut state = self.lock();
        state.keep = state.keep.max(keep);
        state.retire_active = state.active_can_go(self.options.segment_bytes);
        let wake = state.retire_active;
        drop(state);
        self.delete_passed();
        if wake {
            self.wake_writer();
        }
    }

    /// Deletes the segments that lie below `keep`, never the active one.
    pub fn delete_passed(&self) {
        let directory_lock = self.directory_lock.lock();
        if directory_lock.is_none() {
            return;
        }
        loop {
            // Out of the list first: readers must not look for a file that is about to go.
            let Some(segment) = self.lock().pop_passed() else { return };
            if let Err(error) = self.delete(&segment) {
                tracing::warn!(file = %segment.path.display(), %error, "a journal segment that nobody needs cannot be deleted; it will be tried again");
                self.lock().segments.push_front(segment);
                return;
            }
            self.lock().used_bytes -= segment.file_bytes();
            // Durable before the next one goes. If this fails nothing is lost: a restart may find the segment again.
            if let Err(error) = self.directory.sync() {
                tracing::warn!(dir = %self.dir.display(), %error, "the deletion of a journal segment may not be durable");
                return;
            }
        }
    }

    fn delete(&self, segment: &Segment) -> io::Result<()> {
        match self.files.remove(&segment.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

impl State {
    fn pop_passed(&mut self) -> Option<Segment> {
        if self.segments.len() < 2 {
            return None;
        }
        self.segments.pop_front_if(|segment| segment.end <= self.keep)
    }

    /// The active segment has had its time and nobody needs it.
    fn active_can_go(&self, segment_bytes: u64) -> bool {
        self.segments.back().is_some_and(|active| {
            !active.is_empty()
                && active.end <= self.keep
                && (active.file_bytes() >= segment_bytes || self.active_since.elapsed() >= ACTIVE_MAX_AGE)
        })
    }
}
