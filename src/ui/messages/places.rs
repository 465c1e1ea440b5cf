//! Which attributes may hold what was said, for those who can ask for a few by name only.

use super::keys::{ANSWERS, INPUT_WORDS, MESSAGES, NOT_SAID, NUMBERED, OUTPUT_WORDS, TOOL_ARGUMENTS, TOOL_RESULT, WHOLE, WRAPPED};

/// Of an answer in several attributes.
const ANSWER_PARTS: [&str; 5] = ["text", "reasoning", "object", "toolCalls", "tool_calls"];
/// The last words of paths that are a message's text, and of those that say whose it is.
const TEXT_WORDS: [&str; 5] = ["content", "text", "arguments", "value", "reasoning"];
const ROLE_WORDS: [&str; 2] = ["role", "name"];
/// Of the attributes of events.
const IN_EVENTS: [&str; 12] = [
    "gen_ai.event.content",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "content",
    "message",
    "messages",
    "response",
    "output",
    "tool_calls",
    "event_body",
];

/// How sure it is that a span's attribute of this name holds what was said, the surest first; `None` if it does not.
pub(in crate::ui) fn rank(key: &str) -> Option<usize> {
    let in_dialects = |input: bool, dialects: &[super::keys::Dialect]| {
        dialects.iter().any(|dialect| if input { dialect.input } else { dialect.output }.contains(&key))
    };
    let is_instructions = key.ends_with("system_instructions");
    let ways = [
        in_dialects(false, MESSAGES)
            || ANSWERS.iter().any(|prefix| key.strip_prefix(prefix).is_some_and(|rest| ANSWER_PARTS.contains(&rest))),
        in_dialects(true, MESSAGES) && !is_instructions,
        in_dialects(false, WRAPPED) || in_dialects(true, WRAPPED),
        TOOL_ARGUMENTS.contains(&key) || TOOL_RESULT.contains(&key),
        path(key).is_some_and(|last| TEXT_WORDS.contains(&last)),
        WHOLE.contains(&key),
        is_named(key),
    ];
    ways.iter().position(|is| *is)
}

/// Whether a message that is in several attributes needs this one to be read, beside its text.
pub(in crate::ui) fn is_of_message(key: &str) -> bool {
    path(key).is_some_and(|last| ROLE_WORDS.contains(&last))
}

/// The same as [`rank`] of an event's attribute.
pub(in crate::ui) fn rank_in_event(key: &str) -> Option<usize> {
    IN_EVENTS.iter().position(|known| *known == key)
}

/// What went into a call has all that was said before.
pub(in crate::ui) fn is_of_input(key: &str) -> bool {
    ["input", "prompt", "Input", "request"].iter().any(|word| key.contains(word)) && !key.contains("output")
}

/// The last word of a key that is a path with a number in it: `llm.input_messages.0.message.content`.
fn path(key: &str) -> Option<&str> {
    let prefixes = NUMBERED.iter().flat_map(|(input, output)| [*input, *output]).filter(|prefix| !prefix.is_empty());
    let mut rests = prefixes.filter_map(|prefix| key.strip_prefix(prefix));
    let rest = rests.find(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))?;
    rest.rsplit('.').next()
}

/// By the last words of keys that no table names; whether it is of what came out is for the reader to see.
pub(super) fn is_named(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or_default();
    let is_said = INPUT_WORDS.contains(&last) || OUTPUT_WORDS.contains(&last);
    is_said && !key.split(['.', '_']).any(|word| NOT_SAID.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_dialect_are_known_the_surest_first_and_others_are_not() {
        let mut keys = [
            "agent.reply",
            "all_messages",
            "llm.input_messages.12.message.content",
            "tool.arguments",
            "traceloop.entity.output",
            "gen_ai.input.messages",
            "gen_ai.output.messages",
        ];
        keys.sort_by_key(|key| std::cmp::Reverse(rank(key)));
        assert_eq!(keys.map(|key| rank(key).unwrap()), [6, 5, 4, 3, 2, 1, 0]);
        for key in
            ["ai.response.text", "gen_ai.completion.0.content", "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments"]
        {
            assert!(rank(key).is_some(), "{key}");
        }
        for key in
            ["gen_ai.usage.output_tokens", "http.request", "gen_ai.system_instructions", "session.id", "llm.input_messages.0.message.role"]
        {
            assert_eq!(rank(key), None, "{key}");
        }
        assert!(is_of_message("llm.input_messages.0.message.role") && !is_of_message("user.role"));
        assert!(rank_in_event("gen_ai.event.content").is_some() && rank_in_event("exception.message").is_none());
    }
}
