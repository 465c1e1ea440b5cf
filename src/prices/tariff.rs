//! The prices of one model over time, and what a call costs by them.

use chrono::NaiveDate;

use super::usd::{Exact, PerMillion};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, RatesUsed, ServiceTier, Usage};

/// Those that prices are stated for.
pub(super) const SPECIAL_TIERS: [ServiceTier; 3] = [ServiceTier::Priority, ServiceTier::Flex, ServiceTier::Fast];

const NANOS_PER_MINUTE: u64 = 60_000_000_000;
const MINUTES_PER_DAY: u64 = 24 * 60;

/// All prices of a model, later ones before earlier ones where both are active.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Tariff {
    pub periods: Vec<Period>,
    /// The prices of calls that were served in other ways than the ordinary one; where none is active, the ordinary ones hold.
    pub special: Vec<(ServiceTier, Period)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Period {
    pub when: When,
    pub rates: Rates,
}

/// When a price is active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    Always,
    From(UnixNanos),
    /// Every day from one minute to before another, UTC; over midnight where the end is the smaller.
    Daily {
        start_minute: u64,
        end_minute: u64,
    },
}

/// The rates for one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chosen<'t> {
    pub rates: &'t Rates,
    /// The tier that they are for.
    pub tier: ServiceTier,
}

/// What the tokens of a call cost. `None` is "no price is known", or for a part of the input or output "as the rest".
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rates {
    pub input: Option<Rate>,
    pub cache_read: Option<Rate>,
    pub cache_write: Option<Rate>,
    /// For the part of the cache writes that is kept for an hour.
    pub cache_write_1h: Option<Rate>,
    pub output: Option<Rate>,
    pub reasoning: Option<Rate>,
    /// For each call, whatever its tokens.
    pub request: PerMillion,
}

/// The price of one kind of token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    pub base: PerMillion,
    /// Ascending: above so many input tokens, all tokens of the call have this price.
    pub tiers: Vec<(u64, PerMillion)>,
}

// === impl Tariff ===

impl Tariff {
    /// The rates at this time; before the first start date, the first.
    pub(super) fn at(&self, time: UnixNanos, tier: ServiceTier) -> Option<Chosen<'_>> {
        let first = || self.periods.first().map(|period| Chosen { rates: &period.rates, tier: ServiceTier::Standard });
        self.active(time, tier).or_else(first)
    }

    /// The rates that are active at this time, if any are.
    pub(super) fn active(&self, time: UnixNanos, tier: ServiceTier) -> Option<Chosen<'_>> {
        let special = self.special.iter().rev().filter(|(of, _)| *of == tier).map(|(of, period)| (*of, period));
        let ordinary = self.periods.iter().rev().map(|period| (ServiceTier::Standard, period));
        let (tier, period) = special.chain(ordinary).find(|(_, period)| period.when.holds(time))?;
        Some(Chosen { rates: &period.rates, tier })
    }
}

impl When {
    fn holds(self, time: UnixNanos) -> bool {
        match self {
            Self::Always => true,
            Self::From(start) => time >= start,
            Self::Daily { start_minute, end_minute } => {
                let minute = time.0 / NANOS_PER_MINUTE % MINUTES_PER_DAY;
                let (is_begun, is_over) = (minute >= start_minute, minute >= end_minute);
                if end_minute < start_minute { is_begun || !is_over } else { is_begun && !is_over }
            }
        }
    }
}

/// The first moment of a day, UTC. Days before 1970 are its first, days after 2554 its last.
pub(super) fn day_start(day: NaiveDate) -> UnixNanos {
    let seconds = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
    UnixNanos(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
}

// === impl Rates ===

impl Rates {
    /// What this usage costs; `None` if a kind of token that is there has no price.
    ///
    /// Cached tokens are parts of the input. If there are more of them than input, they were told beside it (as Anthropic's API does),
    /// and the input of the call is both.
    pub(super) fn cost(&self, usage: &Usage) -> Option<(NanoUsd, RatesUsed)> {
        let (input, output) = match (usage.input_tokens, usage.output_tokens) {
            (None, None) => (self.total_as_input(usage.total_tokens?)?, 0),
            (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        let read = usage.cache_read_tokens.unwrap_or(0);
        let write = usage.cache_write_tokens.unwrap_or(0);
        let write_1h = if self.cache_write_1h.is_some() { usage.cache_write_1h_tokens.min(write) } else { 0 };
        let cached = read.saturating_add(write);
        let input = if cached > input { input.saturating_add(cached) } else { input };
        let reasoning = usage.reasoning_tokens.unwrap_or(0).min(output);

        let mut bill = Bill { sum: self.request.times(1), input, is_whole: true, is_long: false };
        let input_left = bill.add_part(&self.cache_read, read, input);
        let input_left = bill.add_part(&self.cache_write, write - write_1h, input_left);
        let input_left = bill.add_part(&self.cache_write_1h, write_1h, input_left);
        bill.add_rest(&self.input, input_left);
        let output_left = bill.add_part(&self.reasoning, reasoning, output);
        bill.add_rest(&self.output, output_left);
        let used = RatesUsed { has_long_input: bill.is_long, has_writes_1h: write_1h > 0, ..RatesUsed::default() };
        Some((bill.is_whole.then_some(bill.sum)?.round()?, used))
    }

    /// A total without a split can be priced where the split makes no difference.
    fn total_as_input(&self, total: u64) -> Option<u64> {
        let Some(input) = &self.input else { return None };
        let Some(output) = &self.output else {
            // What has no price for output has none: embeddings.
            return Some(total);
        };
        let is_one_price = input.base == output.base && self.reasoning.is_none();
        let is_one_tier = |rate: &Rate| rate.tiers.first().is_none_or(|&(above, _)| total <= above);
        (is_one_price && is_one_tier(input) && is_one_tier(output)).then_some(total)
    }
}

/// A sum in the making.
struct Bill {
    sum: Exact,
    /// All input tokens: they choose the tier.
    input: u64,
    /// Whether everything that is there had a price.
    is_whole: bool,
    /// Whether anything had the price of a tier.
    is_long: bool,
}

impl Bill {
    /// Adds a part of `whole` if it has a price of its own; gives what is left of the whole.
    fn add_part(&mut self, rate: &Option<Rate>, part: u64, whole: u64) -> u64 {
        let Some(rate) = rate else { return whole };
        self.add(rate, part);
        whole.saturating_sub(part)
    }

    fn add_rest(&mut self, rate: &Option<Rate>, tokens: u64) {
        match rate {
            Some(rate) => self.add(rate, tokens),
            None => self.is_whole &= tokens == 0,
        }
    }

    fn add(&mut self, rate: &Rate, tokens: u64) {
        self.sum = self.sum.plus(rate.at(self.input).times(tokens));
        self.is_long |= tokens > 0 && rate.tiers.first().is_some_and(|&(above, _)| self.input > above);
    }
}

// === impl Rate ===

impl Rate {
    pub(super) fn flat(base: PerMillion) -> Self {
        Self { base, tiers: Vec::new() }
    }

    fn at(&self, input: u64) -> PerMillion {
        let tier = self.tiers.iter().rev().find(|&&(above, _)| input > above);
        tier.map_or(self.base, |&(_, price)| price)
    }
}
