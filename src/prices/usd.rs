//! Dollars as whole numbers, read digit by digit.

use crate::model::usage::{NanoUsd, SPAN_COST_MAX};

/// Whole dollars of a price have at most this many digits: a price times the most tokens of a span (10¹²) stays below 2¹²⁸.
const MAX_WHOLE_DIGITS: usize = 7;
const FRACTION_DIGITS: usize = 18;

/// The price of a million tokens in 10⁻¹⁸ USD: fine enough for every price in the table, digit for digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct PerMillion(u128);

/// A sum of money in 10⁻²⁴ USD: what one token costs is a whole number of it. A sum too great for it stays at the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Exact(u128);

/// 10⁻²⁴ USD in a nano-USD.
const PER_NANO: u128 = 1_000_000_000_000_000;

// === impl PerMillion ===

impl PerMillion {
    /// Reads a plain decimal such as `2`, `0.075` or `.5`: digits and at most one point, no sign, no exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = whole.len() + fraction.len() > 0 && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !is_number || whole.len() > MAX_WHOLE_DIGITS || fraction.len() > FRACTION_DIGITS {
            return None;
        }
        let number: u128 = format!("0{whole}{fraction:0<FRACTION_DIGITS$}").parse().ok()?;
        Some(Self(number))
    }

    /// What so many tokens cost.
    pub(super) fn times(self, tokens: u64) -> Exact {
        Exact(self.0.saturating_mul(u128::from(tokens)))
    }

    /// The same number, of a thousand instead of a million things.
    pub(super) fn of_a_thousand(self) -> Self {
        Self(self.0 * 1000)
    }
}

// === impl Exact ===

impl Exact {
    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The nearest nano-dollar, a half upwards; `None` above what one span may cost.
    pub(super) fn round(self) -> Option<NanoUsd> {
        let nanos = self.0.saturating_add(PER_NANO / 2) / PER_NANO;
        u64::try_from(nanos).ok().map(NanoUsd).filter(|&cost| cost <= SPAN_COST_MAX)
    }
}
