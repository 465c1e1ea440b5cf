//! Layer 5: what the address line of a request asks for.
//!
//! - Query strings are read as HTML forms write them: `&` between pairs, `+` is a space, `%XX` is a byte.
//! - Of several values of one parameter the last one counts, as in Django, which the documented server is built on. Of `include` all count.
//! - An empty value is an absent one, so that a form with empty fields can be sent as it is.
//! - An unknown parameter never fails a request; it is reported back by name.
//! - A bad value is never guessed at: [`BadParam`] names the parameter, the value and what is allowed.
//! - No I/O, no clock, and nothing here panics, whatever the bytes.

pub mod agents;
pub mod base;
pub mod explore;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod include;
pub mod instant;
pub mod links;
pub mod overview;
pub mod pairs;
pub mod path;
pub mod run;
pub mod runs;
pub mod sessions;
pub mod tools;
pub mod users;

/// A value that cannot be meant; the text is for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct BadParam {
    pub parameter: &'static str,
    pub detail: String,
}

/// The longest part of a refused value that is repeated in an answer, in characters.
const ECHO_MAX_CHARS: usize = 80;

/// Beyond any list, and still a number that every database can hold.
const OFFSET_MAX: u64 = i64::MAX as u64;

// === impl BadParam ===

impl BadParam {
    /// `allowed` completes the sentence "must be ...".
    pub fn new(parameter: &'static str, value: &str, allowed: &str) -> Self {
        let shown: String = value.chars().take(ECHO_MAX_CHARS).collect();
        let more = if shown.len() < value.len() { "..." } else { "" };
        Self { parameter, detail: format!("Invalid {parameter} {shown:?}{more}: must be {allowed}.") }
    }
}

/// A whole number of any length, digits only; what is beyond `u64` becomes its maximum.
fn whole_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Reads `limit`: at least one.
fn limit(pairs: &pairs::Pairs, allowed: &str) -> Result<Option<u64>, BadParam> {
    let Some(text) = pairs.get("limit") else { return Ok(None) };
    match whole_number(text) {
        Some(limit) if limit > 0 => Ok(Some(limit)),
        _ => Err(BadParam::new("limit", text, allowed)),
    }
}

/// Reads `offset`: from zero; past the end of a list is fine.
pub fn offset(pairs: &pairs::Pairs) -> Result<u64, BadParam> {
    let Some(text) = pairs.get("offset") else { return Ok(0) };
    match whole_number(text) {
        Some(offset) => Ok(offset.min(OFFSET_MAX)),
        None => Err(BadParam::new("offset", text, "a whole number from 0")),
    }
}

#[cfg(test)]
mod tests;
