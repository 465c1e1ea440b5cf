//! What could not be read, although it was asked for in the smallest part that there is.

use std::fmt;

use chrono::{DateTime, SecondsFormat};

use super::slice::Slice;
use crate::model::ids::TraceId;
use crate::tempo::query::QueryError;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    pub what: Lot,
    pub why: QueryError,
}

/// Which traces are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lot {
    Trace(TraceId),
    /// What reaches into a second (since 1970) and has an id of the slice.
    Second(u64, Slice),
}

const NANOS: u64 = 1_000_000_000;

// === impl Unread ===

impl Unread {
    /// Whether a trace, of which something happened between these nanoseconds since 1970, may be among it.
    pub fn covers(&self, trace: TraceId, start: u64, end: u64) -> bool {
        match self.what {
            Lot::Trace(unread) => unread == trace,
            Lot::Second(second, slice) => start / NANOS <= second && second <= end / NANOS && slice.contains(number(trace)),
        }
    }
}

/// An id as a number.
pub(super) fn number(trace: TraceId) -> u128 {
    u128::from_be_bytes(*trace.as_bytes())
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Lot::Trace(trace) => write!(f, "trace {trace}")?,
            Lot::Second(second, slice) => {
                let at = i64::try_from(second).ok().and_then(|second| DateTime::from_timestamp(second, 0)).unwrap_or_default();
                write!(f, "traces of the second {}", at.to_rfc3339_opts(SecondsFormat::Secs, true))?;
                if let Some(expression) = slice.expression() {
                    write!(f, " with ids like {expression}")?;
                }
            }
        }
        write!(f, ": {}", self.why)
    }
}
