//! Changes settings that are TOML.
//!
//! - What is there stays: other keys, comments, their order, and how they are written. Only the values that are wished for change.
//! - A table that names an alternative by its only key (`exporter = { otlp-grpc = ... }`) loses the others it names.
//! - The result is compared with what was there before it is given back.

use similar::{ChangeTag, TextDiff};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::edit::{EditError, dotted};
use super::wishes::{Settled, Wish};

/// Tables that name one of several alternatives by their only key.
pub(super) type Alternatives = [&'static [&'static str]];

/// The text with every wish in it.
pub(super) fn edit(text: &str, wishes: &[Wish], alternatives: &Alternatives) -> Result<String, EditError> {
    let mut document = parse(text)?;
    for wish in wishes {
        grant(&mut document, wish, alternatives)?;
    }
    let edited = with_line_ends_of(text, &document.to_string());
    check_kept(text, &edited, wishes, alternatives)?;
    Ok(edited)
}

/// The setting at `path`: a string as it is meant, all else as it is written.
pub(super) fn value(text: &str, path: &[&str]) -> Option<String> {
    let document = parse(text).ok()?;
    let mut at = document.as_item();
    for name in path {
        at = at.as_table_like()?.get(name)?;
    }
    Some(at.as_str().map_or_else(|| at.clone().into_value().unwrap_or_else(|_| "".into()).decorated("", "").to_string(), str::to_owned))
}

/// The text with every string replaced for which `hide` gives something else when it gets its key.
pub(super) fn hide(text: &str, hide: &dyn Fn(&[String], &str) -> Option<String>) -> String {
    let Ok(mut document) = parse(text) else { return text.to_owned() };
    hide_below(document.as_table_mut(), &mut Vec::new(), hide);
    with_line_ends_of(text, &document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        // It says what is wrong and what was expected, never what stands there.
        EditError::Broken { line: before.matches('\n').count() + 1, column, message: error.message().to_owned() }
    })
}

fn grant(document: &mut DocumentMut, wish: &Wish, alternatives: &Alternatives) -> Result<(), EditError> {
    let Some((last, above)) = wish.path.split_last() else { return Ok(()) };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for (depth, name) in above.iter().enumerate() {
        let path = &wish.path[..=depth];
        let is_alternative = alternatives.contains(&path);
        let next = wish.path[depth + 1];
        let item = table.entry(name).or_insert(Item::None);
        if item.is_none() {
            *item = if depth == 0 { Item::Table(Table::new()) } else { Item::Value(Value::InlineTable(InlineTable::new())) };
        } else if is_alternative {
            leave_only(next, item);
        }
        table = item.as_table_like_mut().ok_or_else(|| EditError::Shape(dotted(path), "a table"))?;
    }
    let item = table.entry(last).or_insert(Item::None);
    if item.is_table_like() || item.is_array() || item.is_array_of_tables() {
        return Err(EditError::Shape(dotted(wish.path), "a single value"));
    }
    match wish.settle(item.as_str(), item.as_bool()) {
        Settled::Stays => {}
        Settled::Text(text) => replace(item, Value::from(text)),
        Settled::Flag(flag) => replace(item, Value::from(flag)),
    }
    Ok(())
}

/// Takes the other alternatives out.
fn leave_only(name: &str, item: &mut Item) {
    let Some(table) = item.as_table_like_mut() else { return replace(item, Value::InlineTable(InlineTable::new())) };
    let others: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).filter(|key| key != name).collect();
    others.iter().for_each(|other| _ = table.remove(other));
    if table.is_empty() && !others.is_empty() {
        replace(item, Value::InlineTable(InlineTable::new()));
    }
}

/// Puts a value in the place of another, between the same blanks and before the same comment.
fn replace(item: &mut Item, mut value: Value) {
    if let Some(old) = item.as_value() {
        *value.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(value);
}

/// The parser makes one kind of line end of all; each line gets back its own.
fn with_line_ends_of(before: &str, after: &str) -> String {
    if !before.contains('\r') {
        return after.to_owned();
    }
    let plain = before.replace("\r\n", "\n");
    let old_lines: Vec<&str> = before.split_inclusive('\n').collect();
    let new_line_end = if old_lines[0].ends_with("\r\n") { "\r\n" } else { "\n" };
    let diff = TextDiff::from_lines(plain.as_str(), after);
    let lines = diff.iter_all_changes().filter_map(|change| match (change.tag(), change.old_index()) {
        (ChangeTag::Delete, _) => None,
        (ChangeTag::Equal, Some(index)) => Some(old_lines.get(index).copied().unwrap_or_default().to_owned()),
        _ => Some(change.value().replace('\n', new_line_end)),
    });
    lines.collect()
}

fn hide_below(table: &mut dyn TableLike, path: &mut Vec<String>, hide: &dyn Fn(&[String], &str) -> Option<String>) {
    for (key, item) in table.iter_mut() {
        path.push(key.get().to_owned());
        match item {
            Item::Value(value) => hide_value(value, path, hide),
            Item::Table(table) => hide_below(table, path, hide),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|table| hide_below(table, path, hide)),
            Item::None => {}
        }
        path.pop();
    }
}

fn hide_value(value: &mut Value, path: &mut Vec<String>, hide: &dyn Fn(&[String], &str) -> Option<String>) {
    match value {
        Value::InlineTable(table) => hide_below(table, path, hide),
        Value::Array(array) => array.iter_mut().for_each(|element| hide_value(element, path, hide)),
        Value::String(text) => {
            if let Some(hidden) = hide(path, text.value()) {
                let decor = value.decor().clone();
                *value = Value::from(hidden);
                *value.decor_mut() = decor;
            }
        }
        _ => {}
    }
}

// === what there is, to compare ===

/// Nothing is missing, and nothing is new but what was wished for; no comment is gone.
fn check_kept(before: &str, after: &str, wishes: &[Wish], alternatives: &Alternatives) -> Result<(), EditError> {
    let is_wished = |path: &[String]| {
        let is_it = wishes.iter().any(|wish| path.iter().eq(wish.path.iter()));
        is_it || alternatives.iter().any(|alternative| is_replaced(path, alternative, wishes))
    };
    let was_empty = |path: &[String], value: &str| {
        value == "{}" && wishes.iter().any(|wish| path.len() < wish.path.len() && path.iter().eq(wish.path[..path.len()].iter()))
    };
    let others = |text: &str| -> Result<Vec<(Vec<String>, String)>, EditError> {
        let document: ::toml::Table = ::toml::from_str(text).map_err(|_| EditError::Lossy)?;
        let mut values = Vec::new();
        flatten(&::toml::Value::Table(document), &mut Vec::new(), &mut values);
        values.retain(|(path, value)| !is_wished(path) && !was_empty(path, value));
        Ok(values)
    };
    let kept = others(before)? == others(after)? && comments(before, after);
    if kept { Ok(()) } else { Err(EditError::Lossy) }
}

/// Whether `path` is of an alternative other than the one that is wished for.
fn is_replaced(path: &[String], alternative: &[&str], wishes: &[Wish]) -> bool {
    let is_below = path.len() >= alternative.len() && path.iter().zip(alternative).all(|(a, b)| a == b);
    let wished = wishes.iter().find(|wish| wish.path.starts_with(alternative)).and_then(|wish| wish.path.get(alternative.len()));
    is_below && wished.is_some_and(|wished| path.get(alternative.len()).is_none_or(|named| named != wished))
}

fn flatten(value: &::toml::Value, path: &mut Vec<String>, values: &mut Vec<(Vec<String>, String)>) {
    match value {
        ::toml::Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                path.push(key.clone());
                flatten(value, path, values);
                path.pop();
            }
        }
        ::toml::Value::Table(_) => values.push((path.clone(), "{}".into())),
        other => values.push((path.clone(), other.to_string())),
    }
}

/// Whether what follows a `#` on each line that is gone stands on a line that came.
fn comments(before: &str, after: &str) -> bool {
    let diff = TextDiff::from_lines(before, after);
    let lines_of = |tag: ChangeTag| diff.iter_all_changes().filter(move |change| change.tag() == tag).map(|change| change.value());
    let gone = lines_of(ChangeTag::Delete).filter_map(|line| line.find('#').map(|at| line[at..].trim_end()));
    gone.into_iter().all(|comment| lines_of(ChangeTag::Insert).any(|line| line.contains(comment)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::setup::agents::AgentName;
    use crate::cli::setup::wishes::Asked;

    const EXPORTER: &str = "exporter = { otlp-http = { endpoint = \"http://a:1/v1/logs\", protocol = \"binary\" } }\n";

    fn change(text: &str) -> Result<String, EditError> {
        let agent = AgentName::Codex.agent();
        let asked = Asked { address: "http://a:1".into(), needs_key: false, content: false, traces: false };
        edit(text, &asked.wishes(agent.lines), agent.alternatives)
    }

    #[test]
    fn a_table_of_ours_comes_behind_what_there_is() {
        let block = format!("[otel]\nlog_user_prompt = false\n{EXPORTER}");
        assert_eq!(change("").unwrap(), block);
        let text = "model = \"o3\" # mine\n\n[mcp_servers.a]\ncommand = 'x'\n# tail\n";
        let edited = change(text).unwrap();
        assert!(edited.starts_with("model = \"o3\" # mine\n\n[mcp_servers.a]\ncommand = 'x'\n"), "{edited}");
        assert!(edited.contains("# tail\n") && edited.contains(block.trim_end()), "{edited}");
    }

    #[test]
    fn a_table_that_is_there_keeps_its_own() {
        let text = "[otel] # telemetry\nenvironment = \"dev\"\nlog_user_prompt = true # yes\nexporter = \"none\" # not yet\n\n[tui]\ntheme = \"x\"\n";
        let expected = text.replace("= true #", "= false #").replace("exporter = \"none\"", EXPORTER.trim_end());
        assert_eq!(change(text).unwrap(), expected);
        let text = "[otel.exporter.\"otlp-http\"]\nendpoint = \"http://b:2\" # old\nprotocol = \"json\"\n[otel.exporter.\"otlp-http\".headers]\n\"x-other\" = \"1\"\n";
        let edited = change(text).unwrap();
        assert!(edited.contains("endpoint = \"http://a:1/v1/logs\" # old\nprotocol = \"binary\"\n"), "{edited}");
        assert!(edited.contains("\"x-other\" = \"1\"\n") && edited.contains("[otel]\nlog_user_prompt = false\n"), "{edited}");
        for text in ["otel.environment = \"dev\"\nmodel = \"o3\"\n", "otel = { environment = \"dev\" }\n[a]\nb = 1\n"] {
            let edited = change(text).unwrap();
            assert!(edited.contains("dev") && edited.contains("http://a:1/v1/logs"), "{edited}");
        }
    }

    #[test]
    fn another_alternative_is_replaced_but_no_comment_is_lost() {
        let edited = change("[otel]\nexporter = { otlp-grpc = { endpoint = \"http://b:2\" } } # b\n").unwrap();
        assert_eq!(edited, format!("[otel]\n{} # b\nlog_user_prompt = false\n", EXPORTER.trim_end()));
        let text = "[otel.exporter.otlp-grpc]\nendpoint = \"http://b:2\"";
        assert!(!change(text).unwrap().contains("grpc"));
        assert_eq!(change(&format!("{text} # the old one\n")), Err(EditError::Lossy));
        let both = "[otel]\nexporter = { otlp-grpc = { endpoint = \"http://b:2\" }, otlp-http = { headers = { x-other = \"1\" } } }\n";
        let edited = change(both).unwrap();
        assert!(!edited.contains("grpc") && edited.contains("x-other = \"1\""), "{edited}");
        let neither = change("[otel.exporter]\notlp-grpc = false\notlp-http = false\n").unwrap_err();
        assert_eq!(neither.to_string(), change("[otel.exporter]\notlp-http = false\n").unwrap_err().to_string());
    }

    #[test]
    fn each_line_keeps_its_end() {
        let edited = change("a = 1\r\nb = \"\"\"x\ny\"\"\"\r\n").unwrap();
        assert!(edited.starts_with("a = 1\r\nb = \"\"\"x\ny\"\"\"\r\n") && edited.contains("[otel]\r\n"), "{edited:?}");
    }

    #[test]
    fn what_cannot_be_changed_is_refused_with_its_place() {
        let refused = |text: &str| change(text).unwrap_err().to_string();
        assert!(refused("a = 1\nkey = sk-secret\n").starts_with("line 2, column "), "{}", refused("a = 1\nkey = sk-secret\n"));
        assert!(!refused("a = 1\nkey = sk-secret\n").contains("secret"));
        assert!(refused("[otel]\na = 1\n[otel]\n").starts_with("line 3, column "));
        assert!(refused("otel = 1\n").contains("otel is not a table"));
        assert!(refused("[otel]\nlog_user_prompt = [1]\n").contains("otel.log_user_prompt is not a single value"));
    }
}
