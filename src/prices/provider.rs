//! Who sold a call, from the many words that instrumentations have for it.
//!
//! A word is compared without case and without what is no letter or digit: `x-ai`, `x_ai` and `xAI` are one.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::table::{Provider, Table};

/// Whom a span names.
#[derive(Clone, Copy)]
pub(super) enum Named<'t> {
    /// Nobody, or a place that says nothing about who sold it (`local`).
    Nobody,
    /// A gateway whose model names begin with the provider: `openai/gpt-4o`.
    Gateway,
    Known(&'t Provider),
    /// Somebody the table does not have.
    Stranger,
}

/// What a word of [`ALIASES`] stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Means {
    Nobody,
    Gateway,
    /// The provider with this id in the table.
    Provider(&'static str),
}

use Means::Provider as P;

/// Words that are not the id of a provider in the table, and who uses them.
pub(super) const ALIASES: &[(&str, Means)] = &[
    // --- OpenTelemetry, gen_ai.provider.name and gen_ai.system
    ("aws.bedrock", P("aws")),
    ("az.ai.agents", P("azure")),
    ("az.ai.inference", P("azure")),
    ("az.ai.openai", P("azure")),
    ("azure.ai.foundry", P("azure")),
    ("azure.ai.inference", P("azure")),
    ("azure.ai.openai", P("azure")),
    ("gcp.gemini", P("google")),
    ("gcp.gen_ai", P("google")),
    ("gcp.vertex.agent", P("google")),
    ("gcp.vertex_ai", P("google")),
    ("microsoft.foundry", P("azure")),
    ("mistral_ai", P("mistral")),
    // --- OpenLLMetry, OpenInference, LangChain (ls_provider), Pydantic AI, LiteLLM
    ("amazon", P("aws")),
    ("amazon_bedrock", P("aws")),
    ("amazon_bedrock_converse", P("aws")),
    ("azure_ai", P("azure")),
    ("azure_openai", P("azure")),
    ("bedrock", P("aws")),
    ("bedrock_converse", P("aws")),
    ("fireworks_ai", P("fireworks")),
    ("gemini", P("google")),
    ("google_ai_gemini", P("google")),
    ("google_anthropic_vertex", P("google")),
    ("google_genai", P("google")),
    ("google_gla", P("google")),
    ("google_vertex", P("google")),
    ("google_vertex_ai_anthropic", P("google")),
    ("google_vertex_ai_gemini", P("google")),
    ("google_vertexai", P("google")),
    ("grok", P("x-ai")),
    ("moonshot", P("moonshotai")),
    ("openai_responses", P("openai")),
    ("openai_sdk", P("openai")),
    ("together_ai", P("together")),
    ("vertex_ai", P("google")),
    ("vertexai_anthropic", P("google")),
    ("voyage", P("voyageai")),
    // --- Vercel AI SDK, after its kinds of API are cut off
    ("bedrock.anthropic", P("aws")),
    ("google.generative-ai", P("google")),
    ("vertex", P("google")),
    ("vertex.anthropic", P("google")),
    // --- gateways
    ("ai_gateway", Means::Gateway),
    ("gateway", Means::Gateway),
    ("litellm", Means::Gateway),
    ("litellm_proxy", Means::Gateway),
    ("vercel_ai_gateway", Means::Gateway),
    // --- words that name no seller
    ("", Means::Nobody),
    ("custom", Means::Nobody),
    ("langchain", Means::Nobody),
    ("local", Means::Nobody),
    ("localhost", Means::Nobody),
    ("none", Means::Nobody),
    ("other", Means::Nobody),
    ("unknown", Means::Nobody),
];

/// Kinds of API that the Vercel AI SDK puts behind a provider: `openai.chat`, `anthropic.messages`.
pub(super) const APIS: &[&str] = &[
    "chat",
    "completion",
    "completions",
    "embedding",
    "embeddings",
    "image",
    "messages",
    "responses",
    "speech",
    "textEmbedding",
    "transcription",
];

/// Whom this word names.
pub(super) fn named<'t>(table: &'t Table, word: &str) -> Named<'t> {
    static MEANINGS: OnceLock<HashMap<String, Means>> = OnceLock::new();
    let meanings = MEANINGS.get_or_init(|| ALIASES.iter().map(|(alias, means)| (key(alias), *means)).collect());
    let key = key(without_api(word.trim()));
    match meanings.get(&key) {
        Some(Means::Nobody) => Named::Nobody,
        Some(Means::Gateway) => Named::Gateway,
        Some(Means::Provider(id)) => table.provider(id).map_or(Named::Stranger, Named::Known),
        None => table.providers.iter().find(|provider| provider.key == key).map_or(Named::Stranger, Named::Known),
    }
}

/// Letters and digits in lower case.
pub(super) fn key(word: &str) -> String {
    word.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn without_api(word: &str) -> &str {
    match word.rsplit_once('.') {
        Some((provider, api)) if APIS.iter().any(|known| known.eq_ignore_ascii_case(api)) => provider,
        _ => word,
    }
}
