//! Sharing of the strings that repeat.

use std::fmt;
use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::model::Str;

/// Strings that were seen lately. A power of two.
const SLOTS: usize = 4096;

/// The longest string that is kept, in bytes; with [`SLOTS`] it bounds what a [`Strings`] holds to 1 MiB.
const SHARED_MAX_BYTES: usize = 256;

/// Shares the strings that repeat (names, models, scopes), so that a million spans hold a pointer each and not a copy.
///
/// - A cache of fixed size with one place for each string: a newcomer takes the place of whoever is there. So it never grows, and no choice
///   of strings makes it slow.
/// - Never ask it for session, user or run ids: they do not repeat enough and would drive out what does.
#[derive(Default)]
pub struct Strings {
    /// Empty until the first string comes.
    slots: Vec<Option<Str>>,
    /// What was repeated last.
    last: Option<Str>,
}

// === impl Strings ===

impl Strings {
    /// `text` as a shared string: the same allocation as last time, if it was not driven out meanwhile.
    pub fn share(&mut self, text: &str) -> Str {
        if text.len() > SHARED_MAX_BYTES {
            return text.into();
        }
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, None);
        }
        let slot = &mut self.slots[place(text)];
        if let Some(known) = slot
            && **known == *text
        {
            return known.clone();
        }
        slot.insert(text.into()).clone()
    }

    /// `text` as a shared string, if it is the same as last time: for what is repeated at once or never, such as what the calls of a run
    /// were asked.
    pub fn repeat(&mut self, text: &str) -> Str {
        match &self.last {
            Some(last) if **last == *text => last.clone(),
            _ => self.last.insert(text.into()).clone(),
        }
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strings").field("n_kept", &self.slots.iter().flatten().count()).finish()
    }
}

fn place(text: &str) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    (hasher.finish() >> 20) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_string_that_repeats_is_one_allocation() {
        let mut strings = Strings::default();
        let first = strings.share("chat gpt-4o");
        assert!(Arc::ptr_eq(&first, &strings.share("chat gpt-4o")));
        assert_eq!(&*strings.share(""), "");
    }

    #[test]
    fn what_is_repeated_at_once_is_one_allocation_and_nothing_else_is_kept() {
        let mut strings = Strings::default();
        let first = strings.repeat("where is it?");
        assert!(Arc::ptr_eq(&first, &strings.repeat("where is it?")));
        assert_eq!(&*strings.repeat("there"), "there");
        assert!(!Arc::ptr_eq(&first, &strings.repeat("where is it?")) && strings.slots.is_empty());
    }

    #[test]
    fn what_is_asked_for_is_what_comes_back_however_many_there_are() {
        let mut strings = Strings::default();
        for n in 0..20_000 {
            let text = format!("GET /items/{n}");
            assert_eq!(&*strings.share(&text), text);
        }
        assert!(strings.slots.len() == SLOTS);
    }

    #[test]
    fn names_of_one_kind_spread_over_the_places() {
        let places: std::collections::HashSet<_> = (0..1000).map(|n| place(&format!("agent-{n}"))).collect();
        assert!(places.len() > 800, "{}", places.len());
    }

    #[test]
    fn a_long_string_is_not_kept() {
        let mut strings = Strings::default();
        let long = "x".repeat(SHARED_MAX_BYTES + 1);
        assert_eq!(*strings.share(&long), *long);
        assert_eq!(format!("{strings:?}"), "Strings { n_kept: 0 }");
    }
}
