//! A phrase in a text, with the words around it.

/// Characters of the text on each side of the phrase.
const AROUND_CHARS: usize = 90;
/// Of one text so much is looked through, in bytes.
const TEXT_MAX_BYTES: usize = 1 << 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Excerpt {
    pub(super) before: String,
    /// As the text writes it.
    pub(super) phrase: String,
    pub(super) after: String,
}

/// What is looked for, prepared once.
pub(super) struct Phrase {
    folded: String,
}

// === impl Phrase ===

impl Phrase {
    pub(super) fn new(phrase: &str) -> Self {
        Self { folded: one_line(phrase).chars().map(fold).collect() }
    }

    /// Its first place in the text: letters in any case, and whatever parts the words.
    pub(super) fn find(&self, text: &str) -> Option<Excerpt> {
        let text = one_line(&text[..text.floor_char_boundary(TEXT_MAX_BYTES)]);
        let folded: String = text.chars().map(fold).collect();
        let at = folded.find(&self.folded)?;
        let first = folded[..at].chars().count();
        let n_chars = self.folded.chars().count();
        let part = |from: usize, n: usize| text.chars().skip(from).take(n).collect::<String>();
        let from = first.saturating_sub(AROUND_CHARS);
        let after: String = text.chars().skip(first + n_chars).take(AROUND_CHARS + 1).collect();
        let is_cut = after.chars().count() > AROUND_CHARS;
        Some(Excerpt {
            before: format!("{}{}", if from > 0 { "…" } else { "" }, part(from, first - from)),
            phrase: part(first, n_chars),
            after: if is_cut { format!("{}…", after.chars().take(AROUND_CHARS).collect::<String>()) } else { after },
        })
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One character for each, so that places in the folded text are places in the text.
fn fold(c: char) -> char {
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn excerpt(text: &str, phrase: &str) -> Option<(String, String, String)> {
        Phrase::new(phrase).find(text).map(|found| (found.before, found.phrase, found.after))
    }

    fn three(before: &str, phrase: &str, after: &str) -> Option<(String, String, String)> {
        Some((before.into(), phrase.into(), after.into()))
    }

    #[test]
    fn a_phrase_is_found_in_any_case_and_over_the_ends_of_lines() {
        assert_eq!(excerpt("The Rate\n  LIMIT was hit", "rate limit"), three("The ", "Rate LIMIT", " was hit"));
        assert_eq!(excerpt("İÇ ÜBER", "über"), three("İÇ ", "ÜBER", ""));
        assert_eq!(excerpt("nothing", "rate"), None);
        let long = format!("{} here {}", "a".repeat(200), "b".repeat(200));
        let (before, phrase, after) = excerpt(&long, "here").unwrap();
        assert_eq!((before.chars().count(), &*phrase, after.chars().count()), (91, "here", 91));
        assert!(before.starts_with('…') && after.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_cut_out_of_a_text_is_found(text in "\\PC{0,60}", from in 0..40_usize, n in 1..10_usize) {
            let phrase: String = text.chars().skip(from).take(n).collect();
            let found = Phrase::new(&phrase).find(&text);
            prop_assert!(found.is_some() || phrase.is_empty() || phrase.trim() != phrase);
        }
    }
}
