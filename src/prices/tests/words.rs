//! Which words for a provider and a model find a price.

use super::price_of;
use crate::prices::Prices;
use crate::prices::provider::{ALIASES, APIS, Means, key};
use crate::prices::resolve::MAKERS;
use crate::prices::table::Table;

const USD: u64 = 1_000_000_000;

/// Each call has the price of the model at the provider of the table.
fn check_same(provider: &str, model: &str, words: &[(&str, &str)]) {
    let prices = Prices::embedded();
    let expected = price_of(&prices, provider, model);
    assert!(expected.is_some(), "{provider} {model}");
    for (word, name) in words {
        assert_eq!(price_of(&prices, word, name), expected, "{word} {name}");
    }
}

fn check_unknown(words: &[(&str, &str)]) {
    let prices = Prices::embedded();
    for (word, name) in words {
        assert_eq!(price_of(&prices, word, name), None, "{word} {name}");
    }
}

#[test]
fn every_word_of_the_conventions_for_a_provider_finds_it() {
    let openai = ["OpenAI", "openai.chat", "openai.responses", "openai.completion", " openai ", "open_ai"];
    check_same("openai", "gpt-4o", &openai.map(|word| (word, "gpt-4o")));
    let anthropic = ["Anthropic", "anthropic.messages"];
    check_same("anthropic", "claude-3-5-sonnet", &anthropic.map(|word| (word, "claude-3-5-sonnet-20241022")));
    let google =
        ["gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai", "vertex_ai", "google_genai", "google.generative-ai", "google.vertex.chat", "gemini"];
    check_same("google", "gemini-2.5-pro", &google.map(|word| (word, "gemini-2.5-pro")));
    let aws = ["aws.bedrock", "AWS", "amazon-bedrock", "bedrock", "amazon_bedrock_converse"];
    check_same("aws", "anthropic.claude-3-haiku-20240307-v1:0", &aws.map(|word| (word, "eu.anthropic.claude-3-haiku-20240307-v1:0")));
    // OpenLLMetry leaves out who made it.
    check_same("aws", "amazon.nova-lite-v1:0", &[("aws.bedrock", "nova-lite-v1:0"), ("aws.bedrock", "us.amazon.nova-lite-v1:0")]);
    check_same("aws", "meta.llama3-3-70b-instruct-v1:0", &[("aws.bedrock", "llama3-3-70b-instruct-v1:0")]);
    check_unknown(&[("aws.bedrock", "lite-v1:0"), ("openai", "nova-lite-v1:0")]);
    let azure = ["az.ai.openai", "az.ai.inference", "azure.ai.openai", "azure_openai", "azure-openai.chat", "azure.responses", "Azure"];
    check_same("azure", "gpt-4o", &azure.map(|word| (word, "gpt-4o-2024-08-06")));
    let mistral = ["mistral_ai", "MistralAI", "mistral.chat"];
    check_same("mistral", "mistral-small-latest", &mistral.map(|word| (word, "mistral-small-latest")));
    check_same("x-ai", "grok-4", &["xai", "x_ai", "xai.chat"].map(|word| (word, "grok-4")));
    check_same("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", &[("togetherai.chat", "meta-llama/Llama-3.3-70B-Instruct-Turbo")]);
}

#[test]
fn a_name_may_carry_its_provider_or_a_path() {
    check_same("openai", "gpt-4o", &[("openai", "openai/gpt-4o"), ("openai", "GPT-4o "), ("openai", "gpt-4o-2024-08-06")]);
    let paths = [
        "models/gemini-2.5-pro",
        "publishers/google/models/gemini-2.5-pro",
        "projects/p/locations/l/publishers/google/models/gemini-2.5-pro",
    ];
    check_same("google", "gemini-2.5-pro", &paths.map(|name| ("gcp.vertex_ai", name)));
    check_unknown(&[("openai", "anthropic/claude-3-5-sonnet"), ("openai", "a/b/gpt-4o"), ("openai", "/"), ("openai", "openai/")]);
}

#[test]
fn behind_a_gateway_the_provider_stands_before_the_model() {
    check_same("openai", "gpt-4o", &[("litellm", "openai/gpt-4o"), ("gateway", "openai/gpt-4o"), ("litellm", "gpt-4o")]);
    check_same("groq", "llama-3.3-70b-versatile", &[("litellm", "groq/llama-3.3-70b-versatile")]);
    check_unknown(&[("litellm", "ollama/llama3"), ("litellm", "llama3"), ("litellm", "local/gpt-4o")]);
}

#[test]
fn without_a_provider_only_the_exact_name_of_a_makers_model_has_a_price() {
    for (maker, name) in [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-2024-08-06"),
        ("openai", "gpt-4o-mini"),
        ("openai", "o3"),
        ("openai", "text-embedding-3-small"),
        ("anthropic", "claude-3-5-sonnet-20241022"),
        ("anthropic", "claude-3-5-haiku-latest"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("google", "gemini-2.0-flash-001"),
        ("x-ai", "grok-4"),
        ("mistral", "mistral-large-latest"),
        ("deepseek", "deepseek-chat"),
    ] {
        let prices = Prices::embedded();
        let input = crate::model::usage::Usage { input_tokens: Some(1_000_000), ..Default::default() };
        let cost = |provider: &str, model: &str| prices.price(&super::call(provider, model, input), super::NOON);
        assert!(cost(maker, name).is_some(), "{maker} {name}");
        for word in ["", "local", "langchain"] {
            assert_eq!(cost(word, name), cost(maker, name), "{word:?} {name}");
        }
        assert_eq!(cost("local", &format!("{maker}/{name}")), cost(maker, name), "{maker}/{name}");
    }
}

#[test]
fn a_self_hosted_model_is_unknown_and_not_free() {
    let names = [
        "llama3.2",
        "llama3.2:3b",
        "mistral",
        "mistral-large",
        "mistral-nemo",
        "mistral-small",
        "mixtral-8x7b",
        "codestral",
        "deepseek-r1",
        "deepseek-r1:8b",
        "deepseek-chat-v3-0324",
        "gemma-3-27b-it",
        "gemma-3",
        "gpt-oss-20b",
        "openai/gpt-oss-20b",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "meta-llama/Llama-3.3-70B-Instruct",
        "command-r",
        "command-r-plus",
        "qwen3",
        "gpt-4o-of-our-own",
        "my-gpt-4o",
        "claude-3-5-sonnet-distilled",
        "claude-2-like",
        "a-claude-v2",
        "grok",
        "/gpt-4o",
        "anthropic/gpt-4o",
        "",
    ];
    check_unknown(&names.map(|name| ("local", name)));
    check_unknown(&names.map(|name| ("", name)));
    check_unknown(&names.map(|name| ("ollama", name)));
    check_unknown(&[
        ("openai", "gpt-oss-20b"),
        ("openai", "llama-3"),
        ("ollama", "gpt-4o"),
        ("vllm", "gpt-4o"),
        ("aws.sagemaker", "gpt-4o"),
    ]);
}

#[test]
fn a_model_that_is_free_by_name_costs_nothing_and_one_without_a_price_is_unknown() {
    let prices = Prices::embedded();
    assert_eq!(price_of(&prices, "openrouter", "deepseek/deepseek-r1:free"), Some(0));
    assert_eq!(price_of(&prices, "github-copilot", "gpt-4o"), None);
    assert_eq!(price_of(&prices, "openai", "gpt-4o"), Some(12 * USD + USD / 2));
}

#[test]
fn the_words_are_sound() {
    let table = Table::embedded();
    for (at, (word, means)) in ALIASES.iter().enumerate() {
        let is_second = ALIASES[..at].iter().any(|(other, _)| key(other) == key(word));
        assert!(!is_second, "{word} stands twice");
        let is_id = table.providers.iter().any(|provider| key(&provider.id) == key(word));
        assert!(!is_id, "{word} is an id of the table and needs no alias");
        if let Means::Provider(id) = means {
            assert!(table.provider(id).is_some(), "{word}: the table has no {id}");
        }
    }
    let mut keys: Vec<String> = table.providers.iter().map(|provider| key(&provider.id)).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), table.providers.len(), "two providers with one key");
    assert!(MAKERS.iter().all(|maker| table.provider(maker.provider).is_some()));
    assert!(APIS.iter().all(|api| !api.contains('.')));
}
