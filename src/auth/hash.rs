//! Keys as they may lie on a disk: SHA-256, written `sha256:` and 64 hexadecimal digits.
//!
//! A fast hash suffices because a key is random and long: nobody tries 2²⁵⁶ of them, however fast. What a slow, salted hash (argon2,
//! bcrypt) is for, passwords that people think of, is refused (`STRONG_KEY_MIN_BYTES`), and its 50 ms a look-up would be paid by every
//! request of every agent.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

use crate::model::digest::hex;

const PREFIX: &str = "sha256:";
const BYTES: usize = 32;

/// What every key made here begins with, so that people and scanners for secrets know one when they see it.
const KEY_PREFIX: &str = "sfk_";

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; BYTES]);

/// Why a text is no hash of a key. The text is not shown: somebody may have written a key there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("its hash is not `sha256:` and 64 hexadecimal digits, as `sessionfold key hash` prints them")]
pub struct InvalidHash;

/// A new key: 256 random bits in hexadecimal. Fails only if the system has no random numbers to give.
pub fn new_key() -> Result<String, getrandom::Error> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random)?;
    Ok(format!("{KEY_PREFIX}{}", hex(&random)))
}

// === impl KeyHash ===

impl KeyHash {
    pub fn of(key: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, key);
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(InvalidHash)?;
        let mut bytes = [0; BYTES];
        if digits.len() != 2 * BYTES || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidHash);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|_| InvalidHash)?;
        }
        Ok(Self(bytes))
    }
}

impl ConstantTimeEq for KeyHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(&self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_sha256sum_prints() {
        let written = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of(b"abc").to_string(), written);
        assert_eq!(KeyHash::parse(&written.replace('b', "B")), Ok(KeyHash::of(b"abc")));
        assert_eq!(KeyHash::parse(&format!(" {written}\n")), Ok(KeyHash::of(b"abc")));
        for bad in ["", "abc", "sha256:", "sha512:00", &written[..written.len() - 1], &format!("{written}0"), &written.replace("ba", "+a")]
        {
            assert_eq!(KeyHash::parse(bad), Err(InvalidHash), "{bad}");
        }
        assert!(!format!("{:?}", KeyHash::of(b"abc")).contains("ba78"));
    }

    #[test]
    fn no_two_keys_are_alike_and_each_is_one() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("sfk_") && one.len() == 68 && super::super::is_well_formed(&one), "{one}");
    }
}
