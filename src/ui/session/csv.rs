//! The runs of a session as CSV (RFC 4180), with the fields and the notation of the API.
//!
//! - Written as it is read: a few chunks of it are in memory, whatever its length.
//! - One file holds at most so many runs; `limit` and `offset` page beyond.
//! - A text that a spreadsheet could take for a formula has an apostrophe before the sign that makes it one, which is how spreadsheets
//!   write such a text: at its beginning, and behind everything that some program takes for the beginning of a cell (OWASP, "CSV
//!   Injection"). A German Excel splits at semicolons, and ignores quotes in the middle of what it takes for a cell.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, header};

use crate::bounds::stream::{self, Aborted, Cut, Sink};
use crate::model::ids::{SessionId, Tenant};
use crate::model::run::Run;
use crate::params::format;
use crate::store::RunPage;
use crate::ui::Ui;
use crate::ui::refusal::Refusal;

/// Some 20 MB of text.
const RUNS_MAX: u64 = 100_000;

const HEAD: &str = "id,agent_name,workflow_name,user_id,started_at,completed_at,duration,status,cost,unpriced_calls,tokens,input_tokens,output_tokens,trace_id,error,tool_errors,parent_run_id\r\n";

pub(super) async fn answer(ui: &Arc<Ui>, tenant: Tenant, id: SessionId, page: RunPage) -> Result<Response, Refusal> {
    let disposition = format!("attachment; filename=\"{}\"", file_name(&id));
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| Refusal::Internal)?;
    let page = RunPage { limit: Some(page.limit.unwrap_or(RUNS_MAX).min(RUNS_MAX)), offset: page.offset };
    let store = Arc::clone(&ui.store);
    let write = move |sink: &mut Sink| -> Result<(), Cut<Refusal>> {
        let detail = store.session(&tenant, &id, page)?.ok_or(Refusal::NotFound("session"))?;
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        sink.headers.insert(header::CONTENT_DISPOSITION, disposition);
        sink.text(HEAD)?;
        for run in detail.runs {
            sink.pace()?;
            sink.text(&line(&run?))?;
        }
        Ok(())
    };
    let broken = |how: Aborted| tracing::debug!(?how, "a CSV file was not sent whole");
    stream::respond(&ui.answers, broken, write).await
}

/// What every file system takes.
fn file_name(id: &SessionId) -> String {
    let safe: String =
        id.as_str().chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).take(80).collect();
    format!("{safe}.csv")
}

fn line(run: &Run) -> String {
    let fields = [
        run.id.get().to_string(),
        text(&run.agent),
        text(&run.workflow),
        run.user.as_deref().map(text).unwrap_or_default(),
        format::timestamp(run.started_at),
        run.completed_at.map(format::timestamp).unwrap_or_default(),
        run.duration().map(format::seconds).unwrap_or_default(),
        run.status.as_str().to_owned(),
        format::dollars(run.usage.cost),
        run.usage.unpriced_calls.to_string(),
        run.usage.tokens.to_string(),
        run.usage.input_tokens.to_string(),
        run.usage.output_tokens.to_string(),
        run.trace_id().map(|trace| trace.to_string()).unwrap_or_default(),
        run.error.as_deref().map(text).unwrap_or_default(),
        run.tool_errors.to_string(),
        run.parent.map(|parent| parent.get().to_string()).unwrap_or_default(),
    ];
    fields.join(",") + "\r\n"
}

/// A text of agents, quoted and harmless.
fn text(text: &str) -> String {
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

    #[test]
    fn a_file_can_be_called_that_everywhere() {
        assert_eq!(file_name(&SessionId::new("a/b \"c\" ü").unwrap()), "a_b__c___.csv");
    }
}
