//! The TraceQL that finds spans whose texts hold a phrase.
//!
//! - TraceQL has no wildcard for names: the attributes that may hold it are named, and each costs Tempo about as much as the first.
//! - Texts are mostly JSON, at times JSON within JSON: a phrase is found however that writes quotes, ends of lines and what is not ASCII.

use std::fmt::Write;

use super::text::{QueryText, quoted};

/// Tempo takes 128 KiB; a query travels in an address, in which most of it takes three times as much.
const CONDITIONS_MAX_BYTES: usize = 64 << 10;
/// White space, also as JSON escapes it. RE2's `\s` is of ASCII.
const BETWEEN_WORDS: &str = r"(?:[\s\p{Z}]|\\+[nrt]|\\+u[0-9a-f]{4})+";
/// Names above this are nobody's, and would be lost at the ends of Tempo's pieces.
const NAME_MAX_BYTES: usize = 200;

/// What is looked for, and where.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SaidQuery {
    pub phrase: String,
    /// Attributes of spans, and of their events, in which it may stand; of a long phrase not all are looked at.
    pub in_spans: Vec<String>,
    pub in_events: Vec<String>,
    /// Attributes of the spans that the answer has.
    pub shown: Vec<String>,
}

// === impl SaidQuery ===

impl SaidQuery {
    /// `None` where it names no attribute to look at. The newest traces are found first.
    pub fn traceql(&self) -> Option<String> {
        let expression = quoted(&expression(&self.phrase));
        let places = |scope: &'static str, names: &[String]| names.iter().filter_map(|name| named(scope, name)).collect::<Vec<_>>();
        let mut conditions = [places("span", &self.in_spans), places("event", &self.in_events)].concat();
        conditions.truncate((CONDITIONS_MAX_BYTES / (expression.len() + NAME_MAX_BYTES)).max(1));
        let mut text = QueryText::default();
        text.push("{ ");
        for (n, place) in conditions.iter().enumerate() {
            text.push(if n > 0 { " || " } else { "" });
            text.push(&format!("{place} =~ ")).raw_literal(&expression);
        }
        text.push(" }");
        let shown = places("span", &self.shown);
        if !shown.is_empty() {
            text.push(" | select(").list(&shown, ", ").push(")");
        }
        text.push(" with (most_recent=true)");
        (!conditions.is_empty()).then(|| text.as_str().to_owned())
    }
}

/// An attribute as TraceQL names it; `None` if it cannot.
fn named(scope: &str, name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_quotable = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte);
    match name {
        "" => None,
        _ if name.len() > NAME_MAX_BYTES => None,
        _ if name.bytes().all(is_plain) => Some(format!("{scope}.{name}")),
        _ if name.bytes().all(is_quotable) => Some(format!("{scope}.\"{name}\"")),
        _ => None,
    }
}

/// A regular expression (RE2, matched as a whole) for texts that hold the phrase: letters in any case, whatever parts the words, and
/// however JSON writes it.
pub fn expression(phrase: &str) -> String {
    let mut expression = String::from("(?is).*");
    for (n, word) in phrase.split_whitespace().enumerate() {
        expression.push_str(if n > 0 { BETWEEN_WORDS } else { "" });
        word.chars().for_each(|c| push(&mut expression, c));
    }
    expression.push_str(".*");
    expression
}

fn push(expression: &mut String, c: char) {
    match c {
        '\\' => expression.push_str(r"\\+"),
        '"' | '/' => _ = write!(expression, r"\\*{c}"),
        // What writers for the web escape as well.
        '<' | '>' | '&' | '\'' => push_either(expression, &[c]),
        _ if c.is_ascii_punctuation() => _ = write!(expression, r"\{c}"),
        _ if c.is_ascii() => expression.push(c),
        _ => {
            let mut cases = vec![c];
            for other in [one(c.to_lowercase()), one(c.to_uppercase())].into_iter().flatten() {
                if !cases.contains(&other) {
                    cases.push(other);
                }
            }
            push_either(expression, &cases);
        }
    }
}

fn one(mut case: impl Iterator<Item = char>) -> Option<char> {
    case.next().filter(|_| case.next().is_none())
}

/// The first of them itself, or any of them as JSON escapes it.
fn push_either(expression: &mut String, cases: &[char]) {
    // Writing to a String cannot fail.
    let _ = write!(expression, "(?:{}", cases[0]);
    for c in cases {
        expression.push('|');
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(expression, r"\\+u{unit:04x}");
        }
    }
    expression.push(')');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::Value;

    use super::*;

    /// As Tempo matches.
    fn finds(phrase: &str, text: &str) -> bool {
        Regex::new(&format!("^(?:{})$", expression(phrase))).unwrap().is_match(text)
    }

    fn escaped(text: &str) -> String {
        let unit =
            |unit: u16| if (b' '.into()..127).contains(&unit) { char::from(unit as u8).to_string() } else { format!("\\u{unit:04x}") };
        Value::from(text).to_string().encode_utf16().map(unit).collect()
    }

    #[test]
    fn a_phrase_is_found_however_a_text_writes_it() {
        for (phrase, text) in [
            ("rate limit", "The Rate\n LIMIT was hit"),
            ("rate limit", r#"[{"content":"a rate\n\tlimit"}]"#),
            ("the \"blue\" one", r#"{"a":"[{\"text\":\"The \\\"Blue\\\" one\"}]"}"#),
            ("für alle", r"F\u00dcR alle"),
            ("💬", r"\ud83d\udcac"),
            ("a/b <c> d\\e", r"A\/B \u003cC\u003e D\\E"),
            ("50% (off).*", "now 50% (off).* here"),
        ] {
            assert!(finds(phrase, text), "{phrase} in {text}: {}", expression(phrase));
        }
        for (phrase, text) in [("a.c", "abc"), ("rate limit", "ratelimit"), ("für", "fur"), ("x*", "xxx")] {
            assert!(!finds(phrase, text), "{phrase} in {text}");
        }
    }

    #[test]
    fn a_query_names_what_can_be_named_and_asks_for_the_newest() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let query = SaidQuery {
            phrase: "a \"b".into(),
            in_spans: names(&["gen_ai.output.messages", "genkit:input", "a\"b"]),
            in_events: names(&["content"]),
            shown: names(&["gen_ai.output.messages"]),
        };
        let expression = r#""(?is).*a(?:[\\s\\p{Z}]|\\\\+[nrt]|\\\\+u[0-9a-f]{4})+\\\\*\"b.*""#;
        assert_eq!(
            query.traceql().unwrap(),
            format!(
                "{{ span.gen_ai.output.messages =~ {expression} || span.\"genkit:input\" =~ {expression} || event.content =~ {expression} }} \
                 | select(span.gen_ai.output.messages) with (most_recent=true)"
            )
        );
        assert_eq!(SaidQuery { in_spans: Vec::new(), in_events: Vec::new(), ..query }.traceql(), None);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_is_found_in_itself_and_in_json(text in "\\PC{1,30}") {
            prop_assume!(!text.trim().is_empty());
            let phrase = text.trim();
            prop_assert!(finds(phrase, &text), "{}", expression(phrase));
            prop_assert!(finds(phrase, &Value::from(text.as_str()).to_string()), "{}", expression(phrase));
            prop_assert!(finds(phrase, &Value::from(escaped(&text)).to_string()), "{}", expression(phrase));
        }
    }
}
