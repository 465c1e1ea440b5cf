//! Tokens and money.

use crate::model::Str;

/// Money as whole nano-USD (10^-9 dollars): sums of it are exact, and it leaves as a decimal of at most nine places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NanoUsd(pub u64);

/// The most that one span may cost. What claims more is a unit error or an attack; it is counted and not believed.
pub const SPAN_COST_MAX: NanoUsd = NanoUsd(1_000_000 * 1_000_000_000);

/// The most tokens that one span may count in one field.
pub const SPAN_TOKENS_MAX: u64 = 1_000_000_000_000;

/// What one span says it used. `None` is "not said", which is not the same as zero.
///
/// Cached and reasoning tokens are parts of input and output and never added on top (`docs/conventions.md`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Usage {
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    /// An emitted total, which stands only where there is no split.
    pub total_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_write_tokens: Option<u64>,
    /// The part of the cache writes that is kept for an hour; 0 where the span says none. The rest is kept for some minutes.
    pub cache_write_1h_tokens: u64,
    pub reasoning_tokens: Option<u64>,
    /// The cost the span itself states. Zero with tokens is not a price.
    pub cost: Option<NanoUsd>,
}

/// Where the cost of a call is from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CostSource {
    /// The sender stated it.
    Emitted,
    /// The operator's file of prices.
    Override,
    /// The table that is part of the binary.
    Table,
}

/// Which of a model's prices a call was given beside the ordinary ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RatesUsed {
    pub tier: ServiceTier,
    /// Those above a number of input tokens.
    pub has_long_input: bool,
    /// Those of cache writes for an hour.
    pub has_writes_1h: bool,
}

/// What a call cost, and who says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cost {
    pub amount: NanoUsd,
    pub source: CostSource,
    /// Of a stated cost nobody knows.
    pub rates: RatesUsed,
}

/// How a provider served a call, where he has a price for that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum ServiceTier {
    #[default]
    Standard = 1,
    /// Before others.
    Priority,
    /// When there is room.
    Flex,
    /// By a faster way, such as Claude's fast mode.
    Fast,
}

/// A call of a model as one span tells of it, or the usage a container span claims.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Call {
    pub usage: Usage,
    /// Empty where the span names none.
    pub model: Str,
    /// Empty where the span names none.
    pub provider: Str,
    /// A digest of the id that the provider gave its answer, 0 where the span names none: two spans that share it tell of one call.
    pub response: u64,
    /// `None` where the span says nothing of it.
    pub tier: Option<ServiceTier>,
}

/// What a call is known by where it is told of twice: its tokens, and its model without a date.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallKey {
    /// Input and output; a total without a split stands as input.
    pub tokens: (u64, u64),
    pub model: Str,
}

/// What a run, or one model within a run, used: sums over the calls that count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UsageTotal {
    pub calls: u64,
    pub tokens: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_tokens: u64,
    pub reasoning_tokens: u64,
    pub cost: NanoUsd,
    /// Calls with tokens and no known price: with any of these the cost is "at least".
    pub unpriced_calls: u64,
    /// Calls whose cost their sender stated, is from the operator's file, and is from the table in the binary.
    pub emitted_calls: u64,
    pub override_calls: u64,
    pub table_calls: u64,
}

/// The share of one model in a run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ModelUsage {
    pub model: Str,
    pub provider: Str,
    pub total: UsageTotal,
}

// === impl Cost ===

impl Cost {
    pub fn emitted(amount: NanoUsd) -> Self {
        Self { amount, source: CostSource::Emitted, rates: RatesUsed::default() }
    }
}

// === impl RatesUsed ===

impl RatesUsed {
    /// A code for programs, and words for people: the rest of "at the price …".
    pub fn told(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let tier = match self.tier {
            ServiceTier::Standard => None,
            ServiceTier::Priority => Some(("priority", "of the priority tier")),
            ServiceTier::Flex => Some(("flex", "of the flex tier")),
            ServiceTier::Fast => Some(("fast", "of the fast mode")),
        };
        let long = self.has_long_input.then_some(("long_input", "of so many input tokens"));
        let writes = self.has_writes_1h.then_some(("cache_writes_1h", "of cache writes for an hour"));
        [tier, long, writes].into_iter().flatten()
    }
}

// === impl ServiceTier ===

impl ServiceTier {
    pub const ALL: [Self; 4] = [Self::Standard, Self::Priority, Self::Flex, Self::Fast];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Priority => "priority",
            Self::Flex => "flex",
            Self::Fast => "fast",
        }
    }

    /// The tier whose number this is.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| *tier as u8 == number)
    }
}

// === impl NanoUsd ===

impl NanoUsd {
    /// Rounds a number of dollars to the nearest nano-dollar; `None` if it is negative, not finite, or above [`SPAN_COST_MAX`].
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let nanos = (dollars * 1e9).round();
        (nanos >= 0.0 && nanos <= SPAN_COST_MAX.0 as f64).then_some(Self(nanos as u64))
    }
}

// === impl Usage ===

impl Usage {
    /// Input plus output; the emitted total only where neither is there.
    pub fn tokens(&self) -> u64 {
        match (self.input_tokens, self.output_tokens) {
            (None, None) => self.total_tokens.unwrap_or(0),
            (input, output) => input.unwrap_or(0) + output.unwrap_or(0),
        }
    }

    /// Whether the span says anything about tokens or money, be it zero.
    pub fn is_stated(&self) -> bool {
        *self != Self::default()
    }

    /// Whether there is anything to count.
    pub fn is_positive(&self) -> bool {
        self.tokens() > 0 || self.cost.is_some_and(|cost| cost.0 > 0)
    }
}

// === impl CallKey ===

impl CallKey {
    pub fn of(model: &str, usage: &Usage) -> Self {
        let tokens = match (usage.input_tokens, usage.output_tokens) {
            (None, None) => (usage.tokens(), 0),
            (input, output) => (input.unwrap_or(0), output.unwrap_or(0)),
        };
        Self { tokens, model: undated(model).into() }
    }
}

/// The model without its date: `gpt-4o-2024-08-06`, `claude-sonnet-4-20250514`, `gemini-pro@20240401`, `mistral-large-latest`.
fn undated(model: &str) -> &str {
    if let Some(bare) = model.strip_suffix("-latest") {
        return bare;
    }
    let is_date = |tail: &str| {
        matches!(tail.len(), 8 | 10)
            && tail.bytes().enumerate().all(|(at, byte)| match (tail.len(), at) {
                (10, 4 | 7) => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    for n in [10, 8] {
        let Some((head, tail)) = model.len().checked_sub(n).and_then(|at| model.split_at_checked(at)) else { continue };
        if is_date(tail)
            && let Some(bare) = head.strip_suffix(['-', '@', ':'])
        {
            return bare;
        }
    }
    model
}

// === impl UsageTotal ===

impl UsageTotal {
    /// Adds one call at `cost`; `None` is "no known price".
    pub fn add_call(&mut self, usage: &Usage, cost: Option<Cost>) {
        let is_from = |source| u64::from(cost.is_some_and(|cost| cost.source == source));
        self.add(&Self {
            calls: 1,
            tokens: usage.tokens(),
            input_tokens: usage.input_tokens.unwrap_or(0),
            output_tokens: usage.output_tokens.unwrap_or(0),
            cache_read_tokens: usage.cache_read_tokens.unwrap_or(0),
            cache_write_tokens: usage.cache_write_tokens.unwrap_or(0),
            reasoning_tokens: usage.reasoning_tokens.unwrap_or(0),
            cost: cost.map_or(NanoUsd(0), |cost| cost.amount),
            unpriced_calls: u64::from(cost.is_none() && usage.tokens() > 0),
            emitted_calls: if cost.is_some_and(|cost| cost.amount.0 > 0) { is_from(CostSource::Emitted) } else { 0 },
            override_calls: is_from(CostSource::Override),
            table_calls: is_from(CostSource::Table),
        });
    }

    /// Sums wrap instead of failing: what was added can then always be taken away again exactly.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.wrapping_add(other.calls);
        self.tokens = self.tokens.wrapping_add(other.tokens);
        self.input_tokens = self.input_tokens.wrapping_add(other.input_tokens);
        self.output_tokens = self.output_tokens.wrapping_add(other.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.wrapping_add(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.wrapping_add(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.wrapping_add(other.reasoning_tokens);
        self.cost = NanoUsd(self.cost.0.wrapping_add(other.cost.0));
        self.unpriced_calls = self.unpriced_calls.wrapping_add(other.unpriced_calls);
        self.emitted_calls = self.emitted_calls.wrapping_add(other.emitted_calls);
        self.override_calls = self.override_calls.wrapping_add(other.override_calls);
        self.table_calls = self.table_calls.wrapping_add(other.table_calls);
    }

    /// Takes away what was added.
    pub fn subtract(&mut self, other: &Self) {
        self.calls = self.calls.wrapping_sub(other.calls);
        self.tokens = self.tokens.wrapping_sub(other.tokens);
        self.input_tokens = self.input_tokens.wrapping_sub(other.input_tokens);
        self.output_tokens = self.output_tokens.wrapping_sub(other.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.wrapping_sub(other.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.wrapping_sub(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.wrapping_sub(other.reasoning_tokens);
        self.cost = NanoUsd(self.cost.0.wrapping_sub(other.cost.0));
        self.unpriced_calls = self.unpriced_calls.wrapping_sub(other.unpriced_calls);
        self.emitted_calls = self.emitted_calls.wrapping_sub(other.emitted_calls);
        self.override_calls = self.override_calls.wrapping_sub(other.override_calls);
        self.table_calls = self.table_calls.wrapping_sub(other.table_calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One is kept for every call there ever was in memory.
    #[test]
    fn a_call_stays_small() {
        assert_eq!((size_of::<Usage>(), size_of::<Call>()), (120, 168));
    }

    #[test]
    fn a_model_is_compared_without_its_date() {
        for (model, bare) in [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("claude-sonnet-4-20250514", "claude-sonnet-4"),
            ("gemini-1.5-pro@20240401", "gemini-1.5-pro"),
            ("mistral-large-latest", "mistral-large"),
            ("gpt-4o", "gpt-4o"),
            ("20240401", "20240401"),
            ("model-12345678x", "model-12345678x"),
            ("", ""),
            ("модель-2024-08-06", "модель"),
        ] {
            assert_eq!(undated(model), bare);
        }
    }
}
