//! One WARN for each cause, with how often it was met: never one for each span.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

/// A cause that goes on is said again after this.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// What was said when. Causes are few and fixed, so this does not grow.
#[derive(Default)]
pub(super) struct Notices {
    causes: FxHashMap<&'static str, Notice>,
}

#[derive(Default)]
struct Notice {
    said: Option<Instant>,
    /// Met since it was said.
    n_unsaid: u64,
}

impl Notices {
    /// Meets a cause once more; gives how often it was met since the last line where a line is due.
    pub(super) fn meet(&mut self, cause: &'static str, now: Instant) -> Option<u64> {
        let notice = self.causes.entry(cause).or_default();
        notice.n_unsaid += 1;
        if notice.said.is_some_and(|said| now.duration_since(said) < SAY_EVERY) {
            return None;
        }
        notice.said = Some(now);
        Some(std::mem::take(&mut notice.n_unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_at_once_and_then_once_a_minute_with_its_count() {
        let (mut notices, start) = (Notices::default(), Instant::now());
        assert_eq!(notices.meet("cost_invalid", start), Some(1));
        assert_eq!(notices.meet("cost_invalid", start), None);
        assert_eq!(notices.meet("too_old", start), Some(1));
        assert_eq!(notices.meet("cost_invalid", start + SAY_EVERY), Some(2));
    }
}
