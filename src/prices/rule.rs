//! Which names a model of the table goes by.
//!
//! The rules come from the table's source. Its regular expressions are translated when the table is generated, so that none is left here.

use serde::Deserialize;

/// A condition on a name in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "Stored")]
pub(super) enum Rule {
    Equals(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    /// Like `Equals`; a `#` stands for one digit.
    Digits(Box<str>),
    /// Like `StartsWith`; a `#` stands for one digit.
    DigitsStart(Box<str>),
    Any(Vec<Rule>),
    All(Vec<Rule>),
    /// None of these.
    None(Vec<Rule>),
}

/// The form in the table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Any(Vec<Rule>),
    All { all: Vec<Rule> },
    Not { not: Vec<Rule> },
}

// === impl Rule ===

impl Rule {
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) => name == &**text,
            Self::StartsWith(text) => name.starts_with(&**text),
            Self::EndsWith(text) => name.ends_with(&**text),
            Self::Contains(text) => name.contains(&**text),
            Self::Digits(shape) => name.len() == shape.len() && has_shape(name, shape),
            Self::DigitsStart(shape) => has_shape(name, shape),
            Self::Any(rules) => rules.iter().any(|rule| rule.matches(name)),
            Self::All(rules) => rules.iter().all(|rule| rule.matches(name)),
            Self::None(rules) => !rules.iter().any(|rule| rule.matches(name)),
        }
    }

    /// Whether the rule spells this very name, as opposed to a part of it.
    pub(super) fn spells(&self, name: &str) -> bool {
        match self {
            Self::Equals(text) | Self::StartsWith(text) | Self::EndsWith(text) | Self::Contains(text) => name == &**text,
            Self::Digits(_) => self.matches(name),
            Self::DigitsStart(_) | Self::None(_) => false,
            Self::Any(rules) | Self::All(rules) => rules.iter().any(|rule| rule.spells(name)),
        }
    }
}

impl TryFrom<Stored> for Rule {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        match stored {
            Stored::Any(rules) => Ok(Self::Any(rules)),
            Stored::All { all } => Ok(Self::All(all)),
            Stored::Not { not } => Ok(Self::None(not)),
            Stored::Text(text) => Self::marked(&text).ok_or_else(|| format!("no rule: {text:?}")),
        }
    }
}

impl Rule {
    /// The mark is the first character, or the first two.
    fn marked(text: &str) -> Option<Self> {
        if let Some(shape) = text.strip_prefix("#^") {
            return Some(Self::DigitsStart(shape.into()));
        }
        let mark = text.chars().next()?;
        let rest = text[mark.len_utf8()..].into();
        match mark {
            '=' => Some(Self::Equals(rest)),
            '^' => Some(Self::StartsWith(rest)),
            '$' => Some(Self::EndsWith(rest)),
            '~' => Some(Self::Contains(rest)),
            '#' => Some(Self::Digits(rest)),
            _ => None,
        }
    }
}

/// Whether the name begins with this shape.
fn has_shape(name: &str, shape: &str) -> bool {
    let is_like = |(byte, like): (u8, u8)| if like == b'#' { byte.is_ascii_digit() } else { byte == like };
    name.len() >= shape.len() && name.bytes().zip(shape.bytes()).all(is_like)
}
