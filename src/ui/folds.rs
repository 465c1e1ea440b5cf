//! Which branches of a tree are open: what the address says of single ones, beside what is open by itself.
//!
//! `open=a,b` and `fold=c` in the address, of limited number: of more than that the ones named last count.

use std::fmt::Display;

use crate::params::BadParam;
use crate::params::pairs::Pairs;

/// Branches that an address names of each kind, so that it stays short enough for every proxy: 2 x 60 x 17 characters.
const NAMED_MAX: usize = 60;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Folds<K> {
    open: Vec<K>,
    folded: Vec<K>,
}

// === impl Folds ===

impl<K: Copy + PartialEq + Display> Folds<K> {
    /// `read` makes a key of its text, which is `allowed`.
    pub(super) fn read(pairs: &Pairs, allowed: &str, read: impl Fn(&str) -> Option<K>) -> Result<Self, BadParam> {
        let keys = |name: &'static str| -> Result<Vec<K>, BadParam> {
            let mut keys = Vec::new();
            for text in pairs.get(name).unwrap_or_default().split(',').filter(|text| !text.is_empty()) {
                add(&mut keys, read(text).ok_or_else(|| BadParam::new(name, text, allowed))?);
            }
            Ok(keys)
        };
        Ok(Self { open: keys("open")?, folded: keys("fold")? })
    }

    /// What the address says of it, if anything.
    pub(super) fn says(&self, key: K) -> Option<bool> {
        if self.folded.contains(&key) {
            return Some(false);
        }
        self.open.contains(&key).then_some(true)
    }

    /// The same with one branch opened or folded.
    pub(super) fn with(&self, key: K, is_open: bool) -> Self {
        let mut other = self.without(&[key]);
        add(if is_open { &mut other.open } else { &mut other.folded }, key);
        other
    }

    /// The same, saying nothing of some.
    pub(super) fn without(&self, keys: &[K]) -> Self {
        let left = |from: &Vec<K>| from.iter().copied().filter(|key| !keys.contains(key)).collect();
        Self { open: left(&self.open), folded: left(&self.folded) }
    }

    /// As parameters of an address.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let join = |keys: &[K]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        [("open", join(&self.open)), ("fold", join(&self.folded))].into_iter().filter(|(_, keys)| !keys.is_empty())
    }
}

impl<K> Default for Folds<K> {
    fn default() -> Self {
        Self { open: Vec::new(), folded: Vec::new() }
    }
}

fn add<K: PartialEq>(keys: &mut Vec<K>, key: K) {
    if keys.contains(&key) {
        return;
    }
    if keys.len() == NAMED_MAX {
        keys.remove(0);
    }
    keys.push(key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Folds<u8>, BadParam> {
        Folds::read(&Pairs::read(Some(query), &["open", "fold"]).unwrap(), "small numbers", |text| text.parse().ok())
    }

    fn address(folds: &Folds<u8>) -> String {
        folds.parameters().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn a_branch_is_opened_and_folded_and_the_address_says_it_once() {
        let folds = read("open=1,2&fold=3").unwrap();
        assert_eq!([1, 3, 4].map(|key| folds.says(key)), [Some(true), Some(false), None]);
        assert_eq!(address(&folds.with(1, false)), "open=2&fold=3,1");
        assert_eq!(address(&folds.with(3, true).with(3, true)), "open=1,2,3");
        assert_eq!(address(&folds.without(&[1, 2, 3])), "");
    }

    #[test]
    fn an_address_names_a_limited_number_and_nothing_that_cannot_be_meant() {
        let folds = (0..=200).fold(read("").unwrap(), |folds, key| folds.with(key, true));
        assert_eq!((folds.says(200), folds.says(1)), (Some(true), None));
        assert_eq!(folds.open.len(), NAMED_MAX);
        assert_eq!(read("open=1,x").unwrap_err().parameter, "open");
    }
}
