//! As much of base64 as a look at an image takes: whether a text is nothing else, and its first bytes.

/// Whether it is base64 from end to end, padded or not.
pub(super) fn is_whole(text: &str) -> bool {
    let unpadded = text.trim_end_matches('=');
    text.len() - unpadded.len() <= 2 && unpadded.bytes().all(|byte| digit(byte).is_some())
}

/// Its first twelve bytes, if there are so many.
pub(super) fn start(text: &str) -> Option<[u8; 12]> {
    let mut bytes = [0; 12];
    let digits = text.as_bytes().get(..16)?;
    for (triple, four) in bytes.chunks_exact_mut(3).zip(digits.chunks_exact(4)) {
        let mut bits = 0;
        for byte in four {
            bits = bits << 6 | digit(*byte)?;
        }
        triple.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}
