//! What a person asked, made out of what an instrumentation wrote of it.
//!
//! - Plain text is the question itself. Of JSON it is the text of the first message whose role is a person's, or what stands under one of
//!   a few names. Instructions are no question, and what is not made out is none.
//! - Only the beginning is looked at, it need not be whole, and only what may hold the question is decoded.

use std::borrow::Cow;

/// So much of a value is looked at, in bytes.
const READ_MAX_BYTES: usize = 64 << 10;
/// So much of a question is kept before it is made into a line, in bytes: a line is shorter, and some of this may be spaces.
const KEPT_MAX_BYTES: usize = 200;
/// Objects and arrays within one another.
const DEPTH_MAX: usize = 12;

/// Names under which a question stands, or what it is in; the first before the second.
const WRAPPERS: &[&str] = &[
    "messages",
    "contents",
    "user_message",
    "user_input",
    "user_query",
    "question",
    "query",
    "prompt",
    "input",
    "inputs",
    "message",
    "new_message",
    "input_value",
    "task",
    "kwargs",
    "data",
    "request",
    "input_data",
];
/// Names of what a message says.
const CONTENTS: &[&str] = &["content", "parts", "_content", "text", "kwargs", "data"];
/// Words that some frameworks write where nothing was said.
const NOTHING: &[&str] = &["null", "None", "undefined", "true", "false"];

/// What a person asked, cut where it is long. `None`: nothing, or nobody knows.
pub fn made_out(said: &str) -> Option<Cow<'_, str>> {
    made_out_within(said, 0)
}

fn made_out_within(said: &str, depth: usize) -> Option<Cow<'_, str>> {
    let said = said.trim_ascii();
    let json = || Json(&said.as_bytes()[..said.len().min(READ_MAX_BYTES)]);
    match said.as_bytes().first()? {
        b'{' | b'[' if is_json(said) => json().find(0, depth, false).map(Cow::Owned),
        b'"' if json().skip(0) == Some(said.len()) => json().find(0, depth, true).map(Cow::Owned),
        _ => Some(said).filter(|said| !is_nothing(said)).map(cut),
    }
}

/// By how it begins; people write `[urgent] …` too.
fn is_json(said: &str) -> bool {
    let inside = said.trim_start_matches(|c: char| c == '[' || c.is_ascii_whitespace());
    let begins = |beginning: &&str| inside.starts_with(*beginning);
    match inside.strip_prefix('{') {
        Some(members) => matches!(members.trim_ascii_start().as_bytes().first(), None | Some(b'"' | b'}')),
        None => {
            inside.is_empty() || ["\"", "]", "true", "false", "null"].iter().any(begins) || inside.starts_with(|c: char| c.is_ascii_digit())
        }
    }
}

/// A word for nothing, or how Python writes what it has in memory.
fn is_nothing(said: &str) -> bool {
    let bytes = said.as_bytes();
    match bytes.first() {
        Some(b'<') => said.contains(" object at 0x"),
        Some(b'[' | b'{' | b'(') => {
            let inside = said.trim_start_matches(['[', '{', '(']).as_bytes();
            let behind_name = name_length(inside);
            // Texts, and calls that make an object: `['…', …]`, `[Message(…)]`.
            inside.first() == Some(&b'\'') || behind_name > 0 && inside.get(behind_name) == Some(&b'(')
        }
        // Fields: `id='…'`.
        _ => bytes.len() <= 9 && NOTHING.contains(&said) || bytes[name_length(bytes)..].starts_with(b"='"),
    }
}

fn name_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_')).unwrap_or(bytes.len())
}

fn cut(said: &str) -> Cow<'_, str> {
    match said.len() <= KEPT_MAX_BYTES {
        true => Cow::Borrowed(said),
        false => Cow::Owned(format!("{}…", &said[..said.floor_char_boundary(KEPT_MAX_BYTES)])),
    }
}

/// Whose words a message holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Person,
    Other,
}

/// The beginning of a JSON text; places in it are offsets.
#[derive(Clone, Copy)]
struct Json<'a>(&'a [u8]);

/// What was found of an object at its top: where the values stand.
#[derive(Default)]
struct Members {
    speaker: Option<Speaker>,
    /// It says of itself that it is a text, or something else.
    is_text: Option<bool>,
    contents: [Option<usize>; CONTENTS.len()],
    wrappers: [Option<usize>; WRAPPERS.len()],
    /// What a function was given: the texts among them can be anything, such as ids.
    arguments: Option<usize>,
}

// === impl Speaker ===

impl Speaker {
    fn of(word: &[u8]) -> Option<Self> {
        let is = |known: &&str| word.eq_ignore_ascii_case(known.as_bytes());
        if ["user", "human", "HumanMessage", "ChatRole.USER"].iter().any(is) {
            return Some(Self::Person);
        }
        let others = ["system", "assistant", "ai", "tool", "developer", "function", "model", "AIMessage", "SystemMessage", "ToolMessage"];
        others.iter().any(is).then_some(Self::Other)
    }
}

// === impl Json ===

impl<'a> Json<'a> {
    /// The question in the value at a place. `takes_text`: a text that stands there is one.
    fn find(self, at: usize, depth: usize, takes_text: bool) -> Option<String> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.0.get(at)? {
            b'"' if takes_text => self.text(at, depth),
            b'[' => self.find_in_array(at, depth, takes_text),
            b'{' => self.find_in_object(at, depth, takes_text),
            _ => None,
        }
    }

    fn find_in_array(self, at: usize, depth: usize, takes_text: bool) -> Option<String> {
        let mut at = self.space(at + 1);
        // A role and what it said.
        if let Some(speaker) = self.word(at).and_then(Speaker::of) {
            let second = self.next(self.skip(at)?)?;
            return (speaker == Speaker::Person).then(|| self.find(second, depth + 1, true))?;
        }
        loop {
            if let Some(found) = self.find(at, depth + 1, takes_text) {
                return Some(found);
            }
            at = self.next(self.skip(at)?)?;
        }
    }

    fn find_in_object(self, at: usize, depth: usize, takes_text: bool) -> Option<String> {
        let members = self.members(at);
        let within = |places: &[Option<usize>], takes_text| places.iter().flatten().find_map(|at| self.find(*at, depth + 1, takes_text));
        match members.speaker {
            Some(Speaker::Person) => return within(&members.contents, true),
            Some(Speaker::Other) => return None,
            None => {}
        }
        if takes_text && members.is_text != Some(false) {
            if let Some(found) = within(&members.contents, true) {
                return Some(found);
            }
        } else if takes_text {
            return None;
        }
        within(&members.wrappers, true).or_else(|| self.find(members.arguments?, depth + 1, false))
    }

    fn members(self, at: usize) -> Members {
        let mut members = Members::default();
        let mut next = Some(self.space(at + 1));
        while let Some(at) = next {
            let (Some(key), Some(behind)) = (self.word(at), self.skip(at)) else { break };
            let colon = self.space(behind);
            if self.0.get(colon) != Some(&b':') {
                break;
            }
            let value = self.space(colon + 1);
            members.take(key, value, self.word(value));
            next = self.skip(value).and_then(|behind| self.next(behind));
        }
        members
    }

    /// The text at a place, or the question in the JSON that it is.
    fn text(self, at: usize, depth: usize) -> Option<String> {
        let is_json = matches!(self.0.get(at + 1), Some(b'{' | b'['));
        let text = self.decode(at + 1, if is_json { READ_MAX_BYTES } else { 2 * KEPT_MAX_BYTES });
        made_out_within(&text, depth + 1).map(Cow::into_owned)
    }

    /// The characters of a string from a place on, up to its end or a little more than `max` bytes.
    fn decode(self, at: usize, max: usize) -> String {
        let mut out: Vec<u8> = Vec::new();
        let mut at = at;
        while out.len() <= max {
            match self.0.get(at) {
                None | Some(b'"') => break,
                Some(b'\\') => {
                    let mut buffer = [0; 4];
                    let Some((c, length)) = self.escaped(at) else { break };
                    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                    at += length;
                }
                Some(byte) => {
                    out.push(*byte);
                    at += 1;
                }
            }
        }
        // The end may lie within a character.
        let end = match std::str::from_utf8(&out) {
            Ok(_) => out.len(),
            Err(error) => error.valid_up_to(),
        };
        out.truncate(end);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The character that an escape stands for, and how long the escape is.
    fn escaped(self, at: usize) -> Option<(char, usize)> {
        Some(match self.0.get(at + 1)? {
            b'n' => ('\n', 2),
            b't' => ('\t', 2),
            b'r' => ('\r', 2),
            b'b' | b'f' => (' ', 2),
            b'u' => {
                let high = self.unit(at + 2)?;
                let is_pair = (0xd800..0xdc00).contains(&high) && self.0.get(at + 6..at + 8) == Some(b"\\u");
                let low = if is_pair { self.unit(at + 8) } else { None };
                match char::decode_utf16([high].into_iter().chain(low)).next()? {
                    Ok(c) => (c, if c.len_utf16() == 2 { 12 } else { 6 }),
                    Err(_) => (char::REPLACEMENT_CHARACTER, 6),
                }
            }
            byte => (char::from(*byte), 2),
        })
    }

    fn unit(self, at: usize) -> Option<u16> {
        let digits = std::str::from_utf8(self.0.get(at..at + 4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    }

    /// The inside of the string at a place, as it is written; `None` if there is none, or if it does not end.
    fn word(self, at: usize) -> Option<&'a [u8]> {
        if self.0.get(at) != Some(&b'"') {
            return None;
        }
        self.0.get(at + 1..self.skip(at)? - 1)
    }

    /// The place behind a value; `None` if it does not end.
    fn skip(self, at: usize) -> Option<usize> {
        match self.0.get(at)? {
            b'"' => self.skip_string(at),
            b'{' | b'[' => {
                let (mut at, mut open) = (at, 0_usize);
                loop {
                    match self.0.get(at)? {
                        b'"' => {
                            at = self.skip_string(at)?;
                            continue;
                        }
                        b'{' | b'[' => open += 1,
                        b'}' | b']' => open -= 1,
                        _ => {}
                    }
                    at += 1;
                    if open == 0 {
                        return Some(at);
                    }
                }
            }
            b',' | b'}' | b']' | b':' => None,
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                self.0[at..].iter().position(is_end).map(|length| at + length)
            }
        }
    }

    fn skip_string(self, at: usize) -> Option<usize> {
        let mut at = at + 1;
        loop {
            match self.0.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// The next element or key behind one; `None` at the end.
    fn next(self, behind: usize) -> Option<usize> {
        let comma = self.space(behind);
        (self.0.get(comma) == Some(&b',')).then(|| self.space(comma + 1))
    }

    fn space(self, at: usize) -> usize {
        let is_space = |byte: &&u8| byte.is_ascii_whitespace();
        at + self.0.get(at..).map_or(0, |rest| rest.iter().take_while(is_space).count())
    }
}

// === impl Members ===

impl Members {
    fn take(&mut self, key: &[u8], value: usize, word: Option<&[u8]>) {
        match (key, word) {
            (b"role", Some(word)) => self.speaker = Some(Speaker::of(word).unwrap_or(Speaker::Other)),
            // How LangChain writes any object of Python's.
            (b"type", Some(b"constructor")) => {}
            (b"type", Some(word)) => {
                self.speaker = self.speaker.or(Speaker::of(word));
                self.is_text = Some(matches!(word, b"text" | b"input_text"));
            }
            (b"args", _) => self.arguments = Some(value),
            (b"source", Some(b"user")) => self.speaker = self.speaker.or(Some(Speaker::Person)),
            _ => {
                let place = |names: &[&str]| names.iter().position(|name| name.as_bytes() == key);
                if let Some(nth) = place(CONTENTS) {
                    self.contents[nth] = Some(value);
                }
                if let Some(nth) = place(WRAPPERS) {
                    self.wrappers[nth] = Some(value);
                }
            }
        }
    }
}
