//! What is not known must look so: calls of which nobody says what they used.

use super::build::*;
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::usage::UsageTotal;

fn usage(spans: impl IntoIterator<Item = SpanFact>) -> UsageTotal {
    folded([agent(1, "a").session("s")].into_iter().chain(spans)).runs[0].usage
}

/// Calls, tokens and calls without a known price.
fn calls(spans: impl IntoIterator<Item = SpanFact>) -> (u64, u64, u64) {
    let usage = usage(spans);
    (usage.calls, usage.tokens, usage.unpriced_calls)
}

#[test]
fn a_successful_call_that_states_no_usage_has_no_known_price() {
    // Streams without `include_usage`, proxies.
    assert_eq!(calls([chat(2, 1, 0, (0, 0)).without_usage()]), (1, 0, 1));
    // One that states it used nothing is free, and one that failed may be.
    assert_eq!(calls([chat(2, 1, 0, (0, 0))]), (1, 0, 0));
    assert_eq!(calls([chat(2, 1, 0, (0, 0)).without_usage().failed()]), (1, 0, 0));
    assert_eq!(calls([chat(2, 1, 0, (0, 0)).without_usage().costs(70)]), (1, 0, 0));
}

#[test]
fn a_model_span_without_usage_around_one_that_tells_is_no_call() {
    // LlamaIndex, and Logfire's spans of streams.
    assert_eq!(calls([chat(2, 1, 0, (0, 0)).without_usage(), chat(3, 2, 1, (5, 5))]), (1, 10, 1));
    // Nor is one inside of it.
    assert_eq!(calls([chat(2, 1, 0, (5, 5)), chat(3, 2, 1, (0, 0)).without_usage()]), (1, 10, 1));
    // Through a tool it is another call.
    assert_eq!(calls([chat(2, 1, 0, (5, 5)), span(4).kind(SpanKind::Tool).under(2), chat(3, 4, 1, (0, 0)).without_usage()]), (2, 10, 2));
}

#[test]
fn a_failed_call_that_a_wrapper_and_its_leaf_tell_of_is_one_call() {
    let failed = |number, parent| chat(number, parent, 0, (0, 0)).without_usage().failed();
    assert_eq!(calls([failed(2, 1), failed(3, 2)]), (1, 0, 0));
}

#[test]
fn a_wrapper_that_is_left_out_hands_down_the_parts_of_the_tokens_that_only_it_knows() {
    let cached = |spans: [SpanFact; 2]| usage(spans).cache_read_tokens;
    assert_eq!(cached([chat(2, 1, 0, (100, 5)).cached(80), chat(3, 2, 1, (100, 5))]), 80);
    assert_eq!(cached([chat(2, 1, 0, (100, 5)).cached(80), chat(3, 2, 1, (100, 5)).cached(70)]), 70);
    // A part is never more than the whole.
    assert_eq!(cached([chat(2, 1, 0, (100, 5)).cached(80), chat(3, 2, 1, (50, 5))]), 0);
    // What several used of it is anybody's guess.
    let several = usage([chat(2, 1, 0, (200, 10)).cached(80), chat(3, 2, 1, (100, 5)), chat(4, 2, 20, (100, 5))]);
    assert_eq!(several.cache_read_tokens, 0);
}
