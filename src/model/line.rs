//! What somebody said as one line that can be kept and shown anywhere.
//!
//! It is hostile text: the line is bounded and has no control characters, and nothing else is promised of it.

use crate::model::Str;

/// Stands for what was cut off.
const CUT: char = '…';

/// Puts a space for every run of what is no visible character, and the mark where more than `max` bytes would be left, the mark included.
/// `None` if nothing is left.
pub(super) fn of<'a>(lines: impl Iterator<Item = &'a str>, max: usize) -> Option<Str> {
    let mut line = String::new();
    let mut is_apart = false;
    for c in lines.flat_map(|line| line.chars().chain(['\n'])) {
        if c.is_whitespace() || c.is_control() || is_reordering(c) {
            is_apart = !line.is_empty();
            continue;
        }
        if std::mem::take(&mut is_apart) {
            line.push(' ');
        }
        line.push(c);
        if line.len() > max {
            line.truncate(line.floor_char_boundary(max - CUT.len_utf8()));
            line.push(CUT);
            break;
        }
    }
    (!line.is_empty()).then(|| line.into())
}

/// It changes the order in which the characters around it are shown.
pub(super) fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
