//! Python's own notation of values, which instrumentations write where they called `str` or `repr`: read as JSON.
//!
//! - Literals, lists, dicts, and objects as `Name(key=value)`, or as `key=value key=value` (pydantic's `str`).
//! - An enum's `<Role.USER: 'user'>` is its value; any other `<…>` is a text.
//! - All or nothing: what is no such notation is `None`, and so is what is nested deeper than [`DEPTH_MAX`]. But what was cut, as dots at
//!   its end say, is read as far as it goes.
//! - Takes time linear in the text.

use serde_json::{Map, Value as Json};

const DEPTH_MAX: usize = 40;

/// Reads a text that is a list, a dict, an object or several `key=value`.
pub(super) fn parse(text: &str) -> Option<Json> {
    let text = text.trim();
    let whole = text.strip_suffix("...").or_else(|| text.strip_suffix('…'));
    let mut reader = Reader { text: whole.unwrap_or(text), at: 0, is_cut: whole.is_some() };
    let value = match text.as_bytes().first()? {
        b'[' | b'{' | b'(' => reader.value(0)?,
        first if first.is_ascii_alphabetic() => reader.object()?,
        _ => return None,
    };
    reader.blanks();
    reader.is_over().then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    is_cut: bool,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_over(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether the text was cut here, so that what is open is closed.
    fn is_lost(&self) -> bool {
        self.is_cut && self.is_over()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// `Name(…)`, or `key=value key=value` to the end.
    fn object(&mut self) -> Option<Json> {
        let name = self.name()?;
        if self.peek() == Some(b'(') {
            return self.arguments(name, 0);
        }
        self.at = 0;
        let mut fields = Map::new();
        while self.at < self.text.len() {
            let name = self.name()?;
            if !self.take(b'=') {
                return None;
            }
            let value = self.value(1)?;
            fields.insert(name.to_owned(), value);
            self.blanks();
        }
        Some(Json::Object(fields))
    }

    /// An identifier, with dots.
    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        if end == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        self.at += end;
        Some(&rest[..end])
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blanks();
        if self.is_lost() {
            return Some(Json::Null);
        }
        match self.peek()? {
            b'[' => self.list(b']', depth),
            b'(' => self.list(b')', depth),
            b'{' => self.dict(depth),
            b'\'' | b'"' => self.string().map(Json::String),
            b'<' => self.angle(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(depth),
        }
    }

    fn list(&mut self, close: u8, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.blanks();
            if self.take(close) || self.is_lost() {
                return Some(Json::Array(list));
            }
            list.push(self.value(depth + 1)?);
            self.comma(close)?;
        }
    }

    /// Past a comma, or to the closing bracket.
    fn comma(&mut self, close: u8) -> Option<()> {
        self.blanks();
        (self.take(b',') || self.peek() == Some(close) || self.is_lost()).then_some(())
    }

    /// A dict; a set is a list.
    fn dict(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let (mut fields, mut set) = (Map::new(), Vec::new());
        loop {
            self.blanks();
            if self.take(b'}') || self.is_lost() {
                return Some(if set.is_empty() { Json::Object(fields) } else { Json::Array(set) });
            }
            let key = self.value(depth + 1)?;
            self.blanks();
            if self.is_lost() {
                continue;
            }
            if self.take(b':') {
                let value = self.value(depth + 1)?;
                let key = if let Json::String(key) = key { key } else { key.to_string() };
                fields.insert(key, value);
            } else {
                set.push(key);
            }
            self.comma(b'}')?;
        }
    }

    fn arguments(&mut self, class: &str, depth: usize) -> Option<Json> {
        self.at += 1;
        let (mut fields, mut positional) = (Map::new(), Vec::new());
        loop {
            self.blanks();
            if self.take(b')') || self.is_lost() {
                break;
            }
            let before = self.at;
            match self.name() {
                Some(name) if self.peek() == Some(b'=') => {
                    self.at += 1;
                    let value = self.value(depth + 1)?;
                    fields.insert(name.to_owned(), value);
                }
                _ => {
                    self.at = before;
                    positional.push(self.value(depth + 1)?);
                }
            }
            self.comma(b')')?;
        }
        if fields.is_empty() {
            // `datetime(2026, 11, 29)`, `UUID('…')`
            return Some(match positional.len() {
                1 => positional.swap_remove(0),
                _ => Json::Array(positional),
            });
        }
        fields.entry("__class__").or_insert_with(|| class.into());
        Some(Json::Object(fields))
    }

    /// `<Role.USER: 'user'>`, or anything else up to its `>`.
    fn angle(&mut self) -> Option<Json> {
        let start = self.at;
        self.at += 1;
        if self.name().is_some() && self.take(b':') {
            self.blanks();
            if matches!(self.peek(), Some(b'\'' | b'"')) {
                let text = self.string()?;
                return self.take(b'>').then_some(Json::String(text));
            }
        }
        let end = self.rest().find('>').map(|end| end + 1).or_else(|| self.is_cut.then(|| self.rest().len()))?;
        self.at += end;
        Some(self.text[start..self.at].into())
    }

    fn number(&mut self) -> Option<Json> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.' | '_')).unwrap_or(rest.len());
        self.at += end;
        Some(serde_json::from_str(&rest[..end]).unwrap_or_else(|_| rest[..end].into()))
    }

    /// `None`, `True`, a prefixed string, a name or a nested object.
    fn word(&mut self, depth: usize) -> Option<Json> {
        let name = self.name()?;
        match (name, self.peek()) {
            ("b" | "r" | "u", Some(b'\'' | b'"')) => self.string().map(Json::String),
            (_, Some(b'(')) => self.arguments(name, depth),
            ("None", _) => Some(Json::Null),
            ("True", _) => Some(true.into()),
            ("False", _) => Some(false.into()),
            _ => Some(name.into()),
        }
    }

    fn string(&mut self) -> Option<String> {
        let quote = char::from(self.peek()?);
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find([quote, '\\']) else {
                if !self.is_cut {
                    return None;
                }
                self.at = self.text.len();
                return Some(format!("{text}{rest}…"));
            };
            text.push_str(&rest[..end]);
            self.at += end + 1;
            if rest[end..].starts_with(quote) {
                return Some(text);
            }
            text.push(self.escape()?);
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<char> {
        let escaped = self.rest().chars().next()?;
        self.at += escaped.len_utf8();
        let n_digits = match escaped {
            'n' => return Some('\n'),
            't' => return Some('\t'),
            'r' => return Some('\r'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => return Some(other),
        };
        let digits = self.rest().get(..n_digits)?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.at += n_digits;
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_str_and_repr_write_is_read() {
        for (text, value) in [
            (
                r#"[{'role': 'user', 'content': "it's", 'n': None, 'is': True, 'f': 0.5}]"#,
                json!([{"role": "user", "content": "it's", "n": null, "is": true, "f": 0.5}]),
            ),
            ("content='sunny\\n' name='get' id=None", json!({"content": "sunny\n", "name": "get", "id": null})),
            (
                "Call(args='{\"a\": 1}', id='c', kind=<Kind.TOOL: 'tool'>)",
                json!({"__class__": "Call", "args": "{\"a\": 1}", "id": "c", "kind": "tool"}),
            ),
            (
                "A(x=[B(y=(1, 2), z={'s'}), <C object at 0x7f>], at=datetime(2026, 1))",
                json!({"__class__": "A", "x": [{"__class__": "B", "y": [1, 2], "z": ["s"]}, "<C object at 0x7f>"], "at": [2026, 1]}),
            ),
            ("[{'a': 'b\\x41\\u00e9'}]", json!([{"a": "bAé"}])),
            ("A(x=[B(y='said', z={'k': 'cut o...", json!({"__class__": "A", "x": [{"__class__": "B", "y": "said", "z": {"k": "cut o…"}}]})),
            ("A(x='said', y=Tru...", json!({"__class__": "A", "x": "said", "y": "Tru"})),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_notation_is_left_alone() {
        for text in [
            "",
            "Sunny (today)",
            "hello",
            "[link](http://x)",
            "{'a': ",
            "A(b=",
            "f(x) = y",
            "a=1 b",
            "A(b='x",
            "x = 1",
            "and so on...",
            "[1, 2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
        assert_eq!(parse(&"A(".repeat(100_000)), None);
    }
}
