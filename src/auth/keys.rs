//! The configured keys: kept as hashes, compared in constant time.

use std::fmt;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Right;
use super::hash::{InvalidHash, KeyHash};
use crate::model::ids::Tenant;

/// The shortest key that is taken, in bytes: a shorter one can be guessed over the network.
pub const KEY_MIN_BYTES: usize = 8;

/// The longest key that is taken, in bytes; nothing longer is hashed, so a request cannot buy much work.
pub const KEY_MAX_BYTES: usize = 256;

/// A key shorter than this many bytes can be guessed by whoever steals its hash, so it is not hashed (`sessionfold key hash` refuses it),
/// and a warning is worth it where it stands as it is.
pub const STRONG_KEY_MIN_BYTES: usize = 20;

/// One key of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEntry {
    pub key: Secret,
    pub tenant: Tenant,
    pub rights: Vec<Right>,
}

/// A key as it is written down.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// [`KEY_MIN_BYTES`] to [`KEY_MAX_BYTES`] visible ASCII characters.
    Plain(String),
    /// `sha256:` and 64 hexadecimal digits.
    Hashed(String),
}

/// All keys, at least one, no two alike.
#[derive(Debug)]
pub struct Keys {
    known: Vec<Known>,
}

/// A key as it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) hash: KeyHash,
    pub(super) tenant: Tenant,
    pub(super) rights: Vec<Right>,
}

/// Why configured keys cannot be used. Keys are named by their place in the list, counted from 1, never by their text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidKey {
    #[error("the list of keys is empty")]
    Empty,
    #[error("key {0} is not {KEY_MIN_BYTES} to {KEY_MAX_BYTES} visible ASCII characters")]
    Malformed(usize),
    #[error("key {0}: {1}")]
    Hash(usize, InvalidHash),
    #[error("key {0} has no rights: name `ingest`, `read` or both")]
    NoRights(usize),
    #[error("key {0} repeats key {1}")]
    Duplicate(usize, usize),
}

// === impl Keys ===

impl Keys {
    pub fn new(entries: Vec<KeyEntry>) -> Result<Self, InvalidKey> {
        if entries.is_empty() {
            return Err(InvalidKey::Empty);
        }
        let mut known: Vec<Known> = Vec::with_capacity(entries.len());
        for (i, entry) in entries.into_iter().enumerate() {
            let hash = match &entry.key {
                Secret::Plain(key) if is_well_formed(key) => KeyHash::of(key.as_bytes()),
                Secret::Plain(_) => return Err(InvalidKey::Malformed(i + 1)),
                Secret::Hashed(text) => KeyHash::parse(text).map_err(|error| InvalidKey::Hash(i + 1, error))?,
            };
            if entry.rights.is_empty() {
                return Err(InvalidKey::NoRights(i + 1));
            }
            if let Some(earlier) = known.iter().position(|other| other.hash == hash) {
                return Err(InvalidKey::Duplicate(i + 1, earlier + 1));
            }
            known.push(Known { hash, tenant: entry.tenant, rights: entry.rights });
        }
        Ok(Self { known })
    }

    pub(super) fn are_of_one_tenant(&self) -> bool {
        self.known.windows(2).all(|pair| pair[0].tenant == pair[1].tenant)
    }

    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// The entry of a presented key. The time taken depends on the length of what was presented and on the number of keys only.
    pub(super) fn find(&self, presented: &[u8]) -> Option<&Known> {
        if presented.is_empty() || presented.len() > KEY_MAX_BYTES {
            return None;
        }
        let presented = KeyHash::of(presented);
        let none = u64::MAX;
        let mut found = none;
        for (i, known) in self.known.iter().enumerate() {
            found.conditional_assign(&(i as u64), known.hash.ct_eq(&presented));
        }
        if found == none { None } else { self.known.get(found as usize) }
    }

    /// Whether a login with this key would still be one.
    pub(super) fn may_read(&self, hash: &KeyHash, tenant: &Tenant) -> bool {
        self.known.iter().any(|known| known.hash == *hash && known.tenant == *tenant && known.rights.contains(&Right::Read))
    }
}

/// Whether this can be a key: what a header can hold, and neither too short nor too long.
pub fn is_well_formed(key: &str) -> bool {
    (KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

// === impl Secret ===

impl Secret {
    /// Whether it stands in plain text and is short enough to be guessed.
    pub fn is_weak(&self) -> bool {
        matches!(self, Self::Plain(key) if key.len() < STRONG_KEY_MIN_BYTES)
    }
}

impl From<&str> for Secret {
    fn from(key: &str) -> Self {
        Self::Plain(key.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Hashed(_) => "Hashed(..)",
        })
    }
}
