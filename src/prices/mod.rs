//! Layer 2: what a call cost that states no cost itself (`docs/prices.md`).
//!
//! - Two sources: an override file of the operator, then a dated table that is part of the binary. A stated cost never comes here.
//! - Exact: prices are whole numbers of 10⁻¹⁸ dollars, sums are made in them, and one call is rounded once, to the nearest nano-dollar.
//! - A call is priced as of its start. Prices have start dates, and a few have hours of the day.
//! - What is not known is `None`, never zero: a self-hosted model is unknown, not free.
//! - Pure but for reading the override file once: no clock, no network. The same call has the same price until the binary or the file changes.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod overrides;
mod provider;
mod remembered;
mod resolve;
mod rule;
mod table;
mod tariff;
#[cfg(test)]
mod tests;
mod usd;

use std::path::Path;

pub use self::overrides::OverridesError;

use self::overrides::{OverrideNo, Overrides};
use self::remembered::Remembered;
use self::table::{ModelNo, Table};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Cost, CostSource, NanoUsd, RatesUsed};

/// Prices by provider and model. Share one: it remembers what it looked up.
pub struct Prices {
    table: &'static Table,
    overrides: Overrides,
    remembered: Remembered<Sources>,
}

/// Where the price of a model at a provider comes from, the first that knows one first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sources {
    overrides: [Option<OverrideNo>; 2],
    listed: Option<ModelNo>,
}

// === impl Prices ===

impl Prices {
    /// The table that is part of the binary. The first call in a process reads it, which takes some milliseconds.
    pub fn embedded() -> Self {
        Self { table: Table::embedded(), overrides: Overrides::default(), remembered: Remembered::default() }
    }

    /// The embedded table, and above it the prices that the file at `path` states.
    pub fn with_overrides(path: &Path) -> Result<Self, OverridesError> {
        let table = Table::embedded();
        Ok(Self { table, overrides: Overrides::read(path, table)?, remembered: Remembered::default() })
    }

    /// The price of a call that began at `start`; `None` if nobody knows one.
    ///
    /// Where the start is not known, the day of the table stands for it.
    pub fn price(&self, call: &Call, start: UnixNanos) -> Option<NanoUsd> {
        self.cost(call, start).map(|cost| cost.amount)
    }

    /// As [`Prices::price`], with the source that knew it.
    pub fn cost(&self, call: &Call, start: UnixNanos) -> Option<Cost> {
        if call.model.is_empty() || call.usage.tokens() == 0 {
            return None;
        }
        let at = if start == UnixNanos::ZERO { self.table.taken } else { start };
        let sources = self.remembered.get_or_find(&call.provider, &call.model, || self.sources(&call.provider, &call.model));
        let tier = call.tier.unwrap_or_default();
        let stated = sources.overrides.into_iter().flatten().find_map(|no| self.overrides.rates(no, at, tier));
        let source = if stated.is_some() { CostSource::Override } else { CostSource::Table };
        let chosen = stated.or_else(|| self.table.rates(sources.listed?, at, tier))?;
        let (amount, used) = chosen.rates.cost(&call.usage)?;
        Some(Cost { amount, source, rates: RatesUsed { tier: chosen.tier, ..used } })
    }

    /// The table's source, version and day, for people.
    pub fn table_name() -> String {
        let head = &Table::embedded().head;
        format!("{} {} of {}", head.source, head.version, head.taken)
    }

    fn sources(&self, provider: &str, model: &str) -> Sources {
        Sources { overrides: self.overrides.find(self.table, provider, model), listed: resolve::find(self.table, provider, model) }
    }
}
