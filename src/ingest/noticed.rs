//! What was odd about a request that was taken all the same.

use crate::wire::otlp::json::mend::Breakage;
use crate::wire::otlp::json::misplaced::Misplaced;
use crate::wire::otlp::time_unit::TimeUnit;

/// Nothing of this makes a span be rejected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Noticed {
    /// Texts that could not be read and were repaired, by what was wrong with them.
    pub(super) repaired: Vec<(Breakage, u64)>,
    /// Where the first of them stands, in words.
    pub(super) first_repaired: String,
    /// Spans that seem to begin at a time in another unit than nanoseconds.
    pub(super) by_time_unit: Vec<(TimeUnit, usize)>,
    /// What the body is, if it holds no spans because it is something else.
    pub(super) misplaced: Option<Misplaced>,
}

// === impl Noticed ===

impl Noticed {
    /// Only what its sender can change, and should: in its own words each.
    pub(super) fn warnings(&self, n_spans: u64) -> Vec<String> {
        let units = self.by_time_unit.iter().map(|(unit, n)| {
            format!(
                "times look like {} since 1970, not nanoseconds: so do those of {n} of {n_spans} spans; OTLP counts times in nanoseconds",
                unit.as_str()
            )
        });
        units.chain(self.misplaced.iter().map(ToString::to_string)).collect()
    }
}
