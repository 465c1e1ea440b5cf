//! Texts of agents as cells of CSV (RFC 4180).
//!
//! A text that a spreadsheet could take for a formula has an apostrophe before the sign that makes it one, which is how spreadsheets write such
//! a text: at its beginning, and behind everything that some program takes for the beginning of a cell (OWASP, "CSV Injection"). A German
//! Excel splits at semicolons, and ignores quotes in the middle of what it takes for a cell.

/// A text of agents, quoted and harmless.
pub(super) fn text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut cell = String::with_capacity(text.len() + 4);
    cell.push('"');
    // A program that does not trim would see the sign only behind these, one that does at the beginning: both get their apostrophe.
    if text.starts_with(|c| is_skipped(c) || is_border(c) && c != '\'') {
        cell.push('\'');
    }
    let mut begins_cell = true;
    for c in text.chars() {
        if begins_cell && is_formula_sign(c) {
            cell.push('\'');
        }
        begins_cell = is_border(c) || begins_cell && is_skipped(c);
        if c == '"' {
            cell.push('"');
        }
        cell.push(c);
    }
    cell.push('"');
    cell
}

/// What makes a cell a formula where it begins one, and its full-width and small forms, which are read alike in East Asian locales.
fn is_formula_sign(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '﹢' | '﹣' | '﹦' | '﹫' | '−')
}

/// What some program ends a cell with, or puts around one. A bar also begins a DDE command.
fn is_border(c: char) -> bool {
    matches!(c, ',' | ';' | '|' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' | '"' | '\'')
}

/// What programs drop before they look at a cell: spaces, control characters, the BOM and others without a width.
fn is_skipped(c: char) -> bool {
    let has_no_width = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || has_no_width
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_quoted_and_never_formulas() {
        for (given, written) in [
            ("chat-agent", "\"chat-agent\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"\n", "\"say \"\"hi\"\"\n\""),
            ("=cmd()", "\"'=cmd()\""),
            ("＝cmd()", "\"'＝cmd()\""),
            ("-1", "\"'-1\""),
            ("\n=cmd()", "\"'\n'=cmd()\""),
            (" =cmd()", "\"' '=cmd()\""),
            ("\u{feff}=cmd()", "\"'\u{feff}'=cmd()\""),
            ("\"=cmd()", "\"'\"\"'=cmd()\""),
            (";=cmd()", "\"';'=cmd()\""),
            ("|cmd", "\"'|cmd\""),
            ("\tx", "\"'\tx\""),
            ("\rx", "\"'\rx\""),
            ("a;=cmd|' /C calc'!A0;", "\"a;'=cmd|' /C calc'!A0;\""),
            ("it's 5-3", "\"it's 5-3\""),
            ("🤖 bot", "\"🤖 bot\""),
            ("", ""),
        ] {
            assert_eq!(text(given), written);
        }
    }

    /// What a spreadsheet would see in the cell: without what it drops.
    fn is_formula(cell: &[u8]) -> bool {
        let cell = String::from_utf8_lossy(cell);
        let seen = cell.trim_start_matches(|c: char| is_skipped(c) || c == '"');
        seen.starts_with(is_formula_sign)
    }

    /// Texts made mostly of what is dangerous, so that every combination comes up.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("=".to_owned()),
            prop::sample::select(vec!["=", "+", "-", "@", "＝", "＋", "－", "＠", "−"]).prop_map(str::to_owned),
            prop::sample::select(vec![",", ";", "|", "\t", "\r", "\n", "\"", "'", "\"\"", "\r\n"]).prop_map(str::to_owned),
            prop::sample::select(vec![" ", "\u{a0}", "\u{feff}", "\u{200b}", "\0", "\u{3000}"]).prop_map(str::to_owned),
            "[a-z0-9]{1,3}",
            any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_program_finds_a_formula_wherever_it_splits(texts in prop::collection::vec(hostile(), 1..4)) {
            let line = texts.iter().map(|given| text(given)).collect::<Vec<_>>().join(",") + "\r\n";
            for delimiter in [b',', b';', b'\t', b'|'] {
                for quoting in [true, false] {
                    let mut reader = csv::ReaderBuilder::new();
                    let reader = reader.has_headers(false).flexible(true).delimiter(delimiter).quoting(quoting);
                    for record in reader.from_reader(line.as_bytes()).byte_records() {
                        let record = record.unwrap();
                        for cell in &record {
                            prop_assert!(!is_formula(cell), "{:?} in {line:?}, split at {:?}", String::from_utf8_lossy(cell), char::from(delimiter));
                        }
                    }
                }
            }
        }

        #[test]
        fn only_apostrophes_are_added_and_cells_stay_cells(texts in prop::collection::vec(hostile(), 1..4)) {
            let line = texts.iter().map(|given| text(given)).collect::<Vec<_>>().join(",") + "\r\n";
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next();
            // A line of nothing is no record.
            let Some(record) = record else {
                prop_assert!(texts.concat().is_empty());
                return Ok(());
            };
            let without = |text: &str| text.replace('\'', "");
            let read: Vec<String> = record.unwrap().iter().map(without).collect();
            prop_assert_eq!(read, texts.iter().map(|text| without(text)).collect::<Vec<_>>());
        }
    }
}
