//! JSON whose text is broken, mended: halves of surrogate pairs and bytes that are not UTF-8 become U+FFFD.
//!
//! - JavaScript's `slice` cuts a character in half and `JSON.stringify` writes the half as `\ud83d`; no Unicode text can hold it.
//! - Only for a body that could not be read: one that can needs no mending, and pays nothing.

/// What was wrong with a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Breakage {
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// `\ud83d` without the other half beside it, in JSON.
    HalfSurrogate,
}

/// A body whose text can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mended {
    pub json: Vec<u8>,
    /// How many texts were broken; one that is so in both ways counts in both.
    pub n_half_surrogates: u64,
    pub n_invalid_utf8: u64,
}

/// The same JSON with U+FFFD for what cannot be read; `None` where all can.
pub fn mend(json: &[u8]) -> Option<Mended> {
    let mut mending = Mending::default();
    for chunk in json.utf8_chunks() {
        mending.text(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            mending.out.extend_from_slice("\u{fffd}".as_bytes());
            mending.is_invalid = true;
        }
    }
    mending.end_text();
    let Mending { out, n_half_surrogates, n_invalid_utf8, .. } = mending;
    (n_half_surrogates + n_invalid_utf8 > 0).then_some(Mended { json: out, n_half_surrogates, n_invalid_utf8 })
}

#[derive(Default)]
struct Mending {
    out: Vec<u8>,
    /// Of the text that is being read.
    is_halved: bool,
    is_invalid: bool,
    n_half_surrogates: u64,
    n_invalid_utf8: u64,
}

/// `\uXXXX`.
const ESCAPE_BYTES: usize = 6;
const REPLACEMENT: &[u8; ESCAPE_BYTES] = b"\\ufffd";

// === impl Mending ===

impl Mending {
    /// Copies what is UTF-8.
    fn text(&mut self, mut rest: &[u8]) {
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'"')) {
            self.out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let n_bytes = match (rest[0], surrogate(rest)) {
                (b'"', _) => {
                    self.end_text();
                    1
                }
                // What else is escaped is one byte, or is no text of JSON.
                (_, None) => rest.len().min(2),
                (_, Some(half)) if half.is_high && surrogate(&rest[ESCAPE_BYTES..]).is_some_and(|other| !other.is_high) => 2 * ESCAPE_BYTES,
                (_, Some(_)) => {
                    self.is_halved = true;
                    self.out.extend_from_slice(REPLACEMENT);
                    rest = &rest[ESCAPE_BYTES..];
                    continue;
                }
            };
            self.out.extend_from_slice(&rest[..n_bytes]);
            rest = &rest[n_bytes..];
        }
        self.out.extend_from_slice(rest);
    }

    /// Outside of texts there is nothing to count, so where one begins this does nothing.
    fn end_text(&mut self) {
        self.n_half_surrogates += u64::from(std::mem::take(&mut self.is_halved));
        self.n_invalid_utf8 += u64::from(std::mem::take(&mut self.is_invalid));
    }
}

/// One half of a surrogate pair.
struct Half {
    is_high: bool,
}

/// The half that `text` begins with, as an escape.
fn surrogate(text: &[u8]) -> Option<Half> {
    let digits = text.get(..ESCAPE_BYTES)?.strip_prefix(b"\\u")?;
    let code = digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))?;
    (0xd800..0xe000).contains(&code).then_some(Half { is_high: code < 0xdc00 })
}

// === impl Breakage ===

impl Breakage {
    /// A label for metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "invalid_utf8",
            Self::HalfSurrogate => "half_surrogate",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mended(json: &[u8]) -> Option<(String, u64, u64)> {
        let Mended { json, n_half_surrogates, n_invalid_utf8 } = mend(json)?;
        Some((String::from_utf8(json).expect("UTF-8"), n_half_surrogates, n_invalid_utf8))
    }

    #[test]
    fn a_half_of_a_pair_is_replaced_and_a_pair_is_not() {
        for (json, expect, n) in [
            (r#""a\ud83d""#, r#""a\ufffd""#, 1),
            (r#""\uD83Da""#, r#""\ufffda""#, 1),
            (r#""\ude00""#, r#""\ufffd""#, 1),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#, 1),
            (r#""\ude00\ud83d" "\ud83d\n""#, r#""\ufffd\ufffd" "\ufffd\n""#, 2),
            (r#"{"\ud800":"\udfff"}"#, r#"{"\ufffd":"\ufffd"}"#, 2),
        ] {
            assert_eq!(mended(json.as_bytes()), Some((expect.to_owned(), n, 0)), "{json}");
        }
        // An escaped backslash before the letters is not an escape of a character.
        for json in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\\\\ud83d""#, r#""é\u00e9\"""#, "", "\\", r#""\u12"#, r#""\ud83"#] {
            assert_eq!(mended(json.as_bytes()), None, "{json}");
        }
        assert_eq!(mended(br#""\\\ud83d""#), Some((r#""\\\ufffd""#.to_owned(), 1, 0)));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(mended(b"[\"a\xc3\",\"\xff\xff\\ud83d\"]"), Some(("[\"a\u{fffd}\",\"\u{fffd}\u{fffd}\\ufffd\"]".into(), 1, 2)));
    }

    proptest! {
        #[test]
        fn what_was_mended_needs_no_mending_and_every_text_of_it_is_read(
            units in proptest::collection::vec(prop_oneof![Just(0x61u16), 0xd800..0xe000u16, any::<u16>()], 0..12),
            raw in proptest::collection::vec(any::<u8>(), 0..6),
        ) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = |json: &[u8]| serde_json::from_slice::<String>(json).ok();
            let json = format!("\"{escapes}\"").into_bytes();
            // What Go's and JavaScript's decoders of UTF-16 make of it.
            let expect = String::from_utf16_lossy(&units);
            match mend(&json) {
                None => prop_assert_eq!(text(&json), Some(expect)),
                Some(mended) => {
                    prop_assert_eq!(text(&json), None);
                    prop_assert_eq!(text(&mended.json), Some(expect));
                    prop_assert_eq!((mend(&mended.json), mended.n_half_surrogates), (None, 1));
                }
            }
            if let Some(mended) = mend(&raw) {
                prop_assert_eq!(mend(&mended.json), None);
            }
        }
    }
}
