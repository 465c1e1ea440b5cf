//! Why a span failed, in the words that it brings.

use serde_json::Value as Json;

use crate::ui::spans::Carried;

/// Of what is shown.
const ERROR_MAX_CHARS: usize = 4_000;

/// Why a span failed: its exception, else its status, else what its attributes say.
pub(super) fn failure(carried: &Carried) -> Option<String> {
    let exception =
        carried.events.iter().filter(|event| event.name == "exception").find_map(|event| event.attributes.get("exception.message"));
    let told = || {
        ["exception.message", "error.message", "langfuse.observation.status_message", "error"]
            .iter()
            .find_map(|key| carried.attributes.get(*key))
    };
    let text = |value: &Json| value.as_str().and_then(reason);
    exception.and_then(text).or_else(|| reason(&carried.status_message)).or_else(|| told().and_then(text))
}

/// What went wrong, without where in the code.
fn reason(text: &str) -> Option<String> {
    let first =
        text.split("Traceback (most recent call last)").next().map(str::trim).filter(|first| !first.is_empty()).unwrap_or(text.trim());
    // Logfire: `{"message": …, "data": {"error": …}}`
    let read = first.starts_with('{').then(|| serde_json::from_str::<Json>(first).ok()).flatten();
    let inner = read.as_ref().and_then(|read| Some((read.get("message")?.as_str()?, read.pointer("/data/error").and_then(Json::as_str))));
    let said = match inner {
        Some((message, Some(error))) => format!("{message}: {error}"),
        Some((message, None)) => message.to_owned(),
        None => first.to_owned(),
    };
    let end = said.char_indices().nth(ERROR_MAX_CHARS).map(|(at, _)| at);
    Some(said[..end.unwrap_or(said.len())].to_owned()).filter(|said| !said.is_empty())
}
