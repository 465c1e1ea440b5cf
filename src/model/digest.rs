//! Bytes as a number or as text.

/// FNV-1a, 64 bits: for short texts that need no defence against collisions. What comes of it is stored, so it never changes.
pub fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Two hexadecimal digits a byte, in small letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_its_authors_say() {
        // From the test suite of FNV's authors.
        assert_eq!(fnv(b"".iter().copied()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
        assert_eq!(hex(&[0, 0xa5, 0xff]), "00a5ff");
    }
}
