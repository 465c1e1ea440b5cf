//! What was looked up before, by provider and model: a look-up tries hundreds of rules, and a server sees the same few models for ever.
//!
//! - Bounded: when it is full, all of it is forgotten; names longer than `conventions` lets pass are not kept.
//! - It can only be faster, never different.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use parking_lot::RwLock;

/// About 2 MiB with names of the greatest length, 300 KiB with usual ones.
pub(super) const MAX_ENTRIES: usize = 4096;
/// Models and providers are kept by the conventions up to this length.
const MAX_NAME_BYTES: usize = 256;

pub(super) struct Remembered<V> {
    /// Read by every look-up, written by the first of its kind.
    entries: RwLock<HashTable<Entry<V>>>,
    /// Random for each process: names come from strangers.
    hasher: RandomState,
}

struct Entry<V> {
    provider: Box<str>,
    model: Box<str>,
    value: V,
}

// === impl Remembered ===

impl<V: Copy> Remembered<V> {
    pub(super) fn get_or_find(&self, provider: &str, model: &str, find: impl FnOnce() -> V) -> V {
        let hash = self.hash(provider, model);
        let is_it = |entry: &Entry<V>| *entry.model == *model && *entry.provider == *provider;
        let known = self.entries.read().find(hash, is_it).map(|entry| entry.value);
        if let Some(value) = known {
            return value;
        }
        let value = find();
        if provider.len() > MAX_NAME_BYTES || model.len() > MAX_NAME_BYTES {
            return value;
        }
        let mut entries = self.entries.write();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        if entries.find(hash, is_it).is_none() {
            let entry = Entry { provider: provider.into(), model: model.into(), value };
            entries.insert_unique(hash, entry, |entry| self.hash(&entry.provider, &entry.model));
        }
        value
    }

    fn hash(&self, provider: &str, model: &str) -> u64 {
        self.hasher.hash_one((provider, model))
    }
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self { entries: RwLock::new(HashTable::new()), hasher: RandomState::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_not_looked_for_again() {
        let remembered = Remembered::default();
        assert_eq!(remembered.get_or_find("a", "bc", || 1), 1);
        assert_eq!(remembered.get_or_find("ab", "c", || 2), 2);
        assert_eq!(remembered.get_or_find("a", "bc", || panic!("it is known")), 1);
        assert_eq!(remembered.get_or_find("ab", "c", || panic!("it is known")), 2);
    }

    #[test]
    fn it_never_holds_more_than_its_limit() {
        let remembered = Remembered::default();
        for n in 0..3 * MAX_ENTRIES {
            remembered.get_or_find("p", &n.to_string(), || n);
            assert!(remembered.entries.read().len() <= MAX_ENTRIES);
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let held = remembered.entries.read().len();
        assert_eq!(remembered.get_or_find("p", &long, || 7), 7);
        assert_eq!(remembered.entries.read().len(), held);
    }
}
