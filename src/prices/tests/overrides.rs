//! Prices that the operator states.

use std::path::PathBuf;

use super::{NOON, call, million, price_of};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd, ServiceTier, Usage};
use crate::prices::{OverridesError, Prices};

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn prices(text: &str) -> Prices {
    let (_dir, path) = file(text);
    Prices::with_overrides(&path).unwrap()
}

fn refused(text: &str) -> String {
    let (_dir, path) = file(text);
    let Err(error) = Prices::with_overrides(&path) else { panic!("taken: {text}") };
    assert!(matches!(error, OverridesError::File { .. }));
    error.to_string()
}

const ABOVE: &str = "[[price.above]]\n";
const GPT: &str = "[[price]]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\ninput_per_million_usd = 2\noutput_per_million_usd = 8.5\n";

#[test]
fn an_override_goes_before_the_table_for_this_very_model_and_provider() {
    let prices = prices(GPT);
    let embedded = Prices::embedded();
    for word in ["openai", "OpenAI", "openai.chat"] {
        assert_eq!(price_of(&prices, word, "GPT-4o"), Some(10_500_000_000), "{word}");
    }
    for (provider, model) in [("openai", "gpt-4o-2024-08-06"), ("openai", "gpt-4o-mini"), ("azure", "gpt-4o"), ("local", "gpt-4o")] {
        assert_eq!(price_of(&prices, provider, model), price_of(&embedded, provider, model), "{provider} {model}");
    }
}

#[test]
fn an_override_without_a_provider_holds_for_all_and_below_one_with() {
    let any = GPT.replace("provider = \"openai\"\n", "").replace("8.5", "1");
    let prices = prices(&format!("{any}{GPT}"));
    assert_eq!(price_of(&prices, "openai", "gpt-4o"), Some(10_500_000_000));
    for word in ["azure", "ollama", "", "local"] {
        assert_eq!(price_of(&prices, word, "gpt-4o"), Some(3_000_000_000), "{word}");
    }
}

#[test]
fn a_self_hosted_model_gets_the_price_its_operator_states_be_it_zero() {
    let text = "[[price]]\nprovider = \"local\"\nmodel = \"llama3.2:3b\"\ninput_per_million_usd = 0\noutput_per_million_usd = 0\n\
                [[price]]\nprovider = \"vLLM\"\nmodel = \"Qwen/Qwen3-8B\"\ninput_per_million_usd = \"0.05\"\noutput_per_million_usd = 1e-1\n";
    let prices = prices(text);
    assert_eq!(price_of(&prices, "local", "llama3.2:3b"), Some(0));
    assert_eq!(price_of(&prices, "", "llama3.2:3b"), Some(0));
    assert_eq!(price_of(&prices, "ollama", "llama3.2:3b"), None);
    assert_eq!(price_of(&prices, "vllm", "qwen/qwen3-8b"), Some(150_000_000));
}

#[test]
fn an_override_holds_from_its_first_day_and_the_table_before() {
    let text = "[[price]]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\nfrom = 2026-11-05\ninput_per_million_usd = 1\noutput_per_million_usd = 1\n\
                [[price]]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\nfrom = \"2026-11-01\"\ninput_per_million_usd = 3\noutput_per_million_usd = 3\n";
    let prices = prices(text);
    let day = 86_400_000_000_000;
    let midnight = NOON.0 - day / 2;
    let cost = |at: u64| prices.price(&call("openai", "gpt-4o", million()), UnixNanos(at)).unwrap().0 / 1_000_000;
    assert_eq!((cost(midnight), cost(midnight - 1)), (2_000, 6_000));
    assert_eq!((cost(midnight - 4 * day), cost(midnight - 4 * day - 1)), (6_000, 12_500));
}

#[test]
fn cached_input_has_the_price_of_input_unless_the_file_says_another() {
    let usage = Usage { input_tokens: Some(1000), cache_read_tokens: Some(400), cache_write_tokens: Some(100), ..Usage::default() };
    let cost = |text: &str| prices(text).price(&call("openai", "gpt-4o", usage), NOON);
    assert_eq!(cost(GPT), Some(NanoUsd(2_000_000)));
    let parts = format!("{GPT}cache_read_per_million_usd = 0.2\ncache_write_per_million_usd = 2.5\n");
    assert_eq!(cost(&parts), Some(NanoUsd(500 * 2000 + 400 * 200 + 100 * 2500)));
}

#[test]
fn cache_writes_for_an_hour_cost_what_the_file_says_else_what_other_writes_cost() {
    let usage = Usage {
        input_tokens: Some(1000),
        cache_write_tokens: Some(500),
        cache_write_1h_tokens: 200,
        output_tokens: Some(0),
        ..Usage::default()
    };
    let cost = |text: &str| prices(text).price(&call("openai", "gpt-4o", usage), NOON);
    assert_eq!(cost(&format!("{GPT}cache_write_per_million_usd = 2.5\n")), Some(NanoUsd(500 * 2000 + 500 * 2500)));
    assert_eq!(cost(&format!("{GPT}cache_write_1h_per_million_usd = 4\n")), Some(NanoUsd(800 * 2000 + 200 * 4000)));
    let both = format!("{GPT}cache_write_per_million_usd = 2.5\ncache_write_1h_per_million_usd = 4\n");
    assert_eq!(cost(&both), Some(NanoUsd(500 * 2000 + 300 * 2500 + 200 * 4000)));
}

#[test]
fn a_price_for_a_tier_holds_for_its_calls_and_the_ordinary_price_for_all_others() {
    let fast = GPT.replace("8.5", "20").replace("input", "service_tier = \"fast\"\nfrom = 2026-11-05\ninput");
    let fast_only = prices(&fast);
    let prices = prices(&format!("{fast}{GPT}"));
    let cost = |prices: &Prices, tier: Option<ServiceTier>, at: UnixNanos| {
        prices.price(&Call { tier, ..call("openai", "gpt-4o", million()) }, at).unwrap().0 / 1_000_000
    };
    let day = 86_400_000_000_000;
    let before = UnixNanos(NOON.0 - day);
    assert_eq!((cost(&prices, None, NOON), cost(&prices, Some(ServiceTier::Standard), NOON)), (10_500, 10_500));
    assert_eq!((cost(&prices, Some(ServiceTier::Fast), NOON), cost(&prices, Some(ServiceTier::Fast), before)), (22_000, 10_500));
    // The file goes before the table, which has another price for that.
    assert_eq!(cost(&prices, Some(ServiceTier::Priority), NOON), 10_500);
    assert_eq!((cost(&fast_only, None, NOON), cost(&fast_only, Some(ServiceTier::Fast), NOON)), (12_500, 22_000));
}

#[test]
fn above_a_number_of_input_tokens_all_tokens_have_the_price_that_the_file_says() {
    let text = format!(
        "{GPT}cache_read_per_million_usd = 1\n[[price.above]]\ninput_tokens = 1000\ninput_per_million_usd = 4\noutput_per_million_usd = 10\n\
         [[price.above]]\ninput_tokens = 2000\ninput_per_million_usd = 6\ncache_read_per_million_usd = 3\n"
    );
    let prices = prices(&text);
    let cost = |input: u64| {
        let usage = Usage { input_tokens: Some(input), cache_read_tokens: Some(100), output_tokens: Some(10), ..Usage::default() };
        prices.price(&call("openai", "gpt-4o", usage), NOON).unwrap().0
    };
    assert_eq!(cost(1000), 900 * 2000 + 100 * 1000 + 10 * 8500);
    assert_eq!(cost(1001), 901 * 4000 + 100 * 1000 + 10 * 10_000);
    assert_eq!(cost(2001), 1901 * 6000 + 100 * 3000 + 10 * 10_000);
}

#[test]
fn a_bad_file_is_refused_with_its_name_and_line() {
    for (text, line, word) in [
        (GPT.replace("= 2\n", "= -2\n"), 4, "-2"),
        (GPT.replace("= 2\n", "= true\n"), 4, "true"),
        (GPT.replace("= 2\n", "= \"two\"\n"), 4, "two"),
        (GPT.replace("= 2\n", "= nan\n"), 4, "NaN"),
        (GPT.replace("= 2\n", "= 20000000\n"), 4, "20000000"),
        (GPT.replace("= 2\n", "\n"), 4, "input_per_million_usd"),
        (format!("{GPT}form = 2026-01-01\n"), 6, "form"),
        (format!("{GPT}from = 2026-02-30\n"), 6, "from"),
        (format!("{GPT}from = \"soon\"\n"), 6, "soon"),
        (format!("{GPT}from = 2026-01-01T00:00:00Z\n"), 6, "2026-12-31"),
        (GPT.replace("model = \"gpt-4o\"\n", ""), 1, "model"),
        (GPT.replace("gpt-4o", " "), 1, "model"),
        (format!("{GPT}\n{GPT}"), 7, "gpt-4o"),
        (format!("{GPT}{}", GPT.replace("openai", "OpenAI").replace("gpt", "GPT")), 6, "GPT-4o"),
        (format!("{GPT}service_tier = \"batch\"\n"), 6, "batch"),
        (format!("{GPT}service_tier = \"standard\"\n"), 6, "priority, flex, fast"),
        (format!("{GPT}{ABOVE}"), 6, "input_tokens"),
        (format!("{GPT}{ABOVE}input_tokens = -1\n"), 7, "-1"),
        (format!("{GPT}{ABOVE}input_tokens = 5\ninput = 2\n"), 8, "input"),
        (format!("{GPT}{ABOVE}input_tokens = 5\ncache_read_per_million_usd = 2\n"), 6, "cache_read_per_million_usd"),
        (format!("{GPT}{ABOVE}input_tokens = 5\n{ABOVE}input_tokens = 5\n"), 8, "rise"),
        (format!("{GPT}input_cost_per_token_above_200k_tokens = 1\n"), 6, "input_cost_per_token_above_200k_tokens"),
        ("[[prices]]\n".to_owned(), 1, "prices"),
    ] {
        let problem = refused(&text);
        assert!(
            problem.contains("prices.toml") && problem.contains(&format!("line {line}")) && problem.contains(word),
            "{text}\n{problem}"
        );
    }
}

#[test]
fn the_example_in_the_document_is_a_file_of_prices() {
    let document = include_str!("../../../docs/prices.md");
    let (_, example) = document.split_once("# prices.toml\n").unwrap();
    let prices = prices(example.split_once("```").unwrap().0);
    assert_eq!(price_of(&prices, "ollama", "llama3.2:3b"), Some(0));
    let december = UnixNanos(NOON.0 + 30 * 86_400_000_000_000);
    let usage = Usage { input_tokens: Some(1000), ..Usage::default() };
    let cost = |tier| prices.price(&Call { tier, ..call("openai", "gpt-4o", usage) }, december);
    assert_eq!((cost(None), cost(Some(ServiceTier::Priority))), (Some(NanoUsd(2_250_000)), Some(NanoUsd(4_250_000))));
}

#[test]
fn a_missing_file_is_an_error_and_an_empty_one_is_none() {
    let missing = Prices::with_overrides(std::path::Path::new("/nowhere/prices.toml")).err().unwrap();
    assert!(missing.to_string().contains("/nowhere/prices.toml"), "{missing}");
    assert_eq!(price_of(&prices(""), "openai", "gpt-4o"), price_of(&Prices::embedded(), "openai", "gpt-4o"));
}
