//! Bytes and numbers that JSON carries as text.

/// Bytes written as hexadecimal digits, either case; otherwise what is wrong with them.
pub(super) fn decode_hex(text: &str) -> Result<Vec<u8>, &'static str> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an odd number of characters");
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or("another character")
}

/// Base64 of either alphabet, with or without padding.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padded = text.len() - digits.len();
    if padded > 2 || (padded > 0 && !text.len().is_multiple_of(4)) || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for &digit in group {
            bits = bits << 6 | sextet(digit)?;
        }
        // The last group may be short; what it lacks counts as zeros that carry no byte.
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// A whole number in decimal, or in another notation of a whole number, such as `1e3`.
pub(super) fn integer_in_text(text: &str) -> Option<i128> {
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().or_else(|| integer_in_float(text.parse().ok()?))
}

/// The same number as an integer, if it is one. The largest numbers come out smaller than they are, and still far beyond 64 bits.
pub(super) fn integer_in_float(number: f64) -> Option<i128> {
    (number.fract() == 0.0).then_some(number as i128)
}

/// A number, or one of the three names that JSON numbers have no form for.
pub(super) fn number_in_text(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(number)
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}
