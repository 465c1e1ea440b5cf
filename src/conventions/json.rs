//! Usage that comes as a JSON object in one attribute (Langfuse, MLflow).
//!
//! Two habits meet here. OpenAI's shape counts cached tokens within the input and names parts in `…_details`. Langfuse's own shape splits
//! input and output into categories that do not overlap (`input`, `input_cached_tokens`, …), of which the whole is the sum. A stated total
//! that equals input plus output, or a name of OpenAI's, says the former.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value as Json};

use super::number::{self, Reading};
use crate::model::usage::{NanoUsd, SPAN_COST_MAX, SPAN_TOKENS_MAX, Usage};
use crate::wire::otlp::Value;

/// Objects longer than this, in bytes, are not read: a dozen numbers need a tenth of it.
const TEXT_MAX_BYTES: usize = 4096;

const INPUT: &[&str] =
    &["input", "input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "prompt", "prompt_token_count", "promptTokenCount"];
const OUTPUT: &[&str] = &[
    "output",
    "output_tokens",
    "completion_tokens",
    "outputTokens",
    "completionTokens",
    "completion",
    "candidates_token_count",
    "candidatesTokenCount",
];
const TOTAL: &[&str] = &["total", "total_tokens", "totalTokens", "total_token_count", "totalTokenCount"];
const CACHE_READ: &[&str] = &[
    "cache_read_input_tokens",
    "input_cached_tokens",
    "input_cache_read",
    "cachedInputTokens",
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "input_token_details.cache_read",
    "cache_read",
    "cached_input_tokens",
    "cachedContentTokens",
    "cached_content_token_count",
    "cachedContentTokenCount",
];
const CACHE_WRITE: &[&str] =
    &["cache_creation_input_tokens", "input_cache_creation", "input_token_details.cache_creation", "cache_write_input_tokens"];
/// Parts of the cache writes, as Anthropic's API names them, below the names that others put before.
const CACHE_WRITE_5M: &str = "ephemeral_5m_input_tokens";
const CACHE_WRITE_1H: &str = "ephemeral_1h_input_tokens";
const REASONING: &[&str] = &[
    "output_reasoning_tokens",
    "output_reasoning",
    "reasoningTokens",
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "output_token_details.reasoning",
    "thoughtsTokens",
    "thoughts_token_count",
    "thoughtsTokenCount",
];
/// Google's are of this shape too.
const OF_OPENAI: &[&str] = &["prompt_tokens", "promptTokens", "inputTokens", "prompt", "prompt_token_count", "promptTokenCount"];
const COST_TOTAL: &[&str] = &["total", "total_cost"];

/// The tokens of a usage object, and whether all of it could be believed.
pub(super) fn tokens(text: &str) -> (Usage, bool) {
    let Some(object) = object(text) else {
        return (Usage::default(), text.trim_ascii().is_empty());
    };
    let mut is_sound = true;
    let mut counts: Vec<(String, u64)> = Vec::new();
    let mut read = |name: String, number: &Number| match number::tokens(as_value(number)) {
        Reading::Stated(count) => counts.push((name, count)),
        Reading::Invalid | Reading::Absent => is_sound = false,
    };
    for (name, json) in &object {
        match json {
            Json::Number(number) => read(name.clone(), number),
            Json::Object(parts) => {
                for (part, json) in parts {
                    if let Json::Number(number) = json {
                        read(format!("{name}.{part}"), number);
                    }
                }
            }
            _ => {}
        }
    }
    let written = first(&counts, CACHE_WRITE);
    let (write_5m, write_1h) = (ending(&counts, CACHE_WRITE_5M), ending(&counts, CACHE_WRITE_1H));
    if written.is_some_and(|written| written > 0) {
        // What is told as a whole is not told once more by its parts.
        counts.retain(|(name, _)| !name.ends_with(CACHE_WRITE_5M) && !name.ends_with(CACHE_WRITE_1H));
    }
    let total = first(&counts, TOTAL);
    let (input, output) = split(&counts, total);
    let usage = Usage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: total,
        cache_read_tokens: first(&counts, CACHE_READ),
        // LangChain says zero for the whole where it tells the parts.
        cache_write_tokens: match (written, write_5m.saturating_add(write_1h)) {
            (None | Some(0), parts) if parts > 0 && parts <= SPAN_TOKENS_MAX => Some(parts),
            _ => written,
        },
        cache_write_1h_tokens: write_1h,
        reasoning_tokens: first(&counts, REASONING),
        cost: None,
    };
    (usage, is_sound)
}

/// The answer of a model, of which only the usage is read, as Genkit (with the provider's own answer within it) and Google write it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw: Option<&'a RawValue>,
}

/// The tokens that the answer of a model states, and whether all of them could be believed. What an answer repeats of the provider's own
/// is asked for the parts that the answer itself leaves out. Anything else than an answer states nothing.
pub(super) fn answer(text: &str) -> (Usage, bool) {
    if !text.starts_with('{') {
        return (Usage::default(), true);
    }
    let Ok(Answer { usage, usage_metadata, raw }) = serde_json::from_str(text) else { return (Usage::default(), true) };
    let Some(stated) = usage.or(usage_metadata).filter(|usage| usage.get().starts_with('{')) else { return (Usage::default(), true) };
    let (mut usage, is_sound) = tokens(stated.get());
    if let Some(Answer { usage: Some(stated), .. }) = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        let (of_provider, _) = tokens(stated.get());
        usage.cache_read_tokens = usage.cache_read_tokens.or(of_provider.cache_read_tokens);
        usage.cache_write_tokens = usage.cache_write_tokens.or(of_provider.cache_write_tokens);
        usage.reasoning_tokens = usage.reasoning_tokens.or(of_provider.reasoning_tokens);
    }
    (usage, is_sound)
}

/// The dollars of a cost object (its total, else the sum of its parts), and whether all of it could be believed.
pub(super) fn dollars(text: &str) -> (Option<NanoUsd>, bool) {
    let Some(object) = object(text) else {
        return (None, text.trim_ascii().is_empty());
    };
    let mut is_sound = true;
    let mut total = None;
    let mut sum: Option<NanoUsd> = None;
    for (name, json) in &object {
        let Json::Number(number) = json else { continue };
        match number::dollars(Value::Str(&number.to_string())) {
            Reading::Stated(cost) if COST_TOTAL.contains(&name.as_str()) => total = total.max(Some(cost)),
            Reading::Stated(cost) => sum = Some(NanoUsd(sum.unwrap_or_default().0.saturating_add(cost.0))),
            Reading::Invalid | Reading::Absent => is_sound = false,
        }
    }
    let cost = total.or(sum);
    if cost.is_some_and(|cost| cost > SPAN_COST_MAX) { (None, false) } else { (cost, is_sound) }
}

/// The text that a JSON object, or one that Python printed, holds under `key`, if it escapes nothing. Long texts are looked through without
/// being read.
pub(super) fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.match_indices(key).find_map(|(at, _)| {
        let quote = text[..at].chars().next_back().and_then(quote_of)?;
        let rest = text[at + key.len()..].strip_prefix(quote)?.trim_start().strip_prefix(':')?.trim_start();
        // Python takes the other quotes for a text with an apostrophe.
        let quote = rest.chars().next().and_then(quote_of)?;
        let (value, _) = rest[1..].split_once(quote)?;
        (!value.is_empty() && !value.contains('\\')).then_some(value)
    })
}

fn quote_of(letter: char) -> Option<char> {
    matches!(letter, '"' | '\'').then_some(letter)
}

fn object(text: &str) -> Option<Map<String, Json>> {
    if text.len() > TEXT_MAX_BYTES { None } else { serde_json::from_str(text).ok() }
}

/// A dictionary of numbers that Python printed, as JSON; nothing where it holds a text that would need more than other quotes.
pub(super) fn of_python(text: &str) -> Option<String> {
    let is_plain = text.len() <= TEXT_MAX_BYTES && text.starts_with("{'") && !text.contains(['"', '\\']);
    is_plain.then(|| text.replace('\'', "\"").replace(": None", ": null").replace(": True", ": true").replace(": False", ": false"))
}

fn as_value(number: &Number) -> Value<'static> {
    match number.as_i64() {
        Some(whole) => Value::Int(whole),
        None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

fn first(counts: &[(String, u64)], names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count))
}

fn ending(counts: &[(String, u64)], end: &str) -> u64 {
    counts.iter().find(|(name, _)| name.ends_with(end)).map_or(0, |(_, count)| *count)
}

/// Input and output, with the categories added where they do not overlap.
fn split(counts: &[(String, u64)], total: Option<u64>) -> (Option<u64>, Option<u64>) {
    let (input, output) = (first(counts, INPUT), first(counts, OUTPUT));
    let (all_input, all_output) = (with_categories(counts, "input", INPUT, input), with_categories(counts, "output", OUTPUT, output));
    let sum = |input: Option<u64>, output: Option<u64>| input.unwrap_or(0).saturating_add(output.unwrap_or(0));
    // What was thought may be in the total alone.
    let is_whole =
        total.is_some_and(|total| total == sum(input, output) || total > sum(input, output) && total < sum(all_input, all_output));
    if is_whole || first(counts, OF_OPENAI).is_some() || counts.iter().any(|(name, _)| name.contains("_details.")) {
        return (input, output);
    }
    (all_input, all_output)
}

fn with_categories(counts: &[(String, u64)], word: &str, plain_names: &[&str], plain: Option<u64>) -> Option<u64> {
    let is_category = |name: &str| name.contains(word) && !plain_names.contains(&name);
    let categories = counts.iter().filter(|(name, _)| is_category(name)).map(|(_, count)| *count).reduce(u64::saturating_add);
    match (plain, categories) {
        (None, None) => None,
        (plain, categories) => Some(plain.unwrap_or(0).saturating_add(categories.unwrap_or(0))).filter(|&sum| sum <= SPAN_TOKENS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split_of(text: &str) -> (Option<u64>, Option<u64>, u64) {
        let (usage, is_sound) = tokens(text);
        assert!(is_sound, "{text}");
        (usage.input_tokens, usage.output_tokens, usage.tokens())
    }

    #[test]
    fn categories_of_langfuse_add_up() {
        assert_eq!(split_of(r#"{"input":12,"output":3}"#), (Some(12), Some(3), 15));
        assert_eq!(split_of(r#"{"input":10,"output":5,"input_cached_tokens":90,"total":105}"#), (Some(100), Some(5), 105));
        assert_eq!(split_of(r#"{"input":10,"output":5,"input_cached_tokens":90,"output_reasoning_tokens":7}"#), (Some(100), Some(12), 112));
    }

    #[test]
    fn the_shape_of_openai_holds_its_parts_within() {
        assert_eq!(split_of(r#"{"input":100,"output":5,"input_cached_tokens":90,"total":105}"#), (Some(100), Some(5), 105));
        assert_eq!(split_of(r#"{"prompt_tokens":100,"completion_tokens":5,"cache_read_input_tokens":90}"#), (Some(100), Some(5), 105));
        let (usage, _) = tokens(r#"{"input_tokens":100,"output_tokens":5,"input_tokens_details":{"cached_tokens":90}}"#);
        assert_eq!((usage.tokens(), usage.cache_read_tokens), (105, Some(90)));
        assert_eq!(split_of(r#"{"total_tokens":40}"#), (None, None, 40));
    }

    #[test]
    fn a_total_that_is_less_than_all_the_categories_says_that_they_overlap() {
        // MLflow, of Gemini: 8 tokens of thoughts are in the total alone.
        let gemini = r#"{"input_tokens":1220,"output_tokens":34,"total_tokens":1262,"cache_read_input_tokens":512}"#;
        let (usage, _) = tokens(gemini);
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.total_tokens),
            (Some(1220), Some(34), Some(512), Some(1262))
        );
    }

    #[test]
    fn cache_writes_for_an_hour_are_a_part_of_the_cache_writes() {
        let of = |text: &str| {
            let (usage, is_sound) = tokens(text);
            assert!(is_sound, "{text}");
            (usage.input_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens)
        };
        let flat = r#"{"input":101,"cache_creation_input_tokens":2048,"cache_creation_ephemeral_1h_input_tokens":48,
                       "cache_creation_ephemeral_5m_input_tokens":2000,"output":41}"#;
        assert_eq!(of(flat), (Some(2149), Some(2048), 48));
        let split = r#"{"input":101,"input_cache_creation":0,"input_ephemeral_5m_input_tokens":2000,"input_ephemeral_1h_input_tokens":48}"#;
        assert_eq!(of(split), (Some(2149), Some(2048), 48));
        let nested = r#"{"input_tokens":2149,"output_tokens":41,"total_tokens":2190,
                         "input_token_details":{"cache_creation":0,"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":2048}}"#;
        assert_eq!(of(nested), (Some(2149), Some(2048), 2048));
    }

    #[test]
    fn a_cost_is_its_total_or_the_sum_of_its_parts() {
        assert_eq!(dollars(r#"{"input":0.0001,"output":0.0002,"total":0.0006}"#), (Some(NanoUsd(600_000)), true));
        assert_eq!(dollars(r#"{"input":0.1,"output":0.2}"#), (Some(NanoUsd(300_000_000)), true));
        assert_eq!(dollars(r#"{"input_cost":0.001,"output_cost":0.002,"total_cost":0.003}"#), (Some(NanoUsd(3_000_000)), true));
        assert_eq!(dollars(r#"{"input":-1,"output":0.2}"#), (Some(NanoUsd(200_000_000)), false));
        assert_eq!(dollars(r#"{"a":900000,"b":900000}"#), (None, false));
    }

    #[test]
    fn an_answer_states_its_usage_and_the_provider_its_parts() {
        let of = |text: &str| {
            let (usage, is_sound) = answer(text);
            assert!(is_sound, "{text}");
            (usage.tokens(), usage.cache_read_tokens, usage.reasoning_tokens)
        };
        let genkit = r#"{"message":{"content":[{"toolRequest":{"input":{"usage":{"total":9}}}}]},"usage":{"inputTokens":1220,"outputTokens":42},
                        "raw":{"usage":{"prompt_tokens":1220,"completion_tokens":42,"prompt_tokens_details":{"cached_tokens":512}}}}"#;
        assert_eq!(of(genkit), (1262, Some(512), None));
        let google = r#"{"content":{"parts":[]},"usage_metadata":{"prompt_token_count":1220,"candidates_token_count":34,
                        "cached_content_token_count":512,"thoughts_token_count":8,"total_token_count":1262}}"#;
        assert_eq!(of(google), (1254, Some(512), Some(8)));
        assert_eq!(answer(google).0.total_tokens, Some(1262));
        for nothing in [r#""It is sunny.""#, r#"{"usage":"much"}"#, r#"{"raw":7}"#, "{", "{}", r#"{"message":{"usage":{"total":9}}}"#] {
            assert_eq!(answer(nothing), (Usage::default(), true), "{nothing}");
        }
    }

    #[test]
    fn a_member_is_found_in_json_and_in_what_python_prints_and_only_as_a_key() {
        assert_eq!(member(r#"{"a_model": "x", "model" : "y"}"#, "model"), Some("y"));
        assert_eq!(member("{'trace_id': 'a', 'session_id': 'px-3', 'headers': {}}", "session_id"), Some("px-3"));
        assert_eq!(member(r#"{'session_id': "ann's"}"#, "session_id"), Some("ann's"));
        for text in
            ["{'session_id': None}", r#"{"session_id": 7}"#, "session_id", "'session_id", r#"{"x": "session_id"}"#, "{'session_id': '"]
        {
            assert_eq!(member(text, "session_id"), None, "{text}");
        }
    }

    #[test]
    fn tokens_are_read_of_a_dictionary_that_python_printed() {
        let text = "{'completion_tokens': 42, 'prompt_tokens': 1220, 'total_tokens': 1262, 'completion_tokens_details': None, \
                    'prompt_tokens_details': {'audio_tokens': 0, 'cached_tokens': 512}}";
        let (usage, is_sound) = tokens(&of_python(text).unwrap());
        assert!(is_sound);
        assert_eq!((usage.tokens(), usage.cache_read_tokens), (1262, Some(512)));
        assert_eq!(of_python(r#"{"prompt_tokens": 1}"#), None);
    }

    #[test]
    fn what_is_no_object_is_not_believed_and_nothing_is_nothing() {
        assert_eq!(tokens(""), (Usage::default(), true));
        assert_eq!(tokens("{}"), (Usage::default(), true));
        for text in ["[1]", "12", "{", "null", r#"{"input":-1}"#, r#"{"input":1e300}"#, &" ".repeat(5000).replace(' ', "[")] {
            assert_eq!(tokens(text), (Usage::default(), false), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"\{?("?(input|output|total|x)"?[:, {}]{0,3}[-0-9.e]{0,25},?){0,4}\}?"#) {
            tokens(&text);
            dollars(&text);
        }
    }
}
