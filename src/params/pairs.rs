//! A query string as pairs of names and values.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::BadParam;

/// How many unknown names are reported back, and how long each may be, so that an answer's head stays small:
/// at most 10 x 32 characters of 12 bytes each.
const IGNORED_MAX: usize = 10;
const IGNORED_NAME_MAX_CHARS: usize = 32;

/// What stands unencoded in a link: the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `=` stands as it is in values that are reported with their parameter, as in `include=links`.
const IGNORED_RESERVED: &AsciiSet = &RESERVED.remove(b'=');

/// The parameters that are lists: all of their values count.
const LISTS: [&str; 2] = ["include", "columns"];

/// The known parameters that have a value, in the order in which the endpoint lists them, and the names of those it does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pairs {
    values: Vec<(&'static str, String)>,
    ignored: Vec<String>,
}

// === impl Pairs ===

impl Pairs {
    /// Fails only where a known parameter's last value is not UTF-8.
    pub fn read(query: Option<&str>, known: &[&'static str]) -> Result<Self, BadParam> {
        let mut last = vec![Vec::new(); known.len()];
        let mut ignored = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name);
            match known.iter().position(|known| known.as_bytes() == name) {
                // A list may be given in parts, as clients write lists.
                Some(at) if LISTS.contains(&known[at]) && !last[at].is_empty() => last[at].extend([b",".to_vec(), decode(value)].concat()),
                Some(at) => last[at] = decode(value),
                None => ignore(&mut ignored, &name),
            }
        }
        let mut values = Vec::new();
        for (&name, value) in known.iter().zip(last) {
            if value.is_empty() {
                continue;
            }
            let value =
                String::from_utf8(value).map_err(|error| BadParam::new(name, &String::from_utf8_lossy(error.as_bytes()), "valid UTF-8"))?;
            values.push((name, value));
        }
        Ok(Self { values, ignored })
    }

    /// The value of a known parameter; never empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Notes a value that is known but of no use to this endpoint.
    pub fn ignore(&mut self, what: &str) {
        ignore(&mut self.ignored, what.as_bytes());
    }

    /// What was not heeded, percent-encoded and in order of appearance.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The query string of a link to another page: every parameter that was understood, with `offset` and `limit` replaced.
    pub fn link(&self, offset: u64, limit: u64) -> String {
        let mut query = String::from("?");
        for (name, value) in &self.values {
            if *name != "offset" && *name != "limit" {
                query.extend([name, "=", &encode(value), "&"]);
            }
        }
        query + &format!("offset={offset}&limit={limit}")
    }
}

/// Percent-encodes all that is not unreserved, so that the text is one segment of a path or one value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn decode(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

fn ignore(ignored: &mut Vec<String>, name: &[u8]) {
    if name.is_empty() || ignored.len() == IGNORED_MAX {
        return;
    }
    let short: String = String::from_utf8_lossy(name).chars().take(IGNORED_NAME_MAX_CHARS).collect();
    let shown = utf8_percent_encode(&short, IGNORED_RESERVED).to_string();
    if !ignored.contains(&shown) {
        ignored.push(shown);
    }
}
