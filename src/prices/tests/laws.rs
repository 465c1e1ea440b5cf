//! What holds of any call whatever.

use proptest::prelude::*;
use proptest::sample::select;

use super::{NOON, call};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd, SPAN_TOKENS_MAX, Usage};
use crate::prices::Prices;
use crate::prices::provider::ALIASES;
use crate::prices::rule::Rule;
use crate::prices::table::Table;
use crate::prices::tariff::{Rate, Rates};
use crate::prices::usd::PerMillion;

/// Providers and models of the table, other words, and anything.
fn names() -> impl Strategy<Value = (String, String)> {
    let table = Table::embedded();
    let sold: Vec<(String, String)> = table
        .providers
        .iter()
        .flat_map(|provider| table.models_of(provider).map(|model| (provider.id.to_string(), model.id.to_string())))
        .collect();
    let words: Vec<&str> = ALIASES.iter().map(|(word, _)| *word).collect();
    let models: Vec<String> = sold.iter().map(|(_, model)| model.clone()).collect();
    prop_oneof![
        3 => select(sold),
        2 => (select(words), select(models)).prop_map(|(word, model)| (word.to_owned(), model)),
        1 => (".{0,12}", ".{0,24}"),
        1 => ("[a-z./_-]{0,12}", "[a-z0-9./:@#é-]{0,24}"),
    ]
}

fn some_tokens() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        Just(None),
        Just(Some(0)),
        (1..400_000u64).prop_map(Some),
        (0..=SPAN_TOKENS_MAX).prop_map(Some),
        any::<u64>().prop_map(Some)
    ]
}

fn any_usage() -> impl Strategy<Value = Usage> {
    // Sums of tokens are made elsewhere, of numbers that conventions let pass.
    let counted = || some_tokens().prop_map(|tokens| tokens.map(|n| n.min(u64::MAX / 2)));
    let parts = (some_tokens(), some_tokens(), some_tokens(), some_tokens());
    (counted(), counted(), some_tokens(), parts).prop_map(|(input, output, total, (read, write, write_1h, reasoning))| Usage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: total,
        cache_read_tokens: read,
        cache_write_tokens: write,
        cache_write_1h_tokens: write_1h.unwrap_or(0),
        reasoning_tokens: reasoning,
        cost: None,
    })
}

fn any_call() -> impl Strategy<Value = Call> {
    (names(), any_usage()).prop_map(|((provider, model), usage)| call(&provider, &model, usage))
}

fn rule() -> impl Strategy<Value = Rule> {
    let text = || "[ab#]{0,3}".prop_map(|text| text.into_boxed_str());
    let leaf = prop_oneof![
        text().prop_map(Rule::Equals),
        text().prop_map(Rule::StartsWith),
        text().prop_map(Rule::EndsWith),
        text().prop_map(Rule::Contains),
        text().prop_map(Rule::Digits),
        text().prop_map(Rule::DigitsStart),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![some().prop_map(Rule::Any), some().prop_map(Rule::All), some().prop_map(Rule::None)]
    })
}

proptest! {
    #[test]
    fn no_call_at_any_time_makes_it_panic_and_asking_twice_gives_the_same(call in any_call(), start in any::<u64>()) {
        let prices = Prices::embedded();
        let first = prices.price(&call, UnixNanos(start));
        prop_assert_eq!(prices.price(&call, UnixNanos(start)), first);
        prop_assert_eq!(Prices::embedded().price(&call, UnixNanos(start)), first);
    }

    #[test]
    fn more_tokens_never_cost_less(
        (provider, model) in names(),
        input in 0..2_000_000u64,
        output in 0..2_000_000u64,
        cached in 0..1000u64,
        more_input in 0..500_000u64,
        more_output in 0..500_000u64,
    ) {
        let prices = Prices::embedded();
        let cost = |input: u64, output: u64| {
            let usage = Usage { input_tokens: Some(input), output_tokens: Some(output), cache_read_tokens: Some(cached), ..Usage::default() };
            prices.price(&call(&provider, &model, usage), NOON)
        };
        let input = input + cached;
        if let Some(more) = cost(input + more_input, output + more_output) {
            let less = cost(input, output).unwrap_or_default();
            prop_assert!(less <= more, "{less:?} is more than {more:?}");
        }
    }

    #[test]
    fn cached_input_changes_a_price_only_between_that_of_none_and_all((provider, model) in names(), input in 1..2_000_000u64, share in 0..=100u64) {
        let prices = Prices::embedded();
        let cost = |read: u64| {
            let usage = Usage { input_tokens: Some(input), cache_read_tokens: Some(read), ..Usage::default() };
            prices.price(&call(&provider, &model, usage), NOON)
        };
        if let (Some(none), Some(part), Some(all)) = (cost(0), cost(input * share / 100), cost(input)) {
            prop_assert!(none.min(all) <= part && part <= none.max(all));
        }
    }

    #[test]
    fn a_call_costs_what_its_parts_cost_by_their_rates_and_never_less_than_a_part(
        prices in prop::array::uniform6(0..2000u64),
        has in prop::array::uniform3(any::<bool>()),
        parts in prop::array::uniform5(0..1000u64),
        above in 0..4000u64,
        is_at_boundary in any::<bool>(),
    ) {
        let [plain, read, write, write_1h, output] = parts;
        let input = plain + read + write + write_1h;
        let above = if is_at_boundary { input } else { above };
        let per_million = |dollars: u64| PerMillion::parse(&dollars.to_string()).unwrap();
        // Above the boundary everything costs what it costs below and a dollar more.
        let rate = |dollars: u64| Rate { base: per_million(dollars), tiers: vec![(above, per_million(dollars + 1))] };
        let [of_input, of_read, of_write, of_write_1h, of_output, of_request] = prices;
        let rates = Rates {
            input: Some(rate(of_input)),
            cache_read: has[0].then(|| rate(of_read)),
            cache_write: has[1].then(|| rate(of_write)),
            cache_write_1h: has[2].then(|| rate(of_write_1h)),
            output: Some(rate(of_output)),
            reasoning: None,
            request: per_million(of_request),
        };
        let usage = Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cache_read_tokens: Some(read),
            cache_write_tokens: Some(write + write_1h),
            cache_write_1h_tokens: write_1h,
            ..Usage::default()
        };
        let of_read = if has[0] { of_read } else { of_input };
        let of_write = if has[1] { of_write } else { of_input };
        let of_write_1h = if has[2] { of_write_1h } else { of_write };
        let by_parts = [(plain, of_input), (read, of_read), (write, of_write), (write_1h, of_write_1h), (output, of_output)];
        let more = u64::from(input > above);
        // A dollar for a million is a thousand nano-dollars for one.
        let of = |(tokens, dollars): (u64, u64)| tokens * (dollars + more) * 1000;
        let whole = rates.cost(&usage).map(|(cost, _)| cost);
        prop_assert_eq!(whole, Some(NanoUsd(by_parts.map(of).iter().sum::<u64>() + of_request * 1000)));
        prop_assert!(by_parts.into_iter().all(|part| NanoUsd(of(part)) <= whole.unwrap()));
    }

    #[test]
    fn a_rule_means_what_its_parts_mean(rule in rule(), name in "[ab0-9]{0,4}") {
        prop_assert_eq!(rule.matches(&name), oracle(&rule, &name));
    }

    #[test]
    fn nothing_is_free_that_is_not_so_in_the_table((provider, model) in names(), tokens in 1_000_000..2_000_000u64) {
        let usage = Usage { input_tokens: Some(tokens), output_tokens: Some(tokens), ..Usage::default() };
        if Prices::embedded().price(&call(&provider, &model, usage), NOON) == Some(NanoUsd(0)) {
            prop_assert!(model.contains("free"), "{provider} {model} costs nothing");
        }
    }
}

fn oracle(rule: &Rule, name: &str) -> bool {
    let is_shape = |name: &[char], shape: &str| {
        let shape: Vec<char> = shape.chars().collect();
        name.len() == shape.len() && name.iter().zip(&shape).all(|(a, b)| a == b || *b == '#' && a.is_ascii_digit())
    };
    let chars: Vec<char> = name.chars().collect();
    match rule {
        Rule::Equals(text) => **text == *name,
        Rule::StartsWith(text) => name.get(..text.len()) == Some(&**text),
        Rule::EndsWith(text) => (0..=name.len()).any(|at| name[at..] == **text),
        Rule::Contains(text) => (0..=name.len()).any(|at| name[at..].starts_with(&**text)),
        Rule::Digits(shape) => is_shape(&chars, shape),
        Rule::DigitsStart(shape) => (0..=chars.len()).any(|end| is_shape(&chars[..end], shape)),
        Rule::Any(rules) => rules.iter().any(|rule| oracle(rule, name)),
        Rule::All(rules) => rules.iter().all(|rule| oracle(rule, name)),
        Rule::None(rules) => rules.iter().all(|rule| !oracle(rule, name)),
    }
}
