//! What a person notes of a session: a bookmark, and a few words of their own.

use crate::model::Str;
use crate::model::time::UnixNanos;

/// The longest text of a note, in characters.
pub const NOTE_MAX_CHARS: usize = 2_000;

/// What stands beside one session. A note of which nothing is left is no note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub is_bookmarked: bool,
    pub text: NoteText,
    /// When it was last changed, by the server's clock.
    pub changed_at: UnixNanos,
}

/// At most [`NOTE_MAX_CHARS`] characters, without white space around them; lines end as in Unix. It may be empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NoteText(Str);

/// What is to be different; `None` stays as it is. So two people who change different things do not undo each other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NoteChange {
    pub is_bookmarked: Option<bool>,
    pub text: Option<NoteText>,
}

// === impl Note ===

impl Note {
    /// Bytes that it holds in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + 4 * size_of::<usize>() + self.text.0.len()
    }
}

// === impl NoteText ===

impl NoteText {
    /// `None` for what is too long. Browsers send the lines of a form with carriage returns.
    pub fn new(written: &str) -> Option<Self> {
        let text = written.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim();
        (text.chars().count() <= NOTE_MAX_CHARS).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it in one line.
    pub fn one_line(&self) -> String {
        self.0.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

// === impl NoteChange ===

impl NoteChange {
    /// Nothing is noted any more.
    pub fn removal() -> Self {
        Self { is_bookmarked: Some(false), text: Some(NoteText::default()) }
    }

    /// What stands afterwards. What is not different keeps its time.
    pub fn applied(&self, before: Option<&Note>, at: UnixNanos) -> Option<Note> {
        let is_bookmarked = self.is_bookmarked.unwrap_or_else(|| before.is_some_and(|before| before.is_bookmarked));
        let text = self.text.clone().or_else(|| before.map(|before| before.text.clone())).unwrap_or_default();
        let is_same = before.is_some_and(|before| before.is_bookmarked == is_bookmarked && before.text == text);
        match before {
            Some(before) if is_same => Some(before.clone()),
            _ => (is_bookmarked || !text.is_empty()).then_some(Note { is_bookmarked, text, changed_at: at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> NoteText {
        NoteText::new(text).unwrap()
    }

    #[test]
    fn a_text_is_bounded_in_characters_and_its_lines_end_as_in_unix() {
        assert_eq!(text(" a\r\nb\rc\n").as_str(), "a\nb\nc");
        assert_eq!(text("a\n\n b").one_line(), "a b");
        assert!(NoteText::new(&format!(" {} ", "é".repeat(2_000))).is_some());
        assert_eq!(NoteText::new(&"é".repeat(2_001)), None);
        assert!(text(" \n").is_empty());
    }

    #[test]
    fn what_a_change_leaves_out_stays_and_what_nothing_is_left_of_goes() {
        let star = NoteChange { is_bookmarked: Some(true), text: None };
        let write = |words: &str| NoteChange { is_bookmarked: None, text: Some(text(words)) };
        let starred = star.applied(None, UnixNanos(1)).unwrap();
        assert_eq!((starred.is_bookmarked, starred.text.as_str(), starred.changed_at), (true, "", UnixNanos(1)));
        let both = write("ticket").applied(Some(&starred), UnixNanos(2)).unwrap();
        assert_eq!((both.is_bookmarked, both.text.as_str(), both.changed_at), (true, "ticket", UnixNanos(2)));
        // Said twice, it was said once.
        assert_eq!(write("ticket").applied(Some(&both), UnixNanos(3)), Some(both.clone()));
        assert_eq!(write("").applied(Some(&both), UnixNanos(4)).map(|note| note.text.is_empty()), Some(true));
        assert_eq!(NoteChange::removal().applied(Some(&both), UnixNanos(5)), None);
        assert_eq!(NoteChange::default().applied(None, UnixNanos(6)), None);
    }
}
