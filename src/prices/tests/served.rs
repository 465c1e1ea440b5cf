//! What models of the table cost by how much is asked of them and how it is served.

use super::{NOON, call};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, ServiceTier, Usage};
use crate::prices::Prices;

/// In nano-dollars.
fn cost(provider: &str, model: &str, tier: Option<ServiceTier>, usage: Usage, at: UnixNanos) -> u64 {
    Prices::embedded().price(&Call { tier, ..call(provider, model, usage) }, at).unwrap_or_else(|| panic!("{provider} {model}")).0
}

/// Input with what was written to the cache, of that for an hour, and output.
fn usage(input: u64, write: u64, write_1h: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        cache_write_tokens: Some(write),
        cache_write_1h_tokens: write_1h,
        output_tokens: Some(output),
        ..Usage::default()
    }
}

#[test]
fn claude_writes_for_an_hour_at_twice_the_price_of_input_and_for_five_minutes_at_five_quarters() {
    let sonnet = |write_1h: u64| cost("anthropic", "claude-sonnet-4-5-20250929", None, usage(1000, 1000, write_1h, 0), NOON);
    assert_eq!((sonnet(0), sonnet(400), sonnet(1000)), (1000 * 3750, 600 * 3750 + 400 * 6000, 1000 * 6000));
}

#[test]
fn the_fast_mode_of_claude_costs_more_where_the_model_has_one() {
    let of = |model: &str, tier| cost("anthropic", model, tier, usage(1000, 100, 50, 10), NOON);
    let ordinary = 900 * 5000 + 50 * 6250 + 50 * 10_000 + 10 * 25_000;
    assert_eq!(of("claude-opus-4-8", None), ordinary);
    assert_eq!(of("claude-opus-4-8", Some(ServiceTier::Standard)), ordinary);
    assert_eq!(of("claude-opus-4-8", Some(ServiceTier::Fast)), 2 * ordinary);
    assert_eq!(of("claude-opus-4-8", Some(ServiceTier::Priority)), ordinary);
    assert_eq!(of("claude-haiku-4-5", Some(ServiceTier::Fast)), of("claude-haiku-4-5", None));
    // The same model at another seller.
    let elsewhere = |tier| cost("google", "claude-opus-4-8", tier, usage(1000, 0, 0, 10), NOON);
    assert_eq!(elsewhere(Some(ServiceTier::Fast)), elsewhere(None));
}

#[test]
fn a_service_tier_of_openai_has_its_price_from_its_first_day_and_at_openai() {
    let million = |provider: &str, tier, at| cost(provider, "gpt-5.4", tier, usage(100_000, 0, 0, 100_000), at) / 1_000_000;
    assert_eq!(million("openai", None, NOON), 250 + 1500);
    assert_eq!(million("openai", Some(ServiceTier::Priority), NOON), 500 + 3000);
    assert_eq!(million("openai", Some(ServiceTier::Fast), NOON), 500 + 3000);
    assert_eq!(million("openai", Some(ServiceTier::Flex), NOON), 125 + 750);
    assert_eq!(million("azure", Some(ServiceTier::Priority), NOON), 250 + 1500);
    // 2026-10-12.
    let day = UnixNanos(1_791_763_200_000_000_000);
    assert_eq!(million("openai", Some(ServiceTier::Flex), day), 125 + 750);
    assert_eq!(million("openai", Some(ServiceTier::Flex), UnixNanos(day.0 - 1)), 250 + 1500);
}

#[test]
fn a_cost_says_by_which_rates_it_is() {
    let told = |model: &str, tier, usage| {
        let provider = if model.starts_with("gpt") { "openai" } else { "anthropic" };
        let cost = Prices::embedded().cost(&Call { tier, ..call(provider, model, usage) }, NOON).unwrap();
        cost.rates.told().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(told("claude-opus-4-8", None, usage(1000, 100, 0, 10)), Vec::<&str>::new());
    assert_eq!(told("claude-opus-4-8", Some(ServiceTier::Fast), usage(1000, 100, 50, 10)), ["fast", "cache_writes_1h"]);
    assert_eq!(told("claude-haiku-4-5", Some(ServiceTier::Fast), usage(1000, 0, 0, 10)), Vec::<&str>::new());
    assert_eq!(told("gpt-5.4", Some(ServiceTier::Flex), usage(272_001, 0, 0, 10)), ["flex", "long_input"]);
    assert_eq!(told("gpt-5.4", None, usage(272_000, 0, 0, 10)), Vec::<&str>::new());
}

#[test]
fn one_token_above_the_boundary_makes_the_whole_call_cost_more() {
    let openai = |input: u64, tier| cost("openai", "gpt-5.4", tier, usage(input, 0, 0, 10), NOON);
    assert_eq!(openai(272_000, None), 272_000 * 2500 + 10 * 15_000);
    assert_eq!(openai(272_001, None), 272_001 * 5000 + 10 * 22_500);
    assert_eq!(openai(272_001, Some(ServiceTier::Flex)), 272_001 * 2500 + 10 * 11_250);
    let google = |input: u64| cost("google", "gemini-2.5-pro", None, usage(input, 0, 0, 10), NOON);
    assert_eq!(google(200_000), 200_000 * 1250 + 10 * 10_000);
    assert_eq!(google(200_001), 200_001 * 2500 + 10 * 15_000);
    // What was cached counts for the boundary.
    let march = UnixNanos(1_772_323_200_000_000_000);
    let opus = |write: u64| cost("anthropic", "claude-opus-4-6", None, usage(100_000 + write, write, 1, 10), march);
    assert_eq!(opus(100_000), 100_000 * 5000 + 99_999 * 6250 + 10_000 + 10 * 25_000);
    assert_eq!(opus(100_001), 100_000 * 10_000 + 100_000 * 12_500 + 20_000 + 10 * 37_500);
}
