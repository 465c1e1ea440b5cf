//! What a call costs at given prices.

use super::{NOON, call};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, SPAN_COST_MAX, SPAN_TOKENS_MAX, ServiceTier, Usage};
use crate::prices::Prices;
use crate::prices::table::Table;
use crate::prices::tariff::Rates;
use crate::prices::usd::PerMillion;

/// The rates of a table of one model.
fn rates(price: &str) -> Rates {
    let text = format!(
        "{}\n{}\n{{\"model\":\"m\",\"match\":\"=m\",\"prices\":[{price}]}}",
        r#"{"source":"s","version":"1","licence":"MIT","taken":"2026-01-01"}"#, r#"{"provider":"p"}"#
    );
    let table = Table::parse(&text).unwrap();
    let found = table.find(&table.providers[0], "m").unwrap();
    table.rates(found, NOON, ServiceTier::Standard).unwrap().rates.clone()
}

/// Input, cached input read and written, output.
fn usage(input: u64, read: u64, write: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        cache_read_tokens: Some(read),
        cache_write_tokens: Some(write),
        output_tokens: Some(output),
        ..Usage::default()
    }
}

fn total(total: u64) -> Usage {
    Usage { total_tokens: Some(total), ..Usage::default() }
}

fn check(price: &str, usage: Usage, nanos: Option<u64>) {
    assert_eq!(rates(price).cost(&usage).map(|(cost, _)| cost), nanos.map(NanoUsd), "{price} {usage:?}");
}

const PLAIN: &str = r#"{"in":"3","read":"0.3","write":"3.75","out":"15"}"#;

#[test]
fn cached_tokens_are_a_part_of_the_input_with_a_price_of_its_own() {
    check(PLAIN, usage(1000, 0, 0, 100), Some(4_500_000));
    check(PLAIN, usage(1000, 600, 0, 100), Some(400 * 3000 + 600 * 300 + 100 * 15_000));
    check(PLAIN, usage(1000, 600, 400, 0), Some(600 * 300 + 400 * 3750));
}

#[test]
fn cached_tokens_without_a_price_of_their_own_cost_what_input_costs() {
    check(r#"{"in":"3","out":"15"}"#, usage(1000, 600, 300, 0), Some(3_000_000));
    check(r#"{"in":"3","read":"0.3","out":"15"}"#, usage(1000, 600, 300, 0), Some(400 * 3000 + 600 * 300));
}

#[test]
fn cache_writes_for_an_hour_are_a_part_of_the_cache_writes_with_a_price_of_its_own() {
    let hour = |write: u64, hour: u64| Usage { cache_write_1h_tokens: hour, ..usage(1000, 100, write, 1) };
    let price = r#"{"in":"3","read":"0.3","write":"3.75","write1h":"6","out":"15"}"#;
    let rest = 100 * 300 + 15_000;
    check(price, hour(500, 0), Some(400 * 3000 + rest + 500 * 3750));
    check(price, hour(500, 200), Some(400 * 3000 + rest + 300 * 3750 + 200 * 6000));
    check(price, hour(500, 500), Some(400 * 3000 + rest + 500 * 6000));
    // More of a part than there is of the whole cannot be.
    check(price, hour(500, 900), Some(400 * 3000 + rest + 500 * 6000));
    check(price, hour(0, 900), Some(900 * 3000 + rest));
    check(PLAIN, hour(500, 200), Some(400 * 3000 + rest + 500 * 3750));
    check(r#"{"in":"3","read":"0.3","out":"15"}"#, hour(500, 200), Some(900 * 3000 + rest));
    let tiered = r#"{"in":["3",[900,"6"]],"write":["4",[900,"8"]],"write1h":["6",[999,"12"],[1000,"24"]],"out":"0"}"#;
    check(tiered, Usage { cache_read_tokens: None, ..hour(500, 200) }, Some(500 * 6000 + 300 * 8000 + 200 * 12_000));
}

#[test]
fn more_cached_tokens_than_input_were_told_beside_it() {
    check(PLAIN, usage(10, 600, 400, 0), Some(10 * 3000 + 600 * 300 + 400 * 3750));
    check(r#"{"in":"3","out":"15"}"#, usage(10, 600, 400, 0), Some(1010 * 3000));
    check(r#"{"in":["1",[1000,"2"]],"out":"0"}"#, usage(10, 600, 400, 0), Some(1010 * 2000));
}

#[test]
fn a_tier_prices_all_tokens_once_the_input_is_above_it() {
    let price = r#"{"in":["1",[200000,"2"],[400000,"3"]],"out":["5",[200000,"10"]]}"#;
    check(price, usage(200_000, 0, 0, 1), Some(200_000 * 1000 + 5000));
    check(price, usage(200_001, 0, 0, 1), Some(200_001 * 2000 + 10_000));
    check(price, usage(400_001, 0, 0, 1), Some(400_001 * 3000 + 10_000));
}

#[test]
fn a_kind_of_token_without_a_price_makes_the_call_unknown() {
    check(r#"{"in":"0.1"}"#, usage(1000, 0, 0, 0), Some(100_000));
    check(r#"{"in":"0.1"}"#, usage(1000, 0, 0, 1), None);
    check(r#"{"out":"0.1"}"#, usage(1, 0, 0, 1), None);
    check("{}", usage(1, 0, 0, 0), None);
    check(r#"{"request":"5"}"#, usage(1, 0, 0, 1), None);
}

#[test]
fn a_price_of_zero_is_a_price() {
    check(r#"{"in":"0","out":"0"}"#, usage(1000, 1, 1, 1000), Some(0));
}

#[test]
fn a_total_without_a_split_is_priced_only_where_the_split_does_not_matter() {
    check(PLAIN, total(1000), None);
    check(r#"{"in":"2","out":"2"}"#, total(1000), Some(2_000_000));
    check(r#"{"in":"2"}"#, total(1000), Some(2_000_000));
    check(r#"{"in":["2",[500,"3"]],"out":["2",[500,"3"]]}"#, total(500), Some(1_000_000));
    check(r#"{"in":["2",[500,"3"]],"out":["2",[500,"3"]]}"#, total(501), None);
    check(r#"{"in":"2","out":"2","reasoning":"3"}"#, total(500), None);
    check(r#"{"out":"2"}"#, total(500), None);
}

#[test]
fn reasoning_is_a_part_of_the_output() {
    let usage = Usage { reasoning_tokens: Some(30), ..usage(0, 0, 0, 100) };
    check(r#"{"in":"1","out":"2","reasoning":"3"}"#, usage, Some(70 * 2000 + 30 * 3000));
    check(r#"{"in":"1","out":"2"}"#, usage, Some(100 * 2000));
    check(r#"{"in":"1","out":"2","reasoning":"3"}"#, Usage { reasoning_tokens: Some(500), ..usage }, Some(100 * 3000));
}

#[test]
fn a_request_has_a_price_beside_its_tokens() {
    check(r#"{"in":"1","out":"1","request":"5"}"#, usage(1000, 0, 0, 0), Some(5_000_000 + 1_000_000));
}

#[test]
fn a_call_is_rounded_once_to_the_nearest_nano_dollar() {
    // A token of each is 0.4 nano-dollars: rounded each they would be nothing.
    check(r#"{"in":"0.0004","out":"0.0004"}"#, usage(1, 0, 0, 1), Some(1));
    check(r#"{"in":"0.0005","out":"0"}"#, usage(1, 0, 0, 0), Some(1));
    check(r#"{"in":"0.000499999999999999","out":"0"}"#, usage(1, 0, 0, 0), Some(0));
}

#[test]
fn no_number_of_tokens_is_too_great() {
    let most = Usage {
        input_tokens: Some(u64::MAX),
        output_tokens: Some(u64::MAX),
        total_tokens: Some(u64::MAX),
        cache_read_tokens: Some(u64::MAX),
        cache_write_tokens: Some(u64::MAX),
        cache_write_1h_tokens: u64::MAX,
        reasoning_tokens: Some(u64::MAX),
        cost: None,
    };
    check(r#"{"in":"9999999","read":"9999999","write":"9999999","write1h":"9999999","out":"9999999","request":"9999999"}"#, most, None);
    let dearest = SPAN_COST_MAX.0 / 1000;
    check(r#"{"in":"1","out":"0"}"#, usage(dearest, 0, 0, 0), Some(SPAN_COST_MAX.0));
    check(r#"{"in":"1","out":"0"}"#, usage(dearest + 1, 0, 0, 0), None);
    check(r#"{"in":"0.000001","out":"0"}"#, usage(SPAN_TOKENS_MAX, 0, 0, 0), Some(1_000_000_000));
}

#[test]
fn a_price_is_a_plain_decimal() {
    for text in ["", ".", "-1", "+1", "1e3", "1,5", "1.2.3", " 1", "10000000", "0.1234567890123456789", "٣", "inf", "NaN"] {
        assert_eq!(PerMillion::parse(text), None, "{text}");
    }
    assert_eq!(PerMillion::parse(".5"), PerMillion::parse("0.500"));
    assert_eq!(PerMillion::parse("7."), PerMillion::parse("007"));
}

#[test]
fn an_hour_of_the_day_may_cross_midnight() {
    let text = [
        r#"{"source":"s","version":"1","licence":"MIT","taken":"2026-01-01"}"#,
        r#"{"provider":"p"}"#,
        r#"{"model":"m","match":"=m","prices":[{"in":"1"},{"daily":["22:00","01:30"],"in":"2"}]}"#,
    ];
    let table = Table::parse(&text.join("\n")).unwrap();
    let found = table.find(&table.providers[0], "m").unwrap();
    let cost = |minute: u64| {
        let at = UnixNanos((20_000 * 1440 + minute) * 60_000_000_000);
        table.rates(found, at, ServiceTier::Standard).unwrap().rates.cost(&usage(1, 0, 0, 0)).unwrap().0.0
    };
    assert_eq!([0, 89, 90, 720, 1319, 1320, 1439].map(cost), [2000, 2000, 1000, 1000, 1000, 2000, 2000]);
}

#[test]
fn a_call_is_priced_as_of_its_start_and_without_one_as_of_the_day_of_the_table() {
    let prices = Prices::embedded();
    let o3 = call("openai", "o3", Usage { input_tokens: Some(1_000_000), ..Usage::default() });
    let cost = |seconds: u64| prices.price(&o3, UnixNanos(seconds * 1_000_000_000)).unwrap().0 / 1_000_000_000;
    // On 2025-06-10 its price went from 10 to 2 dollars.
    assert_eq!((cost(1_749_513_599), cost(1_749_513_600)), (10, 2));
    assert_eq!(cost(0), 2);
    assert_eq!(prices.price(&o3, UnixNanos::MAX), Some(NanoUsd(2_000_000_000)));
}

#[test]
fn a_call_without_tokens_or_model_has_no_price() {
    let prices = Prices::embedded();
    assert_eq!(prices.price(&call("openai", "gpt-4o", usage(0, 0, 0, 0)), NOON), None);
    assert_eq!(prices.price(&call("openai", "gpt-4o", Usage::default()), NOON), None);
    assert_eq!(prices.price(&call("openai", "", usage(5, 0, 0, 0)), NOON), None);
}
