//! What is new in a page's parts, for those who have what they were.
//!
//! - A text is cut before every tag that opens. A difference is lines: `5,12` stands for twelve pieces of the old text from its fifth on (from
//!   0), `+` for what follows it on the line, in which a line end is `\n` and a backslash `\\`. A line has one of them or both. `live.js` puts
//!   the new text together from them.
//! - Pieces may come from anywhere: a row that moved costs a line.
//! - The client has the very text that the server compares with: words that age are left out of it, and its line ends are of one kind.

use std::fmt::Write;

use rustc_hash::FxHashMap;

/// Where the words begin that age (`words::age_of`): `live.js` writes and renews them.
const AGE: &str = "<span class=\"age\" data-age>";

/// The text without what changes merely because time passes.
pub(super) fn still(html: &str) -> String {
    let mut parts = html.split(AGE);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(AGE);
        text.push_str(&part[part.find('<').unwrap_or(0)..]);
    }
    // Event streams know one kind of line end, and so does HTML.
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// What makes `new` of `old`.
pub(super) fn between(old: &str, new: &str) -> String {
    let old: Vec<&str> = pieces(old).collect();
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    for (at, piece) in old.iter().enumerate().rev() {
        places.insert(piece, at);
    }
    let mut change = String::new();
    let mut copied = 0..0;
    let mut is_new_open = false;
    for piece in pieces(new) {
        // What follows what was copied last, else where the piece is first.
        let at = if !copied.is_empty() && old.get(copied.end) == Some(&piece) { Some(copied.end) } else { places.get(piece).copied() };
        match at {
            Some(at) if !copied.is_empty() && at == copied.end => copied.end += 1,
            Some(at) => {
                write_copied(&mut change, &mut copied);
                if !change.is_empty() {
                    change.push('\n');
                }
                is_new_open = false;
                copied = at..at + 1;
            }
            None => {
                write_copied(&mut change, &mut copied);
                if !is_new_open {
                    change.push('+');
                    is_new_open = true;
                }
                change.push_str(&piece.replace('\\', "\\\\").replace('\n', "\\n"));
            }
        }
    }
    write_copied(&mut change, &mut copied);
    change
}

fn write_copied(change: &mut String, copied: &mut std::ops::Range<usize>) {
    if copied.start < copied.end {
        // Writing to a String cannot fail.
        let _ = write!(change, "{},{}", copied.start, copied.len());
        *copied = 0..0;
    }
}

/// The text, cut before every `<` that a small letter follows.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let cut = (1..bytes.len()).find(|at| bytes[*at] == b'<' && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase));
        let (piece, behind) = rest.split_at(cut.unwrap_or(rest.len()));
        rest = behind;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `live.js` does it.
    fn apply(old: &str, change: &str) -> String {
        let old: Vec<&str> = pieces(old).collect();
        let mut text = String::new();
        for line in change.split('\n').filter(|line| !line.is_empty()) {
            let (range, new) = line.split_once('+').unwrap_or((line, ""));
            if let Some((at, n)) = range.split_once(',') {
                let at: usize = at.parse().unwrap();
                text.extend(old[at..at + n.parse::<usize>().unwrap()].iter().copied());
            }
            let mut chars = new.chars();
            while let Some(c) = chars.next() {
                text.push(if c == '\\' { if chars.next() == Some('n') { '\n' } else { '\\' } } else { c });
            }
        }
        text
    }

    fn row(n: usize) -> String {
        format!("<tr data-key=\"conv-{n}\"><td>conv-{n}</td><td class=\"number\">{}</td></tr>", n * n)
    }

    #[test]
    fn one_new_row_among_a_hundred_is_little_and_so_is_one_that_moved() {
        let old: String = (0..100).map(row).collect();
        let new: String = (0..100).map(|n| if n == 0 { row(100) } else { row(n - 1) }).collect();
        let change = between(&old, &new);
        assert_eq!(apply(&old, &change), new);
        assert!(change.len() < 200, "{change}");
        let moved: String = [99].into_iter().chain(0..99).map(row).collect();
        let change = between(&old, &moved);
        assert_eq!(apply(&old, &change), moved);
        assert!(change.len() < 40, "{change}");
    }

    #[test]
    fn words_that_age_change_nothing() {
        let aged = |age: &str| format!("<td>10:05:32 <span class=\"age\" data-age>{age}</span></td>\r\n<td>a\rb</td>");
        assert_eq!(still(&aged("3 s ago")), "<td>10:05:32 <span class=\"age\" data-age></span></td>\n<td>a\nb</td>");
        assert_eq!(still(&aged("3 s ago")), still(&aged("")));
    }

    proptest! {
        #[test]
        fn what_a_difference_is_applied_to_becomes_the_new_text(texts in prop::collection::vec(
            prop::collection::vec(prop::sample::select(vec!["<td>", "a", "\\", "\n", "<li x=\"1\">", "</td>", "\\n", "<", "é", "=1,2", "+"]), 0..40), 2)) {
            let (old, new) = (texts[0].concat(), texts[1].concat());
            let change = between(&old, &new);
            prop_assert_eq!(apply(&old, &change), new);
        }
    }
}
