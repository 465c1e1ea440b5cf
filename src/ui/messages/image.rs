//! Images in messages: only what a browser draws without running or loading anything.
//!
//! - PNG, JPEG, GIF and WebP, as their first bytes say; what the sender calls them is not believed. SVG is a program, and is not shown.
//! - From `data:` alone. What stands elsewhere is named, and loaded only by who follows the link.
//! - Of limited size; larger ones are described.

use super::base64;

/// An image as base64 that is put into a page.
pub(super) const IMAGE_MAX_BYTES: usize = 1024 * 1024;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ui) enum Image {
    /// Its type, and the base64 that was checked.
    Inline { kind: &'static str, base64: String },
    /// Where it is.
    At(String),
    /// Why it is not shown.
    Unshown(String),
}

// === impl Image ===

impl Image {
    /// A `data:` URL, or another, or base64 alone, with what the sender calls its type.
    pub(super) fn of(source: &str, called: Option<&str>) -> Self {
        let Some(data) = source.strip_prefix("data:") else {
            return match source.len() > 64 && !source.contains(':') {
                true => Self::of_base64(source, called.unwrap_or("image")),
                false if source.is_empty() => Self::Unshown(format!("{}, which was not recorded", called.unwrap_or("image"))),
                false => Self::At(source.chars().take(2_000).collect()),
            };
        };
        let Some((head, content)) = data.split_once(',') else { return Self::Unshown("image that cannot be read".to_owned()) };
        let mut head = head.split(';');
        let called = head.next().filter(|called| !called.is_empty()).or(called).unwrap_or("image");
        match head.any(|word| word == "base64") {
            true => Self::of_base64(content, called),
            false => Self::Unshown(format!("{}, which is not shown", short(called))),
        }
    }

    fn of_base64(content: &str, called: &str) -> Self {
        // Google's libraries write bytes in the alphabet for URLs, which browsers do not read.
        let content = &*content.trim().replace('-', "+").replace('_', "/");
        let size = bytesize::ByteSize(content.len() as u64 / 4 * 3);
        if content.len() > IMAGE_MAX_BYTES {
            return Self::Unshown(format!("{} of {size}, too large to be shown here", short(called)));
        }
        match base64::start(content).and_then(|start| kind(&start)) {
            Some(kind) if base64::is_whole(content) => Self::Inline { kind, base64: content.to_owned() },
            _ => Self::Unshown(format!("{} of {size}, which is not shown", short(called))),
        }
    }
}

fn short(called: &str) -> String {
    called.chars().take(60).collect()
}

/// By the first bytes of the format.
fn kind(start: &[u8]) -> Option<&'static str> {
    match start {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    #[test]
    fn an_image_is_shown_by_what_it_is_and_not_by_what_it_is_called() {
        let shown = Image::Inline { kind: "image/png", base64: PNG.to_owned() };
        assert_eq!(Image::of(&format!("data:image/png;base64,{PNG}"), None), shown);
        assert_eq!(Image::of(&format!("data:image/svg+xml;base64,{PNG}"), None), shown);
        assert_eq!(Image::of(PNG, Some("image/jpeg")), shown);
        for hidden in [
            "data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+PHN2Zz48L3N2Zz4=",
            "data:image/svg+xml,<svg onload=alert(1)>",
            "data:text/html;base64,PHNjcmlwdD4=",
            &format!("data:image/png;base64,{PNG}\" onerror=\""),
            "data:",
        ] {
            assert!(matches!(Image::of(hidden, None), Image::Unshown(_)), "{hidden}");
        }
        let large = format!("data:image/png;base64,{PNG}{}", "A".repeat(IMAGE_MAX_BYTES));
        assert_eq!(Image::of(&large, None), Image::Unshown("image/png of 768.1 KiB, too large to be shown here".to_owned()));
        assert_eq!(Image::of("https://example.org/a.png", None), Image::At("https://example.org/a.png".to_owned()));
    }
}
