//! What a run was asked, as one line that can be kept and shown anywhere.
//!
//! Made of what a sender said, so it is hostile text: bounded and without control characters, and nothing else is promised of it.

mod made_out;

use std::ops::Deref;

pub use made_out::made_out;

use crate::model::{Str, line};

/// The longest question that is kept, in bytes, the mark of what was cut off included.
pub const QUESTION_MAX_BYTES: usize = 160;

/// One line, never empty, at most [`QUESTION_MAX_BYTES`] long.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question(Str);

// === impl Question ===

impl Question {
    /// Of what was asked, cut between characters where it is too long. `None` if nothing of it can be seen.
    pub fn of(asked: &str) -> Option<Self> {
        line::of(asked.lines(), QUESTION_MAX_BYTES).map(Self)
    }
}

impl Deref for Question {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(said: &str) -> Option<String> {
        made_out(said).and_then(|asked| Question::of(&asked)).map(|question| question.to_string())
    }

    #[test]
    fn plain_text_is_its_first_line_of_words() {
        for (said, shown) in [
            ("Where is my order?", Some("Where is my order?")),
            (" Where\n\n is\tmy\u{202e} order? ", Some("Where is my order?")),
            ("<b>hi</b>", Some("<b>hi</b>")),
            ("\"quoted \\u00e9\"", Some("quoted é")),
            ("\"Hello\", he said", Some("\"Hello\", he said")),
            ("  \n ", None),
            ("null", None),
            ("None", None),
            ("<__main__.State object at 0x7f2a>", None),
        ] {
            assert_eq!(line(said).as_deref(), shown, "{said}");
        }
        assert_eq!(line(&"x".repeat(160)), Some("x".repeat(160)));
        assert_eq!(line(&"x".repeat(161)), Some("x".repeat(157) + "…"));
        assert_eq!(line(&("a".to_owned() + &" ".repeat(400) + "b")).as_deref(), Some("a …"), "what was cut off is marked");
    }

    #[test]
    fn of_json_it_is_what_a_person_said_first() {
        for (said, shown) in [
            (r#"[{"role":"system","content":"Be kind."},{"role":"user","content":"hi"},{"role":"user","content":"no"}]"#, Some("hi")),
            (r#"[{"role":"user","parts":[{"type":"text","content":"hi \"you\"\n"}]}]"#, Some("hi \"you\"")),
            (r#"[{"content":[{"type":"image","data":"AAAA"},{"type":"text","text":"hi"}],"role":"user"}]"#, Some("hi")),
            (r#"[{"role":"user","content":[{"type":"tool_result","content":"21"}]},{"role":"user","content":"hi"}]"#, Some("hi")),
            (r#"{"model":"m","contents":[{"parts":[{"text":"hi"}],"role":"user"}]}"#, Some("hi")),
            (
                r#"{"messages":[[{"lc":1,"type":"constructor","id":["HumanMessage"],"kwargs":{"content":"hi","type":"human"}}]]}"#,
                Some("hi"),
            ),
            (r#"{"inputs":{"messages":[["system","x"],["user","hi"]]},"tags":[]}"#, Some("hi")),
            (r#"{"messages":[{"source":"user","content":"hi","type":"TextMessage"}]}"#, Some("hi")),
            (r#"{"system":"Be kind.","prompt":"hi"}"#, Some("hi")),
            (r#"{"query":"hi","k":3}"#, Some("hi")),
            (r#"{"question":"hi"}"#, Some("hi")),
            (r#"{"input":"{\"question\":\"hi\"}"}"#, Some("hi")),
            (r#"{"args":["id-1","hi"],"kwargs":{}}"#, None),
            (r#"{"args":[{"question":"hi"}],"kwargs":{}}"#, Some("hi")),
            (r#"[{"role":"user","content":"[urgent] hi"}]"#, Some("[urgent] hi")),
            ("[[urgent]] hi", Some("[[urgent]] hi")),
            ("{name}, hi", Some("{name}, hi")),
            ("id='4711' source='user' content='hi'", None),
            ("[('user', 'hi')]", None),
            (r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}]}"#, Some("hi")),
            (r#"{"data":{"messages":[{"role":"user","_content":[{"text":"hi \ud83d\ude00"}]}]}}"#, Some("hi \u{1f600}")),
            (r#"[{"role":"system","content":"Be kind."},{"role":"assistant","content":"hello"}]"#, None),
            (r#"[{"role":"system","content":[{"type":"text","text":"Be kind."}]}]"#, None),
            (r#"{"instructions":"Be kind.","name":"x"}"#, None),
            (r#"{"city":"Paris"}"#, None),
            (r#"["a","b"]"#, None),
            (r#"[{"role":"user","content":null}]"#, None),
            ("[HumanMessage(content='hi')]", None),
            ("{'input': 'hi'}", None),
            ("{}", None),
            ("{", None),
            ("[[[[", None),
        ] {
            assert_eq!(line(said).as_deref(), shown, "{said}");
        }
    }

    #[test]
    fn what_was_cut_off_on_its_way_is_read_as_far_as_it_goes() {
        let whole = r#"[{"role":"user","content":"Where is my order?"},{"role":"assistant","content":"There."}]"#;
        for end in 0..whole.len() {
            let shown = line(&whole[..end]);
            assert!(shown.as_deref().is_none_or(|shown| "Where is my order?".starts_with(shown)), "{end}: {shown:?}");
        }
        let long = format!(r#"[{{"role":"system","content":"{}"}},{{"role":"user","content":"hi"}}]"#, "x".repeat(100_000));
        assert_eq!(line(&long), None, "beyond the limit nothing is read");
        let deep = "[".repeat(60_000);
        assert_eq!(line(&deep), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_kept_is_bounded(
            said in r#"[\[{"]?(["{}\[\]:,\\u ]|"(role|user|content|text|input|messages|type)"|\PC){0,80}"#,
        ) {
            if let Some(asked) = made_out(&said) {
                prop_assert!(asked.len() <= 203);
                if let Some(question) = Question::of(&asked) {
                    prop_assert!(!question.is_empty() && question.len() <= QUESTION_MAX_BYTES);
                    prop_assert_eq!(Question::of(&question), Some(question.clone()));
                }
            }
        }
    }
}
