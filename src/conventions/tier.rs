//! How a provider served a call, by the words that providers and agents have for it.
//!
//! Data only: the words under keys that mean `Tier` in `tables`. Upper and lower case are the same. A word that is not listed, such as
//! `auto`, says nothing, and the next key is asked.

use crate::model::usage::ServiceTier::{self, Fast, Flex, Priority, Standard};

/// OpenAI's `service_tier`, Anthropic's `service_tier` and `speed`, what Claude Code calls its `speed`.
pub(super) const WORDS: &[(&str, ServiceTier)] =
    &[("default", Standard), ("standard", Standard), ("normal", Standard), ("priority", Priority), ("flex", Flex), ("fast", Fast)];

/// What `word` says; `None` where it says nothing.
pub(super) fn of(word: &str) -> Option<ServiceTier> {
    WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, tier)| *tier)
}
