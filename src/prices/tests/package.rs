//! The same figures as the Python package the table was made from.
//!
//! `tests/fixtures/prices/cases.jsonl` is written by `scripts/generate-prices.py`: each case is a provider, a model, a time and tokens, and
//! what the package says it costs. `SESSIONFOLD_PRICE_CASES` names another file of the kind, such as the one of `--all-cases`.

use serde::Deserialize;

use super::call;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, ServiceTier, Usage};
use crate::prices::Prices;
use crate::prices::table::Table;

#[derive(Deserialize, Debug)]
struct Case {
    provider: String,
    model: String,
    time: String,
    /// How it was served, if not as usual.
    tier: Option<String>,
    /// Input, cached input read and written, output, reasoning, and the part of the written that is kept for an hour.
    tokens: [u64; 6],
    nano_usd: Option<u64>,
}

#[test]
fn every_case_costs_what_the_package_says_to_the_nano_dollar() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/prices/cases.jsonl").into();
    let path = std::env::var_os("SESSIONFOLD_PRICE_CASES").unwrap_or(kept);
    let text = std::fs::read_to_string(path).unwrap();
    let prices = Prices::embedded();
    let (mut n_cases, mut n_priced, mut wrong) = (0, 0, Vec::new());
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let [input, read, write, output, reasoning, write_1h] = case.tokens;
        let usage = Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cache_read_tokens: Some(read),
            cache_write_tokens: Some(write),
            cache_write_1h_tokens: write_1h,
            reasoning_tokens: Some(reasoning),
            ..Usage::default()
        };
        let tier = ServiceTier::ALL.into_iter().find(|tier| case.tier.as_deref() == Some(tier.as_str()));
        let call = Call { tier, ..call(&case.provider, &case.model, usage) };
        let found = prices.price(&call, nanos(&case.time)).map(|cost| cost.0);
        if found != case.nano_usd {
            wrong.push(format!("{found:?}, not {case:?}"));
        }
        n_cases += 1;
        n_priced += usize::from(case.nano_usd.is_some_and(|cost| cost > 0));
    }
    assert!(wrong.is_empty(), "{} of {n_cases}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(n_cases > 500 && n_priced * 2 > n_cases, "{n_priced} of {n_cases} cases have a price");
}

#[test]
fn the_embedded_table_is_read_whole() {
    let table = Table::embedded();
    let lines = include_str!("../table.jsonl").lines().count();
    let models = table.providers.iter().map(|provider| provider.n_models()).sum::<usize>();
    assert_eq!(1 + table.providers.len() + models, lines);
    assert!(table.providers.len() > 30 && models > 2000, "{} providers, {models} models", table.providers.len());
    assert_eq!(nanos(&format!("{}T00:00:00Z", table.head.taken)), table.taken);
}

#[test]
fn a_table_with_a_fault_is_refused_with_its_line() {
    let head = r#"{"source":"s","version":"1","licence":"MIT","taken":"2026-01-01"}"#;
    let provider = r#"{"provider":"p"}"#;
    let refused = |line: &str| Table::parse(&format!("{head}\n{provider}\n{line}\n")).err();
    assert_eq!(refused(r#"{"model":"m","match":"=m","prices":[{"in":"1","daily":["00:30","16:30"]}]}"#), None);
    for line in [
        r#"{"model":"m","match":"m","prices":[]}"#,
        r#"{"model":"m","match":"=m","prices":[{"in":"-1"}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"in":1}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"in":["1",[5,"2"],[5,"3"]]}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"in":[[5,"2"]]}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"audio":"1"}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"from":"2026-02-30"}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"tier":"standard","in":"1"}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"tier":"batch","in":"1"}]}"#,
        r#"{"model":"m","match":"=m","prices":[{"daily":["24:00","01:00"]}]}"#,
        "{}",
        "",
    ] {
        let problem = refused(line).unwrap_or_else(|| panic!("{line} was taken"));
        assert!(problem.starts_with("line 3: "), "{line}: {problem}");
    }
    assert!(Table::parse("").is_err() && Table::parse("{}").is_err());
}

fn nanos(text: &str) -> UnixNanos {
    let time: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
    UnixNanos(time.timestamp_nanos_opt().unwrap().try_into().unwrap())
}
