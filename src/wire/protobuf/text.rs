//! Whether bytes are text.

use ascii::AsciiStr;

/// From here on simdutf8 is the faster one; what is shorter it leaves to the standard library.
const LONG_BYTES: usize = 64;

/// The text; `None` where it is not UTF-8. Nearly all of the texts of a span are short and ASCII, which is told faster than by looking at each
/// byte.
#[inline(always)]
pub fn utf8(bytes: &[u8]) -> Option<&str> {
    if bytes.len() < LONG_BYTES
        && let Ok(text) = AsciiStr::from_ascii(bytes)
    {
        return Some(text.as_str());
    }
    simdutf8::basic::from_utf8(bytes).ok()
}
