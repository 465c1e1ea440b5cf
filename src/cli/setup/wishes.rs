//! What shall stand in an agent's settings, once it is known which server and what was asked for.

use super::agents::{Line, Need, Value};

/// Stands for the key: the real one is never printed and never written.
pub(super) const KEY_PLACEHOLDER: &str = "YOUR_KEY";
/// The header that the key is sent in.
pub(super) const KEY_HEADER: &str = "x-wax-key";

/// What was asked for, and which server it is.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its address for OTLP over HTTP, without a slash at its end.
    pub address: String,
    pub needs_key: bool,
    pub content: bool,
    pub traces: bool,
}

/// One setting with its value.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub path: &'static [&'static str],
    pub value: Wished,
    pub why: &'static str,
    pub source: &'static str,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wished {
    Text(String),
    Flag(bool),
    /// An entry for the key in a list of headers, whatever else the list has. A key that is there stays.
    KeyInList,
    /// The key as a value. One that is there stays.
    Key,
}

/// What is to be done about a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    /// It says so already.
    Stays,
    Text(String),
    Flag(bool),
}

// === impl Asked ===

impl Asked {
    pub(super) fn wishes(&self, lines: &'static [Line]) -> Vec<Wish> {
        let wanted = |line: &&Line| {
            line.needs.iter().all(|need| match need {
                Need::Content => self.content,
                Need::Traces => self.traces,
                Need::Key => self.needs_key,
            })
        };
        lines.iter().filter(wanted).map(|line| self.wish(line)).collect()
    }

    fn wish(&self, line: &'static Line) -> Wish {
        let value = match line.value {
            Value::Text(text) => Wished::Text(text.to_owned()),
            Value::True => Wished::Flag(true),
            Value::Address(path) => Wished::Text(format!("{}{path}", self.address)),
            Value::IsContent => Wished::Flag(self.content),
            Value::IsTraces => Wished::Flag(self.traces),
            Value::KeyInList => Wished::KeyInList,
            Value::Key => Wished::Key,
        };
        Wish { path: line.path, value, why: line.why, source: line.source }
    }
}

// === impl Wish ===

impl Wish {
    /// What to write over `text`, or over a `flag`, that stands there now; `None` is for all that is neither.
    pub(super) fn settle(&self, text: Option<&str>, flag: Option<bool>) -> Settled {
        match &self.value {
            Wished::Text(wished) if text == Some(wished) => Settled::Stays,
            Wished::Flag(wished) if flag == Some(*wished) => Settled::Stays,
            Wished::Key if text.is_some_and(|text| !text.is_empty()) => Settled::Stays,
            Wished::Text(wished) => Settled::Text(wished.clone()),
            Wished::Flag(wished) => Settled::Flag(*wished),
            Wished::Key => Settled::Text(KEY_PLACEHOLDER.to_owned()),
            Wished::KeyInList => {
                let entry = format!("{KEY_HEADER}={KEY_PLACEHOLDER}");
                match text.map(str::trim).filter(|text| !text.is_empty()) {
                    None => Settled::Text(entry),
                    Some(list) if has_key(list) => Settled::Stays,
                    Some(list) => Settled::Text(format!("{},{entry}", list.trim_end_matches(','))),
                }
            }
        }
    }

    /// As it stands in a file or a variable that had nothing.
    pub(super) fn text(&self) -> String {
        match self.settle(None, None) {
            Settled::Text(text) => text,
            Settled::Flag(flag) => flag.to_string(),
            Settled::Stays => String::new(),
        }
    }
}

/// Whether a list of headers has one that we read a key from by its name.
fn has_key(list: &str) -> bool {
    list.split(',').filter_map(|entry| entry.split_once('=')).any(|(name, _)| name.trim().eq_ignore_ascii_case(KEY_HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::setup::agents::AgentName;

    fn wish(value: Wished) -> Wish {
        Wish { path: &["a"], value, why: "", source: "" }
    }

    #[test]
    fn a_key_that_is_there_stays_and_other_headers_do_too() {
        let list = wish(Wished::KeyInList);
        assert_eq!(list.settle(None, None), Settled::Text("x-wax-key=YOUR_KEY".into()));
        assert_eq!(list.settle(Some("X-Wax-Key=sfk_1"), None), Settled::Stays);
        assert_eq!(list.settle(Some("a=b, x-wax-key = sfk_1"), None), Settled::Stays);
        assert_eq!(
            list.settle(Some("authorization=Bearer abc"), None),
            Settled::Text("authorization=Bearer abc,x-wax-key=YOUR_KEY".into())
        );
        assert_eq!(list.settle(Some("not-x-wax-key=a,"), None), Settled::Text("not-x-wax-key=a,x-wax-key=YOUR_KEY".into()));
        assert_eq!(wish(Wished::Key).settle(Some("sfk_1"), None), Settled::Stays);
        assert_eq!(wish(Wished::Key).settle(Some(""), None), Settled::Text("YOUR_KEY".into()));
    }

    #[test]
    fn a_flag_as_text_is_replaced_by_a_flag() {
        assert_eq!(wish(Wished::Flag(true)).settle(Some("true"), None), Settled::Flag(true));
        assert_eq!(wish(Wished::Flag(true)).settle(None, Some(true)), Settled::Stays);
        assert_eq!(wish(Wished::Text("1".into())).settle(None, Some(true)), Settled::Text("1".into()));
    }

    #[test]
    fn content_traces_and_the_key_are_there_only_where_they_belong() {
        let agent = AgentName::ClaudeCode.agent();
        let names = |content, traces, needs_key| -> Vec<&str> {
            let asked = Asked { address: "http://a:1".into(), needs_key, content, traces };
            asked.wishes(agent.lines).iter().map(|wish| wish.path[1]).collect()
        };
        let plain = names(false, false, false);
        assert!(!plain.iter().any(|name| name.contains("LOG_") || name.contains("TRACES") || name.contains("HEADERS")), "{plain:?}");
        assert!(names(true, false, false).contains(&"OTEL_LOG_USER_PROMPTS"));
        assert!(names(false, true, false).contains(&"OTEL_TRACES_EXPORTER"));
        assert!(names(false, false, true).contains(&"OTEL_EXPORTER_OTLP_HEADERS"));
    }
}
