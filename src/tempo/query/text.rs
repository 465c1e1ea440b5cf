//! TraceQL as text that Tempo reads as it was meant.
//!
//! Tempo's lexer reads a query in pieces of 1024 bytes and loses what follows the end of a piece where an attribute's name reaches over it
//! (measured on 3.1: attributes are left out of the answer without a word, or the query is refused for its syntax). So names are kept away from
//! those places, with spaces.

/// How much Tempo reads at a time.
const PIECE_BYTES: usize = 1024;
/// Its pieces are some bytes shorter where a character of several bytes lies at the end of one.
const MARGIN_BYTES: usize = 32;

/// A query that is being written.
#[derive(Clone, Debug, Default)]
pub struct QueryText(String);

impl QueryText {
    /// Appends tokens that belong together, such as `span.sessionfold.cost != nil`; at most some hundred bytes.
    pub fn push(&mut self, tokens: &str) -> &mut Self {
        let (start, end) = (self.0.len(), self.0.len() + tokens.len());
        // The end of a piece that is still ahead, or hardly behind.
        let piece_end = (start.saturating_sub(MARGIN_BYTES) / PIECE_BYTES + 1) * PIECE_BYTES;
        if end + MARGIN_BYTES > piece_end {
            self.0.extend(std::iter::repeat_n(' ', piece_end + MARGIN_BYTES - start));
        }
        self.0.push_str(tokens);
        self
    }

    /// Appends a string literal, of any length: it may reach over the end of a piece.
    pub fn literal(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&quoted(text));
        self
    }

    /// The same of one that is quoted already.
    pub(super) fn raw_literal(&mut self, quoted: &str) -> &mut Self {
        self.0.push_str(quoted);
        self
    }

    /// Appends tokens with commas between them.
    pub fn list<T: AsRef<str>>(&mut self, tokens: impl IntoIterator<Item = T>, separator: &str) -> &mut Self {
        for (n, tokens) in tokens.into_iter().enumerate() {
            if n > 0 {
                self.push(separator);
            }
            self.push(tokens.as_ref());
        }
        self
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text as TraceQL writes it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_so_that_it_means_itself() {
        assert_eq!(quoted("conv/1"), "\"conv/1\"");
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\n\"");
    }

    #[test]
    fn no_name_comes_near_the_end_of_a_piece_and_nothing_else_changes() {
        for shift in 0..PIECE_BYTES {
            let names: Vec<String> = (0..200).map(|n| format!("span.attribute.number.{n}")).collect();
            let mut text = QueryText::default();
            text.literal(&"x".repeat(shift)).push(" ").list(&names, ", ");
            for name in &names {
                let at = text.as_str().find(&format!("{name},")).unwrap_or_else(|| text.as_str().rfind(name).unwrap());
                let (first, last) = (at.saturating_sub(2), at + name.len() + 1);
                assert_eq!(first / PIECE_BYTES, last / PIECE_BYTES, "{name} at {at} with {shift}");
            }
            let bare: String = text.as_str().chars().filter(|c| *c != ' ').collect();
            assert_eq!(bare, format!("\"{}\"{}", "x".repeat(shift), names.join(",")));
        }
    }
}
