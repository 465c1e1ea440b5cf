//! How far back to look.

use std::time::Duration;

use crate::model::time::UnixNanos;
use crate::params::instant;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Since {
    All,
    /// This long before now.
    Last(Duration),
    At(UnixNanos),
}

/// `all`, a time such as `7d`, or a moment such as `2026-02-07` or `2026-02-07T10:00:00Z`.
pub(super) fn parse(text: &str) -> Result<Since, String> {
    if text == "all" {
        return Ok(Since::All);
    }
    let last = humantime::parse_duration(text).map(Since::Last).ok();
    last.or_else(|| instant::parse(text).map(Since::At))
        .ok_or_else(|| "expected a time such as 24h or 7d, a date such as 2026-02-07, or all".to_owned())
}

// === impl Since ===

impl Since {
    /// In nanoseconds since 1970; `None` is everything.
    pub(super) fn start(self, now: u64) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Last(time) => Some(now.saturating_sub(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))),
            Self::At(moment) => Some(moment.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_is_a_time_a_moment_or_all() {
        let now = 1_800_000_000_000_000_000;
        let start = |text: &str| parse(text).map(|since| since.start(now));
        assert_eq!(start("all"), Ok(None));
        assert_eq!(start("2h"), Ok(Some(now - 7_200_000_000_000)));
        assert_eq!(start("2026-02-07"), Ok(Some(1_770_422_400_000_000_000)));
        assert_eq!(start("2026-02-07T10:00:00Z"), Ok(Some(1_770_458_400_000_000_000)));
        for wrong in ["", "yesterday", "7", "-1d"] {
            assert!(start(wrong).is_err(), "{wrong:?}");
        }
    }
}
