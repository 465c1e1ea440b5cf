mod arithmetic;
mod docs;
mod laws;
mod overrides;
mod package;
mod served;
mod words;

use super::Prices;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Usage};

/// 2026-11-05T12:00:00Z.
const NOON: UnixNanos = UnixNanos(1_793_880_000_000_000_000);

fn call(provider: &str, model: &str, usage: Usage) -> Call {
    Call { provider: provider.into(), model: model.into(), usage, response: 0, tier: None }
}

/// A million tokens in and a million out.
fn million() -> Usage {
    Usage { input_tokens: Some(1_000_000), output_tokens: Some(1_000_000), ..Usage::default() }
}

/// What a million tokens in and a million out cost, in nano-USD.
fn price_of(prices: &Prices, provider: &str, model: &str) -> Option<u64> {
    prices.price(&call(provider, model, million()), NOON).map(|cost| cost.0)
}
