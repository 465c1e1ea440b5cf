//! The tables as an operator has them: with keys of their own, session keys in another order, and further scopes.

use rustc_hash::FxHashMap;

use super::lookup::row_number;
use super::scopes::{self, SCOPES};
use super::tables::{Meaning, ROWS, Row};
use super::{Resource, Scope, Strings};
use crate::wire::otlp::Attribute;

/// What is read of spans. Made once, from the settings of section `conventions`.
#[derive(Clone, Debug)]
pub struct Conventions {
    /// Of each row by its number, then of each key of `more`: where it stands among the session keys; `None`: it is none.
    precedences: Vec<Option<Precedence>>,
    /// Keys of the operator's, and their numbers, which go on after the rows.
    more: FxHashMap<Box<str>, u16>,
    meanings: Vec<Meaning>,
    input_excludes_cache: Vec<Box<str>>,
    keep_questions: bool,
}

/// Where a key stands among those that name a session: all strong ones before all weak ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Precedence {
    pub is_weak: bool,
    nth: u16,
}

/// The settings as they are written.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Keys that name a session, a user, an agent, beside those of the tables and before them.
    pub session_keys: &'a [String],
    pub user_keys: &'a [String],
    pub agent_keys: &'a [String],
    /// Every key that is read as a session's, strongest first, and those that name one only where no other is in effect.
    pub strong_session_keys: &'a [String],
    pub weak_session_keys: &'a [String],
    /// How the names of scopes begin whose input tokens leave out cached ones.
    pub input_without_cache: &'a [String],
    /// Keep the beginning of what was asked.
    pub keep_questions: bool,
}

/// An entry that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("conventions.{setting}: {entry:?} {problem}")]
pub struct SettingsError {
    pub setting: &'static str,
    pub entry: String,
    pub problem: &'static str,
}

/// The longest key that can be configured, in bytes.
const KEY_MAX_BYTES: usize = 256;
/// The most entries of one setting.
pub(super) const ENTRIES_MAX: usize = 64;

/// The session keys of the tables, strong or weak, strongest first.
pub fn session_keys(weak: bool) -> Vec<String> {
    let meaning = if weak { Meaning::WeakSession } else { Meaning::Session };
    ROWS.iter().filter(|row| row.meaning == meaning).map(|row| row.key.to_owned()).collect()
}

/// The scopes of the tables whose input tokens leave out cached ones.
pub fn input_without_cache() -> Vec<String> {
    SCOPES.iter().filter(|reading| reading.input_excludes_cache).map(|reading| reading.scope.to_owned()).collect()
}

// === impl Conventions ===

impl Conventions {
    /// # Errors
    /// The first entry that is empty or too long, that is read as something else already, that names no session key, or that is given
    /// twice.
    pub fn new(settings: &Settings<'_>) -> Result<Self, SettingsError> {
        let mut conventions = Self {
            precedences: vec![None; ROWS.len()],
            more: FxHashMap::default(),
            meanings: Vec::new(),
            input_excludes_cache: Vec::new(),
            keep_questions: settings.keep_questions,
        };
        let own = [
            ("session_keys", settings.session_keys, Meaning::Session),
            ("user_keys", settings.user_keys, Meaning::User),
            ("agent_keys", settings.agent_keys, Meaning::Agent),
        ];
        for (setting, keys, meaning) in own {
            let refuse = |key: &String, problem| Err(SettingsError { setting, entry: key.clone(), problem });
            if let Some(key) = keys.get(ENTRIES_MAX) {
                return refuse(key, "is one too many: at most 64 are read");
            }
            for key in keys {
                if key.is_empty() || key.len() > KEY_MAX_BYTES {
                    return refuse(key, "is no attribute key of 1 to 256 bytes");
                }
                if row_number(key.as_bytes()).is_some() {
                    return refuse(key, "is read already: docs/conventions.md says as what");
                }
                if conventions.number(key.as_bytes()).is_some() {
                    return refuse(key, "is given twice");
                }
                let number = (ROWS.len() + conventions.meanings.len()) as u16;
                conventions.more.insert(key.as_str().into(), number);
                conventions.meanings.push(meaning);
                conventions.precedences.push(None);
            }
        }
        conventions.order_sessions(settings)?;
        conventions.input_excludes_cache = settings.input_without_cache.iter().map(|scope| scope.as_str().into()).collect();
        match settings.input_without_cache.iter().find(|scope| scope.is_empty()) {
            Some(scope) => Err(SettingsError { setting: "input_without_cache", entry: scope.clone(), problem: "would be every scope" }),
            None => Ok(conventions),
        }
    }

    fn order_sessions(&mut self, settings: &Settings<'_>) -> Result<(), SettingsError> {
        // Keys of the operator's that no order names come first.
        let unordered = settings
            .session_keys
            .iter()
            .filter(|key| !settings.weak_session_keys.contains(key) && !settings.strong_session_keys.contains(key));
        let unordered: Vec<&String> = unordered.collect();
        let orders =
            [("strong_session_keys", settings.strong_session_keys, false), ("weak_session_keys", settings.weak_session_keys, true)];
        for (nth, key) in unordered.iter().enumerate() {
            let number = self.number(key.as_bytes()).expect("a configured key has a number");
            self.precedences[usize::from(number)] = Some(Precedence { is_weak: false, nth: nth as u16 });
        }
        for (setting, keys, is_weak) in orders {
            for (nth, key) in keys.iter().enumerate() {
                let refuse = |problem| Err(SettingsError { setting, entry: key.clone(), problem });
                let Some(number) =
                    self.number(key.as_bytes()).filter(|&number| matches!(self.meaning(number), Meaning::Session | Meaning::WeakSession))
                else {
                    return refuse("is no session key: add it to conventions.session_keys, or see docs/conventions.md for those there are");
                };
                let precedence = &mut self.precedences[usize::from(number)];
                if precedence.is_some() {
                    return refuse("is given twice: a key is either strong or weak, and has one place");
                }
                *precedence = Some(Precedence { is_weak, nth: (unordered.len() + nth) as u16 });
            }
        }
        Ok(())
    }

    /// What all spans of a scope have in common.
    pub fn scope(&self, name: &str, strings: &mut Strings) -> Scope<'_> {
        Scope {
            conventions: self,
            name: strings.share(super::text::cut(name)),
            reading: scopes::reading(name),
            input_excludes_cache: self.input_excludes_cache.iter().any(|scope| name.starts_with(&**scope)),
        }
    }

    /// What is read of a resource.
    pub fn resource<'a>(&self, attributes: impl Iterator<Item = Attribute<'a>>) -> Resource {
        Resource::read(self, attributes)
    }

    /// Whether what was asked is kept, and shown.
    pub fn keep_questions(&self) -> bool {
        self.keep_questions
    }

    /// Every key that is read of a span: a copy that holds these, and what is no attribute, is read as the span itself, but for what it
    /// was asked. Those keys hold whole conversations.
    pub fn span_keys(&self) -> impl Iterator<Item = &str> {
        ROWS.iter()
            .filter(|row| !matches!(row.meaning, Meaning::Asked | Meaning::AskedRole | Meaning::AskedOfRole))
            .map(|row| row.key)
            .chain(self.more.keys().map(|key| &**key))
            .chain(SCOPES.iter().filter_map(|reading| reading.agent_key))
    }

    /// Every key that is read of a resource.
    pub fn resource_keys(&self) -> impl Iterator<Item = &str> {
        let rows = ROWS.iter().enumerate().filter(|(number, row)| self.precedences[*number].is_some() && row.only_in.is_empty());
        let more = self.more.iter().filter(|(_, number)| self.precedences[usize::from(**number)].is_some());
        rows.map(|(_, row)| row.key).chain(more.map(|(key, _)| &**key))
    }

    #[inline(always)]
    pub(super) fn number(&self, key: &[u8]) -> Option<u16> {
        match row_number(key) {
            Some(number) => Some(number),
            None if self.more.is_empty() => None,
            None => self.more.get(std::str::from_utf8(key).ok()?).copied(),
        }
    }

    /// The row of a number; `None` for a key of the operator's.
    pub(super) fn row(&self, number: u16) -> Option<&'static Row> {
        ROWS.get(usize::from(number))
    }

    /// The keys of the operator's with their numbers.
    pub(super) fn own_keys(&self) -> impl Iterator<Item = (&str, u16)> {
        self.more.iter().map(|(key, number)| (&**key, *number))
    }

    pub(super) fn meaning(&self, number: u16) -> Meaning {
        self.row(number).map_or_else(|| self.meanings[usize::from(number) - ROWS.len()], |row| row.meaning)
    }

    pub(super) fn precedence(&self, number: u16) -> Option<Precedence> {
        self.precedences[usize::from(number)]
    }
}

impl Default for Conventions {
    fn default() -> Self {
        let (strong, weak, scopes) = (session_keys(false), session_keys(true), input_without_cache());
        let settings = Settings {
            session_keys: &[],
            user_keys: &[],
            agent_keys: &[],
            strong_session_keys: &strong,
            weak_session_keys: &weak,
            input_without_cache: &scopes,
            keep_questions: true,
        };
        Self::new(&settings).expect("the tables agree with themselves")
    }
}
