//! The configured keys, compared in constant time.

use std::fmt;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Right;
use crate::model::ids::Tenant;

/// The shortest key that is taken, in bytes: a shorter one can be guessed over the network.
pub const KEY_MIN_BYTES: usize = 8;

/// The longest key that is taken, in bytes. Every key is padded to it, so that comparing takes the same time whatever was presented.
pub const KEY_MAX_BYTES: usize = 256;

/// One key of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// [`KEY_MIN_BYTES`] to [`KEY_MAX_BYTES`] visible ASCII characters.
    pub key: String,
    pub tenant: Tenant,
    pub rights: Vec<Right>,
}

/// All keys, at least one, no two alike.
#[derive(Debug)]
pub struct Keys {
    entries: Vec<(Padded, KeyEntry)>,
}

/// Why configured keys cannot be used. Keys are named by their place in the list, counted from 1, never by their text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidKey {
    #[error("the list of keys is empty")]
    Empty,
    #[error("key {0} is not {KEY_MIN_BYTES} to {KEY_MAX_BYTES} visible ASCII characters")]
    Malformed(usize),
    #[error("key {0} has no rights: name `ingest`, `read` or both")]
    NoRights(usize),
    #[error("key {0} repeats key {1}")]
    Duplicate(usize, usize),
}

/// A key with zeros behind it. No key holds a zero byte, so equal paddings mean equal keys.
struct Padded([u8; KEY_MAX_BYTES]);

// === impl Keys ===

impl Keys {
    pub fn new(entries: Vec<KeyEntry>) -> Result<Self, InvalidKey> {
        if entries.is_empty() {
            return Err(InvalidKey::Empty);
        }
        for (i, entry) in entries.iter().enumerate() {
            let well_formed =
                (KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&entry.key.len()) && entry.key.bytes().all(|byte| byte.is_ascii_graphic());
            if !well_formed {
                return Err(InvalidKey::Malformed(i + 1));
            }
            if entry.rights.is_empty() {
                return Err(InvalidKey::NoRights(i + 1));
            }
            if let Some(earlier) = entries[..i].iter().position(|other| other.key == entry.key) {
                return Err(InvalidKey::Duplicate(i + 1, earlier + 1));
            }
        }
        let padded = |entry: KeyEntry| Padded::new(entry.key.as_bytes()).map(|padded| (padded, entry));
        Ok(Self { entries: entries.into_iter().filter_map(padded).collect() })
    }

    /// The entry of a presented key. The time taken depends on the number of keys only.
    pub(super) fn find(&self, presented: &[u8]) -> Option<&KeyEntry> {
        let presented = Padded::new(presented)?;
        let none = u64::MAX;
        let mut found = none;
        for (i, (key, _)) in self.entries.iter().enumerate() {
            found.conditional_assign(&(i as u64), key.0.ct_eq(&presented.0));
        }
        if found == none { None } else { self.entries.get(found as usize).map(|(_, entry)| entry) }
    }
}

// === impl Padded ===

impl Padded {
    /// `None` for what cannot be a key: empty, too long, or with a zero byte in it.
    fn new(key: &[u8]) -> Option<Self> {
        let mut padded = [0; KEY_MAX_BYTES];
        padded.get_mut(..key.len())?.copy_from_slice(key);
        (!key.is_empty() && !key.contains(&0)).then_some(Self(padded))
    }
}

impl fmt::Debug for Padded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Padded(..)")
    }
}

// === impl KeyEntry ===

impl fmt::Debug for KeyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEntry").field("key", &"..").field("tenant", &self.tenant).field("rights", &self.rights).finish()
    }
}
